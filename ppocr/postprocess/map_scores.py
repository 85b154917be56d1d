"""Means of a probability map within rectangles and polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.postprocess.scanlines import spans_of_quads

Floats = npt.NDArray[np.float64]
FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rectangles:
    """N rectangles in any direction.

    Args:
        centers: float64 ``[N, 2]``: x and y in pixels.
        sizes: ``[N, 2]``: lengths of the sides.
        ways: ``[N, 2]``: unit vector along the first side; the second side is a quarter turn clockwise from it.
    """

    centers: Floats
    sizes: Floats
    ways: Floats

    @classmethod
    def around(cls, contours: Sequence[npt.NDArray[Any]]) -> Rectangles:
        """Return the rectangle of smallest area around each set of points ``[K, 1, 2]``."""
        found = [(*center, *size, angle) for center, size, angle in map(cv2.minAreaRect, contours)]
        values = np.array(found, np.float64).reshape(-1, 5)
        angles = np.deg2rad(values[:, 4])
        return cls(values[:, :2], values[:, 2:4], np.stack([np.cos(angles), np.sin(angles)], axis=1))

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, kept: npt.NDArray[np.bool_]) -> Rectangles:
        return Rectangles(self.centers[kept], self.sizes[kept], self.ways[kept])

    @property
    def areas(self) -> Floats:
        """Square pixels, ``[N]``."""
        return self.sizes.prod(axis=1)

    @property
    def perimeters(self) -> Floats:
        """Pixels, ``[N]``."""
        return 2 * self.sizes.sum(axis=1)

    def grown(self, distances: Floats) -> Rectangles:
        """Return the rectangles with every side moved outwards by a distance, ``[N]``."""
        return Rectangles(self.centers, self.sizes + 2 * distances[:, None], self.ways)

    def corners(self) -> FloatMap:
        """Return the corners, float32 ``[N, 4, 2]``, clockwise."""
        first = self.ways * self.sizes[:, :1] / 2
        second = np.stack([-self.ways[:, 1], self.ways[:, 0]], axis=1) * self.sizes[:, 1:] / 2
        around = np.stack([-first - second, first - second, first + second, second - first], axis=1)
        return (self.centers[:, None] + around).astype(np.float32)


def mean_in_rectangles(values: FloatMap, rectangles: Rectangles) -> npt.NDArray[np.float32]:
    """Return the mean of the pixels whose centres lie in each rectangle, the outline included.

    Each row of pixels of a rectangle is a span between two places, whose sum is a difference of sums from the left
    border; so all rows of all rectangles are computed at once.

    Args:
        values: ``[H, W]``.
        rectangles: N of them.

    Returns:
        ``[N]``; 0 where no pixel lies in the rectangle.
    """
    height, width = values.shape
    owner, rows, first, last = spans_of_quads(rectangles.corners(), width, height)
    sums = cv2.integral(values)  # float64; number [y, x] is the sum above and left of the pixel
    inside = sums[rows + 1, last] - sums[rows, last] - sums[rows + 1, first] + sums[rows, first]
    totals = np.bincount(owner, inside, len(rectangles))
    pixels = np.bincount(owner, last - first, len(rectangles))
    return np.clip(totals / np.maximum(pixels, 1), 0.0, 1.0).astype(np.float32)


def mean_in_polygon(values: FloatMap, points: npt.NDArray[np.int32]) -> float:
    """Return the mean of the pixels in a polygon, the outline included.

    Args:
        values: ``[H, W]``.
        points: ``[K, 1, 2]``, x and y, whole numbers; what lies beside the map is left out.
    """
    x, y, width, height = cv2.boundingRect(points)
    left, top = max(x, 0), max(y, 0)
    window = values[top : max(y + height, top), left : max(x + width, left)]
    if not window.size:
        return 0.0
    mask = np.zeros(window.shape, np.uint8)
    cv2.fillPoly(mask, [points], 1, offset=(-left, -top))
    return min(max(float(cv2.mean(window, mask)[0]), 0.0), 1.0)
