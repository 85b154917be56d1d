"""A depthwise convolution that trains faster on CPU.

Paddle's CPU kernel makes one small matrix product for each sample and channel; on the small maps of text lines the
calls cost as much as the arithmetic.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

SHARED_CHANNELS = 4


class DepthwiseConv2D(nn.Conv2D):
    """`nn.Conv2D` with one filter per channel, [N, C, H, W] to [N, C, H', W'].

    While training on CPU it takes `shared_depthwise`, whose results differ by rounding only. Everywhere else
    (evaluation, export, GPU) it is the plain operator. The parameters are the same.
    """

    def forward(self, x: Any) -> Any:
        """Return the convolution."""
        if self.training and paddle.in_dynamic_mode() and x.place.is_cpu_place() and x.shape[1] % SHARED_CHANNELS == 0:
            # Private names: nn.Conv2D keeps its stride and its padding, both as pairs, nowhere else.
            return shared_depthwise(x, self.weight, self._stride, self._updated_padding)
        return super().forward(x)


def shared_depthwise(x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    """Return the depthwise convolution, with four channels in each matrix product.

    Their weights lie on the diagonal of a 4x4 block. Rows of the kernel that could only ever see padding, because the
    map is lower than the kernel reaches, are left out.

    Args:
        x: [N, C, H, W], C a multiple of four.
        weight: [C, 1, kh, kw].
        stride: (vertical, horizontal).
        padding: (vertical, horizontal), (kh - 1) / 2 and (kw - 1) / 2.
    """
    channels, _, height, width = weight.shape
    above, beside = padding
    # The centre of the kernel always lies on a row of the map, so data is at most H - 1 rows away from it.
    unseen = max(0, above - (x.shape[2] - 1))
    if unseen:
        weight = weight[:, :, unseen : height - unseen]
        above, height = above - unseen, height - 2 * unseen
    groups = channels // SHARED_CHANNELS
    diagonal = paddle.eye(SHARED_CHANNELS).reshape([1, SHARED_CHANNELS, SHARED_CHANNELS, 1, 1])
    blocks = weight.reshape([groups, SHARED_CHANNELS, 1, height, width]) * diagonal
    return F.conv2d(x, blocks.reshape([channels, SHARED_CHANNELS, height, width]), stride=stride,
                    padding=[above, beside], groups=groups)
