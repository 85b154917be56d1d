"""Pictures whose geometry has been decided but whose pixels are not computed yet.

Rotating and enlarging a photo to several times its size, to keep no more than a crop of it, wastes most of the work and
interpolates twice. A transform that only moves pixels can therefore hand on a `DeferredImage` (source pixels, matrix,
size) to a next transform that takes one: a crop then renders just its window, straight into its final size.

A transform takes deferred pictures if it has the attribute ``takes_deferred = True``; it can produce them if it has a
method ``defer(sample)`` beside ``__call__``, which leaves the rendering out. `Pipeline` calls ``defer`` where the next
transform takes the result; everything else sees plain arrays.

Coordinates are those of OpenCV: ``(0, 0)`` is the centre of the first pixel, so that a picture of width W reaches from
-0.5 to W - 0.5.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.errors import SampleError
from ppocr.geometry import Polygon

Matrix = npt.NDArray[Any]
"""float64, 3 x 3, for column vectors ``(x, y, 1)``; maps a place of one picture to that of another."""

Size = tuple[int, int]
"""Width and height in pixels."""

LONGEST_SIDE = 32_000
"""Pictures of more pixels in one direction are not rendered: OpenCV's warps count in 16 bits."""

MOST_PIXELS = 100_000_000
"""Nor pictures of more pixels in all, which would take close to a gigabyte."""

_EDGE = 1e-6


def scaling(x: float, y: float) -> Matrix:
    """Return the matrix that scales a picture by these factors, as a resize does: the outer edges stay edges."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def translation(x: float, y: float) -> Matrix:
    """Return the matrix that moves a picture by pixels, right and down."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def map_points(matrix: Matrix, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return points ``[N, 2]`` as the matrix maps them."""
    mapped: npt.NDArray[np.float64] = points @ matrix[:2, :2].T + matrix[:2, 2]
    if matrix[2, 0] or matrix[2, 1]:
        mapped /= points @ matrix[2:, :2].T + matrix[2, 2]
    return mapped


def map_polygons(matrix: Matrix, polygons: Sequence[Polygon]) -> list[Polygon]:
    """Return polygons as the matrix maps them; they may leave the picture.

    A mirrored polygon would run counter-clockwise. Its points are put in the other order, so that the first point is
    again where the first one was in the picture: top left stays top left.
    """
    if not polygons:
        return []
    points = map_points(matrix, np.concatenate(polygons)).astype(np.float32)
    pieces, start = [], 0
    for polygon in polygons:
        pieces.append(points[start:start + len(polygon)])
        start += len(polygon)
    if np.linalg.det(matrix[:2, :2]) < 0:
        sideways = bool(matrix[0, 0] < 0)
        pieces = [mirrored_back(piece, sideways) for piece in pieces]
    return pieces


def mirrored_back(polygon: Polygon, sideways: bool = True) -> Polygon:
    """Return the points of a polygon that a mirror has turned counter-clockwise in clockwise order.

    Args:
        polygon: The upper edge of the text first, then the lower one backwards.
        sideways: Left and right have changed places, otherwise top and bottom.
    """
    return polygon[_mirrored_order(len(polygon), sideways)]


