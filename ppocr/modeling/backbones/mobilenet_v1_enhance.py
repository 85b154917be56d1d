"""MobileNetV1 with wide kernels, gates and hard-swish: the recognizer of PP-OCRv2 (Du et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from paddle import nn
from paddle.nn.initializer import KaimingNormal

from ppocr.errors import ConfigError
from ppocr.modeling.common.checks import require_pair
from ppocr.modeling.common.layers import ConvBatchNorm, Size, SqueezeExcite
from ppocr.registry import BACKBONES


class Row(NamedTuple):
    """One depthwise-separable block; channels at scale 1."""

    kernel: int
    in_channels: int
    out_channels: int
    stride: Size = 1
    se: bool = False


ROWS = (
    Row(3, 32, 64),
    Row(3, 64, 128),
    Row(3, 128, 128),
    Row(3, 128, 256, (2, 1)),
    Row(3, 256, 256),
    Row(3, 256, 512, (2, 1)),
    *[Row(5, 512, 512)] * 5,
    Row(5, 512, 1024, (2, 1), se=True),
    Row(5, 1024, 1024, se=True),
)


def _conv(in_channels: int, out_channels: int, kernel: int, *, stride: Size = 1, groups: int = 1) -> ConvBatchNorm:
    return ConvBatchNorm(in_channels, out_channels, kernel, stride=stride, groups=groups, act="hardswish",
                         weight_init=KaimingNormal(), decay_norm=False)


class DepthwiseSeparable(nn.Layer):
    """Depthwise convolution, optional gates, 1x1 convolution: [N, in, H, W] to [N, out, H', W']."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: Size, se: bool) -> None:
        super().__init__()
        self._depthwise_conv = _conv(in_channels, in_channels, kernel, stride=stride, groups=in_channels)
        self._se = SqueezeExcite(in_channels) if se else None
        self._pointwise_conv = _conv(in_channels, out_channels, 1)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        x = self._depthwise_conv(x)
        if self._se is not None:
            x = self._se(x)
        return self._pointwise_conv(x)


@BACKBONES.register(tasks=("rec", "cls"))
class MobileNetV1Enhance(nn.Layer):
    """MobileNetV1 for text lines: [N, 3, 32, W] to [N, 1024 * scale, 1, W / 4] with the default pooling.

    Args:
        in_channels: Channels of the image.
        scale: Width multiplier; every width must stay a whole number.
        last_conv_stride: Stride of the last block, one number or [vertical, horizontal].
        last_pool_type: ``max`` pools 2x2; ``avg`` pools `last_pool_kernel_size`.
        last_pool_kernel_size: Height and width of the mean pooling, [3, 2] by default.

    Raises:
        ConfigError: A scale that leaves no whole widths, or a size that is not a pair.
    """

    def __init__(
        self,
        in_channels: int = 3,
        scale: float = 0.5,
        last_conv_stride: int | Sequence[int] = 1,
        last_pool_type: Literal["max", "avg"] = "max",
        last_pool_kernel_size: Sequence[int] = (3, 2),
    ) -> None:
        super().__init__()
        first = int(32 * scale)
        # The gates need a quarter of the wider blocks' channels; all widths are multiples of the first.
        if first < 1 or first != 32 * scale:
            raise ConfigError(f"Architecture.Backbone.scale is {scale}",
                              expected="a multiple of 1/32, such as 0.25, 0.5 or 1.0", cure="choose another scale")
        self.conv1 = _conv(in_channels, first, 3, stride=2)
        rows = [*ROWS[:-1], ROWS[-1]._replace(stride=_stride(last_conv_stride))]
        self.block_list = nn.Sequential(*[
            DepthwiseSeparable(int(row.in_channels * scale), int(row.out_channels * scale), row.kernel, row.stride,
                               row.se)
            for row in rows
        ])
        if last_pool_type == "avg":
            window = require_pair(last_pool_kernel_size, "Architecture.Backbone.last_pool_kernel_size",
                                  "[vertical, horizontal]")
            self.pool = nn.AvgPool2D(window, stride=window)
        else:
            self.pool = nn.MaxPool2D(2, stride=2)
        self.out_channels = int(ROWS[-1].out_channels * scale)

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        return self.pool(self.block_list(self.conv1(images)))


def _stride(value: int | Sequence[int]) -> Size:
    if isinstance(value, int):
        return value
    return require_pair(value, "Architecture.Backbone.last_conv_stride", "one number, or [vertical, horizontal]")
