from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.errors import SampleError
from ppocr.geometry import is_simple
from ppocr.regions import Region, inside, json_label, parse_regions, points_outside, surroundings
from tests.shared_files import SHARED, needs_shared

SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]
UPPER = [[10 * i, 50 - abs(30 - 10 * i)] for i in range(7)]
CURVED = UPPER + [[x, y + 30] for x, y in reversed(UPPER)]


def label(*polygons: Any, text: str = "a") -> str:
    return json.dumps([{"transcription": text, "points": points} for points in polygons])


def only(points: Any) -> Region:
    region, = parse_regions(label(points))
    return region


class TestParse:
    def test_regions_in_the_order_of_the_label(self) -> None:
        text = ('[{"transcription": "é, ü", "points": [[1, 2.5], [3, 2], [3, 4]]}, '
                f'{{"points": {SQUARE}, "transcription": "###"}}]')
        first, second = parse_regions(text)
        assert (first.text, first.ignore, first.fault) == ("é, ü", False, "")
        assert first.points.dtype == np.float32
        assert first.points.tolist() == [[1, 2.5], [3, 2], [3, 4]]
        assert (second.text, second.ignore, second.fault) == ("###", True, "")
        assert second.points.tolist() == SQUARE

    @pytest.mark.parametrize(("text", "ignore"), [("###", True), ("*", True), ("", False), ("**", False), (" ", False)])
    def test_illegible_texts(self, text: str, ignore: bool) -> None:
        region, = parse_regions(label(SQUARE, text=text))
        assert (region.text, region.ignore) == (text, ignore)

    def test_no_region(self) -> None:
        assert parse_regions("[]") == parse_regions(" [ ] \t") == []

    def test_a_text_may_be_missing(self) -> None:
        regions = parse_regions(f'[{{"points": {SQUARE}}}, {{"points": {SQUARE}, "transcription": null}}]')
        assert [(region.text, region.ignore) for region in regions] == [("", False), ("", False)]

    def test_a_tab_inside_of_a_text(self) -> None:
        region, = parse_regions(f'[{{"transcription": "a\tb", "points": {SQUARE}}}]')
        assert region.text == "a\tb"

    @pytest.mark.parametrize("points", [SQUARE[:3], SQUARE, SQUARE[::-1], CURVED])
    def test_usable_polygons_keep_their_points(self, points: list[list[float]]) -> None:
        assert only(points).fault == ""
        assert only(points).points.tolist() == points

    def test_repeated_points_are_left_out(self) -> None:
        assert only([*SQUARE, SQUARE[0]]).points.tolist() == SQUARE
        assert only([SQUARE[0], SQUARE[0], *SQUARE[1:]]).points.tolist() == SQUARE
        twice, = parse_regions(label([[0, 0], [10, 0], [10, 0], [0, 10]]))
        assert (twice.points.tolist(), twice.fault) == ([[0, 0], [10, 0], [0, 10]], "")

    @needs_shared("data/det/train.txt")
    def test_real_labels(self) -> None:
        """200 photos; the numbers of regions and of illegible ones are those of ``grep -o`` on the file."""
        lines = (SHARED / "data/det/train.txt").read_text(encoding="utf-8-sig").splitlines()
        regions = [region for line in lines for region in parse_regions(line.split("\t")[1])]
        assert (len(lines), len(regions), sum(region.ignore for region in regions)) == (200, 2297, 1395)
        assert {region.fault for region in regions} == {""}


