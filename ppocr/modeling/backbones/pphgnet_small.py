"""PP-HGNet small, the server backbone of PP-OCRv4, for detection and for recognition."""

from __future__ import annotations

from typing import Any, NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.nn.initializer import KaimingNormal

from ppocr.modeling.common.checks import require_matching_task
from ppocr.modeling.common.layers import ConvBN, Size
from ppocr.modeling.common.text_pooling import pool_text_line
from ppocr.registry import BACKBONES

LAYERS = 6
"""Convolutions of a block."""

STEM = (64, 64, 128)


class Stage(NamedTuple):
    """Channels in, within and out of a stage, and its number of blocks."""

    in_channels: int
    mid_channels: int
    out_channels: int
    blocks: int


STAGES = (Stage(128, 128, 256, 1), Stage(256, 160, 512, 1), Stage(512, 192, 768, 2), Stage(768, 224, 1024, 1))
DET_STRIDES: tuple[Size | None, ...] = (None, 2, 2, 2)
REC_STRIDES: tuple[Size | None, ...] = ((2, 1), (1, 2), (2, 1), (2, 1))
"""Stride of the convolution at the start of each stage; None where there is none."""


def conv_bn(in_channels: int, out_channels: int, kernel: int, stride: Size = 1, *, depthwise: bool = False,
            act: str = "relu") -> ConvBN:
    """Return a convolution with batch norm and ReLU, as the networks of this family have it."""
    return ConvBN(in_channels, out_channels, kernel, stride=stride, groups=in_channels if depthwise else 1, act=act,
                  weight_init=KaimingNormal())


class ChannelAttention(nn.Layer):
    """Channel gates by one 1x1 convolution of the mean over the image (Lee and Park 2020), [N, C, H, W] to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2D(channels, channels, 1)

    def forward(self, x: Any) -> Any:
        """Return `x` times its gates."""
        return x * F.sigmoid(self.conv(F.adaptive_avg_pool2d(x, 1)))


class HGBlock(nn.Layer):
    """Six convolutions in a row whose outputs are all put together: [N, in, H, W] to [N, out, H, W].

    Args:
        in_channels, mid_channels, out_channels: Channels of the input, of each convolution and of the output.
        residual: Add the input to the output.
    """

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, residual: bool) -> None:
        super().__init__()
        self.layers = nn.LayerList([
            conv_bn(mid_channels if index else in_channels, mid_channels, 3) for index in range(LAYERS)
        ])
        self.aggregation_conv = conv_bn(in_channels + LAYERS * mid_channels, out_channels, 1)
        self.att = ChannelAttention(out_channels)
        self.residual = residual

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        out = self.att(self.aggregation_conv(paddle.concat(maps, axis=1)))
        return out + x if self.residual else out


class HGStage(nn.Layer):
    """Depthwise convolution with a stride, if any, then blocks: [N, in, H, W] to [N, out, H', W']."""

    def __init__(self, plan: Stage, stride: Size | None) -> None:
        super().__init__()
        self.downsample = None if stride is None else conv_bn(plan.in_channels, plan.in_channels, 3, stride,
                                                              depthwise=True, act="none")
        self.blocks = nn.Sequential(*[
            HGBlock(plan.out_channels if index else plan.in_channels, plan.mid_channels, plan.out_channels, index > 0)
            for index in range(plan.blocks)
        ])

    def forward(self, x: Any) -> Any:
        """Return the stage's output."""
        return self.blocks(x if self.downsample is None else self.downsample(x))


@BACKBONES.register("PPHGNet_small", tasks=("det", "rec"))
class PPHGNetSmall(nn.Layer):
    """PP-HGNet small.

    For detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32. For recognition:
    [N, 3, 48, W] to [N, 1024, 1, W / 8].

    Args:
        in_channels: Channels of the image.
        det: Whether it serves a detector; must agree with model_type.
        task: The model_type.

    Raises:
        ConfigError: `det` contradicts the model_type.
    """

    def __init__(self, in_channels: int = 3, det: bool = False, task: str | None = None) -> None:
        super().__init__()
        require_matching_task("det", det, task)
        self.stem = nn.Sequential(*[
            conv_bn(before, after, 3, 1 if index else 2)
            for index, (before, after) in enumerate(zip((in_channels, *STEM), STEM, strict=False))
        ])
        self.pool = nn.MaxPool2D(3, stride=2, padding=1) if det else None
        strides = DET_STRIDES if det else REC_STRIDES
        self.stages = nn.LayerList([HGStage(plan, stride) for plan, stride in zip(STAGES, strides, strict=True)])
        widths = [plan.out_channels for plan in STAGES]
        self.det = det
        self.out_channels: Any = widths if det else widths[-1]

    def forward(self, images: Any) -> Any:
        """Return the four maps of a detector, the largest first, or the feature map of a recognizer."""
        x = self.stem(images)
        if self.pool is not None:
            x = self.pool(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps if self.det else pool_text_line(x, training=self.training)
