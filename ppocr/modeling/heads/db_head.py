"""The head of DB: text probability, threshold and their differentiable binarisation (Liao et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, KaimingUniform

from ppocr.errors import ConfigError
from ppocr.modeling.common.cpu_training import DoublingConv2D, NarrowingConv2D
from ppocr.modeling.common.layers import uniform_attr
from ppocr.registry import HEADS

AUXILIARY = ("p4", "p3", "p2")
"""Inner maps of the neck that auxiliary heads read, at the strides 16, 8 and 4."""


class MapBranch(nn.Layer):
    """Makes one probability map, four times as high and wide: [N, C, H, W] to [N, 1, 4H, 4W], 0 to 1.

    Args:
        in_channels: C.
        kernel_list: Kernel sizes of the convolution and of the two transposed convolutions of stride 2.
        fix_nan: While training, put 0 where a batch norm gave no number.
        folded: Leave out the batch norms; the first convolution then has a bias as well.
    """

    def __init__(self, in_channels: int, kernel_list: Sequence[int], fix_nan: bool, folded: bool = False) -> None:
        super().__init__()
        self.fix_nan = fix_nan
        first, second, third = kernel_list
        inner = in_channels // 4
        self.conv1 = NarrowingConv2D(in_channels, inner, first, padding=first // 2,
                                     bias_attr=None if folded else False)
        self.conv_bn1 = nn.Identity() if folded else _norm(inner)
        self.conv2 = _enlarging(inner, inner, second)
        self.conv_bn2 = nn.Identity() if folded else _norm(inner)
        self.conv3 = _enlarging(inner, 1, third)

    def features(self, x: Any) -> Any:
        """Return the map before the last layer, [N, C / 4, 2H, 2W]."""
        x = self._activated(self.conv_bn1(self.conv1(x)))
        return self._activated(self.conv_bn2(self.conv2(x)))

    def classify(self, features: Any) -> Any:
        """Return the probabilities [N, 1, 4H, 4W] for what `features` returned."""
        return F.sigmoid(self.conv3(features))

    def forward(self, x: Any) -> Any:
        """Return the map."""
        return self.classify(self.features(x))

    def _activated(self, x: Any) -> Any:
        x = F.relu(x)
        if self.fix_nan and self.training:
            x = paddle.where(paddle.isnan(x), paddle.zeros_like(x), x)
        return x


@HEADS.register(tasks=("det",))
class DBHead(nn.Layer):
    """Text probability, and while training also threshold and approximate binary map.

    Returns ``{"maps": …}``: in evaluation float [N, 1, H, W], the text probability; while training [N, 3, H, W], with
    the threshold and the binary map ``1 / (1 + exp(-k (probability - threshold)))``; H and W are those of the image.

    Auxiliary heads (deep supervision, Lee et al. 2015) make three such maps each from inner maps of the neck, while
    training: ``aux_maps_p4``, ``aux_maps_p3`` and ``aux_maps_p2``, of the shape of ``maps``. The inner maps, at the
    strides 16, 8 and 4, are first enlarged to stride 4, bilinearly.

    Args:
        in_channels: Channels of the neck.
        k: Steepness of the binary map.
        kernel_list: Kernel sizes of the convolution, which is odd, and of the two transposed ones, which are 2, so that
            the map gets the size of the image; published models have [3, 2, 2] or [7, 2, 2].
        fix_nan: While training, put 0 where a batch norm gave no number (it may, with 16 bit numbers).
        aux_in_channels: Channels of the inner maps for auxiliary heads, those of the neck; 0 for no such heads. The
            necks RepLKFPN and RepLKPAN hand these maps over.
        reparameterized: Build the text probability without batch norms, as some exported models have it.

    Raises:
        ConfigError: Other kernels, or channels that are no multiple of 4.
    """

    output_name = "maps"
    dynamic_height = True
    training_only: tuple[str, ...] = ("thresh",)

    def __init__(self, in_channels: int, k: int = 50, kernel_list: Sequence[int] = (3, 2, 2),
                 fix_nan: bool = False, aux_in_channels: int = 0, reparameterized: bool = False) -> None:
        super().__init__()
        _check(in_channels, kernel_list, aux_in_channels)
        if k < 1:
            raise ConfigError(f"Architecture.Head.k is {k}", expected="1 or more; published models have 50",
                              cure="correct the value")
        self.k, self.out_channels, self.aux_in_channels = k, 1, aux_in_channels
        self.binarize = MapBranch(in_channels, kernel_list, fix_nan, reparameterized)
        self.thresh = MapBranch(in_channels, kernel_list, fix_nan)
        if aux_in_channels:
            for level in AUXILIARY:
                for part in ("binarize", "thresh"):
                    self.add_sublayer(f"aux_{part}_{level}", MapBranch(aux_in_channels, kernel_list, fix_nan))
            self.training_only = ("thresh", *(f"aux_{part}_{level}" for level in AUXILIARY
                                              for part in ("binarize", "thresh")))

    def forward(self, x: Any) -> dict[str, Any]:
        """Return the maps.

        Args:
            x: [N, in_channels, H / 4, W / 4]; or, while training, a dict with this map as ``fuse`` and the inner maps
                as ``aux_p4``, ``aux_p3`` and ``aux_p2``.
        """
        fuse = joined_map(x)
        shrink = self.binarize(fuse)
        if not self.training:
            return {"maps": shrink}
        outputs = {"maps": self._three_maps(shrink, self.thresh(fuse))}
        if self.aux_in_channels:
            inner = _inner_maps(x, self.aux_in_channels)
            for level in AUXILIARY:
                resized = _resized(inner[level], fuse.shape[2:])
                binarize, thresh = getattr(self, f"aux_binarize_{level}"), getattr(self, f"aux_thresh_{level}")
                outputs[f"aux_maps_{level}"] = self._three_maps(binarize(resized), thresh(resized))
        return outputs

    def _three_maps(self, shrink: Any, threshold: Any) -> Any:
        return paddle.concat([shrink, threshold, binary_map(shrink, threshold, self.k)], axis=1)


def joined_map(x: Any) -> Any:
    """Return the neck's joined map, which is in a dict where the neck also hands over inner maps."""
    return x["fuse"] if isinstance(x, dict) else x


