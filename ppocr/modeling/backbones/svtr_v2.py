"""SVTRv2: Du et al. 2025, "SVTRv2: CTC Beats Encoder-Decoder Models in Scene Text Recognition".

The visual model alone. No weights of it are at hand to compare with; the names are those of SVTR where it has the
part, and our own elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import KaimingNormal, TruncatedNormal

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvNorm, DropPath
from ppocr.modeling.common.mixing import MLP, Attention, init_transformer
from ppocr.modeling.common.text_pooling import pool_text_line
from ppocr.registry import BACKBONES

Mixer = Literal["Conv", "Global"]
PATCH = 4
"""Height and width of the image part that a token starts from."""


class MapBlock(nn.Layer):
    """A mixer and an MLP over a map, each with layer norm before and a shortcut around: [N, C, H, W] to the same.

    Args:
        dim: C.
        num_heads: Heads of the attention, or groups of the convolution.
        mixer: ``Conv`` mixes neighbours by a grouped convolution, ``Global`` all places by attention.
        kernel_size: Height and width of the convolution, odd; attention does not need it.
        mlp_ratio: Hidden width of the MLP as a multiple of C.
        drop_path: Rate of stochastic depth.
        act: Activation of the MLP.
        epsilon: Of the layer norms.
        drop: Dropout after the attention and inside the MLP.
        qkv_bias, qk_scale, attn_drop: See `Attention`.
    """

    def __init__(self, dim: int, num_heads: int, mixer: Mixer, kernel_size: Sequence[int], *,
                 mlp_ratio: float = 4, drop_path: float = 0.0, act: str = "gelu", epsilon: float = 1e-6,
                 drop: float = 0.0, qkv_bias: bool = True, qk_scale: float | None = None,
                 attn_drop: float = 0.0) -> None:
        super().__init__()
        self.dim, self.mixes_neighbours = dim, mixer == "Conv"
        self.norm1 = nn.LayerNorm(dim, epsilon=epsilon)
        if self.mixes_neighbours:
            self.mixer = nn.Conv2D(dim, dim, list(kernel_size), padding=[size // 2 for size in kernel_size],
                                   groups=num_heads, weight_attr=ParamAttr(initializer=KaimingNormal()))
        else:
            self.mixer = Attention(dim, num_heads, qkv_bias=qkv_bias, qk_scale=qk_scale, attn_drop=attn_drop,
                                   proj_drop=drop)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim, epsilon=epsilon)
        self.mlp = MLP(dim, int(dim * mlp_ratio), act=act, drop=drop)

    def forward(self, x: Any) -> Any:
        """Return the map after both branches."""
        height = x.shape[2]
        tokens = _tokens(x)
        mixed = self.norm1(tokens)
        mixed = _tokens(self.mixer(self._map(mixed, height))) if self.mixes_neighbours else self.mixer(mixed)
        tokens = tokens + self.drop_path(mixed)
        tokens = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return self._map(tokens, height)

    def _map(self, tokens: Any, height: int) -> Any:
        return tokens.transpose([0, 2, 1]).reshape([0, self.dim, height, -1])


class Merging(nn.Layer):
    """3x3 convolution with a stride and layer norm: [N, in, H, W] to [N, out, H', W'].

    Args:
        in_channels, out_channels: Channels.
        stride: (vertical, horizontal).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.conv = nn.Conv2D(in_channels, out_channels, 3, stride=list(stride), padding=1,
                              weight_attr=ParamAttr(initializer=KaimingNormal()))
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Any) -> Any:
        """Return the merged map."""
        x = self.conv(x)
        return self.norm(_tokens(x)).transpose([0, 2, 1]).reshape([0, self.out_channels, x.shape[2], -1])


