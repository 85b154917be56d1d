"""The transformer decoder of NRTR (Sheng et al. 2019, "NRTR: A No-Recurrence Sequence-to-Sequence Model").

Tokens are [N, T, d]. Class 0 is padding, 2 begins and 3 ends a text (`ppocr.charset.nrtr_codec`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, Normal, TruncatedNormal, XavierNormal

from ppocr.charset import NRTR_SPECIALS
from ppocr.errors import ConfigError, TrainingError
from ppocr.modeling.common.mixing import MLP
from ppocr.registry import HEADS

PAD, BEGIN = NRTR_SPECIALS["before"].index("pad"), NRTR_SPECIALS["before"].index("bos")
HEAD_WIDTH = 32
LONGEST = 5000
MEMORY_POSITIONS = 80
UNUSED_CLASSES = 1
"""Published networks have one class more than their codec, which no label uses."""


def sinusoids(length: int, dim: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the position encoding of Vaswani et al. (2017, section 3.5), float32 [length, dim].

    Channel 2i is ``sin(position / 10000 ** (2i / dim))``, channel 2i + 1 the cosine.
    """
    rates = np.exp(np.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    angles = np.arange(length)[:, None] * rates
    table = np.empty((length, dim), np.float32)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : dim // 2])
    return table


def _heads(x: Any, parts: int, heads: int) -> Any:
    """Split [N, T, parts * heads * width] into [parts, N, heads, T, width]."""
    width = x.shape[-1] // (parts * heads)
    return x.reshape([0, -1, parts, heads, width]).transpose([2, 0, 3, 1, 4])


def _attend(query: Any, key: Any, value: Any, mask: Any) -> Any:
    """Return the attended values with the heads joined: [N, heads, T, width] each to [N, T, heads * width]."""
    width, heads = query.shape[-1], query.shape[1]
    products = paddle.matmul(query * width**-0.5, key, transpose_y=True)
    if mask is not None:
        products = products + mask
    mixed = paddle.matmul(F.softmax(products, axis=-1), value)
    return mixed.transpose([0, 2, 1, 3]).reshape([0, -1, heads * width])


class SelfAttention(nn.Layer):
    """Attention of tokens to each other, [N, T, dim] to [N, T, dim]."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, dim * 3)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Any, mask: Any = None, last_only: bool = False) -> Any:
        """Return the attended tokens, with `last_only` that of the last position."""
        query, key, value = _heads(self.qkv(x), 3, self.num_heads)
        return self.out_proj(_attend(query[:, :, -1:] if last_only else query, key, value, mask))


class CrossAttention(nn.Layer):
    """Attention of tokens [N, T, dim] to a memory [N, L, dim]."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, dim * 2)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Any, memory: Any) -> Any:
        """Return the attended tokens."""
        query = _heads(self.q(x), 1, self.num_heads)[0]
        key, value = _heads(self.kv(memory), 2, self.num_heads)
        return self.out_proj(_attend(query, key, value, None))


class DecoderLayer(nn.Layer):
    """Self-attention, attention to the memory and an MLP, each normalised after its residual.

    Args:
        dim: Channels of the tokens.
        num_heads: Attention heads.
        hidden: Hidden width of the MLP.
        drop: Dropout rate of each branch.
    """

    def __init__(self, dim: int, num_heads: int, hidden: int, drop: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn = CrossAttention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, hidden, act="relu", drop=drop)
        self.norm3 = nn.LayerNorm(dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Any, memory: Any, mask: Any = None, last_only: bool = False) -> Any:
        """Return the tokens after the layer.

        Args:
            x: [N, T, dim].
            memory: [N, L, dim].
            mask: Added to the products of the self-attention, [T, T].
            last_only: Compute the last position alone, from the inputs of all: [N, 1, dim].
        """
        residual = x[:, -1:] if last_only else x
        x = self.norm1(residual + self.drop(self.self_attn(x, mask, last_only)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory)))
        return self.norm3(x + self.drop(self.mlp(x)))


class TokenEmbedding(nn.Layer):
    """Classes int64 [N, T] to tokens [N, T, dim], scaled by sqrt(dim); class 0 is zero."""

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__()
        self.scale = dim**0.5
        self.embedding = nn.Embedding(num_classes, dim, padding_idx=PAD,
                                      weight_attr=ParamAttr(initializer=Normal(0.0, dim**-0.5)))

    def forward(self, classes: Any) -> Any:
        """Return the tokens."""
        return self.embedding(classes) * self.scale


