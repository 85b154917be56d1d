"""Cross entropy for classifiers and for character sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle import nn

from ppocr.losses.targets import LABEL_SMOOTHING, from_batch, from_outputs, masked, mean_cross_entropy, shifted
from ppocr.registry import LOSSES


@LOSSES.register()
class ClsLoss(nn.Layer):
    """Mean cross entropy of a classifier, for example of text directions."""

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``.

        Args:
            outputs: ``logits`` float ``[N, C]``.
            batch: ``label`` int ``[N]``.
        """
        logits = from_outputs(outputs, "logits", "ClsLoss")
        label = from_batch(batch, "label", "ClsLoss").astype("int64").reshape([-1])
        return {"loss": mean_cross_entropy(logits, label)}


@LOSSES.register()
class CELoss(nn.Layer):
    """Mean cross entropy of a classifier or of a character sequence, over the symbols that are not padding.

    Args:
        smoothing: Give 0.1 of the probability evenly to the wrong classes.
        with_all: Compare logits and labels position by position. Otherwise a sequence label begins with a start
            symbol, and step ``t`` of the logits predicts ``label[:, t + 1]``.
        ignore_index: Target that does not count. With -1 it is the padding of the label encoder: 0 for sequences with
            a start symbol (the transformer layout), none with `with_all` or for a classifier.
    """

    needs_alignment = False

    def __init__(self, smoothing: bool = False, with_all: bool = False, ignore_index: int = -1) -> None:
        super().__init__()
        self.smoothing = LABEL_SMOOTHING if smoothing else 0.0
        self.with_all = with_all
        self.ignore_index = ignore_index

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``.

        Args:
            outputs: ``logits`` float ``[N, C]`` or ``[N, T, C]``.
            batch: ``label`` int ``[N]`` or ``[N, L]``.
        """
        logits, targets = _pair(outputs, batch, self.with_all, self.ignore_index, "CELoss")
        return {"loss": mean_cross_entropy(logits, targets, smoothing=self.smoothing)}


@LOSSES.register()
class FocalLoss(nn.Layer):
    """Cross entropy times ``(1 - p) ** gamma``, which lets easy symbols count less (Lin et al., 2017).

    Args:
        gamma: Exponent; 0 is plain cross entropy.
        with_all: As for CELoss.
        ignore_index: As for CELoss.
    """

    needs_alignment = False

    def __init__(self, gamma: float = 2.0, with_all: bool = False, ignore_index: int = -1) -> None:
        super().__init__()
        self.gamma = gamma
        self.with_all = with_all
        self.ignore_index = ignore_index

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``; shapes as for CELoss."""
        logits, targets = _pair(outputs, batch, self.with_all, self.ignore_index, "FocalLoss")
        return {"loss": mean_cross_entropy(logits, targets, focal_gamma=self.gamma)}


def _pair(
    outputs: Mapping[str, Any], batch: Mapping[str, Any], with_all: bool, ignore_index: int, loss: str
) -> tuple[Any, Any]:
    """Return logits ``[..., C]`` and int64 targets ``[...]`` of matching shape with the padding marked."""
    logits = from_outputs(outputs, "logits", loss)
    label = from_batch(batch, "label", loss).astype("int64")
    if with_all or logits.ndim == 2:
        targets = label.reshape(logits.shape[:-1])
        return logits, masked(targets, targets == ignore_index) if ignore_index >= 0 else targets
    padding = label == max(ignore_index, 0)
    # The start symbol is no target, and may have the padding's index.
    padding = paddle.concat([paddle.zeros_like(padding[:, :1]), padding[:, 1:]], axis=1)
    return shifted(logits, label, padding, loss)
