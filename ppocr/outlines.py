"""Outlines of regions, drawn into a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2

Colour = tuple[int, int, int]
"""Blue, green and red, 0 to 255."""

RED: Colour = (0, 0, 255)

FINENESS = 500
"""Outlines are a pixel thick for every so many pixels of the picture's side, were it a square."""

SUBPIXEL_BITS = 4
LARGEST_COORDINATE = 1 << 20
"""OpenCV draws with 32-bit numbers; a line that leaves the picture need not be followed farther."""


def draw_outlines(
    image: npt.NDArray[Any],
    polygons: Sequence[npt.NDArray[Any]],
    colours: Sequence[Colour] | None = None,
) -> npt.NDArray[Any]:
    """Draw polygons into a picture (uint8 ``[H, W, 3]``, BGR) and return it.

    Args:
        image: Is changed.
        polygons: ``[K, 2]`` each.
        colours: Of each polygon; red by default.
    """
    thickness = max(1, round(math.sqrt(image.shape[0] * image.shape[1]) / FINENESS))
    for index, polygon in enumerate(polygons):
        near = np.clip(np.asarray(polygon, np.float64), -LARGEST_COORDINATE, LARGEST_COORDINATE)
        points = np.rint(near * (1 << SUBPIXEL_BITS)).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(image, [points], True, colours[index] if colours else RED, thickness, cv2.LINE_AA,
                      SUBPIXEL_BITS)
    return image
