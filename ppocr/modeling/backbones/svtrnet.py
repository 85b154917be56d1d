"""SVTR: Du et al. 2022, "SVTR: Scene Text Recognition with a Single Visual Model"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import KaimingUniform, TruncatedNormal

from ppocr.errors import ConfigError
from ppocr.modeling.common.checks import require_image_size
from ppocr.modeling.common.layers import ConvNorm
from ppocr.modeling.common.mixing import Block, Mixer, init_transformer
from ppocr.registry import BACKBONES

Merging = Literal["Conv", "Pool"]


class PatchEmbed(nn.Layer):
    """Strided convolutions that turn an image into tokens: [N, C, H, W] to [N, H * W / 4 ** sub_num, dim].

    Args:
        in_channels: C.
        dim: Channels of a token.
        sub_num: Number of convolutions, each halves height and width: 2, 3 or 4.
    """

    def __init__(self, in_channels: int, dim: int, sub_num: int) -> None:
        super().__init__()
        widths = [dim // 2**power for power in reversed(range(sub_num))]
        self.proj = nn.Sequential(*[
            ConvNorm(before, after, 3, stride=2, act="gelu", bias=True, weight_init=KaimingUniform())
            for before, after in zip([in_channels, *widths], widths, strict=False)
        ])

    def forward(self, images: Any) -> Any:
        """Return the tokens."""
        return self.proj(images).flatten(2).transpose([0, 2, 1])


class SubSample(nn.Layer):
    """Merging: halves the height of the map of tokens and changes their channels, [N, h * w, in] to [N, h/2 * w, out].

    Args:
        in_channels, out_channels: Channels.
        size: Height and width of the map before.
        kind: ``Conv`` (3x3, stride [2, 1]) or ``Pool`` (half mean and half maximum of 3x5, then linear).
    """

    def __init__(self, in_channels: int, out_channels: int, size: tuple[int, int], kind: Merging) -> None:
        super().__init__()
        self.in_channels, self.size = in_channels, size
        if kind == "Pool":
            self.proj = nn.Linear(in_channels, out_channels)
            self.conv = None
        else:
            self.conv = nn.Conv2D(in_channels, out_channels, 3, stride=(2, 1), padding=1,
                                  weight_attr=ParamAttr(initializer=KaimingUniform()))
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Any) -> Any:
        """Return the merged tokens."""
        image = x.transpose([0, 2, 1]).reshape([0, self.in_channels, *self.size])
        if self.conv is not None:
            return self.norm(self.conv(image).flatten(2).transpose([0, 2, 1]))
        mean = F.avg_pool2d(image, (3, 5), stride=(2, 1), padding=(1, 2))
        peak = F.max_pool2d(image, (3, 5), stride=(2, 1), padding=(1, 2))
        return self.norm(self.proj(((mean + peak) * 0.5).flatten(2).transpose([0, 2, 1])))


@BACKBONES.register(tasks=("rec",))
class SVTRNet(nn.Layer):
    """SVTR: images of one size, [N, in_channels, H, W], to [N, out_channels, 1, out_char_num].

    With ``last_stage: false`` the map of the last stage comes out: [N, embed_dim[-1], h, w].

    Args:
        img_size: H and W.
        in_channels: Channels of the image.
        embed_dim: Channels of the three stages.
        depth: Blocks of the three stages.
        num_heads: Heads of the three stages.
        mixer: For each block ``Local``, ``Global`` or ``Conv``. Published configurations list more than they have
            blocks; the rest is not read.
        local_mixer: For each stage, height and width of the window or kernel.
        patch_merging: How a stage hands over to the next; null keeps the map and needs equal channels.
        mlp_ratio: Hidden width of the MLPs as a multiple of the channels.
        qkv_bias, qk_scale: See `Attention`.
        drop_rate, attn_drop_rate, last_drop: Dropout in the blocks, of the attention weights, of the output.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from 0 at the first.
        norm_layer, sub_norm, block_unit: There is one of each.
        epsilon: Of the blocks' layer norms.
        out_channels: Channels of the output (with `last_stage`).
        out_char_num: Steps of the output (with `last_stage`).
        act: Activation of the MLPs.
        last_stage: Whether the map is pooled to one row and projected.
        sub_num: Number of halvings by the patch embedding: 2, 3 or 4.
        prenorm: The name is that of the published configurations and means the contrary: true normalises after each
            residual; false normalises before each branch and once at the end.
        use_lenhead: The branch that predicts the length of the text, which no head here reads; must be false.

    Raises:
        ConfigError: Lists whose lengths do not fit together, or a size that the strides do not divide.
    """

    def __init__(
        self,
        img_size: Sequence[int] = (32, 100),
        in_channels: int = 3,
        embed_dim: Sequence[int] = (64, 128, 256),
        depth: Sequence[int] = (3, 6, 3),
        num_heads: Sequence[int] = (2, 4, 8),
        mixer: Sequence[Mixer] = ("Local",) * 6 + ("Global",) * 6,
        local_mixer: Sequence[Sequence[int]] = ((7, 11), (7, 11), (7, 11)),
        patch_merging: Merging | None = "Conv",
        mlp_ratio: float = 4,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        last_drop: float = 0.1,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        norm_layer: Literal["nn.LayerNorm"] = "nn.LayerNorm",
        sub_norm: Literal["nn.LayerNorm"] = "nn.LayerNorm",
        epsilon: float = 1e-6,
        out_channels: int = 192,
        out_char_num: int = 25,
        block_unit: Literal["Block"] = "Block",
        act: str = "nn.GELU",
        last_stage: bool = True,
        sub_num: Literal[2, 3, 4] = 2,
        prenorm: bool = True,
        use_lenhead: bool = False,
    ) -> None:
        super().__init__()
        _check_stages(img_size, embed_dim, depth, num_heads, mixer, local_mixer, patch_merging, sub_num)
        if use_lenhead:
            raise ConfigError("Architecture.Backbone.use_lenhead is true", expected="false: no head reads the length",
                              cure="remove the key")
        self.img_size = list(img_size)
        size = (img_size[0] // 2**sub_num, img_size[1] // 2**sub_num)
        self.patch_embed = PatchEmbed(in_channels, embed_dim[0], sub_num)
        self.pos_embed = self.create_parameter([1, size[0] * size[1], embed_dim[0]],
                                               default_initializer=TruncatedNormal(std=0.02))
        self.pos_drop = nn.Dropout(drop_rate)
        rates = np.linspace(0, drop_path_rate, sum(depth))
        first = 0
        for stage in range(3):
            if stage and patch_merging is not None:
                merge = SubSample(embed_dim[stage - 1], embed_dim[stage], size, patch_merging)
                self.add_sublayer(f"sub_sample{stage}", merge)
                size = (size[0] // 2, size[1])
            blocks = [
                Block(embed_dim[stage], num_heads[stage], mixer=mixer[index], size=size,
                      window=(local_mixer[stage][0], local_mixer[stage][1]), mlp_ratio=mlp_ratio, qkv_bias=qkv_bias,
                      qk_scale=qk_scale, drop=drop_rate, attn_drop=attn_drop_rate, drop_path=float(rates[index]),
                      act=act, epsilon=epsilon, norm_after=prenorm)
                for index in range(first, first + depth[stage])
            ]
            self.add_sublayer(f"blocks{stage + 1}", nn.Sequential(*blocks))
            first += depth[stage]
        self.merges, self.last_size, self.last_dim = patch_merging is not None, size, embed_dim[-1]
        self.norm = None if prenorm else nn.LayerNorm(embed_dim[-1], epsilon=epsilon)
        self.steps = out_char_num
        self.last_conv = nn.Conv2D(embed_dim[-1], out_channels, 1, bias_attr=False) if last_stage else None
        self.last_drop = nn.Dropout(last_drop, mode="downscale_in_infer")
        self.out_channels = out_channels if last_stage else embed_dim[-1]
        init_transformer(self)

    def forward(self, images: Any) -> Any:
        """Return the feature map.

        Raises:
            ConfigError: The images have another size than `img_size`.
        """
        require_image_size(images, self.img_size, "SVTRNet", "Architecture.Backbone.img_size")
        x = self.blocks1(self.pos_drop(self.patch_embed(images) + self.pos_embed))
        if self.merges:
            x = self.blocks3(self.sub_sample2(self.blocks2(self.sub_sample1(x))))
        else:
            x = self.blocks3(self.blocks2(x))
        if self.norm is not None:
            x = self.norm(x)
        x = x.transpose([0, 2, 1]).reshape([0, self.last_dim, *self.last_size])
        if self.last_conv is None:
            return x
        x = F.adaptive_avg_pool2d(x, [1, self.steps])
        return self.last_drop(F.hardswish(self.last_conv(x)))


def _check_stages(
    img_size: Sequence[int],
    embed_dim: Sequence[int],
    depth: Sequence[int],
    num_heads: Sequence[int],
    mixer: Sequence[str],
    local_mixer: Sequence[Sequence[int]],
    patch_merging: str | None,
    sub_num: int,
) -> None:
    def fail(key: str, value: Any, expected: str) -> None:
        raise ConfigError(f"Architecture.Backbone.{key} is {value}", expected=expected, cure=f"correct {key}")

    stages = {"embed_dim": embed_dim, "depth": depth, "num_heads": num_heads, "local_mixer": local_mixer}
    for key, value in stages.items():
        if len(value) != 3:
            fail(key, list(value), "a list of three, one for each stage")
    if any(len(window) != 2 for window in local_mixer):
        fail("local_mixer", [list(window) for window in local_mixer], "[height, width] for each stage")
    if len(mixer) < sum(depth):
        fail("mixer", f"a list of {len(mixer)}", f"{sum(depth)} entries, one for each block that depth counts")
    if any(dim % heads for dim, heads in zip(embed_dim, num_heads, strict=True)):
        fail("num_heads", list(num_heads), f"divisors of embed_dim {list(embed_dim)}")
    if patch_merging is None and len(set(embed_dim)) > 1:
        fail("patch_merging", None, f"Conv or Pool, since embed_dim {list(embed_dim)} changes between stages")
    vertical = 2**sub_num * (4 if patch_merging else 1)
    if len(img_size) != 2 or img_size[0] % vertical or img_size[1] % 2**sub_num:
        fail("img_size", list(img_size), f"[height, width], multiples of {vertical} and {2**sub_num}")
