"""The feature pyramid with channel gates of PP-OCRv3 (Li et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn

from ppocr.modeling.common.layers import SqueezeExcite
from ppocr.modeling.common.mobilenet_v3 import SE_SLOPE
from ppocr.modeling.necks.intra_cl import IntraCLBlock
from ppocr.modeling.necks.pyramid import LEVELS, check_channels, enlarge, plain_conv, top_down
from ppocr.registry import NECKS


class GatedConv(nn.Layer):
    """Convolution and channel gates, with its own output added if `shortcut`: [N, in, H, W] to [N, out, H, W]."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, shortcut: bool) -> None:
        super().__init__()
        self.in_conv = plain_conv(in_channels, out_channels, kernel_size)
        self.se_block = SqueezeExcite(out_channels, slope=SE_SLOPE)
        self.shortcut = shortcut

    def forward(self, x: Any) -> Any:
        """Return the gated convolution."""
        x = self.in_conv(x)
        gated = self.se_block(x)
        return x + gated if self.shortcut else gated


@NECKS.register(tasks=("det",))
class RSEFPN(nn.Layer):
    """Feature pyramid with residual channel gates: four maps to one, [N, out_channels, H / 4, W / 4].

    Args:
        in_channels: Channels of the four maps, the largest map first.
        out_channels: Channels of the result, a multiple of 4; 96 in the published models.
        shortcut: Add the convolution's output to its gated form.
        intracl: Add large kernels to each scale (`IntraCLBlock`).

    Raises:
        ConfigError: Not four maps, or `out_channels` is no multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, shortcut: bool = True,
                 intracl: bool = False) -> None:
        super().__init__()
        check_channels(in_channels, out_channels, "RSEFPN")
        self.out_channels, self.intracl = out_channels, intracl
        quarter = out_channels // LEVELS
        self.ins_conv = nn.LayerList([GatedConv(channels, out_channels, 1, shortcut) for channels in in_channels])
        self.inp_conv = nn.LayerList([GatedConv(out_channels, quarter, 3, shortcut) for _ in in_channels])
        if intracl:
            for number in range(1, LEVELS + 1):
                self.add_sublayer(f"incl{number}", IntraCLBlock(quarter))

    def forward(self, maps: Sequence[Any]) -> Any:
        """Return the joined map."""
        summed = top_down([layer(maps[level]) for level, layer in enumerate(self.ins_conv)])
        scales = [layer(summed[level]) for level, layer in enumerate(self.inp_conv)]
        if self.intracl:
            scales = [getattr(self, f"incl{number}")(x) for number, x in enumerate(scales, 1)]
        return paddle.concat(enlarge(scales), axis=1)
