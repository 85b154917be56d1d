"""Metrics, exact on any number of processes: each keeps integer sums that can be added. Nothing here needs Paddle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.metrics import cls, det, rec  # imported to register
from ppocr.registry import METRICS

__all__ = ["build_metric", "cls", "det", "rec"]


def build_metric(section: Mapping[str, Any], *, task: str | None = None, **context: Any) -> Any:
    """Build the metric that the ``Metric`` section names.

    Args:
        section: ``name`` and arguments.
        task: ``Architecture.model_type``.
        context: What the caller can supply to metrics that ask for it, such as ``charset``.

    Raises:
        ConfigError: Unknown name or argument, or a wrong type.
    """
    return METRICS.build(section, task=task, **context)
