"""Accuracy of an image classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ppocr.metrics.counting import Counting
from ppocr.registry import METRICS
from ppocr.results import Direction


@METRICS.register(tasks=("cls",))
class ClsMetric(Counting):
    """Share of the images whose class was found; images that could not be used count as wrong.

    Args:
        main_indicator: The value by which the best checkpoint is chosen.
    """

    def __init__(self, main_indicator: Literal["acc"] = "acc") -> None:
        super().__init__(("samples", "failed", "correct"))
        self.main_indicator: str = main_indicator

    def update(self, results: Sequence[Direction], batch: Mapping[str, Any]) -> None:
        """Count a batch.

        Args:
            results: One for each usable sample.
            batch: ``info`` of the usable samples in the same order, whose ``label`` is the name of the class, and
                ``failed``, the samples that could not be used.
        """
        failed = len(batch.get("failed", ()))
        self.sums["samples"] += len(results) + failed
        self.sums["failed"] += failed
        pairs = zip(results, batch["info"], strict=True)
        self.sums["correct"] += sum(result.label == info.label.strip() for result, info in pairs)

    def compute(self) -> dict[str, float]:
        """Return ``acc`` (0 to 1), and the numbers of ``samples`` and ``failed``.

        Raises:
            DatasetError: Nothing was counted.
        """
        samples = self.require_samples()
        return {"acc": self.sums["correct"] / samples, "samples": samples, "failed": self.sums["failed"]}
