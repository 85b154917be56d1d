"""The order in which the text regions of a page are read.

Regions that stand beside each other form a *row*: each is joined to its nearest neighbour on the right where at least
half of the lower one of the two overlaps vertically. Comparing neighbours, by the ends that face each other, keeps
rows together that run slightly uphill, are bent, or hold letters of different sizes; the tilt of the page as a whole
is taken out before. Rows are read from top to bottom, their regions from left to right.

Rows are read across the whole width of the page, as tables, forms and receipts need it, **unless columns of running
text stand side by side**. These are read one after the other: the left column to its end, then the right one. Rows
count as columns where vertical gaps go through them and what stands between the gaps is running text: at least three
lines, most of which fill at least two thirds of their column, which is at least ten times as wide as a line is high. A
row that bridges the gaps, such as a headline over all columns, ends the columns above it and is read by itself; so
does a space that is empty over the whole width and at least three lines high.

Where most regions run downwards, the page is taken to lie on its side, or to be written in vertical lines: it is read
as if it were turned by 90 degrees counter-clockwise, as `ppocr.crops.upright` turns such regions; its lines then go
from right to left. Scripts that run from right to left, pages that are upside down, and pages that hold several texts
of different tilt, are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.geometry import smallest_rectangle

Order = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SAME_ROW = 0.5
"""Neighbours of a row overlap vertically by at least this share of the lower one's height."""

BESIDE = 0.5
"""Neighbours of a row overlap horizontally by less than this share of the narrower one's width."""

TALL = 1.5
"""A region that is so many times as high as wide runs downwards; it belongs to the row in which it begins."""

LEVEL = 2.0
"""The tilt of the page is that of the regions that are at least so many times as wide as high."""

STEEPEST = 45.0
"""Degrees; text that is tilted more has no left end to begin at."""

GUTTER = 1.0
"""Smallest gap between columns, in line heights."""

GUTTER_STRIPS = 4
"""Vertical strips in the width of the smallest gap: how finely gaps are measured."""

MOST_STRIPS = 1024
"""Strips in the width of a page, which bounds the time for pages of small print."""

SECTION_GAP = 3.0
"""Empty height, in line heights, that ends the columns above it."""

COLUMN_LINES = 3
"""Fewest lines of a column."""

COLUMN_WIDTH = 10.0
"""Smallest width of a column, in line heights; below are the columns of tables."""

COLUMN_FILL = 2 / 3
"""What at least half of a column's lines take of its width; lines of tables and forms differ more."""

BLOCK = 256
"""Regions that are compared with all others at a time, which bounds the memory."""


@dataclass(frozen=True)
class _Regions:
    """Regions on the page after its tilt is taken out; arrays of float64 ``[N]``.

    Attributes:
        left: x of the middle of the left side.
        right: x of the middle of the right side.
        start: y of the middle of the left side.
        end: y of the middle of the right side.
        height: Height of the line.
    """

    left: Floats
    right: Floats
    start: Floats
    end: Floats
    height: Floats

    def __len__(self) -> int:
        return len(self.left)

    @property
    def middle(self) -> Floats:
        """Height of the centres on the page."""
        return (self.start + self.end) / 2


def reading_order(polygons: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]) -> Order:
    """Return the positions of the regions in the order in which they are read, int64 ``[N]``.

    Args:
        polygons: ``[K, 2]`` each, clockwise from the top left corner of the text, in pixels.
    """
    rows = text_rows(polygons)
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def text_rows(polygons: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]) -> list[Order]:
    """Return the rows of a page in the order in which they are read, each with the positions of its regions.

    Args:
        polygons: See `reading_order`.
    """
    if not len(polygons):
        return []
    regions = _levelled(_quads(polygons))
    return _read(_rows(regions), regions, float(np.median(regions.height)))


def _quads(polygons: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]) -> Floats:
    quads = [polygon if len(polygon) == 4 else smallest_rectangle(polygon)[0] for polygon in polygons]
    return np.asarray(quads, np.float64)