def binary_map(shrink: Any, threshold: Any, k: int) -> Any:
    """Return the approximate binary map, 0 to 1, of a probability and a threshold map."""
    return F.sigmoid(k * (shrink - threshold))


def _check(in_channels: int, kernel_list: Sequence[int], aux_in_channels: int) -> None:
    first, *doubling = kernel_list or (0,)
    if first < 1 or first % 2 == 0 or list(doubling) != [2, 2]:
        raise ConfigError(f"Architecture.Head.kernel_list is {list(kernel_list)}",
                          expected="an odd kernel size and two of 2, such as [3, 2, 2]: others make maps of another "
                          "size than the image", cure="correct the value")
    if in_channels % 4:
        raise ConfigError(f"Architecture.Head gets {in_channels} channels", expected="a multiple of 4",
                          cure="correct Architecture.Neck.out_channels")
    if aux_in_channels < 0 or aux_in_channels % 4:
        raise ConfigError(f"Architecture.Head.aux_in_channels is {aux_in_channels}",
                          expected="0 for no auxiliary heads, or Architecture.Neck.out_channels",
                          cure="correct the value")


def _inner_maps(x: Any, channels: int) -> dict[str, Any]:
    """Return the maps for auxiliary heads by level.

    Raises:
        ConfigError: The neck has none, or of another width.
    """
    if not isinstance(x, dict):
        raise ConfigError(f"Architecture.Head.aux_in_channels is {channels}, but the neck hands over no inner maps",
                          expected="the neck RepLKFPN or RepLKPAN, which is trained: a wholly frozen one has none",
                          cure="set aux_in_channels: 0 (and the aux_weight_... of the loss), change the neck, or do "
                          "not freeze all of it")
    maps = {level: x[f"aux_{level}"] for level in AUXILIARY}
    found = maps[AUXILIARY[0]].shape[1]
    if found != channels:
        raise ConfigError(f"Architecture.Head.aux_in_channels is {channels}",
                          expected=f"{found}, Architecture.Neck.out_channels", cure="correct the value")
    return maps


def _resized(x: Any, size: Sequence[int]) -> Any:
    # Only training comes here; exported programs hold no interpolation.
    return x if list(x.shape[2:]) == list(size) else F.interpolate(x, size=list(size), mode="bilinear",
                                                                   align_corners=False)


def _norm(channels: int) -> nn.BatchNorm2D:
    return nn.BatchNorm2D(channels, weight_attr=ParamAttr(initializer=Constant(1.0)),
                          bias_attr=ParamAttr(initializer=Constant(1e-4)))


def _enlarging(in_channels: int, out_channels: int, kernel_size: int) -> DoublingConv2D:
    return DoublingConv2D(in_channels, out_channels, kernel_size, stride=2,
                          weight_attr=ParamAttr(initializer=KaimingUniform()), bias_attr=uniform_attr(in_channels))
