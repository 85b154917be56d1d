"""The encoders among which SequenceEncoder chooses.

Each takes a map [N, C, 1, W] and returns a sequence [N, W, out_channels].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import ParamAttr, nn
from paddle.nn.initializer import KaimingUniform

from ppocr.errors import ConfigError
from ppocr.modeling.common.checks import require_pair
from ppocr.modeling.common.layers import ConvNorm, uniform_attr
from ppocr.modeling.common.mixing import Block, init_transformer


def to_sequence(features: Any) -> Any:
    """Turn a map [N, C, 1, W] into a sequence [N, W, C]."""
    return features.squeeze(2).transpose([0, 2, 1])


def to_map(sequence: Any) -> Any:
    """Turn a sequence [N, W, C] into a map [N, C, 1, W]."""
    return sequence.transpose([0, 2, 1]).unsqueeze(2)


class FCEncoder(nn.Layer):
    """A linear layer at each step.

    Args:
        in_channels: C.
        hidden_size: Output channels.
    """

    def __init__(self, in_channels: int, hidden_size: int = 48) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, hidden_size, weight_attr=uniform_attr(in_channels, 1e-5),
                            bias_attr=uniform_attr(in_channels, 1e-5))
        self.out_channels = hidden_size

    def forward(self, features: Any) -> Any:
        """Return the sequence."""
        return self.fc(to_sequence(features))


class RNNEncoder(nn.Layer):
    """Two bidirectional LSTM layers (CRNN: Shi et al. 2015).

    Args:
        in_channels: C.
        hidden_size: Units of each direction; the output has twice as many channels.
    """

    def __init__(self, in_channels: int, hidden_size: int = 48) -> None:
        super().__init__()
        self.lstm = nn.LSTM(in_channels, hidden_size, num_layers=2, direction="bidirectional")
        self.out_channels = hidden_size * 2

    def forward(self, features: Any) -> Any:
        """Return the sequence."""
        return self.lstm(to_sequence(features))[0]


class BidirectionalLSTM(nn.Layer):
    """One bidirectional LSTM layer, with a linear layer after it if `with_linear`: [N, W, in] to [N, W, out]."""

    def __init__(self, in_channels: int, hidden_size: int, out_channels: int, with_linear: bool) -> None:
        super().__init__()
        self.rnn = nn.LSTM(in_channels, hidden_size, direction="bidirectional")
        self.linear = nn.Linear(hidden_size * 2, out_channels) if with_linear else None
        self.out_channels = out_channels if with_linear else hidden_size * 2

    def forward(self, sequence: Any) -> Any:
        """Return the sequence after the layer."""
        recurrent = self.rnn(sequence)[0]
        return recurrent if self.linear is None else self.linear(recurrent)


class CascadeRNNEncoder(nn.Layer):
    """Two bidirectional LSTM layers, each with a linear layer of its own if `with_linear`.

    Args:
        in_channels: C.
        hidden_size: Units of each direction.
        out_channels: Output channels of each layer's linear layer; without them the outputs have 2 * hidden_size.
        with_linear: Whether the linear layers exist.

    Raises:
        ConfigError: `with_linear` and `out_channels` do not fit together.
    """

    def __init__(self, in_channels: int, hidden_size: int = 48, out_channels: Sequence[int] | None = None,
                 with_linear: bool = False) -> None:
        super().__init__()
        if with_linear and (out_channels is None or len(out_channels) != 2):
            raise ConfigError(f"Architecture.Neck.out_channels is {out_channels}",
                              expected="the channels of two layers, since with_linear is true",
                              cure="write a list such as [256, 512]")
        self.encoder = nn.LayerList()
        channels = in_channels
        for width in out_channels or (hidden_size * 2, hidden_size * 2):
            layer = BidirectionalLSTM(channels, hidden_size, width, with_linear)
            channels = layer.out_channels
            self.encoder.append(layer)
        self.out_channels = channels

    def forward(self, features: Any) -> Any:
        """Return the sequence."""
        x = to_sequence(features)
        for layer in self.encoder:
            x = layer(x)
        return x


def _conv(in_channels: int, out_channels: int, kernel_size: tuple[int, int]) -> ConvNorm:
    return ConvNorm(in_channels, out_channels, kernel_size, act="swish", weight_init=KaimingUniform())


def _blocks(dim: int, depth: int, num_heads: int, mlp_ratio: float, qkv_bias: bool, qk_scale: float | None,
            drop_rate: float, attn_drop_rate: float, drop_path: float) -> nn.LayerList:
    if dim % num_heads:
        raise ConfigError(f"Architecture.Neck: {num_heads} heads do not divide {dim} channels",
                          expected="num_heads that divides the channels of the blocks", cure="correct num_heads")
    return nn.LayerList([
        Block(dim, num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, qk_scale=qk_scale, drop=drop_rate,
              attn_drop=attn_drop_rate, drop_path=drop_path, act="swish", epsilon=1e-5)
        for _ in range(depth)
    ])


class SVTREncoder(nn.Layer):
    """The SVTR encoder of PP-OCRv3: global mixing blocks between two reductions, with the input concatenated.

    Args:
        in_channels: C.
        dims: Output channels.
        depth: Number of blocks.
        hidden_dims: Channels of the blocks.
        use_guide: Cut the gradient to the backbone, which is then trained by another head alone.
        num_heads, qkv_bias, mlp_ratio, drop_rate, attn_drop_rate, drop_path, qk_scale: Of the blocks; see `Block`.
        kernel_size: Height and width of the two wide convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        dims: int = 64,
        depth: int = 2,
        hidden_dims: int = 120,
        use_guide: bool = False,
        num_heads: int = 8,
        qkv_bias: bool = True,
        mlp_ratio: float = 2.0,
        drop_rate: float = 0.1,
        attn_drop_rate: float = 0.1,
        drop_path: float = 0.0,
        kernel_size: Sequence[int] = (3, 3),
        qk_scale: float | None = None,
    ) -> None:
        super().__init__()
        kernel = require_pair(kernel_size, "Architecture.Neck.kernel_size", "[height, width]")
        self.use_guide = use_guide
        self.conv1 = _conv(in_channels, in_channels // 8, kernel)
        self.conv2 = _conv(in_channels // 8, hidden_dims, (1, 1))
        self.svtr_block = _blocks(hidden_dims, depth, num_heads, mlp_ratio, qkv_bias, qk_scale, drop_rate,
                                  attn_drop_rate, drop_path)
        self.norm = nn.LayerNorm(hidden_dims, epsilon=1e-6)
        self.conv3 = _conv(hidden_dims, in_channels, (1, 1))
        self.conv4 = _conv(2 * in_channels, in_channels // 8, kernel)
        self.conv1x1 = _conv(in_channels // 8, dims, (1, 1))
        self.out_channels = dims
        init_transformer(self)

    def forward(self, features: Any) -> Any:
        """Return the sequence."""
        x = features.detach() if self.use_guide else features
        tokens = to_sequence(self.conv2(self.conv1(x)))
        for block in self.svtr_block:
            tokens = block(tokens)
        z = self.conv3(to_map(self.norm(tokens)))
        return to_sequence(self.conv1x1(self.conv4(paddle.concat([x, z], axis=1))))


class LightSVTREncoder(nn.Layer):
    """The SVTR encoder of PP-OCRv6: a reduction with a local convolution, global mixing blocks, and a 1x1 skip.

    Args:
        in_channels: C.
        dims: Channels of the blocks and of the output.
        depth: Number of blocks.
        local_kernel: Width of the local depthwise convolution, odd.
        use_guide: Cut the gradient to the backbone, which is then trained by another head alone.
        num_heads, qkv_bias, mlp_ratio, drop_rate, attn_drop_rate, drop_path, qk_scale: Of the blocks; see `Block`.
    """

    def __init__(
        self,
        in_channels: int,
        dims: int = 64,
        depth: int = 1,
        num_heads: int = 8,
        qkv_bias: bool = True,
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.1,
        attn_drop_rate: float = 0.1,
        drop_path: float = 0.0,
        qk_scale: float | None = None,
        local_kernel: int = 7,
        use_guide: bool = False,
    ) -> None:
        super().__init__()
        self.use_guide = use_guide
        self.conv_reduce = _conv(in_channels, dims, (1, 1))
        self.local_conv = nn.Sequential(
            nn.Conv2D(dims, dims, (1, local_kernel), padding=(0, local_kernel // 2), groups=dims, bias_attr=False,
                      weight_attr=ParamAttr(initializer=KaimingUniform())),
            nn.BatchNorm2D(dims),
            nn.Swish(),
        )
        self.svtr_block = _blocks(dims, depth, num_heads, mlp_ratio, qkv_bias, qk_scale, drop_rate, attn_drop_rate,
                                  drop_path)
        self.norm = nn.LayerNorm(dims, epsilon=1e-6)
        self.skip_conv = _conv(in_channels, dims, (1, 1))
        self.out_channels = dims
        init_transformer(self)

    def forward(self, features: Any) -> Any:
        """Return the sequence."""
        x = features.detach() if self.use_guide else features
        z = self.conv_reduce(x)
        tokens = to_sequence(z + self.local_conv(z))
        for block in self.svtr_block:
            tokens = block(tokens)
        return self.norm(tokens) + to_sequence(self.skip_conv(x))


class ReshapeEncoder(nn.Layer):
    """The map as a sequence, unchanged."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_channels = in_channels

    def forward(self, features: Any) -> Any:
        """Return the sequence."""
        return to_sequence(features)
