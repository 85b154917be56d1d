"""Shared parts of the losses: reading outputs and batches, shifting label sequences, averaging over real symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
import paddle.nn.functional as F

from ppocr.errors import ConfigError, TrainingError

IGNORED = -100
"""Target value that every function of this module leaves out."""

LABEL_SMOOTHING = 0.1
"""Probability that smoothed targets give to the wrong classes together (Vaswani et al., 2017, section 5.4)."""


def from_outputs(outputs: Mapping[str, Any], key: str, loss: str) -> Any:
    """Return ``outputs[key]`` in float32.

    Raises:
        ConfigError: The head does not give it.
    """
    if key not in outputs:
        raise ConfigError(
            f"{loss} needs the output {key!r}, the network gives {', '.join(sorted(outputs)) or 'nothing'}",
            expected="a head that belongs to this loss, in training mode",
            cure="correct Architecture.Head or Loss",
        )
    return outputs[key].astype("float32")


def from_batch(batch: Mapping[str, Any], key: str, loss: str) -> Any:
    """Return ``batch[key]``.

    Raises:
        ConfigError: The batch does not hold it.
    """
    if key not in batch:
        raise ConfigError(
            f"{loss} needs {key!r}, the batch holds {', '.join(sorted(batch)) or 'nothing'}",
            expected=f"{key!r} among the keep_keys of KeepKeys, and the label encoder that belongs to this loss",
            cure="correct Train.dataset.transforms",
        )
    return batch[key]


def shifted(logits: Any, label: Any, padding: Any, loss: str) -> tuple[Any, Any]:
    """Pair the logits of each decoding step with the symbol that it has to predict.

    A label starts with the start symbol, which is given and not predicted: step ``t`` predicts ``label[:, t + 1]``.
    A head may give fewer steps than the padded label is long, as long as only padding falls off; or more.

    Args:
        logits: float ``[N, T, C]``.
        label: int ``[N, L]``, with the start symbol.
        padding: bool ``[N, L]``, true where a target does not count.
        loss: Name of the loss, for the error.

    Returns:
        logits float ``[N, S, C]`` and targets int64 ``[N, S]``, ``S = min(T, L - 1)``, with `IGNORED` at the padding.

    Raises:
        TrainingError: The head gives fewer steps than there are symbols to predict.
    """
    steps = min(logits.shape[1], label.shape[1] - 1)
    if steps < label.shape[1] - 1 and not bool(padding[:, steps + 1 :].all()):
        raise TrainingError(
            f"{loss}: the head gives {logits.shape[1]} steps, a label of the batch has more symbols than that",
            expected="one step for each character and one for the end symbol",
            cure="set the head's max_text_length to Global.max_text_length",
        )
    targets = masked(label, padding)[:, 1 : steps + 1]
    return logits[:, :steps], targets


def masked(label: Any, padding: Any) -> Any:
    """Return `label` as int64 with `IGNORED` where `padding` is true."""
    label = label.astype("int64")
    return paddle.where(padding, paddle.full_like(label, IGNORED), label)


def mean_cross_entropy(logits: Any, targets: Any, *, smoothing: float = 0.0, focal_gamma: float = 0.0) -> Any:
    """Return the cross entropy, averaged over the targets that count.

    Args:
        logits: float32 ``[..., C]``.
        targets: int64 ``[...]``; `IGNORED` entries do not count. Without any other entry the result is 0.
        smoothing: Share of the probability that is spread evenly over the ``C - 1`` wrong classes.
        focal_gamma: Exponent of the factor ``(1 - p) ** gamma``, ``p`` being the probability of the target
            (Lin et al., "Focal Loss for Dense Object Detection", 2017).

    Returns:
        float32 scalar.
    """
    classes = logits.shape[-1]
    logits, targets = logits.reshape([-1, classes]), targets.reshape([-1])
    nll = F.cross_entropy(logits, targets, reduction="none", ignore_index=IGNORED).reshape([-1])
    counted = (targets != IGNORED).astype("float32")
    if focal_gamma:
        # The bound keeps the slope finite at p = 1 when gamma is below 1.
        nll = nll * (1.0 - paddle.exp(-nll)).clip(min=1e-7) ** focal_gamma
    if smoothing:
        spread = smoothing / (classes - 1)
        others = -F.log_softmax(logits, axis=-1).sum(axis=-1) - nll
        nll = (1.0 - smoothing) * nll + spread * others
    return (nll * counted).sum() / counted.sum().clip(min=1.0)
