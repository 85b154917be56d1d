"""MobileNetV3 (Howard et al. 2019) for text lines: most strides are vertical, the width is kept for the characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvBN, Size, SqueezeExcite, make_divisible
from ppocr.registry import BACKBONES

SCALES = (0.35, 0.5, 0.75, 1.0, 1.25)
SE_SLOPE = 0.2


class Row(NamedTuple):
    """One inverted residual of the paper's tables 1 and 2; `expand` and `out` are channels at scale 1."""

    kernel: int
    expand: int
    out: int
    se: bool
    act: str
    stride: int = 1


LARGE = (
    Row(3, 16, 16, False, "relu"),
    Row(3, 64, 24, False, "relu", 2),
    Row(3, 72, 24, False, "relu"),
    Row(5, 72, 40, True, "relu", 2),
    Row(5, 120, 40, True, "relu"),
    Row(5, 120, 40, True, "relu"),
    Row(3, 240, 80, False, "hardswish", 2),
    Row(3, 200, 80, False, "hardswish"),
    Row(3, 184, 80, False, "hardswish"),
    Row(3, 184, 80, False, "hardswish"),
    Row(3, 480, 112, True, "hardswish"),
    Row(3, 672, 112, True, "hardswish"),
    Row(5, 672, 160, True, "hardswish", 2),
    Row(5, 960, 160, True, "hardswish"),
    Row(5, 960, 160, True, "hardswish"),
)
SMALL = (
    Row(3, 16, 16, True, "relu", 2),
    Row(3, 72, 24, False, "relu", 2),
    Row(3, 88, 24, False, "relu"),
    Row(5, 96, 40, True, "hardswish", 2),
    Row(5, 240, 40, True, "hardswish"),
    Row(5, 240, 40, True, "hardswish"),
    Row(5, 120, 48, True, "hardswish"),
    Row(5, 144, 48, True, "hardswish"),
    Row(5, 288, 96, True, "hardswish", 2),
    Row(5, 576, 96, True, "hardswish"),
    Row(5, 576, 96, True, "hardswish"),
)
ROWS = {"large": LARGE, "small": SMALL}
LAST = {"large": 960, "small": 576}
STRIDED_ROWS = {"large": (0, 1, 3, 12), "small": (0, 1, 3, 8)}


def text_line_strides(model_name: Literal["large", "small"], stride: Sequence[int]) -> list[Size]:
    """Return the stride of each row for text lines: vertical steps at four rows, of the sizes that `stride` names."""
    rows = ROWS[model_name]
    strides: list[Size] = [1] * len(rows)
    for row, step in zip(STRIDED_ROWS[model_name], stride, strict=True):
        strides[row] = (step, 1)
    if model_name == "large":
        strides[0] = stride[0]
    return strides


class InvertedResidual(nn.Layer):
    """1x1 expansion, depthwise convolution, optional gates, 1x1 projection: [N, in, H, W] to [N, out, H', W'].

    The input is added where the channels are equal and `stride` is the number 1. A pair such as (1, 1) adds nothing:
    published weights were trained so.
    """

    def __init__(self, in_channels: int, expand: int, out_channels: int, kernel: int, stride: Size, act: str,
                 se: bool) -> None:
        super().__init__()
        self.adds_input = stride == 1 and in_channels == out_channels
        self.expand_conv = ConvBN(in_channels, expand, 1, act=act)
        self.bottleneck_conv = ConvBN(expand, expand, kernel, stride=stride, groups=expand, act=act)
        self.mid_se = SqueezeExcite(expand, slope=SE_SLOPE) if se else None
        self.linear_conv = ConvBN(expand, out_channels, 1)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        y = self.bottleneck_conv(self.expand_conv(x))
        if self.mid_se is not None:
            y = self.mid_se(y)
        y = self.linear_conv(y)
        return x + y if self.adds_input else y


def check_scale(scale: float) -> None:
    """Raise ConfigError unless the width multiplier is one of the published ones."""
    if scale not in SCALES:
        raise ConfigError(f"Architecture.Backbone.scale is {scale}",
                          expected="one of " + ", ".join(str(known) for known in SCALES),
                          cure="choose one of the widths for which networks and weights are published")


@BACKBONES.register(tasks=("rec", "cls"))
class MobileNetV3(nn.Layer):
    """MobileNetV3 for text lines: [N, 3, 32, W] to [N, out_channels, 1, W / 4] with the default strides.

    Args:
        in_channels: Channels of the image.
        model_name: The paper's large or small network.
        scale: Width multiplier: 0.35, 0.5, 0.75, 1.0 or 1.25.
        large_stride: For the large network, the strides of the row 0 (both directions) and the rows 1, 3 and 12
            (vertical); [1, 2, 2, 2] by default.
        small_stride: For the small network, the vertical strides of the rows 0, 1, 3 and 8; [2, 2, 2, 2] by default.
        disable_se: Leave out the channel gates.

    Raises:
        ConfigError: Another scale, or not four strides.
    """

    def __init__(
        self,
        in_channels: int = 3,
        model_name: Literal["large", "small"] = "small",
        scale: float = 0.5,
        large_stride: Sequence[int] | None = None,
        small_stride: Sequence[int] | None = None,
        disable_se: bool = False,
    ) -> None:
        super().__init__()
        check_scale(scale)
        given = {"large": large_stride, "small": small_stride}[model_name]
        stride = given if given is not None else {"large": (1, 2, 2, 2), "small": (2, 2, 2, 2)}[model_name]
        if len(stride) != 4:
            raise ConfigError(f"Architecture.Backbone.{model_name}_stride is {list(stride)}",
                              expected="a list of four strides", cure="write four whole numbers, such as [1, 2, 2, 2]")
        channels = make_divisible(16 * scale)
        self.conv1 = ConvBN(in_channels, channels, 3, stride=2, act="hardswish")
        blocks = []
        for row, step in zip(ROWS[model_name], text_line_strides(model_name, stride), strict=True):
            out = make_divisible(row.out * scale)
            blocks.append(InvertedResidual(channels, make_divisible(row.expand * scale), out, row.kernel, step, row.act,
                                           row.se and not disable_se))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.out_channels = make_divisible(LAST[model_name] * scale)
        self.conv2 = ConvBN(channels, self.out_channels, 1, act="hardswish")
        self.pool = nn.MaxPool2D(2, stride=2)

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        return self.pool(self.conv2(self.blocks(self.conv1(images))))
