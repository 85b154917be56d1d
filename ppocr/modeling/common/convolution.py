"""A depthwise convolution that trains faster on CPU.

Paddle's CPU kernel makes one product of a vector and a matrix for each sample and channel. On the small maps of text
lines the calls cost as much as the arithmetic, and with large kernels the copies that the matrix consists of cost more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

SHARED_CHANNELS = 4
LARGE_KERNEL = 5
"""From this height on `banded_depthwise` is faster, up to three times (measured for maps 3 to 160 rows high)."""


_fast_rounding: ContextVar[bool] = ContextVar("fast_rounding", default=False)


@contextmanager
def fast_rounding() -> Iterator[None]:
    """Let networks in evaluation mode compute as in training on CPU: faster, and the same up to rounding."""
    token = _fast_rounding.set(True)
    try:
        yield
    finally:
        _fast_rounding.reset(token)


def takes_cpu_forms(layer: nn.Layer, x: Any) -> bool:
    """Tell whether `x` is on CPU, outside of a program, and `layer` in training or within `fast_rounding`."""
    is_fast = layer.training or _fast_rounding.get()
    return bool(is_fast and paddle.in_dynamic_mode() and x.place.is_cpu_place())


class DepthwiseConv2D(nn.Conv2D):
    """`nn.Conv2D` with one filter per channel, [N, C, H, W] to [N, C, H', W'].

    While training on CPU, and within `fast_rounding`, it takes `banded_depthwise` for large kernels and
    `shared_depthwise` for small ones, whose results differ by rounding only. Everywhere else (export, GPU) it is the
    plain operator. The parameters are the same.
    """

    def forward(self, x: Any) -> Any:
        """Return the convolution."""
        if takes_cpu_forms(self, x):
            # Private names: nn.Conv2D keeps its stride and its padding, both as pairs, nowhere else.
            place = (self._stride, self._updated_padding)
            return fast_depthwise(x, self.weight, *place, self.bias)
        return super().forward(x)


def fast_depthwise(x: Any, weight: Any, stride: Any, padding: Any, bias: Any = None) -> Any:
    """Return the depthwise convolution by the form that trains fastest on CPU; arguments as for `banded_depthwise`.

    The results of all forms differ by rounding only.
    """
    if weight.shape[2] >= LARGE_KERNEL:
        return banded_depthwise(x, weight, stride, padding, bias)
    if x.shape[1] % SHARED_CHANNELS == 0:
        return shared_depthwise(x, weight, stride, padding, bias)
    return F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=x.shape[1])


def shared_depthwise(x: Any, weight: Any, stride: Any, padding: Any, bias: Any = None) -> Any:
    """Return the depthwise convolution, with four channels in each matrix product.

    Their weights lie on the diagonal of a 4x4 block. Rows of the kernel that could only ever see padding, because the
    map is lower than the kernel reaches, are left out.

    Args:
        x: [N, C, H, W], C a multiple of four.
        weight: [C, 1, kh, kw].
        stride: (vertical, horizontal).
        padding: (vertical, horizontal), (kh - 1) / 2 and (kw - 1) / 2.
        bias: [C], or None.
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
    return F.conv2d(x, blocks.reshape([channels, SHARED_CHANNELS, height, width]), bias, stride=stride,
                    padding=[above, beside], groups=groups)


def banded_depthwise(x: Any, weight: Any, stride: Any, padding: Any, bias: Any = None) -> Any:
    """Return the depthwise convolution as one over columns alone: the rows of the map serve as channels.

    What the kernel does to the rows becomes, for each of its columns, a matrix from the rows of the map to those of the
    result, which has the kernel's column in a band along its diagonal. That is more arithmetic, most of it with zeros,
    in products large enough to be fast, and the map is copied once for each column of the kernel instead of for each
    of its values.

    Args:
        x: [N, C, H, W].
        weight: [C, 1, kh, kw].
        stride: (vertical, horizontal).
        padding: (vertical, horizontal).
        bias: [C], or None.
    """
    samples, channels, height, width = x.shape
    rows, columns = weight.shape[2:]
    above, beside = padding
    out_height = (height + 2 * above - rows) // stride[0] + 1
    taps = np.arange(height) - stride[0] * np.arange(out_height)[:, np.newaxis] + above
    taps = np.where((taps >= 0) & (taps < rows), taps, rows)  # The row after the last is zero.
    padded = paddle.concat([weight[:, 0], paddle.zeros([channels, 1, columns], weight.dtype)], axis=1)
    bands = paddle.index_select(padded, paddle.to_tensor(taps.reshape(-1)), axis=1)
    y = F.conv2d(x.reshape([samples, channels * height, 1, width]),
                 bands.reshape([channels * out_height, height, 1, columns]), stride=[1, stride[1]],
                 padding=[0, beside], groups=channels)
    y = y.reshape([samples, channels, out_height, y.shape[-1]])
    return y if bias is None else y + bias.reshape([1, -1, 1, 1])
