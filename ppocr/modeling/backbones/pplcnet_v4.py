"""PP-LCNetV4, the backbone of PP-OCRv6, for detection and for recognition.

Blocks in the form of a transformer (MetaFormer, Yu et al. 2022): a depthwise convolution mixes places, two 1x1
convolutions mix channels.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import paddle
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant

from ppocr.modeling.common.checks import require_matching_task
from ppocr.modeling.common.convolution import DepthwiseConv2D
from ppocr.modeling.common.layers import ConvBN, Size, SqueezeExcite, activation
from ppocr.modeling.common.reparam import (
    fold_norm,
    grow,
    identity_kernel,
    merged_convolution,
    scale_by_norm,
    total,
)
from ppocr.modeling.common.text_pooling import pool_text_line
from ppocr.registry import BACKBONES

ModelSize = Literal["tiny", "small", "medium"]
KERNEL = 3


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride, those that `gates` numbers have channel gates."""

    out_channels: int
    blocks: int
    gates: tuple[int, ...] = ()
    stride: Size = 1


DETECTION: dict[str, tuple[tuple[int, int], tuple[Stage, ...]]] = {
    "tiny": ((16, 32), (Stage(32, 2, (0,)), Stage(48, 3, (1,), 2), Stage(64, 5, (1, 3), 2), Stage(160, 3, (1,), 2))),
    "small": ((24, 48), (Stage(48, 2, (0,)), Stage(96, 3, (1,), 2), Stage(192, 5, (1, 3), 2),
                         Stage(384, 3, (1,), 2))),
    "medium": ((64, 128), (Stage(128, 2, (0,)), Stage(256, 3, (1,), 2), Stage(512, 5, (1, 3), 2),
                           Stage(896, 3, (1,), 2))),
}
"""Inner and outer channels of the stem, and the stages, whose outputs are the four maps."""

RECOGNITION: dict[str, tuple[tuple[int, int], tuple[Stage, ...]]] = {
    "tiny": ((24, 48), (Stage(48, 1, (0,)), Stage(48, 1), Stage(96, 3, (1,), (2, 1)), Stage(160, 4, (1,), (2, 1)))),
    "small": ((48, 96), (Stage(96, 1, (0,)), Stage(96, 2), Stage(192, 7, (1, 3, 5), (2, 1)),
                         Stage(384, 3, (1,), (2, 1)))),
    "medium": ((64, 128), (Stage(128, 1, (0,)), Stage(256, 3, (2,)), Stage(512, 7, (1, 3, 5), (2, 1)),
                           Stage(768, 3, (1,), (2, 1)))),
}
"""As `DETECTION`, for text lines."""


