"""How well the results of two sides agree, and which of them is right where they do not.

The exact values are computed here in the plainest way, independently of both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from arrays import Arrays

from ppocr.cv import cv2

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
Report = dict[str, float]

TOLERANCE = 1e-4
"""Difference of map values up to which a side is right."""

_FAR = 3
"""Pixels around the place that matters for which exact values are computed."""


@dataclass(frozen=True, eq=False)
class ExactMaps:
    """The targets of one picture.

    Args:
        border: float64 ``[H, W]``, as `MakeBorderMap` describes it.
        grown: ``[H, W]``: within a region grown by its offset.
        shrunk: ``[H, W]``: within a region shrunk by it.
        off_grown: ``[H, W]``: pixels from the nearest outline of `grown`.
        off_shrunk: The same of `shrunk`.
    """

    border: Floats
    grown: Bits
    shrunk: Bits
    off_grown: Floats
    off_shrunk: Floats


def signed_distances(polygon: npt.NDArray[Any], x: Floats, y: Floats) -> Floats:
    """Return the distance of each point from a polygon's outline in pixels, negative inside."""
    starts = np.asarray(polygon, np.float64)
    ends = np.roll(starts, -1, axis=0)
    nearest = np.full(x.shape, np.inf)
    for (x1, y1), (x2, y2) in zip(starts, ends, strict=True):
        square = (x2 - x1) ** 2 + (y2 - y1) ** 2
        place = np.clip(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / square, 0, 1) if square else np.zeros(x.shape)
        nearest = np.minimum(nearest, np.hypot(x - x1 - place * (x2 - x1), y - y1 - place * (y2 - y1)))
    inside = shapely.intersects_xy(shapely.Polygon(starts), x, y)
    return np.where(inside, -nearest, nearest)


def exact_maps(shape: tuple[int, int], polygons: Sequence[npt.NDArray[Any]], is_text: Sequence[bool]) -> ExactMaps:
    """Compute the targets for ``shrink_ratio`` 0.4 and thresholds of 0.3 to 0.7.

    Args:
        shape: Height and width of the picture.
        polygons: ``[K, 2]`` each, inside of the picture.
        is_text: Which of them are to be found; for the shrunk regions alone.
    """
    near, grown, shrunk = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    off_grown, off_shrunk = np.full(shape, np.inf), np.full(shape, np.inf)
    for polygon, wanted in zip(polygons, is_text, strict=True):
        outline = shapely.Polygon(np.asarray(polygon, np.float64))
        offset = outline.area * (1 - 0.4**2) / outline.length
        low = np.maximum(np.floor(polygon.min(axis=0) - offset - _FAR), 0).astype(int)
        high = np.ceil(polygon.max(axis=0) + offset + _FAR).astype(int) + 1
        window = np.s_[low[1]:high[1], low[0]:high[0]]
        y, x = np.mgrid[:shape[0], :shape[1]][(slice(None), *window)].astype(np.float64)
        distances = signed_distances(polygon, x, y)
        np.maximum(near[window], 1 - np.abs(distances) / offset, out=near[window])
        grown[window] |= distances <= offset
        np.minimum(off_grown[window], np.abs(distances - offset), out=off_grown[window])
        if wanted:
            shrunk[window] |= distances <= -offset
            np.minimum(off_shrunk[window], np.abs(distances + offset), out=off_shrunk[window])
    return ExactMaps(0.3 + 0.4 * near, grown, shrunk, off_grown, off_shrunk)


def compare_borders(ours: Arrays, peer: Arrays, exact: ExactMaps) -> Report:
    """Compare threshold maps and their masks.

    ``differ_where_peer_is_right``: largest difference of the two among the pixels where the peer's value is exact.
    """
    own_error = np.abs(ours["threshold_map"] - exact.border)
    peer_error = np.abs(peer["threshold_map"] - exact.border)
    right = peer_error <= TOLERANCE
    difference = np.abs(ours["threshold_map"] - peer["threshold_map"])
    return {
        "differ_where_peer_is_right": float(difference[right].max()),
        "own_error": float(own_error.max()),
        "peer_error": float(peer_error.max()),
        "peer_wrong_share_of_mask": float((~right & exact.grown).sum() / max(exact.grown.sum(), 1)),
        **_masks("threshold_mask", ours, peer, exact.grown, exact.off_grown),
    }


