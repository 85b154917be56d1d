"""The path aggregation network with large depthwise kernels of PP-OCRv6 medium."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from paddle import nn

from ppocr.modeling.common.dilated_reparam import DilatedReparamBlock
from ppocr.modeling.common.reparam import fold_norm, merged_convolution
from ppocr.modeling.necks.lk_pan import KERNEL, PathAggregation
from ppocr.modeling.necks.pyramid import plain_conv
from ppocr.modeling.necks.rep_lk_fpn import with_auxiliary
from ppocr.registry import NECKS


class RepLargeConv(nn.Layer):
    """Large depthwise kernel, 1x1 convolution and batch norm: [N, in, H, W] to [N, out, H, W].

    `rep` merges the depthwise branches, and the 1x1 convolution with its batch norm into `reparam_conv`.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, reparameterized: bool = False) -> None:
        super().__init__()
        self.dw = DilatedReparamBlock(in_channels, kernel_size, reparameterized)
        self.pw = plain_conv(in_channels, out_channels, 1)
        self.bn = nn.BatchNorm2D(out_channels)
        self.is_repped = False
        if reparameterized:
            self.rep()

    def forward(self, x: Any) -> Any:
        """Return the convolution."""
        x = self.dw(x)
        return self.reparam_conv(x) if self.is_repped else self.bn(self.pw(x))

    def rep(self) -> None:
        """Merge the branches and the batch norm."""
        if self.is_repped:
            return
        self.dw.rep()
        self.reparam_conv = merged_convolution(fold_norm(self.pw, self.bn))
        del self.pw, self.bn
        self.is_repped = True


@NECKS.register(tasks=("det",))
class RepLKPAN(PathAggregation):
    """Top-down and bottom-up paths with re-parameterised 9x9 depthwise kernels.

    Four maps to one, [N, out_channels, H / 4, W / 4]; while training to a dict with that map as ``fuse`` and the maps
    of auxiliary heads (``aux_p2``, ``aux_p3``, ``aux_p4``), `out_channels` wide.

    Args:
        in_channels: Channels of the four maps, the largest map first.
        out_channels: Channels of the result, a multiple of 4; 256 in the published model.
        mode: Accepted as the published configurations may name it; there is one form.
        intracl: Add large kernels to each scale (`IntraCLBlock`).
        reparameterized: Build the merged form, which takes the weights of exported models, and trains.

    Raises:
        ConfigError: Not four maps, or `out_channels` is no multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, mode: Literal["large"] = "large",
                 intracl: bool = False, reparameterized: bool = False) -> None:
        convolution = partial(RepLargeConv, kernel_size=KERNEL, reparameterized=reparameterized)
        super().__init__(in_channels, out_channels, convolution, intracl)

    def forward(self, maps: Sequence[Any]) -> Any:
        """Return the joined map; while training in a dict, with the maps of auxiliary heads."""
        summed = self.sum_down(maps)
        fuse = self.join(summed)
        return with_auxiliary(fuse, summed) if self.training else fuse
