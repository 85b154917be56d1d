"""How near the border of a text is: the threshold map that a DB detector learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.sample import Sample
from ppocr.data.transforms.det_outlines import Floats, Outlines, check_ratio, ratio_of_epoch
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

FloatMap = npt.NDArray[np.float32]

WINDOW = 16384
"""Pixels of a polygon's window, times its edges, up to which all edges are computed in one go; beyond, each edge has
its own, smaller window."""

BLOCK = 32768
"""Pixels that are computed in one go, so that they stay in the processor's cache."""

SMALLEST_DISTANCE = 1e-3
"""Pixels of offset below which a region has no border to draw."""


@TRANSFORMS.register()
class MakeBorderMap:
    """Draw the borders of the texts: highest on the outline, falling off on both sides (Liao et al., DB, 2020).

    Required keys: image (``[H, W, C]``; only its size counts), polys, ignore_tags; epoch (with `total_epoch`).
    Added keys: threshold_map (float32 ``[H, W]``, `thresh_min` to `thresh_max`), threshold_mask (float32 ``[H, W]``: 1
    within the regions grown by their offset, where the map counts, else 0).

    The offset of a region is ``D = A (1 - r²) / L`` (area A, perimeter L, ratio r), the distance by which
    `MakeShrinkMap` moves the outline inwards. At the distance d from the nearest edge the map is
    ``thresh_max - (thresh_max - thresh_min) d / D``, and `thresh_min` beyond D; where regions meet, the larger value
    counts. Distances are those of pixel centres to the edges of the whole region: where the image cuts a region off
    there is no border. Regions that `ignore_tags` marks are left out, and the tags stay as they are.

    Args:
        shrink_ratio: The ratio r.
        thresh_min: Lowest value, 0 to 1.
        thresh_max: Highest value, up to 1.
        total_epoch: If given, the ratio grows evenly by 0.2 over so many epochs.

    Raises:
        ConfigError: A value outside its range.
    """

    def __init__(
        self,
        shrink_ratio: float = 0.4,
        thresh_min: float = 0.3,
        thresh_max: float = 0.7,
        total_epoch: int | None = None,
    ) -> None:
        check_ratio("MakeBorderMap", shrink_ratio, total_epoch)
        if not 0 <= thresh_min < thresh_max <= 1:
            raise ConfigError(f"MakeBorderMap: thresh_min is {thresh_min:g}, thresh_max is {thresh_max:g}",
                              expected="0 <= thresh_min < thresh_max <= 1", cure="correct the values")
        self.shrink_ratio = shrink_ratio
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max
        self.total_epoch = total_epoch

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its map and mask."""
        height, width = sample["image"].shape[:2]
        ratio = ratio_of_epoch(self.shrink_ratio, self.total_epoch, sample.get("epoch", 0))
        border = np.full((height, width), self.thresh_min, np.float32)
        polygons = [polygon for polygon, ignored in zip(sample["polys"], sample["ignore_tags"], strict=True)
                    if not ignored]
        if polygons:
            outlines = Outlines.of(polygons)
            self._draw(border, outlines, outlines.distances(ratio))
        # Whatever lies above the minimum is nearer than D to an edge; only the inside is left to be filled.
        mask: FloatMap = cv2.threshold(border, self.thresh_min, 1.0, cv2.THRESH_BINARY)[1]
        for polygon in polygons:
            cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1.0)
        sample["threshold_map"], sample["threshold_mask"] = border, mask
        return sample

    def _draw(self, border: FloatMap, outlines: Outlines, distances: Floats) -> None:
        height, width = border.shape
        edges, windows = _edges(outlines, distances, width, height)
        ramp = np.arange(max(height, width), dtype=np.float32)
        fall = np.float32(self.thresh_max - self.thresh_min)
        top = np.float32(self.thresh_max)
        for first, last, (left, upper, right, lower) in windows:
            for start, end in _blocks(right - left, lower - upper, last - first):
                nearest = edges.nearest(slice(first, last), ramp[: right - left], ramp[start:end])
                nearest *= -fall
                nearest += top
                part = border[upper + start : upper + end, left:right]
                np.maximum(part, nearest, out=part)


@dataclass(frozen=True, eq=False)
class _Edges:
    """M edges, each in a window of its own; lengths are in units of the offset D of the edge's polygon.

    Args:
        across: float32 ``[2, M, 1]``: what one pixel to the right adds to the signed distance from the edge's line (row
            0) and to the place along the line, counted from the middle of the edge (row 1).
        down: float32 ``[2, M, 1]``: what one pixel down adds.
        corner: float32 ``[2, M, 1]``: both at the top left pixel of the window.
        halves: float32 ``[M, 1, 1]``: half the length of the edge.
    """

    across: FloatMap
    down: FloatMap
    corner: FloatMap
    halves: FloatMap

    def nearest(self, which: slice, columns: FloatMap, rows: FloatMap) -> FloatMap:
        """Return the distance from the nearest of some edges.

        Args:
            which: Edges of the same window.
            columns: ``[w]``: pixels from the left side of the window.
            rows: ``[h]``: pixels from its top.

        Returns:
            ``[h, w]``.
        """
        along = self.across[:, which] * columns
        along += self.corner[:, which]
        places = (self.down[:, which] * rows)[:, :, :, None] + along[:, :, None, :]
        beyond = places[1]
        np.abs(beyond, out=beyond)
        beyond -= self.halves[which]
        np.maximum(beyond, 0.0, out=beyond)
        places *= places
        squares = places[0]
        squares += beyond
        nearest: FloatMap = squares.min(axis=0) if len(squares) > 1 else squares[0]
        return np.sqrt(nearest, out=nearest)


def _edges(
    outlines: Outlines, distances: Floats, width: int, height: int
) -> tuple[_Edges, list[tuple[int, int, tuple[int, int, int, int]]]]:
    """Return the edges, and the windows in which they are to be computed.

    A window is ``(first edge, last edge + 1, (left, top, right, bottom))``, within the image and not empty. What lies
    outside of the windows of an edge is farther from it than D.
    """
    owner = np.repeat(np.arange(len(distances)), outlines.counts)
    margin = distances[:, None]
    low, high = outlines.low - margin, outlines.high + margin
    size = np.array([width, height])
    pixels = np.maximum(np.minimum(high, size) - np.maximum(low, 0), 0).prod(axis=1)
    together = pixels * outlines.counts <= WINDOW
    shared, margin = together[owner][:, None], margin[owner]
    low = np.where(shared, low[owner], np.minimum(outlines.starts, outlines.ends) - margin)
    high = np.where(shared, high[owner], np.maximum(outlines.starts, outlines.ends) + margin)
    low = np.minimum(np.maximum(np.floor(low), 0), size).astype(np.int64)
    high = np.minimum(np.maximum(np.ceil(high) + 1, 0), size).astype(np.int64)
    edges = _coefficients(outlines, np.maximum(distances, SMALLEST_DISTANCE)[owner], low)
    corners = np.concatenate([low, high], axis=1).tolist()
    windows = []
    for first, number, as_one, distance in zip(outlines.first.tolist(), outlines.counts.tolist(), together.tolist(),
                                               distances.tolist(), strict=True):
        for edge in range(first, first + number, number if as_one else 1):
            left, top, right, bottom = corners[edge]
            if left < right and top < bottom and distance > SMALLEST_DISTANCE:
                windows.append((edge, edge + number if as_one else edge + 1, (left, top, right, bottom)))
    return edges, windows


def _coefficients(outlines: Outlines, unit: Floats, corners: npt.NDArray[np.int64]) -> _Edges:
    steps = outlines.ends - outlines.starts
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    # An edge without length is a point: any direction gives the distance from it.
    ways = np.where(lengths[:, None] > 0, steps, [1.0, 0.0]) / np.where(lengths > 0, lengths, 1.0)[:, None]
    x, y = ways.T / unit
    middle = corners - (outlines.starts + outlines.ends) / 2
    at_corner = np.stack([middle[:, 1] * x - middle[:, 0] * y, middle[:, 0] * x + middle[:, 1] * y])
    across, down, corner = (np.ascontiguousarray(values[..., None], np.float32)
                            for values in (np.stack([-y, x]), np.stack([x, y]), at_corner))
    return _Edges(across, down, corner, (lengths / 2 / unit).astype(np.float32)[:, None, None])


def _blocks(width: int, height: int, edges: int) -> Iterator[tuple[int, int]]:
    """Cut the rows of a window into blocks."""
    rows = max(BLOCK // (width * edges), 1)
    return ((start, min(start + rows, height)) for start in range(0, height, rows))
