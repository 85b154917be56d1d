"""ResNet-vd (He et al. 2016, with the tweaks B, C and D of He et al. 2019, "Bag of Tricks") for text lines."""

from __future__ import annotations

from typing import Any, Literal

import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.common.layers import ConvBatchNorm, Size
from ppocr.registry import BACKBONES

DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 12, 48, 3),
}
FILTERS = (64, 128, 256, 512)


class Shortcut(ConvBatchNorm):
    """The shortcut of a block that changes the shape: mean pooling where it strides, then a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: Size) -> None:
        super().__init__(in_channels, out_channels, 1)
        self.pool = None if stride == 1 else stride

    def forward(self, x: Any) -> Any:
        """Return `x` in the shape of the block's output."""
        if self.pool is not None:
            x = F.avg_pool2d(x, self.pool, stride=self.pool, ceil_mode=True)
        return super().forward(x)


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions and the shortcut: [N, in, H, W] to [N, filters, H', W']."""

    expansion = 1

    def __init__(self, in_channels: int, filters: int, stride: Size, reshapes: bool) -> None:
        super().__init__()
        self.conv0 = ConvBatchNorm(in_channels, filters, 3, stride=stride, act="relu")
        self.conv1 = ConvBatchNorm(filters, filters, 3)
        self.short = Shortcut(in_channels, filters, stride) if reshapes else None

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        short = x if self.short is None else self.short(x)
        return F.relu(short + self.conv1(self.conv0(x)))


class BottleneckBlock(nn.Layer):
    """1x1, 3x3 and 1x1 convolutions and the shortcut: [N, in, H, W] to [N, 4 * filters, H', W']."""

    expansion = 4

    def __init__(self, in_channels: int, filters: int, stride: Size, reshapes: bool) -> None:
        super().__init__()
        self.conv0 = ConvBatchNorm(in_channels, filters, 1, act="relu")
        self.conv1 = ConvBatchNorm(filters, filters, 3, stride=stride, act="relu")
        self.conv2 = ConvBatchNorm(filters, filters * self.expansion, 1)
        self.short = Shortcut(in_channels, filters * self.expansion, stride) if reshapes else None

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        short = x if self.short is None else self.short(x)
        return F.relu(short + self.conv2(self.conv1(self.conv0(x))))


@BACKBONES.register(tasks=("rec",))
class ResNet(nn.Layer):
    """ResNet-vd for text lines: [N, 3, 32, W] to [N, out_channels, 1, W / 4].

    Args:
        in_channels: Channels of the image.
        layers: Depth; 512 output channels for 18 and 34, 2048 for the others.
    """

    def __init__(self, in_channels: int = 3, layers: Literal[18, 34, 50, 101, 152, 200] = 50) -> None:
        super().__init__()
        block = BasicBlock if layers < 50 else BottleneckBlock
        self.conv1_1 = ConvBatchNorm(in_channels, 32, 3, act="relu")
        self.conv1_2 = ConvBatchNorm(32, 32, 3, act="relu")
        self.conv1_3 = ConvBatchNorm(32, 64, 3, act="relu")
        self.block_names: list[str] = []
        channels = 64
        for stage, (depth, filters) in enumerate(zip(DEPTHS[layers], FILTERS, strict=True)):
            for index in range(depth):
                stride: Size = (2, 1) if stage and index == 0 else 1
                name = f"bb_{stage}_{index}"
                self.add_sublayer(name, block(channels, filters, stride, reshapes=index == 0))
                self.block_names.append(name)
                channels = filters * block.expansion
        self.out_channels = channels

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        x = self.conv1_3(self.conv1_2(self.conv1_1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for name in self.block_names:
            x = getattr(self, name)(x)
        return F.max_pool2d(x, 2, stride=2)
