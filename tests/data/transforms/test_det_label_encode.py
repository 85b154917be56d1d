from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ppocr.data.sample import SampleInfo
from ppocr.data.transforms.arrays import KeepKeys
from ppocr.data.transforms.det_label_encode import DetLabelEncode
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.errors import ConfigError, DatasetError, SampleError
from ppocr.geometry import signed_area
from tests.shared_files import SHARED, needs_shared

HEIGHT, WIDTH = 50, 100
QUAD = [[10, 10], [30, 12], [29, 20], [9, 18]]
BOW_TIE = [[10, 10], [30, 20], [30, 10], [10, 20]]
OUTSIDE = [[-9, 10], [-5, 10], [-5, 20]]
LINE = [[10, 10], [20, 20], [30, 30]]


def sample_of(*entries: tuple[str, Any]) -> dict[str, Any]:
    label = json.dumps([{"transcription": text, "points": points} for text, points in entries])
    return {"image": np.zeros((HEIGHT, WIDTH, 3), np.uint8), "label": label, "info": SampleInfo("l.txt", 1, "a", label)}


def encode(*entries: tuple[str, Any], **arguments: Any) -> dict[str, Any]:
    return DetLabelEncode(**arguments)(sample_of(*entries))


def polys(sample: dict[str, Any]) -> list[Any]:
    assert all(poly.dtype == np.float32 for poly in sample["polys"])
    return [poly.tolist() for poly in sample["polys"]]


class TestRegions:
    def test_three_parallel_lists(self) -> None:
        triangle = [[50, 10], [60, 10], [60, 20]]
        sample = encode(("a", QUAD), ("###", triangle), ("*", QUAD), ("", QUAD))
        assert polys(sample) == [QUAD, triangle, QUAD, QUAD]
        assert sample["texts"] == ["a", "###", "*", ""]
        assert sample["ignore_tags"] == [False, True, True, False]
        assert "counts" not in sample
        assert "remarks" not in sample

    def test_no_region(self) -> None:
        sample = encode()
        assert (sample["polys"], sample["texts"], sample["ignore_tags"]) == ([], [], [])

    @pytest.mark.parametrize("turn", range(4))
    @pytest.mark.parametrize("direction", [1, -1])
    def test_quads_begin_at_the_top_left_and_go_clockwise(self, turn: int, direction: int) -> None:
        given = np.roll(QUAD, turn, axis=0)[::direction].tolist()
        assert polys(encode(("a", given), ("b", QUAD))) == [QUAD, QUAD]

    def test_polygons_go_clockwise_from_their_first_point(self) -> None:
        """A curved line of 14 points, whose first point is not the one with the smallest x + y."""
        upper = [[60 - 10 * i, 20 + (3 - i) ** 2] for i in range(7)]
        curved = upper + [[x, y + 10] for x, y in reversed(upper)]
        assert len(curved) == 14
        assert signed_area(np.array(curved)) < 0
        result, = polys(encode(("a", curved)))
        assert result == [curved[0], *reversed(curved[1:])]

    def test_the_label_stays_for_evaluation(self) -> None:
        sample = encode(("a", QUAD))
        assert sample["info"].label == sample["label"]

    @needs_shared("data/det/train.txt")
    def test_real_labels(self) -> None:
        """200 photos of 1280 x 720: all regions are usable and within the image; ``grep`` finds 2297, 1395 ``###``."""
        encoder = DetLabelEncode("error")
        regions = ignored = 0
        for line in (SHARED / "data/det/train.txt").read_text(encoding="utf-8-sig").splitlines():
            sample = encoder({"image": np.zeros((720, 1280, 3), np.uint8), "label": line.split("\t")[1]})
            assert all(signed_area(poly) > 0 for poly in sample["polys"])
            assert "counts" not in sample
            regions += len(sample["polys"])
            ignored += sum(sample["ignore_tags"])
        assert (regions, ignored) == (2297, 1395)


class TestClipping:
    def test_points_outside_are_moved_and_counted(self) -> None:
        sample = encode(("a", [[-10, 10], [50, 10], [50, 60], [-5, 60]]), ("b", QUAD),
                        ("c", [[90, 30], [100, 30], [100, 40]]))
        assert polys(sample) == [[[0, 10], [50, 10], [50, 49], [0, 49]], QUAD, [[90, 30], [99, 30], [99, 40]]]
        assert sample["counts"] == {"points outside the image, moved to its border": 5}
        assert sample["ignore_tags"] == [False, False, False]
        assert "remarks" not in sample

    def test_points_on_the_border_are_inside(self) -> None:
        sample = encode(("a", [[0, 0], [99, 0], [99, 49], [0, 49]]))
        assert polys(sample) == [[[0, 0], [99, 0], [99, 49], [0, 49]]]
        assert "counts" not in sample

    def test_order_is_that_of_the_moved_points(self) -> None:
        """The corner with the smallest x + y, (-40, 45), is not the top left one of what is left in the image."""
        sample = encode(("a", [[-40, 45], [5, 3], [10, 8], [-10, 48]]))
        first, = polys(sample)
        assert first == [[5, 3], [10, 8], [0, 48], [0, 45]]


