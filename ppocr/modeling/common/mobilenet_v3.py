"""What the MobileNetV3 networks (Howard et al. 2019) share: the tables of the paper and its inverted residual."""

from __future__ import annotations

from typing import Any, NamedTuple

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvBN, Size, SqueezeExcite

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
