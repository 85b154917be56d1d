"""Structural re-parameterisation: branches that are trained side by side become one convolution (Ding et al. 2021).

A layer that can be merged has a method ``rep()``, which replaces its branches by one convolution of the same output,
and a true ``is_repped`` from then on. `reparameterize` calls them all.
"""

from __future__ import annotations

import copy
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.common.convolution import DepthwiseConv2D

Kernel = tuple[Any, Any]
"""Weight [out, in / groups, kh, kw] and bias [out] of a convolution, float32 tensors."""


def fold_norm(conv: nn.Conv2D, norm: Any) -> Kernel:
    """Return the convolution that gives what `conv` and the batch norm after it give in evaluation."""
    bias = paddle.zeros([conv.weight.shape[0]], conv.weight.dtype) if conv.bias is None else conv.bias
    return scale_by_norm((conv.weight, bias), norm)


def scale_by_norm(kernel: Kernel, norm: Any) -> Kernel:
    """Return the convolution that gives what `kernel` and the batch norm after it give in evaluation."""
    weight, bias = kernel
    # Private name: Paddle's batch norms keep their epsilon nowhere else.
    scale = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    return weight * scale.reshape([-1, 1, 1, 1]), (bias - norm._mean) * scale + norm.bias


def identity_kernel(channels: int, groups: int, size: int) -> Kernel:
    """Return the square convolution of an odd size that changes nothing."""
    weight = paddle.zeros([channels, channels // groups, size, size])
    for channel in range(channels):
        weight[channel, channel % (channels // groups), size // 2, size // 2] = 1.0
    return weight, paddle.zeros([channels])


def grow(weight: Any, size: int, dilation: int = 1) -> Any:
    """Return a kernel of an odd size with its taps `dilation` apart, padded with zeros to `size` x `size`."""
    taps = weight.shape[-1]
    if dilation > 1:
        spread = paddle.zeros([*weight.shape[:2], dilation * (taps - 1) + 1, dilation * (taps - 1) + 1], weight.dtype)
        spread[:, :, ::dilation, ::dilation] = weight
        weight = spread
    margin = (size - weight.shape[-1]) // 2
    return F.pad(weight, [margin] * 4) if margin else weight


def total(kernels: list[Kernel]) -> Kernel:
    """Return the sum of convolutions of one size."""
    weights, biases = zip(*kernels, strict=True)
    return sum(weights[1:], weights[0]), sum(biases[1:], biases[0])


def merged_convolution(kernel: Kernel, *, stride: Any = 1, padding: Any = 0, dilation: int = 1,
                       groups: int = 1) -> nn.Conv2D:
    """Return a convolution layer with bias and these weights."""
    weight, bias = kernel
    out_channels, inner, height, width = weight.shape
    is_depthwise = groups == out_channels and inner == dilation == 1 and height % 2 == width % 2 == 1
    convolution = DepthwiseConv2D if is_depthwise else nn.Conv2D
    layer = convolution(inner * groups, out_channels, (height, width), stride=stride, padding=padding,
                        dilation=dilation, groups=groups)
    layer.weight.set_value(weight.detach())
    layer.bias.set_value(bias.detach())
    return layer


def reparameterize(model: Any, *, inplace: bool = False) -> Any:
    """Merge the branches of all layers that offer it and return the model, in evaluation mode.

    Args:
        model: A ``paddle.nn.Layer``.
        inplace: Change the given model, which can afterwards be trained in the merged form only; otherwise a copy is
            merged, and a model without such layers is returned as it is.
    """
    model.eval()
    if not any(hasattr(layer, "rep") for layer in model.sublayers(include_self=True)):
        return model
    merged = model if inplace else copy.deepcopy(model)
    with paddle.no_grad():
        for layer in merged.sublayers(include_self=True):
            if hasattr(layer, "rep") and not getattr(layer, "is_repped", False):
                layer.rep()
    return merged
