"""The feature pyramid of DB (Liao et al. 2020) and the adaptive scale fusion of DB++ (Liao et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn
from paddle.nn.initializer import KaimingNormal

from ppocr.modeling.necks.pyramid import LEVELS, check_channels, enlarge, plain_conv, top_down
from ppocr.registry import NECKS


class AdaptiveScaleFusion(nn.Layer):
    """Weights each of the four scales at each pixel by an attention over all of them, then joins them.

    Args:
        channels: Channels of the four maps together.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // LEVELS
        self.conv = nn.Conv2D(channels, quarter, 3, padding=1)
        self.spatial_scale = nn.Sequential(_unbiased(1, 1, 3), nn.ReLU(), _unbiased(1, 1, 1), nn.Sigmoid())
        self.channel_scale = nn.Sequential(_unbiased(quarter, LEVELS, 1), nn.Sigmoid())

    def forward(self, maps: Sequence[Any]) -> Any:
        """Return [N, channels, H, W] of four maps [N, channels / 4, H, W]."""
        fused = self.conv(paddle.concat(list(maps), axis=1))
        where = self.spatial_scale(fused.mean(axis=1, keepdim=True))
        scores = self.channel_scale(where + fused)
        return paddle.concat([scores[:, scale : scale + 1] * x for scale, x in enumerate(maps)], axis=1)


@NECKS.register(tasks=("det",))
class DBFPN(nn.Layer):
    """Feature pyramid of DB: four maps to one, [N, out_channels, H / 4, W / 4].

    Args:
        in_channels: Channels of the four maps, the largest map first.
        out_channels: Channels of the result, a multiple of 4; 96 in the mobile models, 256 in the others.
        use_asf: Weight the scales pixel by pixel (adaptive scale fusion of DB++).

    Raises:
        ConfigError: Not four maps, or `out_channels` is no multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, use_asf: bool = False) -> None:
        super().__init__()
        check_channels(in_channels, out_channels, "DBFPN")
        self.out_channels = out_channels
        for level, channels in enumerate(in_channels, 2):
            self.add_sublayer(f"in{level}_conv", plain_conv(channels, out_channels, 1))
        for level in range(5, 1, -1):
            self.add_sublayer(f"p{level}_conv", plain_conv(out_channels, out_channels // LEVELS, 3))
        self.asf = AdaptiveScaleFusion(out_channels) if use_asf else None

    def forward(self, maps: Sequence[Any]) -> Any:
        """Return the joined map."""
        laterals = [getattr(self, f"in{level}_conv")(x) for level, x in enumerate(maps, 2)]
        scales = [getattr(self, f"p{level}_conv")(x) for level, x in enumerate(top_down(laterals), 2)]
        enlarged = enlarge(scales)
        return paddle.concat(enlarged, axis=1) if self.asf is None else self.asf(enlarged)


def _unbiased(in_channels: int, out_channels: int, kernel_size: int) -> nn.Conv2D:
    return nn.Conv2D(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias_attr=False,
                     weight_attr=paddle.ParamAttr(initializer=KaimingNormal()))
