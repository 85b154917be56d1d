"""Polygons in a picture: area, order, offset, smallest rectangle.

Everywhere a polygon is float32 ``[K, 2]``: x to the right, y down, in pixels of the picture, clockwise as one sees it
from the top left corner. A quad is a polygon of four points. Coordinates are those of OpenCV: ``(0, 0)`` is the centre
of the first pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyclipper
import shapely

from ppocr.cv import cv2

Polygon = npt.NDArray[np.float32]

SUBPIXELS = 256
"""pyclipper computes with whole numbers: so many of them make a pixel."""

ARC_TOLERANCE = 0.25
"""How far, in pixels, an offset's rounded corner may lie from the true arc."""


def signed_area(polygon: npt.NDArray[Any]) -> float:
    """Return the area in square pixels, negative if the points go counter-clockwise as one sees them."""
    x, y = np.asarray(polygon, np.float64).T
    # Relative to the first point, so that large coordinates do not cost precision.
    x, y = x - x[0], y - y[0]
    # The edge that leads back to the first point adds nothing.
    return float(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2


def perimeter(polygon: npt.NDArray[Any]) -> float:
    """Return the length of the closed outline in pixels."""
    points = np.asarray(polygon, np.float64)
    steps = np.roll(points, -1, axis=0) - points
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())


def is_simple(polygon: npt.NDArray[Any]) -> bool:
    """Tell whether the outline has an area and neither crosses nor touches itself."""
    return bool(shapely.Polygon(np.asarray(polygon, np.float64)).is_valid) and signed_area(polygon) != 0.0


def clockwise(polygon: npt.NDArray[Any]) -> Polygon:
    """Return the polygon clockwise; a quad also begins at its top left corner (the smallest x + y).

    A polygon of another number of points keeps its first point, because along a curved line the smallest x + y can be
    anywhere.
    """
    points = np.asarray(polygon, np.float32)
    if signed_area(points) < 0:
        points = np.roll(points[::-1], 1, axis=0)
    if len(points) == 4:
        points = np.roll(points, -int(points.sum(axis=1).argmin()), axis=0)
    return np.ascontiguousarray(points)


def order_quads(quads: npt.NDArray[Any]) -> Polygon:
    """Return convex quads, each clockwise from its top left corner.

    Args:
        quads: ``[N, 4, 2]``, the corners of each in the order of its outline, in either direction.
    """
    quads = np.asarray(quads, np.float32).reshape(-1, 4, 2)
    x, y = quads[..., 0].astype(np.float64), quads[..., 1].astype(np.float64)
    turned = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) < 0
    quads = np.where(turned[:, None, None], quads[:, ::-1], quads)
    first = quads.sum(axis=2).argmin(axis=1)
    order = (first[:, None] + np.arange(4)) % 4
    return np.take_along_axis(quads, order[:, :, None], axis=1)


def smallest_rectangle(points: npt.NDArray[Any]) -> tuple[Polygon, float]:
    """Return the rectangle of smallest area around points, as an ordered quad, and its shorter side in pixels.

    Args:
        points: ``[K, 2]``, at least one.
    """
    rectangle = cv2.minAreaRect(np.asarray(points, np.float32).reshape(-1, 1, 2))
    return order_quads(cv2.boxPoints(rectangle))[0], float(min(rectangle[1]))


def offset(polygon: npt.NDArray[Any], distance: float) -> list[Polygon]:
    """Move the outline outwards (inwards where `distance` is negative) with rounded corners (Vatti 1992).

    Args:
        polygon: In either direction.
        distance: Pixels.

    Returns:
        The pieces, clockwise: none when nothing is left, several when a narrow place was cut through.
    """
    clipper = pyclipper.PyclipperOffset(2.0, ARC_TOLERANCE * SUBPIXELS)
    path = np.rint(np.asarray(polygon, np.float64) * SUBPIXELS).astype(np.int64)
    try:
        clipper.AddPath(path.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    except pyclipper.ClipperException:
        return []  # All points are one point or lie on a line.
    pieces = [np.array(piece, np.float64) / SUBPIXELS for piece in clipper.Execute(distance * SUBPIXELS)]
    return [clockwise(piece) for piece in pieces if len(piece) >= 3]


def clip_points(points: npt.NDArray[Any], width: int, height: int) -> Polygon:
    """Return points moved to the nearest place within ``[0, width - 1]`` and ``[0, height - 1]``."""
    return np.clip(np.asarray(points, np.float32), 0, np.array([width - 1, height - 1], np.float32))


def bounds(polygons: Sequence[npt.NDArray[Any]]) -> Polygon:
    """Return left, top, right and bottom of each polygon, float32 ``[N, 4]``."""
    if not len(polygons):
        return np.zeros((0, 4), np.float32)
    points, first = np.concatenate(polygons), np.cumsum([0, *map(len, polygons[:-1])])
    corners = np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)
    return np.concatenate(corners, axis=1).astype(np.float32)