def compare_targets(ours: Arrays, peer: Arrays, exact: ExactMaps) -> Report:
    """Compare all maps of a crop, and the normalised picture."""
    return {
        **compare_borders(ours, peer, exact),
        **_masks("shrink_map", ours, peer, exact.shrunk, exact.off_shrunk),
        "shrink_mask_differs_share": float((ours["shrink_mask"] != peer["shrink_mask"]).mean()),
        "image_difference": float(np.abs(ours["image"] - peer["image"]).max()),
    }


def _masks(name: str, ours: Arrays, peer: Arrays, exact: Bits, off: Floats) -> Report:
    """Tell how far the wrong pixels of each side lie from the true outline."""

    def farthest(mask: npt.NDArray[Any]) -> float:
        wrong = (mask > 0.5) != exact
        return float(off[wrong].max()) if wrong.any() else 0.0

    return {f"{name}_differs_share": float((ours[name] != peer[name]).sum() / max(exact.sum(), 1)),
            f"{name}_own_pixels_off": farthest(ours[name]), f"{name}_peer_pixels_off": farthest(peer[name])}


def worst(reports: Sequence[Report]) -> Report:
    """Return the largest value of each entry; entries that are shares are averaged."""
    return {name: float(np.mean([report[name] for report in reports]) if "share" in name
                        else max(report[name] for report in reports)) for name in reports[0]}


def exact_boxes(given: Arrays, thresh: float, unclip_ratio: float) -> Floats:
    """Return the boxes of a map: the smallest rectangle around each region, each side moved out by ``A u / L``.

    Returns:
        ``[N, 4, 2]``, in pixels of the original.
    """
    mask = (given["maps"][0, 0] > thresh).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = []
    for contour in contours:
        middle, (width, height), angle = cv2.minAreaRect(contour)
        offset = width * height * unclip_ratio / (2 * (width + height))
        boxes.append(cv2.boxPoints((middle, (width + 2 * offset, height + 2 * offset), angle)))
    height, width, ratio_h, ratio_w = given["shape"][0].tolist()
    return np.clip(np.array(boxes, np.float64) / (ratio_w, ratio_h), 0, (width, height))


def match_boxes(first: Sequence[npt.NDArray[Any]], second: Sequence[npt.NDArray[Any]]) -> Report:
    """Pair the boxes of two lists whose centres are nearest to each other, and compare them.

    ``matched``: pairs in which each is nearest to the other and that have an IoU above 0.5. ``pixels`` is the largest
    distance of corresponding corners, ``mean_pixels`` the mean one.
    """
    a, b = np.array(first, np.float64), np.array(second, np.float64)
    distances = np.linalg.norm(a.mean(axis=1)[:, None] - b.mean(axis=1), axis=2)
    forward, backward = distances.argmin(axis=1), distances.argmin(axis=0)
    mutual = np.flatnonzero(backward[forward] == np.arange(len(a)))
    a, b = a[mutual], b[forward[mutual]]
    shapes = shapely.polygons(a), shapely.polygons(b)
    common = shapely.area(shapely.intersection(*shapes))
    overlap = common / (shapely.area(shapes[0]) + shapely.area(shapes[1]) - common)
    # Where a list begins in a box, and in which direction it goes, does not matter.
    orders = [np.roll(order, shift) for order in (np.arange(4), np.arange(4)[::-1]) for shift in range(4)]
    corners = np.array([np.linalg.norm(a - b[:, order], axis=2) for order in orders])
    best = corners[corners.max(axis=2).argmin(axis=0), np.arange(len(a))]
    return {"first": len(first), "second": len(second), "matched": int((overlap > 0.5).sum()),
            "iou_min": float(overlap.min()), "iou_mean": float(overlap.mean()),
            "pixels": float(best.max()), "mean_pixels": float(best.mean())}
