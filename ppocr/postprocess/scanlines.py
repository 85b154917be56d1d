"""The rows of pixels within convex quads, for all quads and rows at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Spans(NamedTuple):
    """Rows of pixels, those of a quad one below the other; some may be empty.

    Attributes:
        owner: int64 ``[R]``: the quad that each row belongs to.
        rows: int64 ``[R]``: y.
        first: int64 ``[R]``: x of the first pixel.
        last: int64 ``[R]``: x of the first pixel that does not belong to it any more, at least `first`.
    """

    owner: Ints
    rows: Ints
    first: Ints
    last: Ints


def spans_of_quads(quads: npt.NDArray[np.floating], width: int, height: int, tolerance: float = 0.01) -> Spans:
    """Return the rows of pixels whose centres lie in each quad.

    Args:
        quads: ``[N, 4, 2]``, convex, clockwise.
        width: Of the picture, in pixels; what lies outside is left out.
        height: Of the picture.
        tolerance: Pixels by which a centre may lie outside of an edge and still counts as one on it.
    """
    quads = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    low, high = quads[..., 1].min(axis=1) - tolerance, quads[..., 1].max(axis=1) + tolerance
    upper = np.clip(np.ceil(low), 0, height).astype(np.int64)
    lower = np.clip(np.floor(high) + 1, 0, height).astype(np.int64)
    counts = np.maximum(lower - upper, 0)
    owner = np.repeat(np.arange(len(quads)), counts)
    rows = np.arange(len(owner)) + np.repeat(upper - np.cumsum(counts) + counts, counts)
    left, right, slopes = _bounds(quads, tolerance)
    down = slopes[owner] * rows[:, None]
    first = np.ceil((left[owner] + down).max(axis=1))
    last = np.floor((right[owner] + down).min(axis=1)) + 1
    first, last = np.clip(first, 0, width).astype(np.int64), np.clip(last, 0, width).astype(np.int64)
    return Spans(owner, rows, first, np.maximum(first, last))


def _bounds(quads: Floats, tolerance: float) -> tuple[Floats, Floats, Floats]:
    """Return what the four edges of quads allow in a row.

    Returns:
        Three arrays ``[N, 4]``. In row y the smallest x that an edge allows is ``left + slope * y``, the largest
        ``right + slope * y``; infinite where an edge does not bound that side.
    """
    steps = quads[:, [1, 2, 3, 0]] - quads
    lengths = np.maximum(np.hypot(steps[..., 0], steps[..., 1]), 1e-9)
    # The outer normal of an edge of a clockwise outline; a point p is inside if n (p - corner) <= tolerance.
    across, down = steps[..., 1] / lengths, -steps[..., 0] / lengths
    # An edge along the row does not bound it to the sides; the rows beyond it are left out already.
    level = np.abs(across) < 1e-6
    divisor = np.where(level, 1.0, across)
    ends = (across * quads[..., 0] + down * quads[..., 1] + tolerance) / divisor
    left = np.where(level | (across > 0), -np.inf, ends)
    right = np.where(level | (across < 0), np.inf, ends)
    return left, right, np.where(level, 0.0, -down / divisor)
