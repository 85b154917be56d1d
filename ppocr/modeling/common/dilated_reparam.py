"""Large depthwise kernels that are trained with dilated branches beside them (UniRepLKNet, Ding et al. 2024)."""

from __future__ import annotations

from typing import Any

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.reparam import fold_norm, grow, merged_convolution, total

BRANCHES: dict[int, tuple[tuple[int, int], ...]] = {
    5: ((3, 1), (3, 2)),
    7: ((5, 1), (3, 2), (3, 3)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
}
"""Kernel size to the kernel size and the dilation of each branch; none reaches farther than the large kernel."""


class DilatedReparamBlock(nn.Layer):
    """Sum of depthwise convolutions with batch norm: a large kernel and dilated small ones, [N, C, H, W] to the same.

    `rep` merges them into `reparam_conv`, a depthwise convolution of the large kernel with a bias.

    Args:
        channels: C.
        kernel_size: 5, 7 or 9.
        reparameterized: Build the merged form.

    Raises:
        ConfigError: Another kernel size.
    """

    def __init__(self, channels: int, kernel_size: int, reparameterized: bool = False) -> None:
        super().__init__()
        if kernel_size not in BRANCHES:
            raise ConfigError(f"a dilated kernel has the size {kernel_size}",
                              expected=" or ".join(map(str, BRANCHES)),
                              cure="correct Architecture.Neck.dilated_kernel_size; published models have 5 or 7")
        self.kernel_size, self.groups, self.is_repped = kernel_size, channels, False
        self.lk_origin = nn.Conv2D(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels,
                                   bias_attr=False)
        self.origin_bn = nn.BatchNorm2D(channels)
        for size, dilation in BRANCHES[kernel_size]:
            self.add_sublayer(f"dil_conv_k{size}_{dilation}", nn.Conv2D(
                channels, channels, size, padding=dilation * (size // 2), dilation=dilation, groups=channels,
                bias_attr=False))
            self.add_sublayer(f"dil_bn_k{size}_{dilation}", nn.BatchNorm2D(channels))
        if reparameterized:
            self.rep()

    def forward(self, x: Any) -> Any:
        """Return the sum of the branches."""
        if self.is_repped:
            return self.reparam_conv(x)
        out = self.origin_bn(self.lk_origin(x))
        for size, dilation in BRANCHES[self.kernel_size]:
            conv, norm = self._branch(size, dilation)
            out = out + norm(conv(x))
        return out

    def rep(self) -> None:
        """Merge the branches."""
        if self.is_repped:
            return
        kernels = [fold_norm(self.lk_origin, self.origin_bn)]
        for size, dilation in BRANCHES[self.kernel_size]:
            weight, bias = fold_norm(*self._branch(size, dilation))
            kernels.append((grow(weight, self.kernel_size, dilation), bias))
        self.reparam_conv = merged_convolution(total(kernels), padding=self.kernel_size // 2, groups=self.groups)
        for size, dilation in BRANCHES[self.kernel_size]:
            delattr(self, f"dil_conv_k{size}_{dilation}")
            delattr(self, f"dil_bn_k{size}_{dilation}")
        del self.lk_origin, self.origin_bn
        self.is_repped = True

    def _branch(self, size: int, dilation: int) -> tuple[Any, Any]:
        return getattr(self, f"dil_conv_k{size}_{dilation}"), getattr(self, f"dil_bn_k{size}_{dilation}")
