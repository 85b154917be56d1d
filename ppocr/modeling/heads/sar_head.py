"""The decoder of SAR (Li et al. 2019, "Show, Attend and Read: A Simple and Strong Baseline for Irregular Text")."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.charset import SAR_SPECIALS
from ppocr.errors import ConfigError, TrainingError
from ppocr.registry import HEADS

BEGIN_FROM_END = len(SAR_SPECIALS["after"]) - SAR_SPECIALS["after"].index("bos_eos")
PAD_FROM_END = len(SAR_SPECIALS["after"]) - SAR_SPECIALS["after"].index("pad")
"""How far from the end of the codec the two symbols stand; the padding is the last, which no head predicts."""


def valid_columns(ratio: Any, width: int) -> Any:
    """Return how many of `width` columns hold the image, int64 [N], at least 1.

    Args:
        ratio: Share of the width that is image and not padding, float [N], in (0, 1].
        width: Columns of the map.
    """
    # The bound lets a share that is exact in decimals not gain a column by the rounding of float32.
    columns = paddle.ceil(ratio.astype("float32").reshape([-1]) * width - 1e-4)
    return columns.clip(min=1.0, max=float(width)).astype("int64")


class SAREncoder(nn.Layer):
    """One vector of the whole image: the largest values of each column of the map, read by two LSTM layers.

    Args:
        in_channels: Channels C of the map.
        enc_dim: Channels of the vector.
        drop: Dropout rate between the LSTM layers.
    """

    def __init__(self, in_channels: int, enc_dim: int, drop: float) -> None:
        super().__init__()
        self.rnn_encoder = nn.LSTM(in_channels, enc_dim, num_layers=2, dropout=drop)
        self.linear = nn.Linear(enc_dim, enc_dim)

    def forward(self, features: Any, columns: Any) -> Any:
        """Return the vectors [N, enc_dim].

        Args:
            features: [N, C, H, W].
            columns: Columns that hold the image, int64 [N]; None for all.
        """
        states = self.rnn_encoder(features.max(axis=2).transpose([0, 2, 1]))[0]
        if columns is None:
            return self.linear(states[:, -1])
        last = F.one_hot(columns - 1, states.shape[1]).unsqueeze(1).astype(states.dtype)
        return self.linear(paddle.matmul(last, states).squeeze(1))


class SARDecoder(nn.Layer):
    """Two LSTM layers whose every output looks at the map (two-dimensional attention) and predicts one symbol.

    Args:
        in_channels: Channels C of the map.
        dim: Channels of the image's vector, the symbols and the LSTM layers.
        num_classes: Classes V of the codec; the last, the padding, is not predicted.
        attention_dim: Channels of the attention.
        rnn_drop: Dropout rate between the LSTM layers.
        score_drop: Dropout rate of the class scores, as published.
        concat: Predict from the LSTM output, the attended features and the image's vector; otherwise from the
            attended features alone.
    """

    def __init__(self, in_channels: int, dim: int, num_classes: int, attention_dim: int, rnn_drop: float,
                 score_drop: float, concat: bool) -> None:
        super().__init__()
        self.begin, self.concat = num_classes - BEGIN_FROM_END, concat
        self.conv1x1_1 = nn.Linear(dim, attention_dim)
        self.conv3x3_1 = nn.Conv2D(in_channels, attention_dim, 3, padding=1)
        self.conv1x1_2 = nn.Linear(attention_dim, 1)
        self.rnn_decoder = nn.LSTM(dim, dim, num_layers=2, dropout=rnn_drop)
        self.embedding = nn.Embedding(num_classes, dim, padding_idx=num_classes - PAD_FROM_END)
        self.pred_dropout = nn.Dropout(score_drop)
        self.prediction = nn.Linear(2 * dim + in_channels if concat else in_channels, num_classes - PAD_FROM_END)

    def forward(self, features: Any, vector: Any, columns: Any, label: Any) -> Any:
        """Return the scores of what follows each symbol of the label, float [N, T, V - 1].

        Args:
            features: [N, C, H, W].
            vector: Of the whole image, [N, dim]; what the LSTM layers read first.
            columns: Columns that hold the image, int64 [N]; None for all.
            label: int64 [N, at least 2]: begin, characters, end, padding. Columns that are padding in every sample
                are left out: T is one less than the longest text with begin and end.
        """
        padding = self.begin + BEGIN_FROM_END - PAD_FROM_END
        longest = int((label != padding).astype("int64").sum(axis=1).max())
        symbols = self.embedding(label[:, : max(longest, 2) - 1])
        states = self.rnn_decoder(paddle.concat([vector.unsqueeze(1), symbols], axis=1))[0][:, 1:]
        return self.pred_dropout(self._scores(states, self._keys(features), features, vector, columns))

    def read(self, features: Any, vector: Any, columns: Any, steps: int) -> Any:
        """Return the scores of a fixed number of steps, each of which sees the most probable symbol before it."""
        keys = self._keys(features)
        _, memory = self.rnn_decoder(vector.unsqueeze(1))
        symbol = paddle.full_like(vector[:, :1], self.begin, dtype="int64")
        scores = []
        for _ in range(steps):
            states, memory = self.rnn_decoder(self.embedding(symbol), memory)
            scores.append(self._scores(states, keys, features, vector, columns))
            symbol = scores[-1].argmax(axis=-1)
        return paddle.concat(scores, axis=1)

    def _keys(self, features: Any) -> Any:
        return self.conv3x3_1(features).flatten(2).transpose([0, 2, 1]).unsqueeze(1)

    def _scores(self, states: Any, keys: Any, features: Any, vector: Any, columns: Any) -> Any:
        """Return [N, T, V - 1] from the LSTM outputs [N, T, dim] and the keys [N, 1, H * W, attention_dim]."""
        energy = self.conv1x1_2(paddle.tanh(keys + self.conv1x1_1(states).unsqueeze(2))).squeeze(-1)
        if columns is not None:
            height, width = features.shape[2], features.shape[3]
            outside = paddle.arange(width, dtype="int64").unsqueeze(0) >= columns.unsqueeze(1)
            blocked = outside.astype(energy.dtype).tile([1, height]).unsqueeze(1)
            # Finite, so that no gradient is a product of 0 and infinity; small enough to vanish in float16 too.
            energy = energy - blocked * 1e4
        seen = paddle.matmul(F.softmax(energy, axis=-1), features.flatten(2), transpose_y=True)
        if not self.concat:
            return self.prediction(seen)
        whole = vector.unsqueeze(1).expand([-1, states.shape[1], -1])
        return self.prediction(paddle.concat([states, seen, whole], axis=2))


@HEADS.register(tasks=("rec",))
class SARHead(nn.Layer):
    """A recurrent decoder with two-dimensional attention; as a part of ``MultiHead`` it guides a CTC head.

    [N, in_channels, H, W] to ``{"logits": [N, T, num_classes - 1]}`` while training, where each step sees the true
    symbol before it and T is the longest text of the batch with its end, or ``{"probs": [N, max_text_length,
    num_classes - 1]}`` in evaluation, where it sees its own.

    Args:
        in_channels: Channels of the map.
        num_classes: Classes of the codec; the head does not predict the last, the padding.
        enc_dim: Channels of the image's vector and of the decoder.
        max_text_length: Steps in evaluation. Labels hold begin and end within this length.
        enc_drop_rnn: Dropout rate between the encoder's two LSTM layers.
        dec_drop_rnn: Dropout rate between the decoder's two LSTM layers.
        d_k: Channels of the attention.
        pred_dropout: Dropout rate of the class scores.
        pred_concat: Predict from the decoder's state and the image's vector too, not from the attention alone.
    """

    target_keys = ("label", "valid_ratio")

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        enc_dim: int = 512,
        max_text_length: int = 30,
        enc_drop_rnn: float = 0.1,
        dec_drop_rnn: float = 0.0,
        d_k: int = 512,
        pred_dropout: float = 0.1,
        pred_concat: bool = True,
    ) -> None:
        super().__init__()
        self.steps = max_text_length
        self.encoder = SAREncoder(in_channels, enc_dim, enc_drop_rnn)
        self.decoder = SARDecoder(in_channels, enc_dim, num_classes, d_k, dec_drop_rnn, pred_dropout, pred_concat)
        self.out_channels = num_classes - PAD_FROM_END

    def forward(self, features: Any, targets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the class scores.

        Args:
            features: float32 [N, in_channels, H, W].
            targets: ``label`` int64 [N, L]: begin, characters, end, padding, only read while training; and
                ``valid_ratio`` [N]: share of the image's width that is not padding, if known.

        Raises:
            ConfigError: The features are not a map.
            TrainingError: There are no labels to train with.
        """
        if features.ndim != 4:
            raise ConfigError(f"SARHead gets features of shape {list(features.shape)}",
                              expected="a map [batch, channels, height, width]", cure="remove Architecture.Neck")
        ratio = None if targets is None else targets.get("valid_ratio")
        columns = None if ratio is None else valid_columns(ratio, features.shape[3])
        vector = self.encoder(features, columns)
        if self.training:
            return {"logits": self.decoder(features, vector, columns, sar_targets(targets, "label")["label"])}
        return {"probs": F.softmax(self.decoder.read(features, vector, columns, self.steps), axis=-1)}

    def class_axes(self) -> dict[str, tuple[int, str]]:
        """Return the parameters with an axis of classes: name to (axis, codec).

        The axes of the prediction lack the codec's last class, the padding.
        """
        return {"decoder.embedding.weight": (0, "sar"), "decoder.prediction.weight": (1, "sar"),
                "decoder.prediction.bias": (0, "sar")}


def sar_targets(targets: dict[str, Any] | None, key: str) -> dict[str, Any]:
    """Return ``label`` (the batch's `key`) and, if the batch has it, ``valid_ratio``.

    Raises:
        TrainingError: There are no labels.
    """
    label = None if targets is None else targets.get(key)
    if targets is None or label is None or label.ndim != 2 or label.shape[1] < 2:
        shape = "no labels" if label is None else f"labels of shape {list(label.shape)}"
        encoder = "MultiLabelEncode" if key == "label_sar" else "SARLabelEncode"
        raise TrainingError(f"SARHead gets {shape}",
                            expected=f"{key!r} in the batch, [batch, length]: begin, characters, end, padding",
                            cure=f"keep {key!r} in KeepKeys after {encoder}")
    return {"label": label, "valid_ratio": targets.get("valid_ratio")}
