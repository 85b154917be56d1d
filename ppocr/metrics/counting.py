"""Sums that several processes can add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ppocr.errors import DatasetError


class Counting:
    """Base of metrics that are ratios of sums.

    Args:
        names: Names of the sums.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.sums: dict[str, int] = dict.fromkeys(names, 0)

    def reset(self) -> None:
        """Forget everything that was counted."""
        self.sums = dict.fromkeys(self.sums, 0)

    def state(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        return dict(self.sums)

    def merge(self, states: Iterable[Mapping[str, Any]]) -> None:
        """Take the sum of `states` (of all processes, this one's among them) in place of the own sums."""
        self.reset()
        for state in states:
            for name in self.sums:
                self.sums[name] += state[name]

    def require_samples(self) -> int:
        """Return the number of samples.

        Raises:
            DatasetError: There was none, so that no ratio has a meaning.
        """
        if not self.sums["samples"]:
            raise DatasetError("the evaluation saw no sample", expected="at least one",
                               cure="check Eval.dataset: label file, data folder and ratio")
        return self.sums["samples"]