class MixingStage(nn.Layer):
    """The blocks of one width, then the merging to the next: [N, C, H, W] to [N, C', H', W']."""

    def __init__(self, blocks: Sequence[nn.Layer], downsample: nn.Layer | None) -> None:
        super().__init__()
        self.blocks = nn.LayerList(list(blocks))
        self.downsample = downsample

    def forward(self, x: Any) -> Any:
        """Return the stage's output."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


@BACKBONES.register(tasks=("rec",))
class SVTRv2(nn.Layer):
    """SVTRv2's visual model for text lines of any width.

    [N, 3, H, W] to the map [N, dims[-1], h, w]; with `use_pool`, and H = 48 and two halvings of the height, to
    [N, dims[-1], 1, W / 8]; with `last_stage` to [N, out_channels, 1, out_char_num].

    Args:
        in_channels: Channels of the image.
        max_sz: Greatest height and width of the images, which bounds the position embedding.
        out_channels, out_char_num: Channels and steps of the output with `last_stage`.
        depths, dims, num_heads: Blocks, channels and heads of each stage.
        mixer: For each block of each stage ``Conv`` or ``Global``.
        local_k: For each stage, height and width of the convolutions that mix neighbours, odd. (The paper has two of
            3x3 in a row; one of 5x5 reaches as far.) Stages without such blocks may say [-1, -1].
        sub_k: For each stage, the stride, [vertical, horizontal], of the merging into the next; the last is not read.
        use_pos_embed: Add a learned embedding of the position.
        mlp_ratio: Hidden width of the MLPs as a multiple of the channels.
        qkv_bias, qk_scale: See `Attention`.
        drop_rate, attn_drop_rate, last_drop: Dropout in the blocks, of the attention weights, of the output.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from 0 at the first.
        act: Activation of the MLPs.
        last_stage: Whether the map is averaged to `out_char_num` steps and projected.
        eps: Of the blocks' layer norms.
        use_pool: Whether the map is averaged over its height and over pairs of columns.

    Raises:
        ConfigError: Lists whose lengths do not fit together, or values out of range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        max_sz: Sequence[int] = (32, 128),
        out_channels: int = 192,
        out_char_num: int = 25,
        depths: Sequence[int] = (3, 6, 3),
        dims: Sequence[int] = (64, 128, 256),
        num_heads: Sequence[int] = (2, 4, 8),
        mixer: Sequence[Sequence[Mixer]] = (("Conv",) * 3, ("Conv",) * 3 + ("Global",) * 3, ("Global",) * 3),
        local_k: Sequence[Sequence[int]] = ((5, 5), (5, 5), (-1, -1)),
        sub_k: Sequence[Sequence[int]] = ((1, 1), (2, 1), (1, 1)),
        use_pos_embed: bool = False,
        mlp_ratio: float = 4,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        last_drop: float = 0.1,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        act: str = "nn.GELU",
        last_stage: bool = False,
        eps: float = 1e-6,
        use_pool: bool = False,
    ) -> None:
        super().__init__()
        _check_stages(depths, dims, num_heads, mixer, local_k, sub_k)
        if last_stage and use_pool:
            raise ConfigError("Architecture.Backbone has last_stage and use_pool both true",
                              expected="one of them at most: each makes the map one row high", cure="set one to false")
        self.patch_embed = nn.Sequential(
            ConvNorm(in_channels, dims[0] // 2, 3, stride=2, act="gelu", weight_init=KaimingNormal()),
            ConvNorm(dims[0] // 2, dims[0], 3, stride=2, act="gelu", weight_init=KaimingNormal()),
        )
        self.pos_embed: Any = self.create_parameter(
            [1, dims[0], max_sz[0] // PATCH, max_sz[1] // PATCH], default_initializer=TruncatedNormal(std=0.02),
        ) if use_pos_embed else None
        rates = np.linspace(0, drop_path_rate, sum(depths)).tolist()
        stages = []
        for number, dim in enumerate(dims):
            first = sum(depths[:number])
            blocks = [
                MapBlock(dim, num_heads[number], mixer[number][index], local_k[number], mlp_ratio=mlp_ratio,
                         drop_path=rates[first + index], act=act, epsilon=eps, drop=drop_rate, qkv_bias=qkv_bias,
                         qk_scale=qk_scale, attn_drop=attn_drop_rate)
                for index in range(depths[number])
            ]
            last = number == len(dims) - 1
            stages.append(MixingStage(blocks, None if last else Merging(dim, dims[number + 1], sub_k[number])))
        self.stages = nn.LayerList(stages)
        self.use_pool, self.steps = use_pool, out_char_num
        self.last_conv = nn.Conv2D(dims[-1], out_channels, 1, bias_attr=False) if last_stage else None
        self.last_drop = nn.Dropout(last_drop)
        self.out_channels = out_channels if last_stage else dims[-1]
        init_transformer(self)

    def forward(self, images: Any) -> Any:
        """Return the feature map.

        Raises:
            ConfigError: There is a position embedding, and the images are larger than `max_sz`.
        """
        x = self.patch_embed(images)
        if self.pos_embed is not None:
            x = x + self._positions(x)
        for stage in self.stages:
            x = stage(x)
        if self.use_pool:
            return pool_text_line(x, training=self.training)
        if self.last_conv is None:
            return x
        return self.last_drop(F.hardswish(self.last_conv(F.adaptive_avg_pool2d(x, [1, self.steps]))))

    def _positions(self, x: Any) -> Any:
        if paddle.in_dynamic_mode():  # In a program the size is not known.
            _require_within(x.shape[2:], self.pos_embed.shape[2:])
        return self.pos_embed[:, :, : x.shape[2], : x.shape[3]]


def _require_within(size: Sequence[int], limit: Sequence[int]) -> None:
    if size[0] > limit[0] or size[1] > limit[1]:
        raise ConfigError(f"SVTRv2 gets images of {size[0] * PATCH}x{size[1] * PATCH} (height x width)",
                          expected=f"at most {limit[0] * PATCH}x{limit[1] * PATCH}, for which positions are embedded",
                          cure="raise Architecture.Backbone.max_sz, or set use_pos_embed: false")


def _tokens(x: Any) -> Any:
    return x.flatten(2).transpose([0, 2, 1])


def _check_stages(depths: Sequence[int], dims: Sequence[int], num_heads: Sequence[int],
                  mixer: Sequence[Sequence[str]], local_k: Sequence[Sequence[int]],
                  sub_k: Sequence[Sequence[int]]) -> None:
    def fail(key: str, value: Any, expected: str) -> None:
        raise ConfigError(f"Architecture.Backbone.{key} is {value}", expected=expected, cure=f"correct {key}")

    stages = {"dims": dims, "num_heads": num_heads, "mixer": mixer, "local_k": local_k, "sub_k": sub_k}
    for key, value in stages.items():
        if len(value) != len(depths):
            fail(key, list(value), f"a list of {len(depths)}, one for each stage that depths counts")
    for number, depth in enumerate(depths):
        if len(mixer[number]) != depth:
            fail(f"mixer[{number}]", f"a list of {len(mixer[number])}", f"{depth} entries, one for each block")
        if dims[number] % num_heads[number]:
            fail("num_heads", list(num_heads), f"divisors of dims {list(dims)}")
        if "Conv" in mixer[number] and (len(local_k[number]) != 2 or any(k < 1 or not k % 2 for k in local_k[number])):
            fail(f"local_k[{number}]", list(local_k[number]), "odd [height, width] where the stage has Conv blocks")
    if any(len(stride) != 2 or min(stride) < 1 for stride in sub_k[:-1]):
        fail("sub_k", [list(stride) for stride in sub_k], "[vertical, horizontal] steps for all but the last stage")