class FoldingConv(nn.Layer):
    """Convolution, batch norm and activation; `rep` folds the norm: `conv` and `bn` become `reparam_conv`.

    Args:
        in_channels, out_channels: Channels.
        kernel_size: 1, 3, or 2, whose map grows by a row below and a column to the right before, to keep its size.
        stride: One step, or (vertical, horizontal).
        groups: Convolution groups; `in_channels` makes it depthwise.
        act: Name of the activation.
        silent: Let the batch norm start at zero, so that a block begins as what its shortcut passes on.
        reparameterized: Build the merged form.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: Size = 1, groups: int = 1,
                 act: str = "none", silent: bool = False, reparameterized: bool = False) -> None:
        super().__init__()
        convolution = DepthwiseConv2D if groups == in_channels == out_channels else nn.Conv2D
        self.stride, self.groups, self.is_repped = stride, groups, False
        self.padding: Any = "SAME" if kernel_size == 2 else kernel_size // 2
        self.conv = convolution(in_channels, out_channels, kernel_size, stride=stride, padding=self.padding,
                                groups=groups, bias_attr=False)
        self.bn = nn.BatchNorm2D(out_channels,
                                 weight_attr=ParamAttr(initializer=Constant(0.0)) if silent else None)
        self.act = activation(act)
        if reparameterized:
            self.rep()

    def forward(self, x: Any) -> Any:
        """Return the activated, normalised convolution."""
        return self.act(self.reparam_conv(x) if self.is_repped else self.bn(self.conv(x)))

    def rep(self) -> None:
        """Fold the batch norm."""
        if self.is_repped:
            return
        self.reparam_conv = merged_convolution(fold_norm(self.conv, self.bn), stride=self.stride, padding=self.padding,
                                               groups=self.groups)
        del self.conv, self.bn
        self.is_repped = True


class RepDepthwise(nn.Layer):
    """``bn(conv3x3(x) + conv1x1(x) + x)``, depthwise, [N, C, H, W] to the same; `rep` makes it `reparam_conv`."""

    def __init__(self, channels: int, reparameterized: bool) -> None:
        super().__init__()
        self.channels, self.is_repped = channels, False
        self.conv = ConvBN(channels, channels, KERNEL, groups=channels)
        self.conv1 = nn.Conv2D(channels, channels, 1, groups=channels, bias_attr=False)
        self.bn = nn.BatchNorm2D(channels)
        if reparameterized:
            self.rep()

    def forward(self, x: Any) -> Any:
        """Return the normalised sum."""
        return self.reparam_conv(x) if self.is_repped else self.bn(self.conv(x) + self.conv1(x) + x)

    def rep(self) -> None:
        """Merge the branches and the batch norms."""
        if self.is_repped:
            return
        point = grow(self.conv1.weight, KERNEL), paddle.zeros([self.channels])
        branches = [fold_norm(self.conv.conv, self.conv.bn), point,
                    identity_kernel(self.channels, self.channels, KERNEL)]
        self.reparam_conv = merged_convolution(scale_by_norm(total(branches), self.bn), padding=KERNEL // 2,
                                               groups=self.channels)
        del self.conv, self.conv1, self.bn
        self.is_repped = True


class TokenMixer(nn.Layer):
    """Depthwise convolution, with branches where it keeps the shape, and optional channel gates."""

    def __init__(self, channels: int, stride: Size, keeps: bool, gates: bool, reparameterized: bool) -> None:
        super().__init__()
        self.keeps = keeps
        if keeps:
            self.rep_dw = RepDepthwise(channels, reparameterized)
        else:
            self.dw_conv = FoldingConv(channels, channels, KERNEL, stride=stride, groups=channels,
                                       reparameterized=reparameterized)
        self.se = SqueezeExcite(channels) if gates else None

    def forward(self, x: Any) -> Any:
        """Return the mixed map."""
        x = self.rep_dw(x) if self.keeps else self.dw_conv(x)
        return x if self.se is None else self.se(x)


class ChannelMixer(nn.Layer):
    """1x1 convolution to twice the channels, GELU, 1x1 convolution: [N, in, H, W] to [N, out, H, W]."""

    def __init__(self, in_channels: int, out_channels: int, silent: bool, reparameterized: bool) -> None:
        super().__init__()
        self.expand = FoldingConv(in_channels, 2 * in_channels, 1, act="gelu", reparameterized=reparameterized)
        self.compress = FoldingConv(2 * in_channels, out_channels, 1, silent=silent, reparameterized=reparameterized)

    def forward(self, x: Any) -> Any:
        """Return the mixed map."""
        return self.compress(self.expand(x))


class LCNetV4Block(nn.Layer):
    """Token mixer, then channel mixer, around which a shortcut leads where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, stride: Size, gates: bool, reparameterized: bool) -> None:
        super().__init__()
        self.keeps = stride == 1 and in_channels == out_channels
        self.token_mixer = TokenMixer(in_channels, stride, self.keeps, gates, reparameterized)
        self.channel_mixer = ChannelMixer(in_channels, out_channels, self.keeps, reparameterized)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        x = self.token_mixer(x)
        return x + self.channel_mixer(x) if self.keeps else self.channel_mixer(x)


