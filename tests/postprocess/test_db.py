"""From maps to boxes: by hand, and what is dropped."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.cv import cv2
from ppocr.errors import ConfigError, InferenceError
from ppocr.postprocess import build_postprocess
from ppocr.results import Detection

UNCLIP = 12 * 184 / (76 * 16)
"""Grows a rectangle of 76 x 16 (area 1216, perimeter 184) by 12 pixels."""


def build(**arguments: Any) -> Any:
    return build_postprocess({"name": "DBPostProcess", **arguments}, task="det")


def blank(height: int = 100, width: int = 160) -> np.ndarray:
    return np.zeros((height, width), np.float32)


def with_box(probability: np.ndarray, left: int, top: int, right: int, bottom: int, value: float = 0.9) -> np.ndarray:
    """Draw a rectangle, its sides included."""
    probability[top : bottom + 1, left : right + 1] = value
    return probability


def detect(probability: np.ndarray, shape: Any = None, **arguments: Any) -> Detection:
    """Return the regions of one map; the original image has its size unless `shape` says otherwise."""
    height, width = probability.shape
    shape = [height, width, 1, 1] if shape is None else shape
    (found,) = build(**arguments)({"maps": probability[None, None], "shape": np.array([shape], np.float32)})
    return found


class TestQuads:
    def test_by_hand(self) -> None:
        found = detect(with_box(blank(), 32, 42, 108, 58), unclip_ratio=UNCLIP)
        np.testing.assert_allclose(found.boxes, [[[20, 30], [120, 30], [120, 70], [20, 70]]], atol=1e-3)
        assert found.scores == pytest.approx(0.9)
        assert found.boxes.dtype == found.scores.dtype == found.polygons[0].dtype == np.float32

    def test_coordinates_of_the_original_image(self) -> None:
        # The map is 1.25 times as high and 0.5 times as wide as the original of 80 x 320.
        found = detect(with_box(blank(), 32, 42, 108, 58), [80, 320, 1.25, 0.5], unclip_ratio=UNCLIP)
        np.testing.assert_allclose(found.boxes, [[[40, 24], [240, 24], [240, 56], [40, 56]]], atol=1e-3)

    def test_boxes_end_at_the_border_of_the_image(self) -> None:
        found = detect(with_box(blank(), 0, 42, 76, 58), unclip_ratio=UNCLIP)
        np.testing.assert_allclose(found.boxes, [[[0, 30], [88, 30], [88, 70], [0, 70]]], atol=1e-3)
        found = detect(with_box(blank(), 83, 83, 159, 99), unclip_ratio=UNCLIP)
        np.testing.assert_allclose(found.boxes, [[[71, 71], [159, 71], [159, 99], [71, 99]]], atol=1e-3)

    @pytest.mark.parametrize("angle", [-80, -45, -10, 3, 30, 88])
    def test_rotated(self, angle: float) -> None:
        kernel = cv2.boxPoints(((100, 90), (80, 20), angle))
        y, x = np.mgrid[:200, :200]
        probability = np.where(shapely.intersects_xy(shapely.Polygon(kernel), x, y), 0.8, 0.0).astype(np.float32)
        found = detect(probability, unclip_ratio=1.5)
        grown = cv2.boxPoints(((100, 90), (80 + 2 * 12, 20 + 2 * 12), angle))  # 1600 * 1.5 / 200
        expected, box = shapely.Polygon(grown), shapely.Polygon(found.boxes[0])
        assert expected.intersection(box).area / expected.union(box).area > 0.95
        assert box.exterior.is_ccw  # which is clockwise where y points down
        assert found.boxes[0].sum(axis=1).argmin() == 0

    def test_several_images_of_a_batch(self) -> None:
        first, second = with_box(blank(), 32, 42, 108, 58), with_box(with_box(blank(), 5, 5, 30, 20), 60, 5, 90, 20)
        shape = np.array([[100, 160, 1, 1], [50, 80, 2, 2], [100, 160, 1, 1]], np.float32)
        maps = np.stack([first, second, blank()])[:, None]
        found = build()({"maps": maps, "shape": shape})
        assert [len(detection) for detection in found] == [1, 2, 0]
        np.testing.assert_array_equal(found[0].boxes, detect(first).boxes)
        np.testing.assert_array_equal(found[1].boxes, detect(second, shape[1]).boxes)
        assert found[2].boxes.shape == (0, 4, 2)
        assert found[2].scores.shape == (0,)

    def test_further_channels_do_not_matter(self) -> None:
        maps = np.stack([with_box(blank(), 32, 42, 108, 58), np.ones((100, 160)), np.ones((100, 160))])[None]
        (found,) = build()({"maps": maps.astype(np.float16), "shape": np.array([[100, 160, 1, 1]])})
        np.testing.assert_allclose(found.boxes, detect(maps[0, 0]).boxes)
        assert found.scores == pytest.approx(0.9, abs=1e-3)

    def test_no_images(self) -> None:
        assert build()({"maps": np.zeros((0, 1, 8, 8)), "shape": np.zeros((0, 4))}) == []


class TestWhatIsDropped:
    @pytest.mark.parametrize(("value", "count"), [(0.3, 0), (0.31, 1)])
    def test_pixels_up_to_the_threshold(self, value: float, count: int) -> None:
        assert len(detect(with_box(blank(), 32, 42, 108, 58, value), box_thresh=0)) == count

    @pytest.mark.parametrize(("limit", "count"), [(0.59, 1), (0.61, 0)])
    def test_low_scores(self, limit: float, count: int) -> None:
        found = detect(with_box(blank(), 32, 42, 108, 58, 0.6), box_thresh=limit)
        assert len(found) == count
        assert (np.abs(found.scores - 0.6) < 1e-6).all()

    @pytest.mark.parametrize("box_type", ["quad", "poly"])
    @pytest.mark.parametrize(("height", "unclip_ratio", "count"), [
        (3, 2.0, 0),  # the sides are those between pixel centres: 2
        (4, 2.0, 1),  # 3, grown by 120 * 2 / 86 = 2.8 on both sides
        (4, 0.5, 0),  # 3, grown by 0.7 to 4.4
        (4, 0.8, 1),  # 3, grown by 1.12 to 5.2
    ])
    def test_small_regions(self, box_type: str, height: int, unclip_ratio: float, count: int) -> None:
        probability = with_box(blank(), 30, 40, 70, 40 + height - 1)
        assert len(detect(probability, box_type=box_type, unclip_ratio=unclip_ratio)) == count

    def test_dots_and_lines(self) -> None:
        probability = with_box(with_box(with_box(blank(), 5, 5, 5, 5), 20, 5, 90, 5), 5, 20, 5, 90)
        np.fill_diagonal(probability[40:, 40:], 0.9)
        assert len(detect(probability)) == 0

    @pytest.mark.parametrize("box_type", ["quad", "poly"])
    def test_holes_are_no_texts_but_what_lies_in_them_may_be(self, box_type: str) -> None:
        ring = with_box(with_box(blank(), 10, 10, 150, 90), 20, 20, 140, 80, 0.0)
        assert len(detect(ring, box_type=box_type, box_thresh=0)) == 1
        assert len(detect(with_box(ring, 60, 40, 100, 60), box_type=box_type, box_thresh=0)) == 2

    def test_regions_in_the_padding(self) -> None:
        # The image takes the upper left 40 x 50 of the map.
        probability = with_box(with_box(blank(), 5, 5, 40, 20), 80, 60, 120, 80)
        found = detect(probability, [40, 50, 1, 1], unclip_ratio=0.5)
        assert len(found) == 1
        assert found.boxes.max() <= 49

    def test_the_largest_candidates_are_looked_at(self, caplog: pytest.LogCaptureFixture) -> None:
        probability = blank(200, 200)
        for number in range(6):
            with_box(probability, 10, 10 + 30 * number, 30 + 20 * (number * 5 % 6), 25 + 30 * number)
        decoder = build(max_candidates=3)
        outputs = {"maps": probability[None, None], "shape": [[200, 200, 1, 1]]}
        with caplog.at_level(logging.WARNING, "ppocr"):
            (found,) = decoder(outputs)
            (again,) = decoder(outputs)
        # Widths 20, 120, 100, 80, 60, 40 from top to bottom.
        rows = sorted(round((float(box[:, 1].mean()) - 17.5) / 30) for box in found.boxes)
        assert rows == [1, 2, 3]
        np.testing.assert_array_equal(found.boxes, again.boxes)
        assert [record.getMessage() for record in caplog.records] == [
            "DBPostProcess: an image gives 6 regions, of which the 3 largest are looked at (max_candidates); told once"]
        assert len(detect(probability)) == 6

    def test_an_image_of_one_pixel(self) -> None:
        assert len(detect(np.ones((32, 32), np.float32), [1, 1, 32, 32])) == 0


class TestScores:
    @pytest.fixture
    def corner(self) -> np.ndarray:
        """Return a map with an L of 0.9, whose smallest rectangle is the square around it, on a ground of 0.1."""
        probability = np.full((100, 100), 0.1, np.float32)
        return with_box(with_box(probability, 20, 20, 79, 39), 20, 20, 39, 79)

    def test_fast_is_the_mean_in_the_rectangle(self, corner: np.ndarray) -> None:
        contour = cv2.findContours((corner > 0.3).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0][0]
        box = cv2.boxPoints(cv2.minAreaRect(contour))
        y, x = np.mgrid[:100, :100]
        inside = shapely.Polygon(box).buffer(0.005, join_style="mitre")
        expected = corner[shapely.intersects_xy(inside, x, y)].mean()
        assert detect(corner, box_thresh=0).scores == pytest.approx(expected, abs=1e-5)
        assert 0.5 < expected < 0.75

    def test_slow_is_the_mean_in_the_contour(self, corner: np.ndarray) -> None:
        # The outline cuts the inner corner off: one pixel of the ground on the diagonal.
        found = detect(corner, score_mode="slow")
        assert found.scores == pytest.approx(0.9, abs=1e-3)
        assert len(detect(corner, box_thresh=0.8)) == 0

    def test_scores_of_polygons(self, corner: np.ndarray) -> None:
        for score_mode in ("fast", "slow"):
            assert detect(corner, score_mode=score_mode, box_type="poly").scores == pytest.approx(0.9, abs=1e-3)

    def test_they_stay_within_0_and_1(self) -> None:
        found = detect(with_box(blank(), 32, 42, 108, 58, 1.0000001))
        assert found.scores.max() <= 1


class TestPolygons:
    def test_a_rectangle_by_hand(self) -> None:
        found = detect(with_box(blank(), 32, 42, 108, 58), unclip_ratio=UNCLIP, box_type="poly")
        expected = shapely.Polygon([(32, 42), (108, 42), (108, 58), (32, 58)]).buffer(12, quad_segs=64)
        (polygon,) = found.polygons
        assert shapely.hausdorff_distance(expected, shapely.Polygon(polygon)) < 0.5
        assert polygon.dtype == np.float32
        np.testing.assert_allclose(found.boxes, [[[20, 30], [120, 30], [120, 70], [20, 70]]], atol=0.3)

    def test_the_outline_follows_a_corner(self) -> None:
        probability = with_box(with_box(blank(120, 120), 20, 20, 99, 39), 20, 20, 39, 99)
        (polygon,) = detect(probability, box_type="poly", unclip_ratio=0.5).polygons
        shape = shapely.Polygon(polygon)
        assert not shape.contains(shapely.Point(70, 70))
        assert shape.contains(shapely.Point(95, 30))
        assert shape.contains(shapely.Point(30, 95))

    def test_a_horseshoe_that_closes_gives_its_outer_outline(self) -> None:
        # A ring of thickness 20 with a gap of 4, which growing by 6 closes: the polygon is the outside, not the hole.
        probability = with_box(with_box(blank(140, 140), 20, 20, 119, 119), 40, 40, 99, 99, 0.0)
        probability[20:40, 68:72] = 0
        found = detect(probability, box_type="poly", unclip_ratio=0.7)
        assert len(found) == 1
        low, high = found.polygons[0].min(axis=0), found.polygons[0].max(axis=0)
        np.testing.assert_allclose([low, high], [[20 - 6.4] * 2, [119 + 6.4] * 2], atol=1)

    def test_without_growing(self) -> None:
        found = detect(with_box(blank(), 32, 42, 108, 58), unclip_ratio=0, box_type="poly")
        np.testing.assert_array_equal(found.boxes, [[[32, 42], [108, 42], [108, 58], [32, 58]]])
        found = detect(with_box(blank(), 32, 42, 108, 58), unclip_ratio=0)
        np.testing.assert_allclose(found.boxes, [[[32, 42], [108, 42], [108, 58], [32, 58]]], atol=1e-3)


def test_dilation_closes_gaps() -> None:
    halves = with_box(with_box(blank(), 20, 40, 59, 60), 61, 40, 100, 60)
    assert len(detect(halves)) == 2
    found = detect(halves, use_dilation=True, unclip_ratio=0)
    np.testing.assert_allclose(found.boxes, [[[20, 40], [101, 40], [101, 61], [20, 61]]], atol=1e-3)


class TestBadInput:
    SHAPE = np.array([[8, 8, 1, 1]], np.float32)
    MAPS = np.zeros((1, 1, 8, 8), np.float32)

    @pytest.mark.parametrize(("outputs", "message"), [
        ({"probs": MAPS, "shape": SHAPE}, "gives probs, shape, but no 'maps'"),
        ({"maps": MAPS[0], "shape": SHAPE}, r"has the shape [1, 8, 8]"),
        ({"maps": np.zeros((1, 0, 8, 8)), "shape": SHAPE}, r"has the shape [1, 0, 8, 8]"),
        ({"maps": MAPS}, "there is no 'shape'"),
        ({"maps": MAPS, "shape": SHAPE[0]}, "'shape' is an array of the shape [4]"),
        ({"maps": MAPS, "shape": SHAPE[:, :2]}, "'shape' is an array of the shape [1, 2]"),
        ({"maps": MAPS, "shape": np.repeat(SHAPE, 2, axis=0)}, "1 maps, but 2 shapes"),
        ({"maps": MAPS, "shape": SHAPE * 0}, "'shape' holds [[0.0"),
        ({"maps": MAPS, "shape": SHAPE * np.nan}, "'shape' holds [[nan"),
        ({"maps": MAPS * np.nan, "shape": SHAPE}, "not a number (NaN)"),
    ])
    def test_unusable_outputs(self, outputs: dict[str, Any], message: str) -> None:
        with pytest.raises(InferenceError) as caught:
            build()(outputs)
        assert message in caught.value.what
        assert caught.value.cure

    @pytest.mark.parametrize(("arguments", "message"), [
        ({"thresh": 1.5}, "thresh is 1.5"),
        ({"box_thresh": -0.1}, "box_thresh is -0.1"),
        ({"max_candidates": 0}, "max_candidates is 0"),
        ({"unclip_ratio": -1}, "unclip_ratio is -1"),
        ({"score_mode": "quick"}, "score_mode"),
        ({"box_type": "rect"}, "box_type"),
        ({"unclip": 1}, "did you mean 'unclip_ratio'"),
    ])
    def test_bad_arguments(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            build(**arguments)
        assert message in str(caught.value)


def test_what_the_evaluator_asks() -> None:
    assert build().needs == ("shape",)
    assert build().num_classes is None
