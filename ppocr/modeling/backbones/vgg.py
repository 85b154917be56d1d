"""The plain convolutional backbone of CRNN: Shi, Bai and Yao 2015, "An End-to-End Trainable Neural Network for
Image-based Sequence Recognition".

Without depthwise convolutions it is the fastest backbone to train on a CPU.
"""

from __future__ import annotations

from typing import Any

import paddle.nn.functional as F
from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvBN
from ppocr.registry import BACKBONES

CHANNELS = (64, 128, 256, 256, 512, 512)
POOLS = ((2, 2), (2, 2), None, (2, 1), None, (2, 1))
"""Pooling after each convolution, (height, width): the height falls to 1/16, the width to 1/4."""


@BACKBONES.register("VGG", tasks=("rec",))
class VGG(nn.Layer):
    """Seven convolutions with batch norm: [N, in_channels, 32, W] to [N, 512 * scale, 1, W / 4].

    Unlike in the paper, the last convolution is 3x3 and followed by a pooling of the two rows that are left, and every
    convolution has a batch norm.

    Args:
        in_channels: Channels of the image.
        scale: Factor of the channels.

    Raises:
        ConfigError: `scale` leaves a layer without channels.
    """

    def __init__(self, in_channels: int = 3, scale: float = 1.0) -> None:
        super().__init__()
        widths = [int(channels * scale) for channels in CHANNELS]
        if widths[0] < 1:
            raise ConfigError(f"Architecture.Backbone.scale is {scale}", expected=f"at least {1 / CHANNELS[0]}",
                              cure="use a larger scale, such as 0.25")
        inputs = [in_channels, *widths[:-1]]
        self.convs = nn.LayerList([ConvBN(i, o, 3, act="relu") for i, o in zip(inputs, widths, strict=True)])
        self.last_conv = ConvBN(widths[-1], widths[-1], 3, act="relu")
        self.out_channels = widths[-1]

    def forward(self, x: Any) -> Any:
        """Return the features, one row high."""
        for index, conv in enumerate(self.convs):
            x = conv(x)
            if POOLS[index] is not None:
                x = F.max_pool2d(x, POOLS[index], stride=POOLS[index])
        x = self.last_conv(x)
        return F.max_pool2d(x, (2, 1), stride=(2, 1))
