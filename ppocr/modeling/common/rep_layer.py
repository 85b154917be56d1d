"""The layer of PP-LCNetV3: several convolutions side by side while training, one in use.

While training on CPU the layers here use other operators than elsewhere, which are faster there and give the same
results up to rounding.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, KaimingNormal
from paddle.regularizer import L2Decay

from ppocr.modeling.common.convolution import DepthwiseConv2D, fast_depthwise, takes_cpu_forms
from ppocr.modeling.common.cpu_training import channel_affine
from ppocr.modeling.common.layers import Size, same_padding
from ppocr.modeling.common.reparam import (
    Kernel,
    fold_norm,
    grow,
    identity_kernel,
    merged_convolution,
    scale_by_norm,
    total,
)


class LearnableAffine(nn.Layer):
    """``scale * x + bias`` with one number each for the whole map, which start as 1 and 0.

    Args:
        lr_mult: Factor of their learning rate.
        trainable: Whether they are trained.
    """

    def __init__(self, lr_mult: float = 1.0, *, trainable: bool = True) -> None:
        super().__init__()
        self.scale, self.bias = (
            self.create_parameter([1], attr=ParamAttr(initializer=Constant(start), learning_rate=lr_mult,
                                                      trainable=trainable))
            for start in (1.0, 0.0)
        )

    def forward(self, x: Any) -> Any:
        """Return the scaled and shifted map."""
        if takes_cpu_forms(self, x):
            return channel_affine(x, self.scale, self.bias)
        return self.scale * x + self.bias


class AffineHardswish(nn.Layer):
    """Hard-swish, then `LearnableAffine`."""

    def __init__(self, lr_mult: float, *, trainable: bool = True) -> None:
        super().__init__()
        self.lab = LearnableAffine(lr_mult, trainable=trainable)

    def forward(self, x: Any) -> Any:
        """Return the activated map."""
        return self.lab(F.hardswish(x))


class BranchConv(nn.Layer):
    """Convolution without bias and batch norm without weight decay: [N, in, H, W] to [N, out, H', W'].

    Args:
        in_channels, out_channels: Channels.
        kernel_size: An odd size.
        stride: One step, or (vertical, horizontal).
        groups: Convolution groups.
        lr_mult: Factor of the learning rate.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: Size = 1, groups: int = 1,
                 lr_mult: float = 1.0) -> None:
        super().__init__()
        convolution = DepthwiseConv2D if groups == in_channels == out_channels else nn.Conv2D
        self.conv = convolution(in_channels, out_channels, kernel_size, stride=stride,
                                padding=same_padding(kernel_size), groups=groups, bias_attr=False,
                                weight_attr=ParamAttr(initializer=KaimingNormal(), learning_rate=lr_mult))
        self.bn = nn.BatchNorm2D(out_channels,
                                 weight_attr=ParamAttr(regularizer=L2Decay(0.0), learning_rate=lr_mult),
                                 bias_attr=ParamAttr(regularizer=L2Decay(0.0), learning_rate=lr_mult))

    def forward(self, x: Any) -> Any:
        """Return the normalised convolution of `x`."""
        return self.bn(self.conv(x))


