"""MobileNetV3 (Howard et al. 2019) for detection: four maps of falling resolution."""

from __future__ import annotations

from typing import Any, Literal

from paddle import nn

from ppocr.modeling.common.layers import ConvBN, make_divisible
from ppocr.modeling.common.mobilenet_v3 import LAST, ROWS, InvertedResidual, check_scale
from ppocr.registry import BACKBONES

STAGE_STARTS = {"large": (0, 3, 6, 12), "small": (0, 1, 3, 8)}


@BACKBONES.register(tasks=("det",))
class MobileNetV3(nn.Layer):
    """MobileNetV3 for detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32.

    Args:
        in_channels: Channels of the image.
        model_name: The paper's large or small network.
        scale: Width multiplier: 0.35, 0.5, 0.75, 1.0 or 1.25.
        disable_se: Leave out the channel gates.

    Raises:
        ConfigError: Another scale.
    """

    def __init__(
        self,
        in_channels: int = 3,
        model_name: Literal["large", "small"] = "large",
        scale: float = 0.5,
        disable_se: bool = False,
    ) -> None:
        super().__init__()
        check_scale(scale)
        rows, starts = ROWS[model_name], STAGE_STARTS[model_name]
        channels = make_divisible(16 * scale)
        self.conv = ConvBN(in_channels, channels, 3, stride=2, act="hardswish")
        self.out_channels: list[int] = []
        for stage, (first, end) in enumerate(zip(starts, (*starts[1:], len(rows)), strict=True)):
            layers: list[nn.Layer] = []
            for row in rows[first:end]:
                out = make_divisible(row.out * scale)
                layers.append(InvertedResidual(channels, make_divisible(row.expand * scale), out, row.kernel,
                                               row.stride, row.act, row.se and not disable_se))
                channels = out
            if end == len(rows):
                out = make_divisible(LAST[model_name] * scale)
                layers.append(ConvBN(channels, out, 1, act="hardswish"))
                channels = out
            self.add_sublayer(f"stage{stage}", nn.Sequential(*layers))
            self.out_channels.append(channels)

    def forward(self, images: Any) -> list[Any]:
        """Return the four maps, the largest first."""
        x = self.conv(images)
        maps = []
        for stage in range(len(self.out_channels)):
            x = getattr(self, f"stage{stage}")(x)
            maps.append(x)
        return maps
