"""The mixing blocks of SVTR (Du et al. 2022, "SVTR: Scene Text Recognition with a Single Visual Model").

Tokens are [N, L, C]; where a block needs their place in the image, L runs row by row over a (height, width) map.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.nn.initializer import Constant, KaimingNormal, TruncatedNormal

from ppocr.modeling.common.layers import DropPath, activation

Mixer = Literal["Local", "Global", "Conv"]


def init_transformer(layer: Any) -> None:
    """Start the linear layers of `layer` with truncated normal weights of deviation 0.02 and zero biases."""
    for part in layer.sublayers(include_self=True):
        if isinstance(part, nn.Linear):
            TruncatedNormal(std=0.02)(part.weight)
            if part.bias is not None:
                Constant(0.0)(part.bias)


def local_mask(size: tuple[int, int], window: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the additive attention mask [L, L]: 0 within the window around each token, -inf outside it.

    Args:
        size: Height and width of the map of tokens, L = height * width.
        window: Height and width of the window, odd.
    """
    rows, columns = (index.ravel() for index in np.indices(size))
    near = (np.abs(rows[:, None] - rows) <= window[0] // 2) & (np.abs(columns[:, None] - columns) <= window[1] // 2)
    return np.where(near, 0.0, -np.inf).astype(np.float32)


class Attention(nn.Layer):
    """Multi-head self-attention over tokens, [N, L, C] to [N, L, C].

    Args:
        dim: C.
        num_heads: Heads; must divide `dim`.
        qkv_bias: Whether the projection to queries, keys and values has a bias.
        qk_scale: Factor of the products; 1/sqrt(C / heads) if None.
        attn_drop, proj_drop: Dropout rates of the attention weights and of the output.
        mask: Additive mask [L, L], or None.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        mask: np.ndarray[Any, np.dtype[np.float32]] | None = None,
    ) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.dim = num_heads, dim // num_heads, dim
        self.scale = qk_scale or self.head_dim**-0.5
        self.qkv = nn.Linear(dim, dim * 3, bias_attr=None if qkv_bias else False)
        self.attn_drop = nn.Dropout(attn_drop)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)
        # A constant of the architecture: it is not part of the weights.
        self.register_buffer("mask", None if mask is None else paddle.to_tensor(mask), persistable=False)

    def forward(self, x: Any) -> Any:
        """Return the attended tokens."""
        qkv = self.qkv(x).reshape([0, -1, 3, self.num_heads, self.head_dim]).transpose([2, 0, 3, 1, 4])
        query, key, value = qkv[0] * self.scale, qkv[1], qkv[2]
        weights = paddle.matmul(query, key, transpose_y=True)
        if self.mask is not None:
            weights = weights + self.mask
        weights = self.attn_drop(F.softmax(weights, axis=-1))
        mixed = paddle.matmul(weights, value).transpose([0, 2, 1, 3]).reshape([0, -1, self.dim])
        return self.proj_drop(self.proj(mixed))


class ConvMixer(nn.Layer):
    """Grouped convolution over the map of tokens in place of attention, [N, L, C] to [N, L, C].

    Args:
        dim: C.
        groups: Convolution groups, as many as the attention would have heads.
        size: Height and width of the map.
        kernel_size: Height and width of the kernel, odd.
    """

    def __init__(self, dim: int, groups: int, size: tuple[int, int], kernel_size: tuple[int, int]) -> None:
        super().__init__()
        self.dim, self.size = dim, size
        self.local_mixer = nn.Conv2D(dim, dim, kernel_size, padding=[k // 2 for k in kernel_size], groups=groups,
                                     weight_attr=paddle.ParamAttr(initializer=KaimingNormal()))

    def forward(self, x: Any) -> Any:
        """Return the mixed tokens."""
        image = x.transpose([0, 2, 1]).reshape([0, self.dim, *self.size])
        return self.local_mixer(image).flatten(2).transpose([0, 2, 1])


class MLP(nn.Layer):
    """Two linear layers with an activation between, applied to each token: [N, L, dim] to [N, L, dim]."""

    def __init__(self, dim: int, hidden: int, *, act: str = "gelu", drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = activation(act)
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Any) -> Any:
        """Return the transformed tokens."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class Block(nn.Layer):
    """A mixer and an MLP, each with layer norm and residual: [N, L, C] to [N, L, C].

    Args:
        dim: C.
        num_heads: Heads of the attention, or groups of the convolution.
        mixer: ``Local`` (attention within a window), ``Global`` (attention to all tokens) or ``Conv``.
        size: Height and width of the map of tokens; ``Global`` does not need it.
        window: Height and width of the window or kernel, odd; ``Global`` does not need it.
        mlp_ratio: Hidden width of the MLP as a multiple of C.
        qkv_bias, qk_scale, attn_drop: See `Attention`.
        drop: Dropout after the mixer and inside the MLP.
        drop_path: Rate of stochastic depth.
        act: Activation of the MLP.
        epsilon: Of the layer norms.
        norm_after: Normalise the sum after each residual, instead of the input of each branch.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        mixer: Mixer = "Global",
        size: tuple[int, int] = (0, 0),
        window: tuple[int, int] = (7, 11),
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path: float = 0.0,
        act: str = "gelu",
        epsilon: float = 1e-6,
        norm_after: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, epsilon=epsilon)
        if mixer == "Conv":
            self.mixer = ConvMixer(dim, num_heads, size, window)
        else:
            mask = local_mask(size, window) if mixer == "Local" else None
            self.mixer = Attention(dim, num_heads, qkv_bias=qkv_bias, qk_scale=qk_scale, attn_drop=attn_drop,
                                   proj_drop=drop, mask=mask)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim, epsilon=epsilon)
        self.mlp = MLP(dim, int(dim * mlp_ratio), act=act, drop=drop)
        self.norm_after = norm_after

    def forward(self, x: Any) -> Any:
        """Return the tokens after both branches."""
        if self.norm_after:
            x = self.norm1(x + self.drop_path(self.mixer(x)))
            return self.norm2(x + self.drop_path(self.mlp(x)))
        x = x + self.drop_path(self.mixer(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))
