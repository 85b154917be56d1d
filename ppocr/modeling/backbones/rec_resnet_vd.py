"""ResNet-vd (He et al. 2016, with the tweaks B, C and D of He et al. 2019, "Bag of Tricks") for text lines."""

from __future__ import annotations

from typing import Any, Literal

import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.common.layers import ConvBatchNorm, Size
from ppocr.modeling.common.resnet import DEPTHS, FILTERS, PooledShortcut, block_class
from ppocr.registry import BACKBONES


@BACKBONES.register(tasks=("rec",))
class ResNet(nn.Layer):
    """ResNet-vd for text lines: [N, 3, 32, W] to [N, out_channels, 1, W / 4].

    Args:
        in_channels: Channels of the image.
        layers: Depth; 512 output channels for 18 and 34, 2048 for the others.
    """

    def __init__(self, in_channels: int = 3, layers: Literal[18, 34, 50, 101, 152, 200] = 50) -> None:
        super().__init__()
        block = block_class(layers)
        self.conv1_1 = ConvBatchNorm(in_channels, 32, 3, act="relu")
        self.conv1_2 = ConvBatchNorm(32, 32, 3, act="relu")
        self.conv1_3 = ConvBatchNorm(32, 64, 3, act="relu")
        self.block_names: list[str] = []
        channels = 64
        for stage, (depth, filters) in enumerate(zip(DEPTHS[layers], FILTERS, strict=True)):
            for index in range(depth):
                stride: Size = (2, 1) if stage and index == 0 else 1
                out = filters * block.expansion
                short = PooledShortcut(channels, out, stride) if index == 0 else None
                name = f"bb_{stage}_{index}"
                self.add_sublayer(name, block(channels, filters, stride, short))
                self.block_names.append(name)
                channels = out
        self.out_channels = channels

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        x = self.conv1_3(self.conv1_2(self.conv1_1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for name in self.block_names:
            x = getattr(self, name)(x)
        return F.max_pool2d(x, 2, stride=2)
