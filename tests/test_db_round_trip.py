"""Labels become maps, and maps become the labels again: MakeShrinkMap and DBPostProcess are each other's inverse.

The pixels through which the outline of a kernel runs belong to it, so that slanted kernels are up to half a pixel
larger on each side, and growing multiplies that. The texts here are large enough to come back all the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.data.transforms.border_map import MakeBorderMap
from ppocr.data.transforms.region_clip import visible_part
from ppocr.data.transforms.shrink_map import MakeShrinkMap
from ppocr.geometry import Polygon, offset, perimeter, signed_area
from ppocr.metrics.det import DetMetric
from ppocr.postprocess.db import DBPostProcess
from ppocr.regions import parse_regions
from ppocr.results import Detection
from tests.shared_files import SHARED, needs_shared

SIZE = 640
RATIO = 0.4


def maps(polygons: list[Polygon]) -> dict[str, Any]:
    sample = {"image": np.zeros((SIZE, SIZE, 3), np.uint8), "polys": polygons, "ignore_tags": [False] * len(polygons)}
    return MakeShrinkMap(shrink_ratio=RATIO)(MakeBorderMap(shrink_ratio=RATIO)(sample))


def unclip_ratio(polygon: Polygon) -> float:
    """Return the ratio that undoes the shrinking: the kernel's ``A u / L`` is the distance that it was moved."""
    distance = abs(signed_area(polygon)) * (1 - RATIO**2) / perimeter(polygon)
    (kernel,) = offset(polygon, -distance)
    return distance * perimeter(kernel) / signed_area(kernel)


def detect(shrink_map: np.ndarray, ratio: float, box_type: Any = "quad") -> Detection:
    decoder = DBPostProcess(unclip_ratio=ratio, box_type=box_type, box_thresh=0.5)
    shape = np.array([[SIZE, SIZE, 1, 1]], np.float32)
    return decoder({"maps": shrink_map[None, None] * np.float32(0.95), "shape": shape})[0]


def iou(first: Polygon, second: Polygon) -> float:
    a, b = shapely.Polygon(first), shapely.Polygon(second)
    return float(a.intersection(b).area / a.union(b).area)


def rectangle(center: Any, width: float, height: float, degrees: float) -> Polygon:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
    return (corners @ turn + center).astype(np.float32)


def curved(center: Any, radius: float, height: float, start: float, end: float) -> Polygon:
    """Return a text along an arc, of 14 points."""
    angles = np.linspace(start, end, 7)
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (np.concatenate([ways * (radius + height), ways[::-1] * radius]) + center).astype(np.float32)


