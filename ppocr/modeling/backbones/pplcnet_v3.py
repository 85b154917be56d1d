"""PP-LCNetV3, the mobile backbone of PP-OCRv4 and PP-OCRv5, for detection and for recognition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.checks import require_matching_task
from ppocr.modeling.common.layers import Size, SqueezeExcite, make_divisible
from ppocr.modeling.common.rep_layer import BranchConv, LearnableRepLayer
from ppocr.modeling.common.text_pooling import pool_text_line
from ppocr.registry import BACKBONES


class Row(NamedTuple):
    """One block; channels at scale 1."""

    kernel: int
    in_channels: int
    out_channels: int
    stride: Size = 1
    se: bool = False


FIRST = 16
TAPS = (16, 24, 56, 480)
"""Channels of a detector's maps at scale 1."""


def block_rows(det: bool) -> dict[str, tuple[Row, ...]]:
    """Return the blocks of each stage; text lines keep their width where photos are halved in both directions."""
    return {
        "blocks2": (Row(3, 16, 32),),
        "blocks3": (Row(3, 32, 64, 2 if det else 1), Row(3, 64, 64)),
        "blocks4": (Row(3, 64, 128, 2 if det else (2, 1)), Row(3, 128, 128)),
        "blocks5": (Row(3, 128, 256, 2 if det else (1, 2)), *[Row(5, 256, 256)] * 4),
        "blocks6": (Row(5, 256, 512, 2 if det else (2, 1), se=True), Row(5, 512, 512, se=True),
                    Row(5, 512, 512, 1 if det else (2, 1)), Row(5, 512, 512)),
    }


class LCNetV3Block(nn.Layer):
    """Depthwise layer, optional gates and 1x1 layer: [N, in, H, W] to [N, out, H', W'].

    Args:
        row: Kernel, channels (of this network, not at scale 1), stride and gates.
        branches, lr_mult, lab_lr, reparameterized: See `LearnableRepLayer`.
    """

    def __init__(self, row: Row, *, branches: int, lr_mult: float, lab_lr: float, reparameterized: bool) -> None:
        super().__init__()
        options: dict[str, Any] = {"branches": branches, "lr_mult": lr_mult, "lab_lr": lab_lr,
                                   "reparameterized": reparameterized}
        self.dw_conv = LearnableRepLayer(row.in_channels, row.in_channels, row.kernel, stride=row.stride,
                                         groups=row.in_channels, **options)
        self.se = SqueezeExcite(row.in_channels) if row.se else None
        self.pw_conv = LearnableRepLayer(row.in_channels, row.out_channels, 1, **options)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        x = self.dw_conv(x)
        if self.se is not None:
            x = self.se(x)
        return self.pw_conv(x)


@BACKBONES.register(tasks=("det", "rec"))
class PPLCNetV3(nn.Layer):
    """PP-LCNetV3.

    For detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32. For recognition:
    [N, 3, 48, W] to [N, 512 * scale, 1, W / 8].

    Args:
        in_channels: Channels of the image.
        scale: Width multiplier, 1/16 or more; widths are rounded to multiples of 16.
        conv_kxk_num: Parallel convolutions of each layer while training, 1 or more.
        lr_mult_list: Factors of the learning rate for the first convolution and the five stages.
        lab_lr: Further factor for the scalars after convolutions and activations.
        det: Whether it serves a detector; must agree with model_type.
        reparameterized: Build the merged form, which has one convolution for each layer. It takes the weights of
            exported models, and trains.
        task: The model_type.

    Raises:
        ConfigError: A value out of range, or `det` that contradicts the model_type.
    """

    def __init__(
        self,
        in_channels: int = 3,
        scale: float = 1.0,
        conv_kxk_num: int = 4,
        lr_mult_list: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        lab_lr: float = 0.1,
        det: bool = False,
        reparameterized: bool = False,
        task: str | None = None,
    ) -> None:
        super().__init__()
        _check(scale, conv_kxk_num, lr_mult_list)
        require_matching_task("det", det, task)
        first = make_divisible(FIRST * scale, 16)
        self.conv1 = BranchConv(in_channels, first, 3, 2, lr_mult=lr_mult_list[0])
        self.stage_names: list[str] = []
        widths = []
        for (name, rows), lr_mult in zip(block_rows(det).items(), lr_mult_list[1:], strict=True):
            self.add_sublayer(name, nn.Sequential(*[
                LCNetV3Block(row._replace(in_channels=make_divisible(row.in_channels * scale, 16),
                                          out_channels=make_divisible(row.out_channels * scale, 16)),
                             branches=conv_kxk_num, lr_mult=lr_mult, lab_lr=lab_lr, reparameterized=reparameterized)
                for row in rows
            ]))
            self.stage_names.append(name)
            widths.append(make_divisible(rows[-1].out_channels * scale, 16))
        self.out_channels: Any = widths[-1]
        self.layer_list = None
        if det:
            self.out_channels = [int(channels * scale) for channels in TAPS]
            self.layer_list = nn.LayerList([
                nn.Conv2D(width, out, 1) for width, out in zip(widths[1:], self.out_channels, strict=True)
            ])

    @property
    def chain(self) -> tuple[str, ...]:
        """Parts of a recognizer's backbone that run one after another, see `up_to`; a detector's is no chain."""
        return ("conv1", *self.stage_names) if self.layer_list is None else ()

    def up_to(self, images: Any, last: str) -> Any:
        """Return what the parts of the chain up to one make of images; `after` goes on from there."""
        x = images
        for name in self.chain[:self.chain.index(last) + 1]:
            x = getattr(self, name)(x)
        return x

    def after(self, x: Any, last: str) -> Any:
        """Return the feature map for what `up_to` returned."""
        for name in self.chain[self.chain.index(last) + 1:]:
            x = getattr(self, name)(x)
        return pool_text_line(x, training=self.training)

    def forward(self, images: Any) -> Any:
        """Return the four maps of a detector, the largest first, or the feature map of a recognizer."""
        x = self.conv1(images)
        maps = []
        for name in self.stage_names:
            x = getattr(self, name)(x)
            maps.append(x)
        if self.layer_list is None:
            return pool_text_line(x, training=self.training)
        return [layer(maps[index + 1]) for index, layer in enumerate(self.layer_list)]


def _check(scale: float, conv_kxk_num: int, lr_mult_list: Sequence[float]) -> None:
    def fail(key: str, value: Any, expected: str, example: str) -> None:
        raise ConfigError(f"Architecture.Backbone.{key} is {value}", expected=expected, cure=f"write {example}")

    if not scale >= 1 / FIRST:
        fail("scale", scale, "a width multiplier of 1/16 or more",
             "0.75 (published detectors) or 0.95 (published recognizers)")
    if conv_kxk_num < 1:
        fail("conv_kxk_num", conv_kxk_num, "1 or more convolutions side by side", "4, as in the published models")
    if len(lr_mult_list) != 6:
        fail("lr_mult_list", list(lr_mult_list), "six factors: of the first convolution and of five stages",
             "[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]")
