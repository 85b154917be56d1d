"""Kernels of texts: by hand, against distances, and what is ignored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.data.transforms import build_transforms
from ppocr.data.transforms.det_outlines import Outlines
from ppocr.data.transforms.quad_shrink import shrink_quads
from ppocr.data.transforms.shrink_map import MakeShrinkMap
from ppocr.errors import ConfigError
from ppocr.geometry import Polygon, offset, perimeter, signed_area

RECTANGLE = np.array([[20, 30], [120, 30], [120, 70], [20, 70]], np.float32)
"""100 x 40: area 4000, perimeter 280, so the offset is 4000 * 0.84 / 280 = 12."""


def run(polygons: list[Any], ignored: list[bool] | None = None, size: tuple[int, int] = (100, 150),
        epoch: int | None = None, **arguments: Any) -> dict[str, Any]:
    """Return the sample after the transform; `size` is height and width."""
    sample = {"image": np.zeros((*size, 3), np.uint8), "polys": [np.array(polygon, np.float32) for polygon in polygons],
              "ignore_tags": ignored or [False] * len(polygons), "texts": ["x"] * len(polygons)}
    if epoch is not None:
        sample["epoch"] = epoch
    return MakeShrinkMap(**arguments)(sample)


def filled(left: int, top: int, right: int, bottom: int, size: tuple[int, int] = (100, 150)) -> np.ndarray:
    """Return a map that is 1 in a rectangle, its sides included."""
    canvas = np.zeros(size, np.float32)
    canvas[top : bottom + 1, left : right + 1] = 1
    return canvas


def random_quads(rng: np.random.Generator, number: int, size: float) -> list[Polygon]:
    """Return convex quads, clockwise."""
    quads = []
    while len(quads) < number:
        center, half = rng.uniform(0.2 * size, 0.8 * size, 2), rng.uniform(6, 0.15 * size, 2)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + rng.normal(0, half.min() / 5, (4, 2))
        angle = rng.uniform(-np.pi, np.pi)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        quad = (corners @ turn + center).astype(np.float32)
        if shapely.Polygon(quad).convex_hull.equals_exact(shapely.Polygon(quad).normalize(), 1e-3) or \
                abs(shapely.Polygon(quad).convex_hull.area - shapely.Polygon(quad).area) < 1e-3:
            quads.append(quad)
    return quads


class TestByHand:
    def test_a_rectangle_shrinks_by_twelve(self) -> None:
        sample = run([RECTANGLE])
        np.testing.assert_array_equal(sample["shrink_map"], filled(32, 42, 108, 58))
        np.testing.assert_array_equal(sample["shrink_mask"], np.ones((100, 150)))
        assert sample["shrink_map"].dtype == sample["shrink_mask"].dtype == np.float32
        assert sample["ignore_tags"] == [False]

    def test_either_direction_and_any_start(self) -> None:
        for points in (RECTANGLE[::-1], np.roll(RECTANGLE, 1, axis=0)):
            np.testing.assert_array_equal(run([points])["shrink_map"], filled(32, 42, 108, 58))

    def test_the_ratio_grows_with_the_epoch(self) -> None:
        # Ratio 0.4 + 0.2 * 25 / 50 = 0.5: 4000 * 0.75 / 280 = 10.71, rounded to whole pixels.
        expected = filled(31, 41, 109, 59)
        np.testing.assert_array_equal(run([RECTANGLE], epoch=25, total_epoch=50)["shrink_map"], expected)
        # Ratio 0.6: 9.14; it does not grow further.
        for epoch in (50, 80):
            later = run([RECTANGLE], epoch=epoch, total_epoch=50)["shrink_map"]
            np.testing.assert_array_equal(later, filled(29, 39, 111, 61))
        for still in (run([RECTANGLE], epoch=25), run([RECTANGLE], total_epoch=50),
                      run([RECTANGLE], epoch=0, total_epoch=50)):
            np.testing.assert_array_equal(still["shrink_map"], filled(32, 42, 108, 58))

    def test_a_ratio_that_would_grow_to_one_stops_before(self) -> None:
        # Ratio 0.99: 4000 * (1 - 0.99²) / 280 = 0.28, which rounds to the outline itself.
        later = run([RECTANGLE], shrink_ratio=0.8, epoch=50, total_epoch=50)
        np.testing.assert_array_equal(later["shrink_map"], filled(20, 30, 120, 70))
        assert later["ignore_tags"] == [False]

    def test_only_the_part_within_the_image_counts(self) -> None:
        # Half of a rectangle of 200 x 40 around the left border at -0.5: the rest is 100.5 x 40.
        beyond = np.array([[-100, 30], [100, 30], [100, 70], [-100, 70]])
        distance = 100.5 * 40 * 0.84 / (2 * 140.5)
        low, high = np.rint([-0.5 + distance, 30 + distance]), np.rint([100 - distance, 70 - distance])
        expected = filled(*low.astype(int), *high.astype(int))
        np.testing.assert_array_equal(run([beyond])["shrink_map"], expected)

    def test_no_regions(self) -> None:
        sample = run([])
        assert not sample["shrink_map"].any()
        assert sample["shrink_mask"].all()
        assert sample["ignore_tags"] == []

    def test_several_regions_do_not_disturb_each_other(self) -> None:
        other = np.array([[130, 10], [140, 10], [140, 90], [130, 90]], np.float32)
        together = run([RECTANGLE, other])["shrink_map"]
        np.testing.assert_array_equal(together, run([RECTANGLE])["shrink_map"] + run([other])["shrink_map"])

    def test_overlapping_regions_add_up(self) -> None:
        shifted = RECTANGLE + np.float32([10, 0])
        expected = np.maximum(filled(32, 42, 108, 58), filled(42, 42, 118, 58))
        np.testing.assert_array_equal(run([RECTANGLE, shifted])["shrink_map"], expected)
        both = run([RECTANGLE, shifted], [True, True])["shrink_mask"]
        np.testing.assert_array_equal(both, 1 - np.maximum(filled(20, 30, 120, 70), filled(30, 30, 130, 70)))


class TestIgnored:
    def test_marked_regions(self) -> None:
        tags = [True]
        sample = run([RECTANGLE], tags)
        assert not sample["shrink_map"].any()
        np.testing.assert_array_equal(sample["shrink_mask"], 1 - filled(20, 30, 120, 70))
        assert sample["ignore_tags"] == [True]
        assert tags == [True]

    @pytest.mark.parametrize(("height", "ignored"), [(7, True), (8, False)])
    def test_small_texts(self, height: int, ignored: bool) -> None:
        flat = np.array([[20, 30], [120, 30], [120, 30 + height], [20, 30 + height]])
        tags = [False]
        for polygon in (flat, flat[:, ::-1] - [10, 0]):
            sample = run([polygon], tags, size=(150, 150))
            assert sample["ignore_tags"] == [ignored]
            assert sample["shrink_map"].any() != ignored
            assert (sample["shrink_mask"] == 0).any() == ignored
        assert tags == [False]  # The list of the caller stays as it is.
        assert run([flat], min_text_size=0)["ignore_tags"] == [False]

    def test_what_sticks_out_of_the_image_is_not_measured(self) -> None:
        narrow = np.array([[143, 30], [250, 30], [250, 70], [143, 70]])  # 6.5 pixels are in the image
        sample = run([narrow])
        assert sample["ignore_tags"] == [True]
        np.testing.assert_array_equal(sample["shrink_mask"], 1 - filled(143, 30, 149, 70))

    def test_regions_outside_the_image(self) -> None:
        sample = run([RECTANGLE + 500, RECTANGLE])
        assert sample["ignore_tags"] == [True, False]
        assert sample["shrink_mask"].all()

    @pytest.mark.parametrize("polygon", [
        [[20, 30]] * 4, [[20, 30], [60, 70], [60, 70], [20, 30]], [[20, 30], [60, 30], [20, 70], [60, 70]],
    ])
    def test_regions_without_an_area(self, polygon: Any) -> None:
        # The last is a bow tie, whose halves cancel out.
        sample = run([polygon])
        assert sample["ignore_tags"] == [True]
        assert not sample["shrink_map"].any()


class TestPieces:
    DUMBBELL = np.array([[10, 10], [40, 10], [40, 24], [60, 24], [60, 10], [90, 10], [90, 40], [60, 40], [60, 26],
                         [40, 26], [40, 40], [10, 40]], np.float32)
    """Two squares of 30, and a bar of 2 x 20 between them."""

    def test_a_larger_ratio_is_tried_before_a_region_falls_into_pieces(self) -> None:
        # Area 1840, perimeter 276; ratio 0.4: 5.6 cuts the bar. Ratio 0.8: 2.4 cuts it, too; both pieces are taken.
        sample = run([self.DUMBBELL])
        assert shapely.Polygon(self.DUMBBELL).area == 1840
        assert shapely.Polygon(self.DUMBBELL).length == 276
        distance = 1840 * (1 - 0.8**2) / 276
        side = [round(10 + distance), round(40 - distance)]
        expected = filled(side[0], side[0], side[1], side[1]) + filled(side[0] + 50, side[0], side[1] + 50, side[1])
        np.testing.assert_array_equal(sample["shrink_map"], expected)
        assert sample["ignore_tags"] == [False]

    def test_one_piece_is_preferred(self) -> None:
        # With a bar of 6 the area is 1920 and the perimeter 268: ratio 0.4 shrinks by 6 and cuts, 0.8 by 2.58 and does
        # not.
        thicker = self.DUMBBELL + np.where(self.DUMBBELL == 24, [0, -2], 0) + np.where(self.DUMBBELL == 26, [0, 2], 0)
        assert shapely.Polygon(thicker).area == 1920
        assert len(offset(thicker, -1920 * 0.84 / 268)) == 2
        drawn = run([thicker])["shrink_map"]
        assert drawn[25, 10:91].sum() == len(range(13, 88))  # 12.58 to 87.42 without a gap

class TestAgainstReferences:
    def test_kernels_are_where_the_outline_is_far_enough(self) -> None:
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:200, :200].astype(np.float64)
        curved = np.concatenate([_arc(80), _arc(60)[::-1]])
        for polygon in [*random_quads(rng, 8, 200), curved.astype(np.float32)]:
            shape = shapely.Polygon(polygon.astype(np.float64))
            depth = shapely.distance(shape.exterior, shapely.points(x, y))
            depth = np.where(shapely.contains_xy(shape, x, y), depth, -depth) - shape.area * 0.84 / shape.length
            drawn = run([polygon], size=(200, 200))["shrink_map"] > 0
            # Half a pixel for the rounding of the corners on each axis, half for the outline that is drawn.
            assert drawn[depth > 1.25].all()
            assert not drawn[depth < -1.25].any()
            assert drawn.any()

    def test_convex_quads_agree_with_the_offset(self) -> None:
        quads = np.stack(random_quads(np.random.default_rng(1), 50, 300))
        distances = Outlines.of(list(quads)).distances(0.4)
        shrunk, right = shrink_quads(quads, distances)
        assert right.sum() >= 48
        for quad, distance, found in zip(quads[right], distances[right], shrunk[right], strict=True):
            (expected,) = map(shapely.Polygon, offset(quad, -distance))
            assert shapely.hausdorff_distance(expected, shapely.Polygon(found)) < 0.1
        again, still_right = shrink_quads(quads[:, ::-1], distances)
        np.testing.assert_allclose(again[right], shrunk[right][:, ::-1], atol=1e-4)
        np.testing.assert_array_equal(still_right, right)

    def test_quads_that_lose_an_edge_or_are_not_convex_are_left(self) -> None:
        wedge = np.array([[0, 0], [100, 0], [100, 1], [0, 60]], np.float32)  # the side of 1 vanishes
        dart = np.array([[0, 0], [50, 20], [100, 0], [50, 60]], np.float32)
        flat = np.array([[0, 0], [50, 0], [100, 0], [0, 0]], np.float32)
        shrunk, right = shrink_quads(np.stack([wedge, RECTANGLE, dart, flat]), np.full(4, 12.0))
        assert right.tolist() == [False, True, False, False]
        np.testing.assert_allclose(shrunk[1], [[32, 42], [108, 42], [108, 58], [32, 58]])
        assert run([wedge])["ignore_tags"] == run([dart])["ignore_tags"] == [False]

    def test_measures(self) -> None:
        polygons = [RECTANGLE, RECTANGLE[:3], np.float32([[0, 0], [4, 0], [4, 2], [2, 2], [2, 5], [0, 5]])[::-1]]
        outlines = Outlines.of(polygons)
        np.testing.assert_allclose(outlines.areas, [abs(signed_area(polygon)) for polygon in polygons])
        np.testing.assert_allclose(outlines.perimeters, [perimeter(polygon) for polygon in polygons])
        np.testing.assert_array_equal(outlines.low, [[20, 30], [20, 30], [0, 0]])
        np.testing.assert_array_equal(outlines.high, [[120, 70], [120, 70], [4, 5]])
        np.testing.assert_array_equal(outlines.ends[:4], np.roll(RECTANGLE, -1, axis=0))
        np.testing.assert_array_equal(outlines.ends[4:7], RECTANGLE[[1, 2, 0]])


def _arc(radius: float) -> np.ndarray:
    angles = np.linspace(0.2, 2.4, 9)
    return np.stack([100 + radius * np.cos(angles), 40 + radius * np.sin(angles)], axis=1)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"shrink_ratio": 0}, "shrink_ratio is 0"),
    ({"shrink_ratio": 1.0}, "below 1"),
    ({"shrink_ratio": 0.81, "total_epoch": 10}, "at most 0.8, because it grows by 0.2"),
    ({"total_epoch": 0}, "total_epoch is 0"),
    ({"min_text_size": -1}, "min_text_size is -1"),
    ({"shrink_ration": 0.4}, "did you mean 'shrink_ratio'"),
])
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_transforms([{"MakeShrinkMap": arguments}], task="det")
    assert message in str(caught.value)
