"""The attention decoder of RARE (Shi et al. 2016) and ASTER (2018): a GRU that looks at the sequence at each step."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.errors import TrainingError
from ppocr.modeling.common.checks import require_sequence
from ppocr.registry import HEADS


class AttentionCell(nn.Layer):
    """One step of the decoder.

    Args:
        in_channels: Channels C of the sequence.
        hidden_size: Units H of the GRU.
        num_classes: Classes V.
    """

    def __init__(self, in_channels: int, hidden_size: int, num_classes: int) -> None:
        super().__init__()
        self.i2h = nn.Linear(in_channels, hidden_size, bias_attr=False)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias_attr=False)
        self.rnn = nn.GRUCell(in_channels + num_classes, hidden_size)

    def forward(self, state: Any, features: Any, projected: Any, previous: Any) -> tuple[Any, Any]:
        """Take one step.

        Args:
            state: [N, H].
            features: [N, T, C].
            projected: ``i2h(features)``, [N, T, H]; the same for every step.
            previous: The character before, one-hot [N, V].

        Returns:
            The next state [N, H], and the attention weights [N, T, 1], which sum to 1 over T.
        """
        energy = self.score(paddle.tanh(projected + self.h2h(state).unsqueeze(1)))
        weights = F.softmax(energy, axis=1)
        glimpse = paddle.matmul(weights, features, transpose_x=True).squeeze(1)
        _, state = self.rnn(paddle.concat([glimpse, previous], axis=1), state)
        return state, weights


@HEADS.register(tasks=("rec",))
class AttentionHead(nn.Layer):
    """Class scores of each character.

    [N, T, in_channels] to ``{"logits" | "probs": [N, max_text_length + 1, num_classes]}``.
    Class 0 starts a sequence, the last class ends it. While training, each step sees the true character before
    (teacher forcing); in evaluation it sees its own most probable one, for a fixed number of steps.

    Args:
        in_channels: Channels of the sequence.
        hidden_size: Units of the GRU.
        num_classes: Classes with start and end.
        max_text_length: Longest text; one more step is made, for the end.
    """

    target_keys = ("label",)

    def __init__(self, in_channels: int, hidden_size: int, num_classes: int, max_text_length: int = 25) -> None:
        super().__init__()
        self.hidden_size, self.steps = hidden_size, max_text_length + 1
        self.attention_cell = AttentionCell(in_channels, hidden_size, num_classes)
        self.generator = nn.Linear(hidden_size, num_classes)
        self.out_channels = num_classes

    def forward(self, features: Any, targets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the class scores.

        Args:
            features: float32 [N, T, in_channels].
            targets: ``label`` int64 [N, at least max_text_length + 1]: start, characters, end, padding. Only read
                while training.

        Raises:
            ConfigError: The features are not a sequence.
            TrainingError: Labels are missing or too short.
        """
        require_sequence(features, "AttentionHead")
        projected = self.attention_cell.i2h(features)
        state = paddle.zeros_like(projected[:, 0])
        if self.training:
            return {"logits": self._forced(features, projected, state, self._labels(targets))}
        return {"probs": self._greedy(features, projected, state)}

    def class_axes(self) -> dict[str, tuple[int, str]]:
        """Return the parameters with an axis of classes: name to (axis, codec)."""
        return {"generator.weight": (1, "attention"), "generator.bias": (0, "attention"),
                "attention_cell.rnn.weight_ih": (1, "attention")}

    def class_offsets(self) -> dict[str, int]:
        """Return how many entries stand before the classes where an axis has others too: the glimpse of the cell."""
        return {"attention_cell.rnn.weight_ih": self.attention_cell.i2h.weight.shape[0]}

    def _labels(self, targets: dict[str, Any] | None) -> Any:
        labels = None if targets is None else targets.get("label")
        if labels is None or labels.ndim != 2 or labels.shape[1] < self.steps:
            shape = "none" if labels is None else f"labels of shape {list(labels.shape)}"
            raise TrainingError(
                f"AttentionHead gets {shape}",
                expected=f"labels [batch, at least {self.steps}]: start, up to {self.steps - 1} characters, end",
                cure="keep 'label' in KeepKeys after AttnLabelEncode, both with the same max_text_length",
            )
        return labels

    def _forced(self, features: Any, projected: Any, state: Any, labels: Any) -> Any:
        characters = F.one_hot(labels[:, : self.steps], self.out_channels)
        states = []
        for step in range(self.steps):
            state, _ = self.attention_cell(state, features, projected, characters[:, step])
            states.append(state)
        return self.generator(paddle.stack(states, axis=1))

    def _greedy(self, features: Any, projected: Any, state: Any) -> Any:
        start = paddle.zeros_like(state[:, 0]).astype("int64")
        character = F.one_hot(start, self.out_channels)
        scores = []
        for _ in range(self.steps):
            state, _ = self.attention_cell(state, features, projected, character)
            logits = self.generator(state)
            scores.append(logits)
            character = F.one_hot(logits.argmax(axis=1), self.out_channels)
        return F.softmax(paddle.stack(scores, axis=1), axis=-1)
