"""PP-HGNetV2 B4, the server backbone of PP-OCRv5, for detection and for recognition."""

from __future__ import annotations

from typing import Any, NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn

from ppocr.errors import ConfigError
from ppocr.modeling.backbones.pphgnet_small import DET_STRIDES, LAYERS, REC_STRIDES, conv_bn
from ppocr.modeling.common.checks import require_matching_task
from ppocr.modeling.common.layers import Size
from ppocr.modeling.common.text_pooling import pool_text_line
from ppocr.registry import BACKBONES

STEM = (32, 48)
"""Channels within and after the stem."""

CLASSES = 1000
"""Classes of the image classifier whose last layers the published recognizers carry along."""


class Stage(NamedTuple):
    """A stage.

    Attributes:
        in_channels, mid_channels, out_channels: Channels.
        blocks: Number of blocks.
        light: Whether a layer is a 1x1 and a depthwise convolution, instead of a full one.
        kernel: Kernel of the layers.
    """

    in_channels: int
    mid_channels: int
    out_channels: int
    blocks: int
    light: bool
    kernel: int


STAGES = (Stage(48, 48, 128, 1, False, 3), Stage(128, 96, 512, 1, False, 3), Stage(512, 192, 1024, 3, True, 5),
          Stage(1024, 384, 2048, 1, True, 5))


class HGStem(nn.Layer):
    """The first convolutions: [N, in, H, W] to [N, out, H / 4, W / 4], or a half of the size.

    Args:
        in_channels, mid_channels, out_channels: Channels.
        last_stride: 2, or 1 to halve once only.
    """

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, last_stride: int) -> None:
        super().__init__()
        self.stem1 = conv_bn(in_channels, mid_channels, 3, 2)
        self.stem2a = conv_bn(mid_channels, mid_channels // 2, 2)
        self.stem2b = conv_bn(mid_channels // 2, mid_channels, 2)
        self.stem3 = conv_bn(mid_channels * 2, mid_channels, 3, last_stride)
        self.stem4 = conv_bn(mid_channels, out_channels, 1)

    def forward(self, images: Any) -> Any:
        """Return the map."""
        # One more row below and one more column at the right keep the size under kernels of 2. Zeros never win the
        # maximum, as the map has passed a ReLU.
        x = F.pad(self.stem1(images), [0, 1, 0, 1])
        pooled = F.max_pool2d(x, 2, stride=1)
        x = self.stem2b(F.pad(self.stem2a(x), [0, 1, 0, 1]))
        return self.stem4(self.stem3(paddle.concat([pooled, x], axis=1)))


class LightLayer(nn.Layer):
    """1x1 convolution and depthwise convolution, [N, in, H, W] to [N, out, H, W]."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = conv_bn(in_channels, out_channels, 1, act="none")
        self.conv2 = conv_bn(out_channels, out_channels, kernel, depthwise=True)

    def forward(self, x: Any) -> Any:
        """Return the layer's output."""
        return self.conv2(self.conv1(x))


class HGBlock(nn.Layer):
    """Six layers in a row whose outputs are all put together and squeezed: [N, in, H, W] to [N, out, H, W].

    Args:
        plan: The stage.
        in_channels: Channels of the input.
        residual: Add the input to the output.
    """

    def __init__(self, plan: Stage, in_channels: int, residual: bool) -> None:
        super().__init__()
        mid, out = plan.mid_channels, plan.out_channels
        layer = LightLayer if plan.light else conv_bn
        self.layers = nn.LayerList([layer(mid if index else in_channels, mid, plan.kernel) for index in range(LAYERS)])
        self.aggregation_squeeze_conv = conv_bn(in_channels + LAYERS * mid, out // 2, 1)
        self.aggregation_excitation_conv = conv_bn(out // 2, out, 1)
        self.residual = residual

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        out = self.aggregation_excitation_conv(self.aggregation_squeeze_conv(paddle.concat(maps, axis=1)))
        return out + x if self.residual else out


class HGStage(nn.Layer):
    """Depthwise convolution with a stride, if any, then blocks: [N, in, H, W] to [N, out, H', W']."""

    def __init__(self, plan: Stage, stride: Size | None) -> None:
        super().__init__()
        self.downsample = None if stride is None else conv_bn(plan.in_channels, plan.in_channels, 3, stride,
                                                              depthwise=True, act="none")
        self.blocks = nn.Sequential(*[
            HGBlock(plan, plan.out_channels if index else plan.in_channels, index > 0) for index in range(plan.blocks)
        ])

    def forward(self, x: Any) -> Any:
        """Return the stage's output."""
        return self.blocks(x if self.downsample is None else self.downsample(x))


@BACKBONES.register("PPHGNetV2_B4", tasks=("det", "rec"))
class PPHGNetV2B4(nn.Layer):
    """PP-HGNetV2 B4.

    For detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32. For recognition:
    [N, 3, 48, W] to [N, 2048, 1, W / 8].

    The published weights carry along the last layers of an image classifier, `last_conv` and (recognizers only) `fc`.
    They are here for the names; nothing uses or trains them.

    Args:
        in_channels: Channels of the image.
        det: Whether it serves a detector; must agree with model_type.
        text_rec: Whether it serves a recognizer; must agree with model_type.
        task: The model_type.

    Raises:
        ConfigError: `det` or `text_rec` contradicts the model_type, or they contradict each other.
    """

    training_only = ("last_conv", "fc")

    def __init__(self, in_channels: int = 3, det: bool = False, text_rec: bool = False,
                 task: str | None = None) -> None:
        super().__init__()
        require_matching_task("det", det, task)
        require_matching_task("text_rec", text_rec, task)
        if det == text_rec:
            raise ConfigError(f"Architecture.Backbone has det and text_rec both {str(det).lower()}",
                              expected="one of them true", cure="set det: true for detection, text_rec: true otherwise")
        self.stem = HGStem(in_channels, *STEM, last_stride=2 if det else 1)
        strides = DET_STRIDES if det else REC_STRIDES
        self.stages = nn.LayerList([HGStage(plan, stride) for plan, stride in zip(STAGES, strides, strict=True)])
        widths = [plan.out_channels for plan in STAGES]
        idle = ParamAttr(trainable=False)
        self.last_conv = nn.Conv2D(widths[-1], widths[-1], 1, weight_attr=idle, bias_attr=False)
        self.fc = None if det else nn.Linear(widths[-1], CLASSES, weight_attr=idle, bias_attr=idle)
        self.det = det
        self.out_channels: Any = widths if det else widths[-1]

    def forward(self, images: Any) -> Any:
        """Return the four maps of a detector, the largest first, or the feature map of a recognizer."""
        x = self.stem(images)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps if self.det else pool_text_line(x, training=self.training)
