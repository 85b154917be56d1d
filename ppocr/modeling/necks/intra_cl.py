"""Lets the strokes of one text line see each other: large square, tall and wide kernels, one size after another."""

from __future__ import annotations

from typing import Any

import paddle.nn.functional as F
from paddle import nn

KERNELS = (7, 5, 3)


class IntraCLBlock(nn.Layer):
    """Adds to a map what convolutions of 7, 5 and 3 pixels, in both directions and in each, make of it.

    [N, C, H, W] to the same shape, through C / `reduce_factor` channels.

    Args:
        in_channels: C.
        reduce_factor: Factor by which the inner maps are narrower.
    """

    def __init__(self, in_channels: int, reduce_factor: int = 2) -> None:
        super().__init__()
        inner = in_channels // reduce_factor
        self.conv1x1_reduce_channel = nn.Conv2D(in_channels, inner, 1)
        for size in KERNELS:
            beside = size // 2
            self.add_sublayer(f"v_layer_{size}x1", nn.Conv2D(inner, inner, (size, 1), padding=(beside, 0)))
            self.add_sublayer(f"q_layer_1x{size}", nn.Conv2D(inner, inner, (1, size), padding=(0, beside)))
            self.add_sublayer(f"c_layer_{size}x{size}", nn.Conv2D(inner, inner, size, padding=beside))
        self.conv1x1_return_channel = nn.Conv2D(inner, in_channels, 1)
        self.bn = nn.BatchNorm2D(in_channels)

    def forward(self, x: Any) -> Any:
        """Return `x` with its surroundings added."""
        seen = self.conv1x1_reduce_channel(x)
        for size in KERNELS:
            names = (f"c_layer_{size}x{size}", f"v_layer_{size}x1", f"q_layer_1x{size}")
            square, tall, wide = (getattr(self, name)(seen) for name in names)
            seen = square + tall + wide
        return x + F.relu(self.bn(self.conv1x1_return_channel(seen)))
