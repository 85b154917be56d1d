"""Losses of the heads that predict one character after another: attention, SAR and transformer (NRTR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle import nn

from ppocr.losses.targets import LABEL_SMOOTHING, from_batch, from_outputs, mean_cross_entropy, shifted
from ppocr.registry import LOSSES


@LOSSES.register()
class AttentionLoss(nn.Layer):
    """Cross entropy of an attention decoder (RARE, Shi et al., 2016), averaged over the symbols of the batch.

    What counts is told by ``length``: the characters and the end symbol after them. The mean is over all these
    symbols of the batch, so that the value does not depend on batch size or padding.
    """

    branch = "gtc"
    needs_alignment = False

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``.

        Args:
            outputs: ``logits`` float ``[N, T, C]``; step ``t`` predicts character ``t``.
            batch: ``label`` int ``[N, L]``: start symbol, characters, end symbol, padding; ``length`` int ``[N]``:
                number of characters.
        """
        logits = from_outputs(outputs, "logits", "AttentionLoss")
        label = from_batch(batch, "label", "AttentionLoss")
        length = from_batch(batch, "length", "AttentionLoss").astype("int64").reshape([-1, 1])
        padding = paddle.arange(label.shape[1], dtype="int64").unsqueeze(0) > length + 1
        logits, targets = shifted(logits, label, padding, "AttentionLoss")
        return {"loss": mean_cross_entropy(logits, targets)}


@LOSSES.register()
class SARLoss(nn.Layer):
    """Cross entropy of the SAR decoder (Li et al., "Show, Attend and Read", 2019), averaged over the real symbols.

    Args:
        ignore_index: Class of the padding. By default the class right after those that the head predicts: a SAR head
            has no output for the padding, which is the last symbol of its codec.
    """

    branch = "sar"
    needs_alignment = False

    def __init__(self, ignore_index: int | None = None) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``.

        Args:
            outputs: ``logits`` float ``[N, T, C]``; step ``t`` predicts character ``t``.
            batch: ``label`` int ``[N, L]``: begin symbol, characters, end symbol, padding.
        """
        logits = from_outputs(outputs, "logits", "SARLoss")
        label = from_batch(batch, "label", "SARLoss")
        pad = logits.shape[-1] if self.ignore_index is None else self.ignore_index
        logits, targets = shifted(logits, label, label == pad, "SARLoss")
        return {"loss": mean_cross_entropy(logits, targets)}


@LOSSES.register()
class NRTRLoss(nn.Layer):
    """Cross entropy of the transformer decoder (Sheng et al., NRTR, 2019), averaged over the real symbols.

    Args:
        smoothing: Give 0.1 of the probability evenly to the wrong classes.
        ignore_index: Class of the padding.
    """

    branch = "gtc"
    needs_alignment = False

    def __init__(self, smoothing: bool = True, ignore_index: int = 0) -> None:
        super().__init__()
        self.smoothing = LABEL_SMOOTHING if smoothing else 0.0
        self.ignore_index = ignore_index

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``.

        Args:
            outputs: ``logits`` float ``[N, T, C]``; step ``t`` predicts character ``t``.
            batch: ``label`` int ``[N, L]``: begin symbol 2, characters, end symbol 3, padding.
        """
        logits = from_outputs(outputs, "logits", "NRTRLoss")
        label = from_batch(batch, "label", "NRTRLoss")
        logits, targets = shifted(logits, label, label == self.ignore_index, "NRTRLoss")
        return {"loss": mean_cross_entropy(logits, targets, smoothing=self.smoothing)}
