"""Nearest neighbour enlargement in the one form that trains, exports, runs with oneDNN and converts to ONNX.

The interpolation operators of Paddle 3.3 fail in an exported program with oneDNN, and in the conversion to ONNX. A
transposed convolution whose kernel is all ones, with a stride of its size, repeats each pixel and does neither; it is
also what trains fastest on CPU.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F


def upsample(x: Any, factor: int) -> Any:
    """Return `x` with each pixel repeated `factor` times in both directions, [N, C, H, W] to [N, C, fH, fW].

    Args:
        x: [N, C, H, W] of any floating type; C must be known, the others may vary.
        factor: A whole number; 1 returns `x`.
    """
    if factor == 1:
        return x
    channels = x.shape[1]
    kernel = paddle.ones([channels, 1, factor, factor], dtype=x.dtype)
    return F.conv2d_transpose(x, kernel, stride=factor, groups=channels)