class TestMalformedLabels:
    @pytest.mark.parametrize(("text", "reason"), [
        ("", "the label is empty; an image without text has the label []"),
        ("hello", "not JSON: Expecting value at character 1, near 'hello'"),
        ('[{"transcription": "a", "points": [[1, 2]', "at character 42"),
        ("[{'transcription': 'a', 'points': []}]", "JSON has double quotes"),
        ("[" * 100_000, "not JSON: "),
        ("[1" + "0" * 5000 + "]", "not JSON: "),
        ('{"transcription": "a", "points": []}', "is not a list of regions"),
        ("3", "'3' is not a list of regions"),
        ('[{"points": []}, [1, 2, 3, 4]]', "region 2 is [1, 2, 3, 4], not an object"),
        ('[{"points": []}, {"transcription": "a"}]', "region 2 has no points"),
        ('[{"points": [], "transcription": 7}]', "region 1: the transcription is 7, not a text"),
        ('[{"points": "1,2,3,4"}]', "region 1: points is '1,2,3,4', not a list of [x, y]"),
        ('[{"points": [1, 2, 3, 4, 5, 6]}]', "region 1: point 1 is 1, not [x, y]"),
        ('[{"points": [[1, 2], [3, 4], [5]]}]', "region 1: point 3 is [5], not [x, y]"),
        ('[{"points": [[1, 2], [3, 4, 5]]}]', "region 1: point 2 is [3, 4, 5], not [x, y]"),
        ('[{"points": [[1, 2], ["3", "4"]]}]', "region 1: point 2 is ['3', '4'], not [x, y]"),
        ('[{"points": [[1, 2], [null, 4]]}]', "region 1: point 2 is [None, 4], not [x, y]"),
        ('[{"points": [[1, 2], [true, 4]]}]', "region 1: point 2 is [True, 4], not [x, y]"),
    ])
    def test_reason(self, text: str, reason: str) -> None:
        with pytest.raises(SampleError) as error:
            parse_regions(text)
        assert error.value.kind == "malformed label"
        assert reason in error.value.reason
        assert len(error.value.reason) < 200


class TestFaults:
    @pytest.mark.parametrize(("points", "fault"), [
        ([], "fewer than 3 points"),
        ([[1, 2]], "fewer than 3 points"),
        ([[1, 2], [30, 40]], "fewer than 3 points"),
        ([[0, 0], [10, 10], [10, 0], [0, 10]], "self-crossing"),
        ([[0, 0], [10, 0], [10, 10], [5, 0], [0, 10]], "self-crossing"),  # touches its upper side
        ([[0, 0], [10, 0], [10, 10], [10, 0]], "self-crossing"),  # there and back
        ([[0, 0], [1, 1], [2, 2]], "zero area"),
        ([[0, 0], [0.1, 0.1], [0.2, 0.2], [0.7, 0.7]], "zero area"),
        ([[5, 5]] * 4, "zero area"),
        ([[5, 5], [9, 9], [5, 5], [9, 9]], "zero area"),
        ([[0, 0], [0.05, 0], [0.05, 0.05], [0, 0.05]], "zero area"),
        ([[0, 0], [float("nan"), 1], [2, 3]], "coordinates that are not finite"),
        ([[0, 0], [10, 0], [10, float("inf")], [0, 10]], "coordinates that are not finite"),
        ([[0, 0], [1e300, 0], [10, 10], [0, 10]], "coordinates that are not finite"),
        ([[0, 0], [10 ** 400, 0], [10, 10], [0, 10]], "coordinates that are not finite"),
    ])
    def test_of_a_polygon(self, points: Any, fault: str) -> None:
        regions = parse_regions(label(SQUARE, points, CURVED))
        assert [region.fault for region in regions] == ["", fault, ""]
        assert regions[2].points.tolist() == CURVED

    @pytest.mark.parametrize("points", [
        SQUARE, CURVED, [[0, 0], [20, 0], [4, 4], [0, 20]], [[0, 0], [0.2, 0], [0.2, 0.2]]])
    def test_usable(self, points: Any) -> None:
        assert only(points).fault == ""

    def test_quads_at_random(self) -> None:
        """The quick check of quads finds what the exact one finds."""
        polygons = np.random.default_rng(3).integers(0, 8, (2000, 4, 2)).astype(np.float32)
        regions = parse_regions(label(*polygons.tolist()))
        simple = [is_simple(polygon) for polygon in polygons]
        assert 300 < sum(simple) < 1700
        for region, polygon, expected in zip(regions, polygons, simple, strict=True):
            repeated = (polygon == np.roll(polygon, 1, axis=0)).all(axis=1).any()
            if not repeated:
                assert (region.fault == "") == expected, polygon


class TestWrite:
    def test_what_is_written_is_read(self) -> None:
        text = json_label([('a "b"\t\nü\u2028', [[0.25, 1], [20, 0], [7, 1e-3]]), ("###", SQUARE)])
        assert "\t" not in text
        assert "\n" not in text
        read = parse_regions(text)
        assert [(region.text, region.ignore) for region in read] == [('a "b"\t\nü\u2028', False), ("###", True)]
        np.testing.assert_array_equal(read[0].points, np.array([[0.25, 1], [20, 0], [7, 1e-3]], np.float32))
        assert json_label([]) == "[]"


