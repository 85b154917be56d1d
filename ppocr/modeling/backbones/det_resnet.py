"""Residual networks for detection: the original (He et al. 2016) and ResNet-vd (He et al. 2019, "Bag of Tricks")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import paddle.nn.functional as F
from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvBatchNorm
from ppocr.modeling.common.resnet import DEPTHS, FILTERS, PooledShortcut, block_class
from ppocr.registry import BACKBONES

STAGES = len(FILTERS)


class ResidualStages(nn.Layer):
    """The four stages after a stem, whose blocks are named by the subclass.

    Args:
        layers: Depth.
        dcn_stage: For each stage, whether its 3x3 convolutions are deformable; None for nowhere.
        out_indices: Stages whose maps are returned, from 0; None for all.
        short: Makes the shortcut of the first block of each stage, from channels in, channels out and stride.

    Raises:
        ConfigError: Not four stages, or a stage that does not exist.
    """

    def __init__(self, layers: int, dcn_stage: Sequence[bool] | None, out_indices: Sequence[int] | None,
                 short: Callable[[int, int, int], nn.Layer]) -> None:
        super().__init__()
        deformable = (False,) * STAGES if dcn_stage is None else tuple(dcn_stage)
        self.out_indices = tuple(range(STAGES)) if out_indices is None else tuple(out_indices)
        _check_stages(deformable, self.out_indices)
        block = block_class(layers)
        self.block_names: list[list[str]] = []
        self.out_channels: list[int] = []
        channels = FILTERS[0]
        for stage, (depth, filters) in enumerate(zip(DEPTHS[layers], FILTERS, strict=True)):
            names = [self.block_name(layers, stage, index) for index in range(depth)]
            for index, name in enumerate(names):
                stride = 2 if stage and index == 0 else 1
                out = filters * block.expansion
                layer = short(channels, out, stride) if index == 0 else None
                self.add_sublayer(name, block(channels, filters, stride, layer, deformable[stage]))
                channels = out
            self.block_names.append(names)
            if stage in self.out_indices:
                self.out_channels.append(channels)

    def block_name(self, layers: int, stage: int, index: int) -> str:
        """Return the name of a block; stages and blocks count from 0."""
        raise NotImplementedError

    def stages(self, x: Any) -> list[Any]:
        """Return the maps of the chosen stages, the largest first."""
        maps = []
        for stage, names in enumerate(self.block_names):
            for name in names:
                x = getattr(self, name)(x)
            if stage in self.out_indices:
                maps.append(x)
        return maps


@BACKBONES.register("ResNet_vd", tasks=("det",))
class ResNetVd(ResidualStages):
    """ResNet-vd for detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32.

    Args:
        in_channels: Channels of the image.
        layers: Depth; the maps have 64 to 512 channels for 18 and 34, 256 to 2048 for the others.
        dcn_stage: For each of the four stages, whether it has deformable convolutions; null for nowhere.
        out_indices: Stages whose maps are returned, from 0; null for all four.

    Raises:
        ConfigError: Not four stages, or a stage that does not exist.
    """

    def __init__(
        self,
        in_channels: int = 3,
        layers: Literal[18, 34, 50, 101, 152, 200] = 50,
        dcn_stage: Sequence[bool] | None = None,
        out_indices: Sequence[int] | None = None,
    ) -> None:
        super().__init__(layers, dcn_stage, out_indices, PooledShortcut)
        self.conv1_1 = ConvBatchNorm(in_channels, 32, 3, stride=2, act="relu")
        self.conv1_2 = ConvBatchNorm(32, 32, 3, act="relu")
        self.conv1_3 = ConvBatchNorm(32, 64, 3, act="relu")

    def block_name(self, layers: int, stage: int, index: int) -> str:
        """Return the name of a block, such as ``bb_0_1``."""
        return f"bb_{stage}_{index}"

    def forward(self, images: Any) -> list[Any]:
        """Return the maps, the largest first."""
        x = self.conv1_3(self.conv1_2(self.conv1_1(images)))
        return self.stages(F.max_pool2d(x, 3, stride=2, padding=1))


@BACKBONES.register(tasks=("det",))
class ResNet(ResidualStages):
    """The original ResNet for detection (DB++): [N, 3, H, W] to maps [N, out_channels[i], H / s, W / s], s = 4 to 32.

    Args:
        in_channels: Channels of the image.
        layers: Depth; the maps have 64 to 512 channels for 18 and 34, 256 to 2048 for the others.
        out_indices: Stages whose maps are returned, from 0; null for all four.
        dcn_stage: For each of the four stages, whether it has deformable convolutions; null for nowhere.

    Raises:
        ConfigError: Not four stages, or a stage that does not exist.
    """

    def __init__(
        self,
        in_channels: int = 3,
        layers: Literal[18, 34, 50, 101, 152] = 50,
        out_indices: Sequence[int] | None = None,
        dcn_stage: Sequence[bool] | None = None,
    ) -> None:
        super().__init__(layers, dcn_stage, out_indices,
                         lambda channels, out, stride: ConvBatchNorm(channels, out, 1, stride=stride))
        self.conv = ConvBatchNorm(in_channels, 64, 7, stride=2, act="relu")

    def block_name(self, layers: int, stage: int, index: int) -> str:
        """Return the name of a block as the first ResNet weights had it: ``res2a``, ``res4b1``."""
        if layers > 50 and stage == 2:
            return f"res{stage + 2}" + (f"b{index}" if index else "a")
        return f"res{stage + 2}{chr(ord('a') + index)}"

    def forward(self, images: Any) -> list[Any]:
        """Return the maps, the largest first."""
        return self.stages(F.max_pool2d(self.conv(images), 3, stride=2, padding=1))


def _check_stages(deformable: Sequence[bool], out_indices: Sequence[int]) -> None:
    if len(deformable) != STAGES:
        raise ConfigError(f"Architecture.Backbone.dcn_stage is {list(deformable)}",
                          expected="true or false for each of the four stages",
                          cure="write four values, such as [false, true, true, true]")
    if not out_indices or list(out_indices) != sorted(set(out_indices) & set(range(STAGES))):
        raise ConfigError(f"Architecture.Backbone.out_indices is {list(out_indices)}",
                          expected="rising numbers of stages, 0 to 3", cure="correct the value, or leave it out")
