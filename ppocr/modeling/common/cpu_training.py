"""Convolutions of detectors that train faster on CPU.

Paddle's CPU kernels first copy the inputs of a convolution into a matrix, each value once for every tap of the kernel;
on the large maps of a detector this takes longer than the arithmetic. Adding a bias takes as long again. The layers
here give the same results up to rounding, with the same parameters. In an export and on other devices they are the
plain operators.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.common.convolution import takes_cpu_forms


class NarrowingConv2D(nn.Conv2D):
    """`nn.Conv2D` of stride 1 with fewer output than input channels, an odd kernel and padding that keeps the size.

    It is also a transposed convolution with the kernel turned around, and that one copies its outputs instead of its
    inputs: two to three times faster for a quarter of the channels.
    """

    def forward(self, x: Any) -> Any:
        """Return the convolution of `x`, [N, in, H, W] to [N, out, H, W]."""
        if not takes_cpu_forms(self, x):
            return super().forward(x)
        turned = self.weight.flip([2, 3]).transpose([1, 0, 2, 3])
        padding = [size // 2 for size in self.weight.shape[2:]]
        return F.conv2d_transpose(x, turned, self.bias, padding=padding)


class DoublingConv2D(nn.Conv2DTranspose):
    """`nn.Conv2DTranspose` of stride 2 with a bias.

    With a kernel of 2 each output comes from one input pixel, so that the bias can be the kernel of one more input
    channel that is all ones; this saves the slow addition.
    """

    def forward(self, x: Any, output_size: Any = None) -> Any:
        """Return the transposed convolution of `x`, [N, in, H, W] to [N, out, 2H, 2W] with a kernel of 2."""
        out = self.weight.shape[1]
        if list(self.weight.shape[2:]) != [2, 2] or out == 1 or not takes_cpu_forms(self, x):
            return super().forward(x, output_size)
        ones = paddle.ones([x.shape[0], 1, *x.shape[2:]], dtype=x.dtype)
        bias = self.bias.reshape([1, out, 1, 1]).expand([1, out, 2, 2])
        return F.conv2d_transpose(paddle.concat([x, ones], axis=1), paddle.concat([self.weight, bias]), stride=2)


def channel_affine(x: Any, scale: Any, bias: Any) -> Any:
    """Return ``scale * x + bias`` by channel, [N, C, H, W] to the same.

    It is a batch norm in evaluation with the statistics 0 and 1. Adding and multiplying take several times as long,
    most of all for the gradients of scale and bias.

    Args:
        x: [N, C, H, W].
        scale, bias: [C], or [1] for the same number in all channels.
    """
    channels = x.shape[1]
    return F.batch_norm(x, paddle.zeros([channels]), paddle.ones([channels]), scale.expand([channels]),
                        bias.expand([channels]), training=False, epsilon=0.0)
