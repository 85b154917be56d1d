"""Quads of texts in whole pixels, as the predictors that published detectors come with compute them.

They cut the fractions off three times: of the corners of a region's rectangle before its score is taken and before it
is grown, of the grown outline, and of the result in the picture. A corner is off by up to two pixels of the map. What
is found here is the same, corner by corner, for whoever must get the results that he has always had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyclipper

from ppocr.cv import cv2
from ppocr.geometry import Polygon, order_quads, perimeter, signed_area
from ppocr.postprocess.map_scores import mean_in_polygon

FloatMap = npt.NDArray[np.float32]

SMALLEST_KERNEL = 3.0
"""Shorter side in pixels of the map below which a region is noise."""

SMALLEST_GROWN = 5.0
"""The same after the region was grown."""

SMALLEST_RESULT = 3
"""Sides in whole pixels of the picture that a text must exceed."""

MITER_LIMIT, ARC_TOLERANCE = 2.0, 0.25
"""Pyclipper's defaults; the corners of its arcs have whole coordinates, too."""


def whole_quads(
    probability: FloatMap,
    contours: Sequence[npt.NDArray[Any]],
    size: tuple[int, int],
    *,
    box_thresh: float,
    unclip_ratio: float,
    exact_scores: bool = False,
) -> tuple[list[Polygon], npt.NDArray[np.float32]]:
    """Return quads float32 ``[4, 2]`` in whole pixels of the picture, clockwise, and their scores.

    Args:
        probability: ``[H, W]``.
        contours: Outlines of the regions and of the holes in them, int32 ``[K, 1, 2]`` each.
        size: Height and width of the picture.
        box_thresh: Smallest score of a region.
        unclip_ratio: How much regions are grown: by ``A u / L`` (area A, perimeter L).
        exact_scores: The score is the mean within the contour instead of within the rectangle.
    """
    quads, scores = [], []
    for quad, score in _in_map(probability, contours, box_thresh, unclip_ratio, exact_scores):
        points = _in_picture(quad, probability.shape, size)
        sides = np.hypot(*(points[[1, 3]] - points[0]).T).astype(int)
        if sides.min() > SMALLEST_RESULT:
            quads.append(points)
            scores.append(score)
    return quads, np.array(scores, np.float32)


def _in_map(
    probability: FloatMap, contours: Sequence[npt.NDArray[Any]], box_thresh: float, unclip_ratio: float,
    exact_scores: bool,
) -> Iterator[tuple[Polygon, float]]:
    """Yield the corners of each grown rectangle in pixels of the map, and its score."""
    for contour in contours:
        rectangle = cv2.minAreaRect(contour)
        if min(rectangle[1]) < SMALLEST_KERNEL:
            continue
        corners = cv2.boxPoints(rectangle)
        whole = np.trunc(corners).astype(np.int32)
        score = mean_in_polygon(probability, contour if exact_scores else whole[:, np.newaxis])
        if score < box_thresh:
            continue
        distance = abs(signed_area(corners)) * unclip_ratio / perimeter(corners)
        clipper = pyclipper.PyclipperOffset(MITER_LIMIT, ARC_TOLERANCE)
        clipper.AddPath(whole.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        pieces = clipper.Execute(distance)
        if len(pieces) == 1:
            grown = cv2.minAreaRect(np.array(pieces[0], np.int32)[:, np.newaxis])
            if min(grown[1]) >= SMALLEST_GROWN:
                yield cv2.boxPoints(grown), score


def _in_picture(quad: Polygon, shape: tuple[int, ...], size: tuple[int, int]) -> Polygon:
    """Return a quad of the map in whole pixels of the picture."""
    # The quotient in single precision and the product in double precision decide which way a half is rounded.
    shares = quad / np.array(shape[1::-1], np.float32)
    points = np.round(shares * np.array(size[::-1], np.float64))
    return order_quads(np.clip(points, 0, np.array(size[::-1]) - 1))[0]
