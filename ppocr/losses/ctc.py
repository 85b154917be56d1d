"""Connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.losses.targets import from_batch, from_outputs
from ppocr.registry import LOSSES


@LOSSES.register()
class CTCLoss(nn.Layer):
    """CTC loss (Graves et al., 2006) with blank 0, averaged over the samples of the batch.

    The loss of a sample is the negative log probability of its text, not divided by its length. A text that cannot
    be aligned with the time steps (it needs one step per character and one more between equal neighbours) would have
    an infinite loss; such a sample adds 0 to the sum and to the gradient, and still counts in the mean. The loader is
    the one to find and count them (kind "too long for CTC"). Computed in float32 whatever the precision of the model.

    Args:
        use_focal_loss: Weigh each sample's loss ``l`` by ``(1 - exp(-l)) ** 2``, so that texts that are already read
            well count less.
    """

    branch = "ctc"
    needs_alignment = True

    def __init__(self, use_focal_loss: bool = False) -> None:
        super().__init__()
        self.use_focal_loss = use_focal_loss

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"loss": scalar}``.

        Args:
            outputs: ``logits`` float ``[N, T, C]``, before softmax.
            batch: ``label`` int ``[N, L]`` class indices, anything after each text's end; ``length`` int ``[N]``.
        """
        logits = from_outputs(outputs, "logits", "CTCLoss")
        label = from_batch(batch, "label", "CTCLoss").astype("int32")
        length = from_batch(batch, "length", "CTCLoss").astype("int64").reshape([-1])
        with paddle.amp.auto_cast(enable=False):
            losses = sample_losses(logits, label, length)
            if self.use_focal_loss:
                losses = losses * (1.0 - paddle.exp(-losses)) ** 2
            return {"loss": losses.mean()}


def sample_losses(logits: Any, label: Any, length: Any) -> Any:
    """Return the CTC loss of each sample, float32 ``[N]``, 0 where no alignment exists.

    Args:
        logits: float32 ``[N, T, C]``.
        label: int32 ``[N, L]``.
        length: int64 ``[N]``.
    """
    samples, steps = logits.shape[0], logits.shape[1]
    possible = steps_needed(label, length) <= steps
    # An impossible text is cut to its first character, whose loss is finite on every device, and then multiplied by 0.
    losses = F.ctc_loss(
        logits.transpose([1, 0, 2]),
        label,
        paddle.full([samples], steps, dtype="int64"),
        paddle.where(possible, length, paddle.ones_like(length)),
        blank=0,
        reduction="none",
    )
    return losses.reshape([-1]) * possible.astype("float32")


def steps_needed(label: Any, length: Any) -> Any:
    """Return how many time steps each text needs: its length plus its number of equal neighbours, int64 ``[N]``."""
    if label.shape[1] < 2:
        return length
    inside = paddle.arange(1, label.shape[1], dtype="int64").unsqueeze(0) < length.unsqueeze(1)
    repeats = (label[:, 1:] == label[:, :-1]).logical_and(inside)
    return length + repeats.astype("int64").sum(axis=1)