class TestBadPolygons:
    def test_ignore(self) -> None:
        sample = encode(("a", QUAD), ("b", BOW_TIE), ("c", LINE), ("d", OUTSIDE), ("e", [[1, 1], [5, 5]]), ("f", QUAD))
        assert sample["texts"] == ["a", "b", "f"]
        assert sample["ignore_tags"] == [False, True, False]
        np.testing.assert_allclose(sample["polys"][1], [[10, 10], [30, 10], [30, 20], [10, 20]], atol=1e-4)
        assert sample["counts"] == {"bad polygons, taken as don't-care": 1, "bad polygons, left out": 3}
        assert sample["remarks"] == [
            "region 2: self-crossing, taken as don't-care", "region 3: zero area, left out",
            "region 4: outside the image, left out", "region 5: fewer than 3 points, left out"]

    def test_points_of_bad_polygons_are_not_counted_as_moved(self) -> None:
        sample = encode(("a", [[-10, 10], [30, 20], [30, 10], [-10, 20]]), ("b", OUTSIDE))
        np.testing.assert_allclose(sample["polys"][0], [[0, 10], [30, 10], [30, 20], [0, 20]], atol=1e-4)
        assert sample["counts"] == {"bad polygons, taken as don't-care": 1, "bad polygons, left out": 1}

    def test_not_finite(self) -> None:
        sample = encode(("a", [[0, 0], [float("nan"), 1], [9, 9]]))
        assert sample["polys"] == []
        assert sample["remarks"] == ["region 1: coordinates that are not finite, left out"]

    def test_counts_of_other_transforms_stay(self) -> None:
        sample = sample_of(("a", BOW_TIE)) | {"counts": {"x": 2}, "remarks": ["y"]}
        DetLabelEncode()(sample)
        assert sample["counts"] == {"x": 2, "bad polygons, taken as don't-care": 1}
        assert sample["remarks"] == ["y", "region 1: self-crossing, taken as don't-care"]

    @pytest.mark.parametrize(("points", "fault"), [(BOW_TIE, "self-crossing"), (OUTSIDE, "outside the image"),
                                                   (LINE, "zero area"), ([], "fewer than 3 points")])
    def test_other_policies(self, points: Any, fault: str) -> None:
        entries = [("a", QUAD), ("###", points)]
        with pytest.raises(SampleError) as refused:
            encode(*entries, bad_polygon="drop_sample")
        assert (refused.value.kind, refused.value.reason) == ("bad polygon", f"region 2: {fault}")
        with pytest.raises(DatasetError, match=f"bad polygon: region 2: {fault}") as stopped:
            encode(*entries, bad_polygon="error")
        assert "bad_polygon" in stopped.value.cure

    def test_an_image_of_one_pixel(self) -> None:
        sample = sample_of(("a", QUAD), ("b", [[0, 0]] * 4), ("c", [[-1, -1], [2, -1], [2, 2], [-1, 2]]))
        assert DetLabelEncode()(sample | {"image": np.zeros((1, 1, 3), np.uint8)})["polys"] == []

    @pytest.mark.parametrize("label", ["", "text", "{}", '[{"transcription": "a"}]', '[{"points": [[1, "2"]]}]'])
    @pytest.mark.parametrize("policy", ["ignore", "error"])
    def test_malformed_labels_are_never_usable(self, label: str, policy: Any) -> None:
        with pytest.raises(SampleError) as error:
            DetLabelEncode(policy)(sample_of() | {"label": label})
        assert error.value.kind == "malformed label"


class TestUse:
    def test_by_name(self) -> None:
        pipeline = build_transforms([{"DetLabelEncode": {"bad_polygon": "drop_sample"}}])
        assert pipeline.transforms[0].bad_polygon == "drop_sample"  # type: ignore[attr-defined]
        assert DetLabelEncode.needs_label
        with pytest.raises(ConfigError, match="bad_polygon"):
            build_transforms([{"DetLabelEncode": {"bad_polygon": "skip"}}])

    def test_the_image_comes_first(self) -> None:
        with pytest.raises(ConfigError, match="the image is not decoded yet"):
            DetLabelEncode()(sample_of() | {"image": b"bytes"})

    def test_lists_and_notes_pass_keep_keys(self) -> None:
        sample = KeepKeys(["polys", "ignore_tags"])(encode(("a", BOW_TIE)))
        assert set(sample) == {"polys", "ignore_tags", "info", "counts", "remarks"}
