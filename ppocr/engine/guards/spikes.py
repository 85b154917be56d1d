"""Losses that stand out from those before."""

from __future__ import annotations

import statistics
from collections import deque

WINDOW = 200
"""So many losses are looked back on."""
FEWEST = 30
"""Before there are so many, nothing stands out."""
DEVIATIONS = 10.0
"""A loss so many standard deviations above the median stands out."""
SMALLEST_DEVIATION = 0.05
"""Share of the median that the standard deviation is taken for at least: late in a training losses hardly differ."""
_OF_MEDIAN, _OF_TENTH = 1.4826, 0.7803
"""Standard deviation of a normal distribution whose median absolute deviation is 1, and of one whose highest tenth
begins 1 above its median."""


class SpikeDetector:
    """Finds losses far above the others by their median and spread, which a few spikes hardly move.

    The spread is the median absolute deviation, or what the highest tenth tells where that is more: losses may be of
    two kinds, as with two sources of data.

    So that a training that goes wrong for good does not fill the log, at least `quiet` losses lie between two of them
    that are told; those in between are counted.

    Args:
        window: Number of losses to look back on.
        quiet: Losses between two that are told.

    Attributes:
        untold: Losses that stood out since the last one that was told.
    """

    def __init__(self, window: int = WINDOW, quiet: int = WINDOW) -> None:
        self._losses: deque[float] = deque(maxlen=window)
        self._quiet = quiet
        self._since = quiet
        self.untold = 0

    def add(self, loss: float) -> float | None:
        """Take in a finite loss; return the median of those before if it stands out and is to be told, else None."""
        median = self._median_below(loss)
        self._losses.append(loss)
        self._since += 1
        if median is None:
            return None
        if self._since <= self._quiet:
            self.untold += 1
            return None
        self._since = 0
        return median

    def _median_below(self, loss: float) -> float | None:
        if len(self._losses) < FEWEST:
            return None
        median = statistics.median(self._losses)
        deviation = _OF_MEDIAN * statistics.median(abs(value - median) for value in self._losses)
        tenth = _OF_TENTH * (sorted(self._losses)[-1 - len(self._losses) // 10] - median)
        limit = median + DEVIATIONS * max(deviation, tenth, SMALLEST_DEVIATION * abs(median))
        return median if loss > limit else None