class PositionalEncoding(nn.Layer):
    """Adds `sinusoids` to tokens [N, T, dim]; the table [5000, 1, dim] is stored with the weights, as published."""

    def __init__(self, dim: int, drop: float) -> None:
        super().__init__()
        self.register_buffer("pe", paddle.to_tensor(sinusoids(LONGEST, dim)).unsqueeze(1), persistable=True)
        self.dropout = nn.Dropout(drop)

    def forward(self, x: Any, first: int = 0) -> Any:
        """Return the tokens with their positions, which count from `first`."""
        return self.dropout(x + self.pe[first : first + x.shape[1], 0])


class Transformer(nn.Layer):
    """The decoder: a memory [N, L, d_model] to class scores [N, T, num_classes].

    Args:
        d_model: Channels of memory and tokens; one attention head for each 32.
        num_classes: Classes, with the unused one.
        num_decoder_layers: Number of layers.
        max_text_length: Steps that `read` takes.
        drop: Dropout rate of tokens and branches; the attention weights have none.

    Raises:
        ConfigError: `d_model` is not a multiple of 32.
    """

    def __init__(self, d_model: int, num_classes: int, num_decoder_layers: int, max_text_length: int,
                 drop: float = 0.1) -> None:
        super().__init__()
        if d_model < HEAD_WIDTH or d_model % HEAD_WIDTH:
            raise ConfigError(f"NRTRHead: nrtr_dim is {d_model}", expected=f"a multiple of {HEAD_WIDTH}, such as 384",
                              cure="correct nrtr_dim in Architecture.Head")
        self.steps = max_text_length
        self.embedding = TokenEmbedding(num_classes, d_model)
        self.positional_encoding = PositionalEncoding(d_model, drop)
        self.decoder = nn.LayerList([
            DecoderLayer(d_model, d_model // HEAD_WIDTH, d_model * 4, drop) for _ in range(num_decoder_layers)
        ])
        self.tgt_word_prj = nn.Linear(d_model, num_classes, bias_attr=False)
        for part in self.sublayers():
            if isinstance(part, nn.Linear):
                XavierNormal()(part.weight)
                if part.bias is not None:
                    Constant(0.0)(part.bias)

    def forward(self, memory: Any, label: Any) -> Any:
        """Return the scores of what follows each symbol of the label, float [N, T, num_classes].

        Args:
            memory: [N, L, d_model].
            label: int64 [N, at least 2]: begin, characters, end, padding. Columns that are padding in every sample
                are left out, and the last symbol has no follower: T is one less than the longest text with begin
                and end.
        """
        longest = int((label != PAD).astype("int64").sum(axis=1).max())
        label = label[:, : max(longest, 2) - 1]
        steps = label.shape[1]
        mask = paddle.triu(paddle.full([steps, steps], -math.inf, dtype=memory.dtype), diagonal=1)
        x = self.positional_encoding(self.embedding(label))
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.tgt_word_prj(x)

    def read(self, memory: Any) -> Any:
        """Return the scores of a fixed number of steps, each of which sees the most probable symbols before it."""
        symbol = paddle.full_like(memory[:, :1, 0], BEGIN, dtype="int64")
        # The inputs of each layer so far: only the new position is computed in each step.
        contexts: list[Any] = [None] * len(self.decoder)
        scores = []
        for step in range(self.steps):
            x = self.positional_encoding(self.embedding(symbol), step)
            for index, layer in enumerate(self.decoder):
                contexts[index] = x if step == 0 else paddle.concat([contexts[index], x], axis=1)
                x = layer(contexts[index], memory, last_only=True)
            scores.append(self.tgt_word_prj(x))
            symbol = scores[-1].argmax(axis=-1)
        return paddle.concat(scores, axis=1)

    def class_axes(self) -> dict[str, tuple[int, str]]:
        """Return the parameters with an axis of classes: name to (axis, codec)."""
        return {"embedding.embedding.weight": (0, "nrtr"), "tgt_word_prj.weight": (1, "nrtr")}


class TransposedLinear(nn.Layer):
    """A linear layer without bias over the channels: [N, C, L] to [N, L, dim]."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, dim, bias_attr=False)

    def forward(self, x: Any) -> Any:
        """Return the tokens."""
        return self.fc(x.transpose([0, 2, 1]))


class LearnedPositions(nn.Layer):
    """Adds a learned embedding to tokens [N, L, dim], L at most 80."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dec_pos_embed = self.create_parameter([1, MEMORY_POSITIONS, dim],
                                                   default_initializer=TruncatedNormal(std=0.02))

    def forward(self, x: Any) -> Any:
        """Return the tokens with their positions.

        Raises:
            ConfigError: There are more than 80.
        """
        if x.shape[1] > MEMORY_POSITIONS:
            raise ConfigError(f"use_pos: the feature map has {x.shape[1]} places",
                              expected=f"at most {MEMORY_POSITIONS}, the size of the published embedding",
                              cure="set use_pos: false, or use narrower images")
        return x + self.dec_pos_embed[:, : x.shape[1]]