class TestInside:
    def test_points_outside_are_counted(self) -> None:
        polygons = [np.array(SQUARE, np.float32), np.array([[-1, 0], [99, 0], [100, 49], [50, 50]], np.float32),
                    np.array([[np.nan, 0], [1, 1]], np.float32), np.zeros((0, 2), np.float32)]
        assert points_outside(polygons, 100, 50) == [0, 3, 1, 0]
        assert points_outside([], 100, 50) == []

    @pytest.mark.parametrize(("polygon", "part"), [
        (SQUARE, SQUARE),
        ([[-10, 10], [50, 12], [50, 30], [-10, 28]], [[0, 10], [50, 12], [50, 30], [0, 28]]),
        ([[90, 40], [100, 40], [100, 60], [90, 50]], [[90, 40], [99, 40], [99, 49], [90, 49]]),
        ([[-5, -5], [200, -5], [200, 200], [-5, 200]], [[0, 0], [99, 0], [99, 49], [0, 49]]),
        ([[10, 10], [20, 10], [10, -8], [20, -5]][:3], [[10, 10], [20, 10], [10, 0]]),
        ([[-9, -9], [-5, -9], [20, 20], [10, 20]], [[0, 0], [20, 20], [10, 20]]),
    ])
    def test_points_are_moved_to_the_border(self, polygon: Any, part: Any) -> None:
        assert inside(np.array(polygon, np.float32), 100, 50).tolist() == part  # type: ignore[union-attr]

    @pytest.mark.parametrize("polygon", [
        [[-20, 10], [-1, 10], [-1, 30], [-20, 30]],
        [[110, 10], [120, 10], [120, 20]],
        [[-50, 30], [30, -50], [20, -60], [-60, 20]],  # Its points, moved to the border, would enclose the corner.
        [[-9, 10], [0, 10], [0, 20], [-9, 20]],  # Only its edge is the border.
    ])
    def test_nothing_of_it(self, polygon: Any) -> None:
        assert inside(np.array(polygon, np.float32), 100, 50) is None

    def test_where_moving_the_points_would_fold_the_outline(self) -> None:
        """Of a U whose bottom is below the picture, the larger arm is left."""
        polygon = [[10, 20], [10, 90], [80, 90], [80, 10], [60, 10], [60, 70], [20, 70], [20, 20]]
        part = inside(np.array(polygon, np.float32), 100, 50)
        assert part is not None
        assert shapely.Polygon(part).equals(shapely.box(60, 10, 80, 49))
        assert len(part) == 4

    def test_a_strip_from_corner_to_corner(self) -> None:
        """All its points would be moved into the two corners."""
        part = inside(np.array([[-10, -8], [-8, -10], [60, 58], [58, 60]], np.float32), 50, 50)
        assert part is not None
        # A band of width 2 * sqrt(2) around the diagonal of a square of 49: 49 ** 2 less two triangles of legs 47.
        assert shapely.Polygon(part).area == pytest.approx(49 ** 2 - 47 ** 2)


class TestSurroundings:
    def test_of_a_crossing_outline(self) -> None:
        rectangle = surroundings(only([[30, 10], [10, 30], [30, 30], [10, 10]]), 100, 50)
        assert rectangle is not None
        np.testing.assert_allclose(rectangle, [[10, 10], [30, 10], [30, 30], [10, 30]], atol=1e-4)

    def test_within_the_picture(self) -> None:
        rectangle = surroundings(only([[-10, 40], [10, 60], [10, 40], [-10, 60]]), 100, 50)
        assert rectangle is not None
        np.testing.assert_allclose(rectangle, [[0, 40], [10, 40], [10, 49], [0, 49]], atol=1e-4)

    @pytest.mark.parametrize("points", [[], [[1, 1]], [[1, 1], [5, 5]], [[1, 1], [5, 5], [9, 9]], [[3, 3]] * 4,
                                        [[0, 0], [float("nan"), 1], [2, 3], [4, 4]],
                                        [[-30, 10], [-10, 30], [-10, 10], [-30, 30]]])
    def test_nothing(self, points: Any) -> None:
        assert surroundings(only(points), 100, 50) is None
