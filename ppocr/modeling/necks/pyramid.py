"""What the feature pyramids (Lin et al. 2017) of the detectors share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import paddle
from paddle import nn
from paddle.nn.initializer import KaimingUniform

from ppocr.errors import ConfigError
from ppocr.modeling.common.cpu_training import NarrowingConv2D
from ppocr.modeling.common.layers import Size, same_padding
from ppocr.modeling.common.upsample import upsample

LEVELS = 4
"""Maps that a backbone hands over, at strides 4, 8, 16 and 32."""


def check_channels(in_channels: Sequence[int], out_channels: int, neck: str) -> None:
    """Raise ConfigError unless the backbone has four maps and the neck's width can be shared among them."""
    if not isinstance(in_channels, (list, tuple)) or len(in_channels) != LEVELS:
        raise ConfigError(f"Architecture.Neck {neck} gets a backbone of {in_channels} channels",
                          expected="four maps, at strides 4, 8, 16 and 32",
                          cure="use a backbone for detection, with all its four outputs")
    if out_channels < LEVELS or out_channels % LEVELS:
        raise ConfigError(f"Architecture.Neck.out_channels is {out_channels}",
                          expected="a multiple of 4: each of the four maps gives a quarter", cure="correct the value")


def plain_conv(in_channels: int, out_channels: int, kernel_size: Size, *, stride: int = 1) -> nn.Conv2D:
    """Return a convolution without bias that keeps the size at stride 1; its weights start Kaiming uniform."""
    narrows = stride == 1 and out_channels < in_channels and same_padding(kernel_size) != (0, 0)
    convolution = NarrowingConv2D if narrows else nn.Conv2D
    return convolution(in_channels, out_channels, kernel_size, stride=stride, padding=same_padding(kernel_size),
                       weight_attr=paddle.ParamAttr(initializer=KaimingUniform()), bias_attr=False)


def top_down(laterals: Sequence[Any]) -> list[Any]:
    """Return the maps, largest first, each with the enlarged sum of the smaller ones added.

    Args:
        laterals: Maps of equal channels, each half as high and wide as the one before.

    Raises:
        ConfigError: They are not, because the image's sides are no multiples of 32.
    """
    _check_halves(laterals)
    summed = [laterals[-1]]
    for lateral in reversed(laterals[:-1]):
        summed.insert(0, lateral + upsample(summed[0], 2))
    return summed


def enlarge(maps: Sequence[Any]) -> list[Any]:
    """Return the maps in the size of the first, in the order of published weights: the smallest first."""
    return [upsample(x, 2**level) for level, x in reversed(list(enumerate(maps)))]


def _check_halves(maps: Sequence[Any]) -> None:
    if not paddle.in_dynamic_mode():  # In a program the sizes may vary.
        return
    for large, small in pairwise(maps):
        if list(large.shape[2:]) != [2 * side for side in small.shape[2:]]:
            raise ConfigError(
                f"the backbone's maps are {' and '.join(f'{x.shape[2]}x{x.shape[3]}' for x in (large, small))}",
                expected="each half the one before: images whose height and width are multiples of 32",
                cure="choose such a size for the crop while training and for the resize in evaluation",
            )
