"""From the label of a picture to the polygons, texts and marks that detection works on."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ppocr.data.sample import Sample
from ppocr.errors import ConfigError, DatasetError, SampleError
from ppocr.geometry import Polygon, clockwise, order_quads
from ppocr.regions import OUTSIDE, Region, inside, parse_regions, points_outside, surroundings
from ppocr.registry import TRANSFORMS

BadPolygon = Literal["ignore", "drop_sample", "error"]

MOVED = "points outside the image, moved to its border"


@TRANSFORMS.register()
class DetLabelEncode:
    """Turn the label of a picture into polygons within it.

    A polygon is bad if it has fewer than 3 points, crosses or touches itself, has no area, is not finite, or lies
    outside the image. Points outside of polygons that are not bad are moved to the border and counted.

    Required keys: image (decoded, ``[H, W, C]``), label (JSON, see `ppocr.regions`).
    Added keys: polys (float32 ``[K, 2]`` each, x and y in pixels, clockwise, quads from their top left corner), texts
    (str), ignore_tags (bool: illegible, so that finding it is neither right nor wrong): three lists of the same length;
    counts and remarks for the report, if there is something to tell.

    Args:
        bad_polygon: What happens to a bad polygon. ``"ignore"``: the rectangle around it becomes a region of which
            finding it is neither right nor wrong; one that has no area or lies outside the image is left out.
            ``"drop_sample"``: the sample is refused (training leaves it out, evaluation counts its texts as missed).
            ``"error"``: the run stops.
    """

    needs_label = True

    def __init__(self, bad_polygon: BadPolygon = "ignore") -> None:
        self.bad_polygon: BadPolygon = bad_polygon

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its regions.

        Raises:
            SampleError: ``"malformed label"``, or ``"bad polygon"`` with that policy.
            DatasetError: A polygon is bad and the policy is ``"error"``.
            ConfigError: The image is not decoded.
        """
        if not isinstance(sample["image"], np.ndarray):
            raise ConfigError("DetLabelEncode: the image is not decoded yet", expected="DecodeImage before it",
                              cure="correct the order of the transforms")
        height, width = sample["image"].shape[:2]
        regions = parse_regions(sample["label"])
        outside = points_outside([region.points for region in regions], width, height)
        polys, texts, ignore_tags = [], [], []
        for number, (region, points) in enumerate(zip(regions, outside, strict=True), start=1):
            part = _part(region, points, width, height)
            if part is not None and points:
                _count(sample, MOVED, points)
            poly = part if part is not None else self._stand_in(region, number, (width, height), sample)
            if poly is not None:
                polys.append(poly)
                texts.append(region.text)
                ignore_tags.append(region.ignore or part is None)
        sample["polys"], sample["texts"], sample["ignore_tags"] = _in_order(polys), texts, ignore_tags
        return sample

    def _stand_in(self, region: Region, number: int, size: tuple[int, int], sample: Sample) -> Polygon | None:
        """Return the polygon that stands for a bad one, or None to leave it out."""
        fault = f"region {number}: {region.fault or OUTSIDE}"
        if self.bad_polygon == "drop_sample":
            raise SampleError("bad polygon", fault)
        if self.bad_polygon == "error":
            raise DatasetError(f"bad polygon: {fault}", expected="polygons with an area, within the image, that do not "
                               "cross themselves", cure="correct the label, or set DetLabelEncode.bad_polygon: ignore")
        rectangle = surroundings(region, *size) if region.fault else None
        outcome = "left out" if rectangle is None else "taken as don't-care"
        _count(sample, f"bad polygons, {outcome}", 1)
        sample.setdefault("remarks", []).append(f"{fault}, {outcome}")
        return rectangle


def _part(region: Region, outside: int, width: int, height: int) -> Polygon | None:
    """Return what of a region lies in the image, given how many of its points do not; None for a bad polygon."""
    if region.fault:
        return None
    return inside(region.points, width, height) if outside else region.points


def _count(sample: Sample, name: str, number: int) -> None:
    counts = sample.setdefault("counts", {})
    counts[name] = counts.get(name, 0) + number


def _in_order(polygons: list[Polygon]) -> list[Polygon]:
    """Return the polygons clockwise, quads from their top left corner."""
    quads = [position for position, polygon in enumerate(polygons) if len(polygon) == 4]
    ordered = [polygon if len(polygon) == 4 else clockwise(polygon) for polygon in polygons]
    if quads:
        for position, quad in zip(quads, order_quads(np.stack([polygons[place] for place in quads])), strict=True):
            ordered[position] = quad
    return ordered
