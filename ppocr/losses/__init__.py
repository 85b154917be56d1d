"""Losses: ``loss(outputs, batch) -> {"loss": total, ...parts}``, all float32 scalars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.losses import cross_entropy, ctc, db, multi, sequence  # imported to register
from ppocr.registry import LOSSES

__all__ = ["build_loss", "cross_entropy", "ctc", "db", "multi", "sequence"]


def build_loss(section: Mapping[str, Any], *, task: str | None = None, **context: Any) -> Any:
    """Build the loss that the ``Loss`` section names.

    Args:
        section: ``name`` and the arguments of the loss.
        task: ``Architecture.model_type``.
        context: What the caller can supply to losses that ask for it.

    Raises:
        ConfigError: Unknown name or argument, or a wrong type.
    """
    return LOSSES.build(section, task=task, **context)
