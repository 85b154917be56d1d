"""From network outputs (NumPy arrays) to typed results. Nothing here needs Paddle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.postprocess import cls, ctc, db, sequence  # imported to register
from ppocr.registry import POSTPROCESSES

__all__ = ["build_postprocess", "cls", "ctc", "db", "sequence"]


def build_postprocess(section: Mapping[str, Any], *, task: str | None = None, **context: Any) -> Any:
    """Build what the ``PostProcess`` section names.

    Args:
        section: ``name`` and arguments.
        task: ``Architecture.model_type``.
        context: What the caller can supply to those that ask for it: ``charset``, ``label_list`` …

    Raises:
        ConfigError: Unknown name or argument, or a wrong type.
    """
    return POSTPROCESSES.build(section, task=task, **context)