@functools.cache
def _mirrored_order(length: int, sideways: bool) -> npt.NDArray[np.int_]:
    backwards = np.arange(length)[::-1]
    # Each half of the outline, which is an edge of the text, is reversed.
    order = np.roll(backwards, -(length - length // 2)) if sideways else backwards
    order.setflags(write=False)
    return order


@dataclass(frozen=True)
class DeferredImage:
    """A picture to be.

    Args:
        pixels: The source, uint8 ``[H, W, 3]``.
        size: Width and height of the picture to be.
        matrix: From places of the source to places of this picture.
        fill: BGR of what the source does not cover.
    """

    pixels: Image
    size: Size
    matrix: Matrix = field(default_factory=lambda: np.eye(3))
    fill: tuple[float, float, float] = (0, 0, 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels, as of an array."""
        return self.size[1], self.size[0], 3

    def then(self, matrix: Matrix, size: Size) -> DeferredImage:
        """Return this picture after one more change of geometry.

        What moves out of the picture is not lost: a further change can bring it back.

        Args:
            matrix: From places of this picture to places of the next.
            size: Width and height of the next.
        """
        return DeferredImage(self.pixels, size, matrix @ self.matrix, self.fill)

    def render(self) -> Image:
        """Return the pixels, uint8 ``[H, W, 3]``; the source itself if nothing changes.

        Raises:
            SampleError: ``"image too large"``.
        """
        if self.size == (self.pixels.shape[1], self.pixels.shape[0]) and (self.matrix == np.eye(3)).all():
            return self.pixels
        return warp(self.pixels, self.matrix, self.size, self.fill)


def deferred(image: Image | DeferredImage) -> DeferredImage:
    """Return a picture in deferred form."""
    return image if isinstance(image, DeferredImage) else DeferredImage(image, (image.shape[1], image.shape[0]))


def rendered(image: Image | DeferredImage) -> Image:
    """Return the pixels of a picture."""
    return image.render() if isinstance(image, DeferredImage) else image


def crop_to_size(image: Image | DeferredImage, window: Sequence[int], into: Image) -> Matrix:
    """Cut a window out of a picture and bring it to the size of an array.

    Args:
        image: Plain or deferred.
        window: Left, top, right and bottom, in whole pixels; right and bottom are the first ones outside.
        into: Where the pixels go, uint8 ``[H, W, 3]``; it may be part of a larger array.

    Returns:
        The matrix from places of `image` to places of the result.

    Raises:
        SampleError: ``"image too large"``.
    """
    left, top, right, bottom = window
    scale_x, scale_y = into.shape[1] / (right - left), into.shape[0] / (bottom - top)
    matrix = scaling(scale_x, scale_y) @ translation(-left, -top)
    if isinstance(image, DeferredImage):
        warp(image.pixels, matrix @ image.matrix, (into.shape[1], into.shape[0]), image.fill, into)
    elif min(scale_x, scale_y) <= 0.5:
        warp(image, matrix, (into.shape[1], into.shape[0]), into=into)
    elif scale_x == scale_y == 1:
        into[:] = image[top:bottom, left:right]
    else:
        cv2.resize(image[top:bottom, left:right], (into.shape[1], into.shape[0]), dst=into)
    return matrix


def warp(
    image: Image, matrix: Matrix, size: Size, fill: Sequence[float] = (0, 0, 0), into: Image | None = None
) -> Image:
    """Move pixels as a matrix says, with bilinear interpolation and without aliasing.

    Where the picture shrinks to half or less, it is first halved, as often as needed, by averaging pixels. Only the
    part of the source that is seen is looked at.

    Args:
        image: uint8 ``[H, W, 3]``.
        matrix: From places of `image` to places of the result.
        size: Width and height of the result.
        fill: BGR of what the source does not cover.
        into: Where the pixels go, uint8 ``[H, W, 3]`` of this size; a new array by default.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        SampleError: ``"image too large"``.
    """
    if max(size) > LONGEST_SIDE or size[0] * size[1] > MOST_PIXELS:
        raise SampleError("image too large", f"an augmentation makes it {size[0]} x {size[1]} pixels")
    into = np.empty((size[1], size[0], 3), np.uint8) if into is None else into
    left, top, right, bottom = _seen(matrix, size)
    height, width = image.shape[:2]
    x, y = _block(matrix, size)
    first_x, first_y = max(math.floor(left) - 2 * x, 0), max(math.floor(top) - 2 * y, 0)
    part = image[first_y:max(math.ceil(bottom) + 2 * y + 1, 0), first_x:max(math.ceil(right) + 2 * x + 1, 0)]
    if not part.size:
        into[:] = np.rint(fill)
        return into
    matrix = matrix @ translation(first_x, first_y)
    if x > 1 or y > 1:
        part, matrix = _averaged(part, x, y), matrix @ scaling(x, y)
    if max(part.shape) > LONGEST_SIDE:
        raise SampleError("image too large", f"{part.shape[1]} x {part.shape[0]} pixels take part in an augmentation")
    # Without this, a plain enlargement would get a dark rim: the border would count as a pixel of the fill colour.
    rim = 0.5 + _EDGE
    within = left >= -rim and top >= -rim and right <= width - 1 + rim and bottom <= height - 1 + rim
    border, colour = cv2.BORDER_REPLICATE if within else cv2.BORDER_CONSTANT, (*fill, 0)
    # OpenCV 5 warps four channels in less than half the time of three, even with both conversions.
    padded = cv2.cvtColor(part, cv2.COLOR_BGR2BGRA)
    if matrix[2, 0] or matrix[2, 1]:
        moved = cv2.warpPerspective(padded, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=colour)
    else:
        moved = cv2.warpAffine(padded, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=colour)
    return cv2.cvtColor(moved, cv2.COLOR_BGRA2BGR, dst=into)


def _seen(matrix: Matrix, size: Size) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the source places that the result shows."""
    right, bottom = size[0] - 0.5, size[1] - 0.5
    corners = np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])
    x, y = map_points(np.linalg.inv(matrix), corners).T.tolist()
    return min(x), min(y), max(x), max(y)


def _block(matrix: Matrix, size: Size) -> tuple[int, int]:
    """Return how many source pixels, in x and y, to average before the warp: a power of two, 1 for none."""
    linear = matrix[:2, :2]
    if matrix[2, 0] or matrix[2, 1]:
        # The derivative of the perspective at the middle of the result.
        middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
        source = map_points(np.linalg.inv(matrix), middle[None])[0]
        depth = matrix[2, :2] @ source + matrix[2, 2]
        linear = (linear - np.outer(middle, matrix[2, :2])) / depth
    (xx, xy), (yx, yy) = linear.tolist()
    return _halvings(math.hypot(xx, yx)), _halvings(math.hypot(xy, yy))


def _halvings(scale: float) -> int:
    return 1 << math.floor(math.log2(1 / min(max(scale, 1e-3), 1.0)) + _EDGE)


def _averaged(image: Image, x: int, y: int) -> Image:
    """Return the mean of every block of x times y pixels; the last blocks repeat the border if need be."""
    below, beside = -image.shape[0] % y, -image.shape[1] % x
    if below or beside:
        image = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    while x > 1 or y > 1:
        # Step by step, because OpenCV is by far the fastest at halving.
        half_x, half_y = min(x, 2), min(y, 2)
        image = cv2.resize(image, (image.shape[1] // half_x, image.shape[0] // half_y), interpolation=cv2.INTER_AREA)
        x, y = x // half_x, y // half_y
    return image
