"""Put a drawn line of text on a picture: where, in which colour, with which shadow or outline.

Composing is separate from drawing the line and from spoiling the picture, so that a page can hold many lines on one
canvas and be spoilt once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.synth.background import Colour

Quad = npt.NDArray[np.float32]
"""float32 ``[4, 2]``, x and y in pixels, clockwise from the top left as the text is read."""


@dataclass(frozen=True)
class Style:
    """How a line is painted.

    Args:
        colour: BGR of the ink.
        outline: BGR of a line around the ink, or None.
        shadow: BGR of a soft copy behind the ink, or None.
        shadow_shift: Where the shadow falls, x and y in pixels.
        opacity: 0..1, of everything.
    """

    colour: Colour
    outline: Colour | None = None
    shadow: Colour | None = None
    shadow_shift: tuple[int, int] = (1, 1)
    opacity: float = 1.0


def corners(width: float, height: float) -> Quad:
    """Return the outline of a rectangle at the origin, outer edges of its pixels."""
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def paint(canvas: Image, mask: npt.NDArray[np.uint8], target: Quad, style: Style) -> Image:
    """Paint a line of text on a copy of the canvas so that the edges of its mask fall on a quadrilateral.

    Args:
        canvas: uint8 ``[H, W, 3]``.
        mask: uint8 ``[h, w]``, coverage of the ink.
        target: Where the corners of the mask go, pixels of the canvas.
        style: Colours.

    Returns:
        uint8 ``[H, W, 3]``.
    """
    ink = place(mask, target, (canvas.shape[1], canvas.shape[0]))
    if style.shadow is not None:
        dx, dy = style.shadow_shift
        moved = cv2.warpAffine(ink, np.array([[1, 0, dx], [0, 1, dy]], np.float64), ink.shape[::-1])
        canvas = _blend(canvas, cv2.GaussianBlur(moved, (3, 3), 0), style.shadow, 0.7 * style.opacity)
    if style.outline is not None:
        around = cv2.dilate(ink, np.ones((3, 3), np.uint8))
        canvas = _blend(canvas, around, style.outline, style.opacity)
    return _blend(canvas, ink, style.colour, style.opacity)


def place(mask: npt.NDArray[np.uint8], target: Quad, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Warp a mask so that its outer edges fall on `target`, onto an empty plane of `size` (width, height)."""
    height, width = mask.shape
    # Quadrilaterals are outer edges of pixels, whereas OpenCV counts from the middle of the first pixel.
    matrix = cv2.getPerspectiveTransform(corners(width, height) - np.float32(0.5), target - np.float32(0.5))
    placed = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(placed, np.uint8)


def _blend(canvas: Image, coverage: npt.NDArray[np.uint8], colour: Colour, opacity: float) -> Image:
    share = coverage.astype(np.float32)[..., None] * np.float32(opacity / 255)
    return np.rint(canvas + (colour.astype(np.float32) - canvas) * share).astype(np.uint8)