def memory_encoder(in_channels: int, dim: int, use_pos: bool) -> nn.Sequential:
    """Return the layers that turn a map [N, in_channels, H, W] into a memory [N, H * W, dim]."""
    layers = [nn.Flatten(2), TransposedLinear(in_channels, dim)]
    return nn.Sequential(*layers, LearnedPositions(dim)) if use_pos else nn.Sequential(*layers)


@HEADS.register(tasks=("rec",))
class NRTRHead(nn.Layer):
    """A transformer decoder over a feature map; as a part of ``MultiHead`` it guides the training of a CTC head.

    [N, in_channels, H, W] to ``{"logits": [N, T, num_classes + 1]}`` while training, where each step sees the true
    symbols before it and T is the longest text of the batch with its end, or ``{"probs": [N, max_text_length,
    num_classes + 1]}`` in evaluation, where it sees its own.

    Args:
        in_channels: Channels of the map.
        num_classes: Classes of the codec; as published, the head has one more, which is not used.
        nrtr_dim: Channels of the decoder, a multiple of 32.
        max_text_length: Steps in evaluation. Labels hold begin and end within this length.
        num_decoder_layers: Layers of the decoder.
        use_pos: Add a learned position to each place of the map (at most 80 places).

    Raises:
        ConfigError: `nrtr_dim` is not a multiple of 32.
    """

    target_keys = ("label",)

    def __init__(self, in_channels: int, num_classes: int, nrtr_dim: int = 256, max_text_length: int = 25,
                 num_decoder_layers: int = 4, use_pos: bool = False) -> None:
        super().__init__()
        self.before_gtc = memory_encoder(in_channels, nrtr_dim, use_pos)
        self.gtc_head = Transformer(nrtr_dim, num_classes + UNUSED_CLASSES, num_decoder_layers, max_text_length)
        self.out_channels = num_classes + UNUSED_CLASSES

    def forward(self, features: Any, targets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the class scores.

        Args:
            features: float32 [N, in_channels, H, W].
            targets: ``label`` int64 [N, L]: begin, characters, end, padding. Only read while training.

        Raises:
            TrainingError: There are no labels to train with.
        """
        memory = self.before_gtc(features)
        if self.training:
            return {"logits": self.gtc_head(memory, nrtr_label(targets, "label"))}
        return {"probs": F.softmax(self.gtc_head.read(memory), axis=-1)}

    def class_axes(self) -> dict[str, tuple[int, str]]:
        """Return the parameters with an axis of classes: name to (axis, codec)."""
        return {f"gtc_head.{name}": axis for name, axis in self.gtc_head.class_axes().items()}


def nrtr_label(targets: dict[str, Any] | None, key: str) -> Any:
    """Return the labels of a batch.

    Raises:
        TrainingError: There are none.
    """
    label = None if targets is None else targets.get(key)
    if label is None or label.ndim != 2 or label.shape[1] < 2:
        shape = "no labels" if label is None else f"labels of shape {list(label.shape)}"
        raise TrainingError(f"NRTRHead gets {shape}",
                            expected=f"{key!r} in the batch, [batch, length]: begin, characters, end, padding",
                            cure=f"keep {key!r} in KeepKeys after "
                                 + ("MultiLabelEncode: {gtc_encode: NRTRLabelEncode}" if key == "label_gtc"
                                    else "NRTRLabelEncode"))
    return label