def _levelled(quads: Floats) -> _Regions:
    """Turn the page so that its text is level, and describe each region by its two ends and its height."""
    width, height = _size(quads)
    tall = height >= TALL * width
    if tall.mean() > 0.5:
        # Turned by 90 degrees, the top left corner of each was the top right one.
        quads = np.roll(np.stack([quads[..., 1], -quads[..., 0]], axis=2), -1, axis=1)
        width, height = _size(quads)
        tall = height >= TALL * width
    ends = np.stack([quads[:, [0, 3]].mean(axis=1), quads[:, [1, 2]].mean(axis=1)], axis=1)
    # A line that runs downwards is represented by its beginning.
    ends[tall] = quads[tall][:, :2] + ((quads[tall][:, 2:][:, ::-1] - quads[tall][:, :2])
                                       * (width / np.maximum(height, 1e-6) / 2)[tall][:, None, None])
    angle = _tilt(ends, width, height)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    left, right = (ends @ turn).transpose(1, 0, 2)
    flipped = left[:, 0] > right[:, 0]
    left[flipped], right[flipped] = right[flipped], left[flipped].copy()
    return _Regions(left[:, 0], right[:, 0], left[:, 1], right[:, 1], np.maximum(np.where(tall, width, height), 1.0))


def _size(quads: Floats) -> tuple[Floats, Floats]:
    """Return the width and the height of quads, each the mean of two opposite sides."""
    sides = np.hypot(*np.moveaxis(np.roll(quads, -1, axis=1) - quads, 2, 0))
    return (sides[:, 0] + sides[:, 2]) / 2, (sides[:, 1] + sides[:, 3]) / 2


def _tilt(ends: Floats, width: Floats, height: Floats) -> float:
    """Return the angle of the page in radians: the median of its long regions, each counted by its width."""
    steps = ends[:, 1] - ends[:, 0]
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    used = (width >= LEVEL * height) & (np.abs(angles) < np.radians(STEEPEST))
    if not used.any():
        return 0.0
    order = np.argsort(angles[used])
    weights = np.cumsum(width[used][order])
    return float(angles[used][order][np.searchsorted(weights, weights[-1] / 2)])


def _rows(regions: _Regions) -> list[Order]:
    """Return the rows, unsorted; the regions of each from left to right."""
    following = _right_neighbours(regions)
    preceded = np.zeros(len(regions), bool)
    preceded[following[following >= 0]] = True
    rows = []
    for first in np.flatnonzero(~preceded):
        row = [int(first)]
        while following[row[-1]] >= 0:
            row.append(int(following[row[-1]]))
        rows.append(np.array(row, np.int64))
    return rows


def _right_neighbours(regions: _Regions) -> Order:
    """Return for each region the one that follows it in its row, or -1: those that are nearest to each other."""
    count = len(regions)
    nearest, distance = np.full(count, -1, np.int64), np.full(count, np.inf)
    back, back_distance = np.full(count, -1, np.int64), np.full(count, np.inf)
    for start in range(0, count, BLOCK):
        costs = _costs(regions, slice(start, start + BLOCK))
        columns = np.arange(len(costs))
        best = costs.argmin(axis=1)
        distance[start:start + BLOCK] = costs[columns, best]
        nearest[start:start + BLOCK] = best
        best = costs.argmin(axis=0)
        closer = costs[best, np.arange(count)] < back_distance
        back[closer], back_distance[closer] = best[closer] + start, costs[best, np.arange(count)][closer]
    mutual = np.isfinite(distance) & (back[nearest] == np.arange(count))
    return np.where(mutual, nearest, -1)


def _costs(regions: _Regions, block: slice) -> Floats:
    """Return how far each region (columns) is from following each one of a block (rows); infinite if it cannot."""
    left, right, height = regions.left, regions.right, regions.height
    centre, width = (left + right) / 2, right - left
    offset = np.abs(regions.start[None] - regions.end[block, None])
    lower = np.minimum(height[None], height[block, None])
    overlap = np.minimum((height[None] + height[block, None]) / 2 - offset, lower)
    gap = left[None] - right[block, None]
    possible = (overlap >= SAME_ROW * lower) & (centre[None] > centre[block, None])
    possible &= -gap < BESIDE * np.minimum(width[None], width[block, None])
    # Of two that are about equally near, the one on the same level is meant: what sticks out above or below counts too.
    return np.where(possible, np.maximum(gap, 0.0) + 2 * (lower - overlap), np.inf)