class BranchingStem(nn.Layer):
    """The start of the network, with a pooled and a convolved path: [N, 3, H, W] to [N, out, H / 4, W / 4]."""

    def __init__(self, in_channels: int, inner: int, out_channels: int, reparameterized: bool) -> None:
        super().__init__()
        options: dict[str, Any] = {"act": "relu", "reparameterized": reparameterized}
        self.stem1 = FoldingConv(in_channels, inner, 3, stride=2, **options)
        self.stem2a = FoldingConv(inner, inner // 2, 2, **options)
        self.stem2b = FoldingConv(inner // 2, inner, 2, **options)
        self.stem3 = FoldingConv(2 * inner, inner, 3, stride=2, **options)
        self.stem4 = FoldingConv(inner, out_channels, 1, **options)
        self.pool = nn.MaxPool2D(2, stride=1, padding="SAME")

    def forward(self, images: Any) -> Any:
        """Return the first map."""
        x = self.stem1(images)
        convolved = self.stem2b(self.stem2a(x))
        return self.stem4(self.stem3(paddle.concat([self.pool(x), convolved], axis=1)))


def plain_stem(in_channels: int, inner: int, out_channels: int, reparameterized: bool) -> nn.Sequential:
    """Return the start of the smallest recognizer: [N, 3, H, W] to [N, out, H / 4, W / 4]."""
    return nn.Sequential(FoldingConv(in_channels, inner, 3, stride=2, reparameterized=reparameterized), nn.GELU(),
                         FoldingConv(inner, out_channels, 3, stride=2, reparameterized=reparameterized))


def build_stage(in_channels: int, stage: Stage, reparameterized: bool) -> nn.Sequential:
    """Return the blocks of a stage."""
    return nn.Sequential(*[
        LCNetV4Block(stage.out_channels if number else in_channels, stage.out_channels, 1 if number else stage.stride,
                     number in stage.gates, reparameterized)
        for number in range(stage.blocks)
    ])


@BACKBONES.register("PPLCNetV4", tasks=("det",))
class PPLCNetV4Det(nn.Layer):
    """PP-LCNetV4 for detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32.

    Args:
        in_channels: Channels of the image.
        model_size: Width and depth.
        det: Whether it serves a detector; must be true.
        reparameterized: Build the merged form, one convolution for each layer and no batch norm. It takes the weights
            of exported models, and trains.
        task: The model_type.

    Raises:
        ConfigError: `det` is false.
    """

    def __init__(self, in_channels: int = 3, model_size: ModelSize = "small", det: bool = False,
                 reparameterized: bool = False, task: str | None = None) -> None:
        super().__init__()
        require_matching_task("det", det, task)
        (inner, width), stages = DETECTION[model_size]
        self.stem = BranchingStem(in_channels, inner, width, reparameterized)
        self.out_channels: list[int] = []
        for number, stage in enumerate(stages, 1):
            self.add_sublayer(f"blocks_s{number}", build_stage(width, stage, reparameterized))
            width = stage.out_channels
            self.out_channels.append(width)

    def forward(self, images: Any) -> list[Any]:
        """Return the four maps, the largest first."""
        x = self.stem(images)
        maps = []
        for number in range(1, len(self.out_channels) + 1):
            x = getattr(self, f"blocks_s{number}")(x)
            maps.append(x)
        return maps


@BACKBONES.register("PPLCNetV4", tasks=("rec",))
class PPLCNetV4Rec(nn.Layer):
    """PP-LCNetV4 for text lines: [N, 3, 48, W] to [N, out_channels, 1, W / 8].

    Args:
        in_channels: Channels of the image.
        model_size: Width and depth.
        det: Whether it serves a detector; must be false.
        reparameterized: Build the merged form, one convolution for each layer and no batch norm. It takes the weights
            of exported models, and trains.
        task: The model_type.

    Raises:
        ConfigError: `det` is true.
    """

    def __init__(self, in_channels: int = 3, model_size: ModelSize = "small", det: bool = False,
                 reparameterized: bool = False, task: str | None = None) -> None:
        super().__init__()
        require_matching_task("det", det, task)
        (inner, width), stages = RECOGNITION[model_size]
        stem = plain_stem if model_size == "tiny" else BranchingStem
        self.conv1 = stem(in_channels, inner, width, reparameterized)
        self.stage_names: list[str] = []
        for number, stage in enumerate(stages, 2):
            self.add_sublayer(f"blocks{number}", build_stage(width, stage, reparameterized))
            self.stage_names.append(f"blocks{number}")
            width = stage.out_channels
        self.out_channels = width

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        x = self.conv1(images)
        for name in self.stage_names:
            x = getattr(self, name)(x)
        return pool_text_line(x, training=self.training)
