"""What the residual networks (He et al. 2016) share: tables of depth, blocks and shortcuts."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant
from paddle.vision.ops import DeformConv2D

from ppocr.modeling.common.layers import ConvBatchNorm, Size

DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 12, 48, 3),
}
FILTERS = (64, 128, 256, 512)
OFFSET_GROUPS = 2


class PooledShortcut(ConvBatchNorm):
    """The shortcut of a block that changes the shape: mean pooling where it strides, then a 1x1 convolution.

    Tweak D of He et al. 2019, "Bag of Tricks"; `ConvBatchNorm` with a stride is the shortcut of the original network.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Size) -> None:
        super().__init__(in_channels, out_channels, 1)
        self.pool = None if stride == 1 else stride

    def forward(self, x: Any) -> Any:
        """Return `x` in the shape of the block's output."""
        if self.pool is not None:
            x = F.avg_pool2d(x, self.pool, stride=self.pool, ceil_mode=True)
        return super().forward(x)


class DeformableConv(nn.Layer):
    """Modulated deformable 3x3 convolution (Zhu et al. 2019): [N, in, H, W] to [N, out, H / stride, W / stride].

    A plain convolution predicts where each tap looks and how much it counts, for two groups of channels. It starts at
    zero: every tap in its place, at half weight.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Size) -> None:
        super().__init__()
        self.conv_dcn = DeformConv2D(in_channels, out_channels, 3, stride=stride, padding=1,
                                     deformable_groups=OFFSET_GROUPS, bias_attr=False)
        zeros = ParamAttr(initializer=Constant(0.0))
        self.conv_offset = nn.Conv2D(in_channels, OFFSET_GROUPS * 3 * 9, 3, stride=stride, padding=1, weight_attr=zeros,
                                     bias_attr=ParamAttr(initializer=Constant(0.0)))

    def forward(self, x: Any) -> Any:
        """Return the convolution."""
        offset, mask = paddle.split(self.conv_offset(x), [OFFSET_GROUPS * 2 * 9, OFFSET_GROUPS * 9], axis=1)
        return self.conv_dcn(x, offset, F.sigmoid(mask))


class DeformableConvBatchNorm(nn.Layer):
    """`ConvBatchNorm` with a deformable 3x3 convolution and ReLU if `act`."""

    def __init__(self, in_channels: int, out_channels: int, stride: Size, act: bool) -> None:
        super().__init__()
        self._conv = DeformableConv(in_channels, out_channels, stride)
        self._batch_norm = nn.BatchNorm2D(out_channels)
        self.act = act

    def forward(self, x: Any) -> Any:
        """Return the activated, normalised convolution of `x`."""
        x = self._batch_norm(self._conv(x))
        return F.relu(x) if self.act else x


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions and the shortcut: [N, in, H, W] to [N, filters, H', W'].

    Args:
        in_channels, filters: Channels.
        stride: Of the first convolution.
        short: The shortcut's layer; None adds the input as it is.
        deformable: Whether the second convolution is deformable.
    """

    expansion = 1

    def __init__(self, in_channels: int, filters: int, stride: Size, short: nn.Layer | None,
                 deformable: bool = False) -> None:
        super().__init__()
        self.conv0 = ConvBatchNorm(in_channels, filters, 3, stride=stride, act="relu")
        self.conv1 = (DeformableConvBatchNorm(filters, filters, 1, act=False) if deformable
                      else ConvBatchNorm(filters, filters, 3))
        self.short = short

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        short = x if self.short is None else self.short(x)
        return F.relu(short + self.conv1(self.conv0(x)))


class BottleneckBlock(nn.Layer):
    """1x1, 3x3 and 1x1 convolutions and the shortcut: [N, in, H, W] to [N, 4 * filters, H', W'].

    Args:
        in_channels, filters: Channels.
        stride: Of the 3x3 convolution.
        short: The shortcut's layer; None adds the input as it is.
        deformable: Whether the 3x3 convolution is deformable.
    """

    expansion = 4

    def __init__(self, in_channels: int, filters: int, stride: Size, short: nn.Layer | None,
                 deformable: bool = False) -> None:
        super().__init__()
        self.conv0 = ConvBatchNorm(in_channels, filters, 1, act="relu")
        self.conv1 = (DeformableConvBatchNorm(filters, filters, stride, act=True) if deformable
                      else ConvBatchNorm(filters, filters, 3, stride=stride, act="relu"))
        self.conv2 = ConvBatchNorm(filters, filters * self.expansion, 1)
        self.short = short

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        short = x if self.short is None else self.short(x)
        return F.relu(short + self.conv2(self.conv1(self.conv0(x))))


def block_class(layers: int) -> type[BasicBlock] | type[BottleneckBlock]:
    """Return the block of the network of that depth."""
    return BasicBlock if layers < 50 else BottleneckBlock