def _read(rows: list[Order], regions: _Regions, height: float) -> list[Order]:
    """Return rows in reading order, cut in two at the gaps between columns.

    Args:
        rows: The rows, regions from left to right.
        regions: All regions.
        height: Usual height of a line.
    """
    rows = sorted(rows, key=lambda row: (float(regions.middle[row].mean()), float(regions.left[row[0]])))
    ends, low, step = _gap_ends(rows, regions, height)
    ordered: list[Order] = []
    refused: set[tuple[int, ...]] = set()
    start = 0
    while start < len(rows):
        cut = None
        for stop, gaps in _gaps(ends[start], start, COLUMN_WIDTH * height / step):
            if (stop, *gaps) not in refused:
                cut = _columns(rows[start:stop], regions, [low + gap / 2 * step for gap in gaps], height)
                if cut is not None:
                    break
                refused.add((stop, *gaps))
        if cut is None:
            ordered.append(rows[start])
            start += 1
        else:
            for column in cut:
                ordered += _read(column, regions, height)
            start = stop
    return ordered


def _gap_ends(rows: list[Order], regions: _Regions, height: float) -> tuple[Order, float, float]:
    """Tell how far down the page stays empty, from each row on, in each of many narrow vertical strips.

    Args:
        rows: Rows from top to bottom.
        regions: All regions.
        height: Usual height of a line.

    Returns:
        int64 ``[R + 1, S]``: the first row from the given one on that reaches into the strip, or that begins another
        section of the page, or R; the left side of the first strip, and the width of a strip.
    """
    everything = np.concatenate(rows)
    low, high = float(regions.left[everything].min()), float(regions.right[everything].max())
    step = max(GUTTER * height / GUTTER_STRIPS, (high - low) / MOST_STRIPS)
    ends = np.full((len(rows) + 1, max(round((high - low) / step), 1)), len(rows), np.int64)
    is_last = _section_ends(rows, regions, SECTION_GAP * height)
    for position in range(len(rows) - 1, -1, -1):
        ends[position] = position + 1 if is_last[position] else ends[position + 1]
        for region in rows[position]:
            ends[position, round((regions.left[region] - low) / step):round((regions.right[region] - low) / step)] = \
                position
    return ends, low, step


def _section_ends(rows: list[Order], regions: _Regions, space: float) -> npt.NDArray[np.bool_]:
    """Tell of each row whether the page is empty below it for at least `space` pixels, or to its end."""
    half = regions.height / 2
    tops = np.array([(regions.middle[row] - half[row]).min() for row in rows])
    bottoms = np.maximum.accumulate([(regions.middle[row] + half[row]).max() for row in rows])
    following = np.append(np.minimum.accumulate(tops[::-1])[::-1][1:], np.inf)
    return np.asarray(following - bottoms >= space)


def _gaps(ends: Order, start: int, narrowest: float) -> Iterator[tuple[int, list[int]]]:
    """Yield the row before which a gap ends that begins at row `start`, the last first, with all gaps up to there.

    Args:
        ends: Where each strip ends to be empty.
        start: The row.
        narrowest: Strips between gaps, at least.

    Yields:
        The row, and twice the strip in the middle of each gap.
    """
    for stop in np.unique(ends)[::-1]:
        if stop - start < COLUMN_LINES:
            return
        edges = np.flatnonzero(np.diff(np.concatenate([[False], ends >= stop, [False]])))
        # What touches the edge of the page is a margin.
        gaps = [int(first + last) for first, last in zip(edges[::2], edges[1::2], strict=True)
                if last - first >= GUTTER_STRIPS and first > 0 and last < len(ends)]
        if gaps and min(np.diff([0, *gaps, 2 * len(ends)])) >= 2 * narrowest:
            yield int(stop), gaps


def _columns(
    rows: list[Order], regions: _Regions, gaps: Sequence[float], height: float
) -> list[list[Order]] | None:
    """Cut rows at gaps, whose middles are given; None if one of the parts is no running text."""
    middle = (regions.left + regions.right) / 2
    columns: list[list[Order]] = [[] for _ in range(len(gaps) + 1)]
    for row in rows:
        places = np.searchsorted(gaps, middle[row])
        for place in np.unique(places):
            columns[place].append(row[places == place])
    return columns if all(_is_running(column, regions, height) for column in columns) else None


def _is_running(rows: list[Order], regions: _Regions, height: float) -> bool:
    """Tell whether rows look like the lines of a column of running text."""
    if len(rows) < COLUMN_LINES:
        return False
    low = np.array([regions.left[row].min() for row in rows])
    high = np.array([regions.right[row].max() for row in rows])
    width = float(high.max() - low.min())
    return width >= COLUMN_WIDTH * height and float(np.median(high - low)) >= COLUMN_FILL * width