class TestWithinTheImage:
    @pytest.mark.parametrize("degrees", range(-90, 90, 15))
    @pytest.mark.parametrize(("width", "height"), [(400, 64), (200, 80), (120, 120)])
    def test_rotated_quads(self, degrees: int, width: int, height: int) -> None:
        rng = np.random.default_rng([degrees + 90, width])
        quad = rectangle(rng.uniform(300, 340, 2), width, height, degrees + rng.uniform(-7, 7))
        for box_type in ("quad", "poly"):
            found = detect(maps([quad])["shrink_map"], unclip_ratio(quad), box_type)
            assert len(found) == 1
            # An outline keeps the rounded corners.
            assert iou(found.polygons[0], quad) >= 0.9
            assert found.scores[0] >= 0.85

    @pytest.mark.parametrize("height", [32, 48])
    def test_level_quads_may_be_smaller(self, height: int) -> None:
        quad = rectangle((320, 320), 5 * height, height, 0)
        (box,) = detect(maps([quad])["shrink_map"], unclip_ratio(quad)).polygons
        assert iou(box, quad) >= 0.9

    @pytest.mark.parametrize("seed", range(8))
    def test_curved_polygons(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        start = rng.uniform(-3, 3)
        polygon = curved((320, 320), rng.uniform(100, 220), rng.uniform(40, 70), start, start + rng.uniform(1, 2.5))
        found = detect(maps([polygon])["shrink_map"], unclip_ratio(polygon), "poly")
        assert len(found) == 1
        assert iou(found.polygons[0], polygon) >= 0.9

    def test_a_page_of_neighbours(self) -> None:
        # Rectangles of one shape have one ratio, whatever their size.
        rng = np.random.default_rng(0)
        quads = [rectangle((160 + 320 * column, 50 + 90 * row), 4 * height, height, 3)
                 for row in range(7) for column, height in enumerate(rng.uniform(60, 70, 2))]
        found = detect(maps(quads)["shrink_map"], unclip_ratio(quads[0]))
        assert len(found) == 14
        metric = DetMetric(iou_threshold=0.9)
        metric.update([found], {"polys": [quads], "ignore_tags": [[False] * 14]})
        assert metric.compute()["hmean"] == 1

    def test_touching_texts_stay_apart(self) -> None:
        above, below = rectangle((320, 280), 320, 80, 0), rectangle((320, 360), 320, 80, 0)
        found = detect(maps([above, below])["shrink_map"], unclip_ratio(above))
        assert len(found) == 2
        for quad in (above, below):
            assert max(iou(box, quad) for box in found.polygons) >= 0.95


class TestAtTheBorder:
    @pytest.mark.parametrize(("left", "top"), [(0, 0), (-120, 200), (520, 200), (200, -10), (200, 570), (-140, -10)])
    def test_quads_that_are_cut_off(self, left: int, top: int) -> None:
        quad = np.array([[left, top], [left + 260, top], [left + 260, top + 80], [left, top + 80]], np.float32)
        self.check(quad, "quad")

    @pytest.mark.parametrize("degrees", [-40, -15, 15, 40])
    @pytest.mark.parametrize(("center", "upright"), [((0, 320), 0), ((639, 320), 0), ((320, 0), 90), ((320, 639), 90)])
    def test_rotated_quads_that_are_cut_off(self, center: Any, upright: int, degrees: int) -> None:
        self.check(rectangle(center, 340, 110, upright + degrees), "poly")

    @pytest.mark.parametrize("center", [(-170, 320), (430, 320), (320, 130), (320, 510)])
    def test_curved_polygons_that_are_cut_off(self, center: Any) -> None:
        self.check(curved(center, 160, 70, -1.2, 1.2), "poly")

    @pytest.mark.parametrize("degrees", [-70, -20, 20, 70])
    def test_rotated_quads_whose_corners_touch_the_border(self, degrees: int) -> None:
        quad = rectangle((0, 0), 350, 90, degrees)
        for corner in (quad.min(axis=0), quad.max(axis=0) - SIZE + 1):
            self.check(quad - corner, "quad")

    def check(self, polygon: Polygon, box_type: str) -> None:
        """The part that is in the image is found."""
        part, area = visible_part(polygon, (0, 0, SIZE, SIZE))
        assert part is not None
        assert area > 5000
        found = detect(maps([polygon])["shrink_map"], unclip_ratio(part), box_type)
        assert len(found) == 1
        assert iou(found.polygons[0], part) >= 0.9
        assert found.polygons[0].min() >= 0
        assert found.polygons[0].max() <= SIZE - 1


@needs_shared("data/det/test.txt")
def test_words_of_photos_are_found_with_the_published_ratio() -> None:
    metric = DetMetric()
    decoder = DBPostProcess(unclip_ratio=1.5, box_thresh=0.6)
    for line in (SHARED / "data/det/test.txt").read_text(encoding="utf-8").splitlines()[:30]:
        regions = [region for region in parse_regions(line.split("\t")[1]) if not region.fault]
        sample = {"image": np.zeros((720, 1280, 3), np.uint8), "polys": [region.points for region in regions],
                  "ignore_tags": [region.ignore for region in regions]}
        found = decoder({"maps": MakeShrinkMap()(sample)["shrink_map"][None, None], "shape": [[720, 1280, 1, 1]]})
        metric.update(found, {"polys": [sample["polys"]], "ignore_tags": [sample["ignore_tags"]]})
    assert metric.compute()["regions"] > 80
    assert metric.compute()["hmean"] == 1


class TestMapsTogether:
    def test_kernels_lie_within_the_ring_of_the_border(self) -> None:
        quads = [rectangle((100, 80), 120, 30, 10), rectangle((180, 220), 160, 50, -30)]
        sample = maps(quads)
        kernel = sample["shrink_map"] > 0
        assert (sample["threshold_mask"][kernel] == 1).all()
        # The outline of a kernel is as far from the text's as the border reaches: nothing of it inside.
        inner = kernel & np.roll(kernel, 2, 0) & np.roll(kernel, -2, 0) & np.roll(kernel, 2, 1) & np.roll(kernel, -2, 1)
        assert inner.any()
        assert sample["threshold_map"][inner].max() < 0.32

    def test_small_texts_have_a_border_but_no_kernel(self) -> None:
        sample = maps([rectangle((100, 80), 120, 6, 0)])
        assert sample["ignore_tags"] == [True]
        assert sample["threshold_mask"].any()
        assert not sample["shrink_map"].any()
        assert not sample["shrink_mask"].all()
