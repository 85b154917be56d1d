"""What the target maps of a text detector need to know about the outlines of regions, for all regions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppocr.errors import ConfigError
from ppocr.geometry import Polygon

Floats = npt.NDArray[np.float64]

RATIO_GAIN = 0.2
"""How much the shrink ratio grows over the epochs of a training that asks for it."""

HIGHEST_RATIO = 0.99
"""Where a growing ratio stops: a region shrunk by the ratio 1 would have no border."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outlines of N polygons of M points in all, in flat arrays.

    Args:
        first: int ``[N]``: number of the first point of each polygon.
        counts: int ``[N]``: number of its points.
        starts: float64 ``[M, 2]``: where the edge begins that leaves each point.
        ends: float64 ``[M, 2]``: where it ends.
        areas: ``[N]``: square pixels, whatever the direction of the outline.
        perimeters: ``[N]``: pixels.
        low: ``[N, 2]``: smallest x and y.
        high: ``[N, 2]``: largest x and y.
    """

    first: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    starts: Floats
    ends: Floats
    areas: Floats
    perimeters: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, polygons: Sequence[Polygon]) -> Outlines:
        """Measure polygons, of which there must be at least one, each of at least one point."""
        counts = np.array([len(polygon) for polygon in polygons])
        until = np.cumsum(counts)
        first = until - counts
        starts = np.concatenate(polygons, dtype=np.float64)
        ends = np.empty_like(starts)
        ends[:-1] = starts[1:]
        ends[until - 1] = starts[first]
        steps = ends - starts
        turns = starts[:, 0] * steps[:, 1] - starts[:, 1] * steps[:, 0]
        return cls(first, counts, starts, ends, np.abs(np.add.reduceat(turns, first)) / 2,
                   np.add.reduceat(np.hypot(steps[:, 0], steps[:, 1]), first),
                   np.minimum.reduceat(starts, first), np.maximum.reduceat(starts, first))

    def distances(self, ratio: float) -> Floats:
        """Return ``A (1 - r²) / L`` of each polygon in pixels, the offset of Liao et al. (2020); 0 without an area."""
        return self.areas * (1.0 - ratio * ratio) / np.maximum(self.perimeters, 1e-9)


def check_ratio(name: str, shrink_ratio: float, total_epoch: int | None) -> None:
    """Check the arguments that both maps take.

    Raises:
        ConfigError: The ratio is, or becomes in the course of the training, not between 0 and 1.
    """
    if total_epoch is not None and total_epoch < 1:
        raise ConfigError(f"{name}: total_epoch is {total_epoch}", expected="a number of epochs, 1 or more, or null",
                          cure="correct the value")
    fits = shrink_ratio < 1 if total_epoch is None else shrink_ratio <= 1 - RATIO_GAIN
    if not (shrink_ratio > 0 and fits):
        limit = "below 1" if total_epoch is None else \
            f"at most {1 - RATIO_GAIN:g}, because it grows by {RATIO_GAIN:g} in total_epoch"
        raise ConfigError(f"{name}: shrink_ratio is {shrink_ratio:g}", expected=f"a number above 0 and {limit}",
                          cure="correct the value")


def ratio_of_epoch(shrink_ratio: float, total_epoch: int | None, epoch: int) -> float:
    """Return the ratio of an epoch, counted from 0: with `total_epoch` it grows evenly by 0.2 up to that epoch."""
    if total_epoch is None:
        return shrink_ratio
    return min(shrink_ratio + RATIO_GAIN * min(epoch / total_epoch, 1.0), HIGHEST_RATIO)
