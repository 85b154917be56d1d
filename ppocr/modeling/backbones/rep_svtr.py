"""RepSVTR, the mobile backbone beside SVTRv2 (Du et al. 2025): RepViT (Wang et al. 2024) for text lines and photos.

No weights of these networks are at hand to compare with, so they need not fit published ones. The block, the
downsampling and the stem are those of RepViT. The maps that a published detector takes (2, 5, 10, 13) tell the blocks
of its stages; the small PP-LCNetV4 has as many, and widths, depths and gates are taken from there. The names are our
own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.backbones.pplcnet_v4 import ChannelMixer, FoldingConv, Stage, TokenMixer, plain_stem
from ppocr.modeling.common.layers import Size, SqueezeExcite
from ppocr.modeling.common.text_pooling import pool_text_line
from ppocr.registry import BACKBONES

DETECTION = (Stage(48, 2, (0,)), Stage(96, 3, (1,), 2), Stage(192, 5, (1, 3), 2), Stage(384, 3, (1,), 2))
RECOGNITION = (Stage(96, 3, (0,)), Stage(192, 7, (1, 3, 5), (2, 1)), Stage(384, 3, (1,), (2, 1)))


class RepViTBlock(nn.Layer):
    """Depthwise convolution with branches and optional gates, then 1x1 convolutions with a shortcut; keeps the shape.

    Args:
        channels: Channels.
        gates: Whether there are channel gates.
        reparameterized: Build the merged form.
    """

    def __init__(self, channels: int, gates: bool, reparameterized: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(channels, 1, True, gates, reparameterized)
        self.channel_mixer = ChannelMixer(channels, channels, True, reparameterized)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        x = self.token_mixer(x)
        return x + self.channel_mixer(x)


class Downsample(nn.Layer):
    """Depthwise convolution with a stride, 1x1 convolution, then 1x1 convolutions with a shortcut.

    Args:
        in_channels, out_channels: Channels.
        stride: One step, or (vertical, horizontal).
        gates: Whether there are channel gates after the depthwise convolution.
        reparameterized: Build the merged form.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Size, gates: bool, reparameterized: bool) -> None:
        super().__init__()
        self.dw_conv = FoldingConv(in_channels, in_channels, 3, stride=stride, groups=in_channels,
                                   reparameterized=reparameterized)
        self.se = SqueezeExcite(in_channels) if gates else None
        self.pw_conv = FoldingConv(in_channels, out_channels, 1, reparameterized=reparameterized)
        self.channel_mixer = ChannelMixer(out_channels, out_channels, True, reparameterized)

    def forward(self, x: Any) -> Any:
        """Return the smaller map."""
        x = self.dw_conv(x)
        x = self.pw_conv(x if self.se is None else self.se(x))
        return x + self.channel_mixer(x)


def build_features(in_channels: int, stages: Sequence[Stage], reparameterized: bool) -> nn.LayerList:
    """Return the stem and the blocks of all stages, one after another."""
    width = stages[0].out_channels
    features: list[nn.Layer] = [plain_stem(in_channels, width // 2, width, reparameterized)]
    for stage in stages:
        for number in range(stage.blocks):
            gates = number in stage.gates
            if number == 0 and stage.stride != 1:
                features.append(Downsample(width, stage.out_channels, stage.stride, gates, reparameterized))
            else:
                features.append(RepViTBlock(stage.out_channels, gates, reparameterized))
        width = stage.out_channels
    return nn.LayerList(features)


@BACKBONES.register("RepSVTR", tasks=("rec",))
class RepSVTR(nn.Layer):
    """RepSVTR for text lines: [N, 3, 48, W] to [N, 384, 1, W / 8].

    Args:
        in_channels: Channels of the image.
        reparameterized: Build the merged form, one convolution for each layer and no batch norm.
    """

    def __init__(self, in_channels: int = 3, reparameterized: bool = False) -> None:
        super().__init__()
        self.features = build_features(in_channels, RECOGNITION, reparameterized)
        self.out_channels = RECOGNITION[-1].out_channels

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        x = images
        for layer in self.features:
            x = layer(x)
        return pool_text_line(x, training=self.training)


@BACKBONES.register("RepSVTR_det", tasks=("det",))
class RepSVTRDet(nn.Layer):
    """RepSVTR for detection: [N, 3, H, W] to four maps [N, out_channels[i], H / s, W / s], s = 4, 8, 16, 32.

    Args:
        in_channels: Channels of the image.
        out_indices: Layers whose maps are returned, counted from the stem, which is 0; the stages end at 2, 5, 10, 13.
        reparameterized: Build the merged form, one convolution for each layer and no batch norm.

    Raises:
        ConfigError: `out_indices` names a layer that does not exist.
    """

    def __init__(self, in_channels: int = 3, out_indices: Sequence[int] = (2, 5, 10, 13),
                 reparameterized: bool = False) -> None:
        super().__init__()
        self.features = build_features(in_channels, DETECTION, reparameterized)
        self.out_indices = tuple(out_indices)
        if not out_indices or list(out_indices) != sorted(set(out_indices) & set(range(len(self.features)))):
            raise ConfigError(f"Architecture.Backbone.out_indices is {list(out_indices)}",
                              expected=f"rising numbers of layers, 0 to {len(self.features) - 1}",
                              cure="correct the value, or leave it out")
        widths = [DETECTION[0].out_channels]
        for stage in DETECTION:
            widths += [stage.out_channels] * stage.blocks
        self.out_channels = [widths[index] for index in self.out_indices]

    def forward(self, images: Any) -> list[Any]:
        """Return the maps, the largest first."""
        x, maps = images, []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.out_indices:
                maps.append(x)
        return maps
