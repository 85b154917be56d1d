"""The feature pyramid with large depthwise kernels of PP-OCRv6, tiny and small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn

from ppocr.modeling.common.dilated_reparam import DilatedReparamBlock
from ppocr.modeling.common.layers import SqueezeExcite
from ppocr.modeling.common.mobilenet_v3 import SE_SLOPE
from ppocr.modeling.necks.intra_cl import IntraCLBlock
from ppocr.modeling.necks.pyramid import LEVELS, check_channels, enlarge, plain_conv, top_down
from ppocr.modeling.necks.rse_fpn import GatedConv
from ppocr.registry import NECKS


def with_auxiliary(fuse: Any, summed: Sequence[Any]) -> dict[str, Any]:
    """Return what a neck hands to the head while training: the joined map, and the maps of auxiliary heads.

    Args:
        fuse: [N, C, H / 4, W / 4].
        summed: The four maps of the top-down path, the largest first, [N, C, H / 4, W / 4] and so on.

    Returns:
        ``fuse``, ``aux_p2``, ``aux_p3`` and ``aux_p4``, at the strides 4, 4, 8 and 16.
    """
    return {"fuse": fuse, "aux_p2": summed[0], "aux_p3": summed[1], "aux_p4": summed[2]}


@NECKS.register(tasks=("det",))
class RepLKFPN(nn.Layer):
    """Feature pyramid with channel gates and re-parameterised large kernels.

    Four maps to one, [N, out_channels, H / 4, W / 4]; while training to a dict with that map as ``fuse`` and the maps
    of auxiliary heads (``aux_p2``, ``aux_p3``, ``aux_p4``), `out_channels` wide.

    Args:
        in_channels: Channels of the four maps, the largest map first.
        out_channels: Channels of the result, a multiple of 4; 64 (tiny) and 96 (small) in the published models.
        shortcut: Add the convolution's output to its gated form.
        dilated_kernel_size: Size of the large kernels: 5 (tiny), 7 (small) or 9.
        intracl: Add large kernels to each scale (`IntraCLBlock`).
        reparameterized: Build the merged form, which takes the weights of exported models, and trains.

    Raises:
        ConfigError: Not four maps, another kernel, or `out_channels` is no multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, shortcut: bool = True,
                 dilated_kernel_size: int = 7, intracl: bool = False, reparameterized: bool = False) -> None:
        super().__init__()
        check_channels(in_channels, out_channels, "RepLKFPN")
        self.out_channels, self.shortcut, self.intracl = out_channels, shortcut, intracl
        quarter = out_channels // LEVELS
        self.ins_conv = nn.LayerList([GatedConv(channels, out_channels, 1, shortcut) for channels in in_channels])
        self.inp_conv_dw = nn.LayerList([
            DilatedReparamBlock(out_channels, dilated_kernel_size, reparameterized) for _ in in_channels
        ])
        self.inp_conv_pw = nn.LayerList([plain_conv(out_channels, quarter, 1) for _ in in_channels])
        self.inp_conv_se = nn.LayerList([SqueezeExcite(quarter, slope=SE_SLOPE) for _ in in_channels])
        if intracl:
            for number in range(1, LEVELS + 1):
                self.add_sublayer(f"incl{number}", IntraCLBlock(quarter))

    def forward(self, maps: Sequence[Any]) -> Any:
        """Return the joined map; while training in a dict, with the maps of auxiliary heads."""
        laterals: list[Any] = []
        scales: list[Any] = []
        for level in range(LEVELS - 1, -1, -1):
            laterals.insert(0, self.ins_conv[level](maps[level]))
        summed = top_down(laterals)
        for level in range(LEVELS - 1, -1, -1):
            scales.insert(0, self._scale(summed[level], level))
        fuse = paddle.concat(enlarge(scales), axis=1)
        return with_auxiliary(fuse, summed) if self.training else fuse

    def _scale(self, x: Any, level: int) -> Any:
        x = self.inp_conv_pw[level](self.inp_conv_dw[level](x))
        gated = self.inp_conv_se[level](x)
        x = x + gated if self.shortcut else gated
        return getattr(self, f"incl{level + 1}")(x) if self.intracl else x
