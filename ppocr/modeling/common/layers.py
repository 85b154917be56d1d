"""Convolution with batch norm, squeeze-and-excitation, stochastic depth, and how their parameters start."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Uniform
from paddle.regularizer import L2Decay

from ppocr.errors import ConfigError, did_you_mean
from ppocr.modeling.common.convolution import DepthwiseConv2D

Size = int | tuple[int, int]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "gelu": F.gelu,
    "swish": F.swish,
    "sigmoid": F.sigmoid,
    "none": lambda x: x,
}


def activation(name: str) -> Callable[[Any], Any]:
    """Return the activation of that name; ``nn.GELU`` and ``GELU`` are accepted for ``gelu``.

    Raises:
        ConfigError: There is no such activation.
    """
    key = name.removeprefix("nn.").lower()
    if key not in ACTIVATIONS:
        hint = did_you_mean(key, ACTIVATIONS)
        raise ConfigError(f"there is no activation {name!r}" + (f" ({hint})" if hint else ""),
                          expected="one of " + ", ".join(ACTIVATIONS), cure="correct the name in the configuration")
    return ACTIVATIONS[key]


def make_divisible(value: float, divisor: int = 8) -> int:
    """Return the multiple of `divisor` next to `value`, at least `divisor` and not below 90 % of `value`.

    The channel rounding of MobileNetV2 (Sandler et al. 2018).
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def same_padding(kernel_size: Size) -> tuple[int, int]:
    """Return the padding by which an odd kernel with stride 1 keeps height and width."""
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return (height - 1) // 2, (width - 1) // 2


def uniform_attr(fan_in: int, decay: float | None = None) -> ParamAttr:
    """Return attributes of a parameter that starts uniform in ±1/sqrt(fan_in), with its own L2 decay if given."""
    bound = 1.0 / math.sqrt(fan_in)
    regularizer = None if decay is None else L2Decay(decay)
    return ParamAttr(initializer=Uniform(-bound, bound), regularizer=regularizer)


class ConvBN(nn.Layer):
    """Convolution, batch norm (momentum 0.9, epsilon 1e-5) and activation: [N, in, H, W] to [N, out, H', W'].

    Args:
        in_channels, out_channels: Channels.
        kernel_size: An odd size, or (height, width).
        stride: One step, or (vertical, horizontal).
        groups: Convolution groups; `in_channels` makes it depthwise.
        act: Name of the activation.
        bias: Whether the convolution has a bias of its own.
        weight_init: Initializer of the convolution's weight; paddle's default if None.
        decay_norm: Whether weight decay applies to the batch norm's scale and shift.
    """

    # Published weights call the two layers by these names; subclasses below use those of other networks.
    conv_name, norm_name = "conv", "bn"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        groups: int = 1,
        act: str = "none",
        bias: bool = False,
        weight_init: Any = None,
        decay_norm: bool = True,
    ) -> None:
        super().__init__()
        convolution = DepthwiseConv2D if groups == in_channels == out_channels and not bias else nn.Conv2D
        conv = convolution(
            in_channels, out_channels, kernel_size, stride=stride, padding=same_padding(kernel_size), groups=groups,
            weight_attr=None if weight_init is None else ParamAttr(initializer=weight_init),
            bias_attr=None if bias else False,
        )
        self.add_sublayer(self.conv_name, conv)
        self.add_sublayer(self.norm_name, nn.BatchNorm2D(out_channels, weight_attr=_norm_attr(decay_norm),
                                                         bias_attr=_norm_attr(decay_norm)))
        self.act = activation(act)

    def forward(self, x: Any) -> Any:
        """Return the activated, normalised convolution of `x`."""
        return self.act(getattr(self, self.norm_name)(getattr(self, self.conv_name)(x)))


class ConvBatchNorm(ConvBN):
    """`ConvBN` under the parameter names of the ResNet and MobileNetV1 families."""

    conv_name, norm_name = "_conv", "_batch_norm"


class ConvNorm(ConvBN):
    """`ConvBN` under the parameter names of the SVTR family."""

    norm_name = "norm"


def _norm_attr(decay: bool) -> ParamAttr | None:
    return None if decay else ParamAttr(regularizer=L2Decay(0.0))


class SqueezeExcite(nn.Layer):
    """Channel gates from the mean over the image (Hu et al. 2018), [N, C, H, W] to the same shape.

    Args:
        channels: C.
        reduction: C / reduction channels lie between the two 1x1 convolutions.
        slope: Slope of the hard sigmoid ``clip(slope * x + 0.5, 0, 1)``; the published networks differ in it.
    """

    def __init__(self, channels: int, *, reduction: int = 4, slope: float = 1 / 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(channels, channels // reduction, 1)
        self.conv2 = nn.Conv2D(channels // reduction, channels, 1)
        self.slope = slope

    def forward(self, x: Any) -> Any:
        """Return `x` times its gates."""
        gates = self.conv2(F.relu(self.conv1(F.adaptive_avg_pool2d(x, 1))))
        return x * F.hardsigmoid(gates, slope=self.slope, offset=0.5)


class DropPath(nn.Layer):
    """Stochastic depth (Huang et al. 2016): while training, drops whole samples with probability `rate`.

    The samples that stay are divided by the probability of staying, so that evaluation needs no correction.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Any) -> Any:
        """Return `x`, with some samples zeroed while training."""
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        draws = paddle.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype)
        return x * paddle.floor(draws + keep) / keep
