"""Text regions cut out of a page, straightened: what recognizers and classifiers see of it.

Coordinates are those of detection: float32 ``[K, 2]``, x and y in pixels of the picture, clockwise from the top left
corner of the text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.geometry import smallest_rectangle

Image = npt.NDArray[Any]
"""uint8 ``[H, W, 3]``, BGR; OpenCV's stubs know no element types, hence the ``Any``."""

TALL = 1.5
"""A crop that is so many times as high as wide holds a line that runs downwards."""

MARGIN = 4
"""Pixels around a region that are kept for the interpolation, which looks two pixels beyond its edge."""

LONGEST_SIDE = 32766
"""OpenCV's warps address pixels with 16 bits."""


def text_crop(image: Image, polygon: npt.NDArray[Any], *, whole_pixels: bool = False) -> Image:
    """Return a text region as a picture whose text runs from left to right: `crop_quad`, then `upright`."""
    return upright(crop_quad(image, polygon, whole_pixels=whole_pixels))


def crop_quad(image: Image, quad: npt.NDArray[Any], *, whole_pixels: bool = False) -> Image:
    """Return a quad of the picture, warped to an upright rectangle.

    The longer of each two opposite sides gives the width and the height, so an upright rectangle of whole numbers
    ``(x, y)`` to ``(x + w, y + h)`` comes out as ``image[y:y + h, x:x + w]``. What lies outside the picture is filled
    with its edge. Only the surroundings of the quad are looked at, however large the picture is.

    Args:
        image: uint8 ``[H, W, 3]`` (or grey, ``[H, W]``).
        quad: ``[4, 2]``, finite. A polygon of another number of points, and a quad that is not convex, not clockwise
            or without an area, is replaced by the smallest rectangle around it.
        whole_pixels: Cut the fractions of width and height off instead of rounding them, as the predictors of published
            models do, and warp the picture as a whole as they do, which interpolates some pixels one step differently.

    Returns:
        A picture of the same kind, at least 1 x 1.
    """
    corners = _usable(np.asarray(quad, np.float64))
    width, height = _size(corners, whole_pixels)
    is_whole = whole_pixels and max(image.shape[:2]) <= LONGEST_SIDE
    window, origin = (image, np.zeros(2)) if is_whole else _window(image, corners)
    if max(window.shape[:2]) > LONGEST_SIDE:
        factor = LONGEST_SIDE / max(window.shape[:2])
        shrunk = tuple(max(1, int(side * factor)) for side in window.shape[1::-1])
        scale = np.array(shrunk, np.float64) / window.shape[1::-1]
        window = cv2.resize(window, shrunk, interpolation=cv2.INTER_AREA)
    else:
        scale = np.ones(2)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(((corners - origin) * scale).astype(np.float32), target)
    return cv2.warpPerspective(window, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def upright(crop: Image) -> Image:
    """Turn a crop that is at least 1.5 times as high as wide by 90 degrees counter-clockwise; return others as is."""
    height, width = crop.shape[:2]
    return np.ascontiguousarray(np.rot90(crop)) if height >= TALL * width else crop


def _usable(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return four corners, strictly convex and clockwise, with sides of half a pixel or more."""
    if len(points) == 4 and _strictly_convex(points):
        return points
    rectangle = np.asarray(smallest_rectangle(points)[0], np.float64)
    if _strictly_convex(rectangle):
        return rectangle
    # All points are one point or lie on a line: the upright rectangle around them, a pixel thick where it is thinner.
    left, top = points.min(axis=0)
    right, bottom = np.maximum(points.max(axis=0), (left + 1, top + 1))
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _strictly_convex(corners: npt.NDArray[np.float64]) -> bool:
    """Tell whether each corner turns to the right and has a triangle of a fair area with its neighbours."""
    sides = np.roll(corners, -1, axis=0) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    # A corner of almost 180 degrees makes a perspective that no camera sees.
    return bool((turns > 0.01 * np.hypot(*sides.T) * np.hypot(*following.T)).all() and (turns > 0.25).all())


def _size(corners: npt.NDArray[np.float64], whole_pixels: bool) -> tuple[int, int]:
    top, right, bottom, left = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    to_whole = int if whole_pixels else round
    width, height = (min(max(to_whole(float(side)), 1), LONGEST_SIDE) for side in (max(top, bottom), max(right, left)))
    return width, height


def _window(image: Image, corners: npt.NDArray[np.float64]) -> tuple[Image, npt.NDArray[np.float64]]:
    """Return the part of the picture around a quad, at least one pixel, and where its corner lies in the picture."""
    last = np.array(image.shape[1::-1]) - 1
    low = np.clip(np.floor(corners.min(axis=0)) - MARGIN, 0, last).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + MARGIN, low, last).astype(int)
    return image[low[1]:high[1] + 1, low[0]:high[0] + 1], low.astype(np.float64)