class LearnableRepLayer(nn.Layer):
    """Sum of convolutions with batch norm, then an affine map and an activation: [N, in, H, W] to [N, out, H', W'].

    The branches are `branches` convolutions of the kernel size, one of 1x1 where the kernel is larger, and the input
    itself where its shape is that of the output. `rep` merges them into `reparam_conv`, with a bias.

    A layer of stride 2 has no activation; `act` is there all the same, as published weights have its parameters.

    Args:
        in_channels, out_channels: Channels.
        kernel_size: An odd size.
        stride: One step, or (vertical, horizontal), which is never taken as a stride of 2.
        groups: Convolution groups.
        branches: Number of convolutions of the kernel size.
        lr_mult: Factor of the learning rate.
        lab_lr: Further factor for the affine maps.
        reparameterized: Build the merged form.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: Size = 1,
        groups: int = 1,
        branches: int = 1,
        lr_mult: float = 1.0,
        lab_lr: float = 1.0,
        reparameterized: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.kernel_size, self.stride, self.groups = out_channels, kernel_size, stride, groups
        self.is_repped = reparameterized
        if reparameterized:
            rate = ParamAttr(learning_rate=lr_mult)
            convolution = DepthwiseConv2D if groups == in_channels == out_channels else nn.Conv2D
            self.reparam_conv = convolution(in_channels, out_channels, kernel_size, stride=stride, groups=groups,
                                            padding=same_padding(kernel_size), bias_attr=rate,
                                            weight_attr=ParamAttr(initializer=KaimingNormal(), learning_rate=lr_mult))
        else:
            whole = in_channels == out_channels and stride == 1
            self.identity = nn.BatchNorm2D(in_channels, weight_attr=ParamAttr(learning_rate=lr_mult),
                                           bias_attr=ParamAttr(learning_rate=lr_mult)) if whole else None
            self.conv_kxk = nn.LayerList([
                BranchConv(in_channels, out_channels, kernel_size, stride, groups, lr_mult) for _ in range(branches)
            ])
            self.conv_1x1 = BranchConv(in_channels, out_channels, 1, stride, groups, lr_mult) \
                if kernel_size > 1 else None
        self.active = stride != 2
        self.training_only = () if self.active else ("act",)
        self.lab = LearnableAffine(lr_mult * lab_lr)
        self.act = AffineHardswish(lr_mult * lab_lr, trainable=self.active)

    def forward(self, x: Any) -> Any:
        """Return the layer's output."""
        if takes_cpu_forms(self, x):
            x = self._on_cpu(x)
        elif self.is_repped:
            x = self.lab(self.reparam_conv(x))
        else:
            x = self.lab(self._branches(x))
        return self.act(x) if self.active else x

    def _branches(self, x: Any) -> Any:
        out = self.conv_kxk[0](x)
        for branch in self.conv_kxk[1:]:
            out = out + branch(x)
        if self.conv_1x1 is not None:
            out = out + self.conv_1x1(x)
        return out if self.identity is None else out + self.identity(x)

    def _on_cpu(self, x: Any) -> Any:
        if self.is_repped:
            return channel_affine(self._convolved(x), self.lab.scale,
                                  self.lab.scale * self.reparam_conv.bias + self.lab.bias)
        if self.groups == self.channels:
            kernels, norms = self._depthwise_branches()
            if share_settings(norms):
                return self.lab(joint_depthwise(x, kernels, norms, self.stride))
        return self.lab(self._branches(x))

    def _convolved(self, x: Any) -> Any:
        """Return the merged convolution without its bias."""
        weight, padding = self.reparam_conv.weight, same_padding(self.kernel_size)
        if self.groups == self.channels:
            stride = (self.stride, self.stride) if isinstance(self.stride, int) else self.stride
            return fast_depthwise(x, weight, stride, padding)
        return F.conv2d(x, weight, stride=self.stride, padding=padding, groups=self.groups)

    def _depthwise_branches(self) -> tuple[list[Any], list[Any]]:
        kernels, norms = [branch.conv.weight for branch in self.conv_kxk], [branch.bn for branch in self.conv_kxk]
        if self.conv_1x1 is not None:
            kernels.append(grow(self.conv_1x1.conv.weight, self.kernel_size))
            norms.append(self.conv_1x1.bn)
        if self.identity is not None:
            kernels.append(grow(paddle.ones([self.channels, 1, 1, 1]), self.kernel_size))
            norms.append(self.identity)
        return kernels, norms

    def rep(self) -> None:
        """Merge the branches."""
        if self.is_repped:
            return
        self.reparam_conv = merged_convolution(self._kernel(), stride=self.stride, groups=self.groups,
                                               padding=same_padding(self.kernel_size))
        del self.conv_kxk, self.conv_1x1, self.identity
        self.is_repped = True

    def _kernel(self) -> Kernel:
        kernels = [fold_norm(branch.conv, branch.bn) for branch in self.conv_kxk]
        if self.conv_1x1 is not None:
            weight, bias = fold_norm(self.conv_1x1.conv, self.conv_1x1.bn)
            kernels.append((grow(weight, self.kernel_size), bias))
        if self.identity is not None:
            same = identity_kernel(self.channels, self.groups, self.kernel_size)
            kernels.append(scale_by_norm(same, self.identity))
        return total(kernels)


def share_settings(norms: list[Any]) -> bool:
    """Tell whether all are plain batch norms that take the statistics of the batch, with one momentum and epsilon."""
    # Private names: Paddle's batch norms keep their settings nowhere else.
    settings = {(norm._momentum, norm._epsilon) for norm in norms}
    return len(settings) == 1 and all(
        type(norm) is nn.BatchNorm2D and norm.training and not norm._use_global_stats for norm in norms)


def joint_depthwise(x: Any, kernels: list[Any], norms: list[Any], stride: Size) -> Any:
    """Return the sum of depthwise convolutions of `x`, each with its batch norm, by one convolution and one norm.

    The kernels of one channel follow each other, so that its place in the image is looked up once for all. The running
    statistics of `norms` are updated.

    Args:
        x: [N, C, H, W].
        kernels: [C, 1, k, k] each, k odd.
        norms: Batch norms of C channels that `share_settings`.
        stride: One step, or (vertical, horizontal).
    """
    branches, channels, size = len(kernels), x.shape[1], kernels[0].shape[-1]
    weight = paddle.concat(kernels, axis=1).reshape([channels * branches, 1, size, size])
    scale, bias, mean, variance = (
        paddle.stack([getattr(norm, name) for norm in norms], axis=1).flatten()
        for name in ("weight", "bias", "_mean", "_variance")
    )
    out = F.conv2d(x, weight, stride=stride, padding=same_padding(size), groups=channels)
    out = F.batch_norm(out, mean, variance, scale, bias, training=True, momentum=norms[0]._momentum,
                       epsilon=norms[0]._epsilon)
    for index, norm in enumerate(norms):
        norm._mean.set_value(mean.reshape([channels, branches])[:, index])
        norm._variance.set_value(variance.reshape([channels, branches])[:, index])
    batch, _, height, width = out.shape
    # A product with ones adds up faster than the operator for sums.
    rows = out.reshape([batch * channels, branches, height * width])
    return paddle.matmul(paddle.ones([1, branches]), rows).reshape([batch, channels, height, width])
