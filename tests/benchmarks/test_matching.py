"""The comparison of two systems' readings: pairs, counts, and the stage that is named for a difference."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest

from tests.source_tree import ROOT


@pytest.fixture
def matching(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "peers"))
    yield importlib.import_module("matching")
    sys.modules.pop("matching", None)


def box(left: float, top: float, width: float = 40, height: float = 10) -> Any:
    return np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]], np.float64)


def reading(matching: Any, *boxes: Any, **changes: Any) -> Any:
    """A reading of a picture of 200 x 100 whose map has half its size; every text is "word"."""
    values = {
        "boxes": np.array(boxes, np.float64).reshape(-1, 4, 2), "texts": [("word", 0.9)] * len(boxes),
        "crops": [np.zeros((10, 40, 3), np.uint8)] * len(boxes), "widths": [320] * len(boxes),
        "network_input": np.zeros((1, 3, 50, 100), np.float32), "probability": np.zeros((1, 1, 50, 100), np.float32),
        "size": (200, 100),
    }
    return matching.Reading(**{**values, **changes})


class TestPairs:
    def test_distance_is_that_of_the_corner_that_is_farthest_off(self, matching: Any) -> None:
        other = box(10, 10)
        other[2] += (3, 4)
        assert matching.corner_distance(box(10, 10), other) == 5
        assert matching.corner_distance(box(10, 10), np.roll(box(10, 10), 1, axis=0)) == 0

    def test_nearest_first_and_each_once(self, matching: Any) -> None:
        pairs = matching.pair_boxes([box(0, 0), box(3, 0), box(100, 50)], [box(2, 0), box(150, 50)])
        assert pairs == [(1, 0, 1.0)], "the first one's partner is taken, the third one's is too far off"


class TestRegions:
    def test_counts(self, matching: Any) -> None:
        ours = reading(matching, box(0, 0), box(0, 20), box(0, 40), box(0, 60),
                       texts=[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)])
        peer = reading(matching, box(0, 0), box(1, 20), box(2, 40), box(100, 60), box(100, 80),
                       texts=[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0), ("e", 1.0)])
        found, differences = matching.compare_regions(ours, peer, 0.3)
        assert found == matching.Agreement(ours=4, peer=5, near=2, equal=1, same_text=3, everything=6)
        assert [(entry.kind, entry.ours is None, entry.peer is None) for entry in differences] == [
            ("box", False, False), ("box", False, True), ("box", True, False), ("box", True, False)]
        total = found + matching.Agreement(1, 1, 1, 1, 1, 1)
        assert (total.ours, total.everything) == (5, 7)

    @pytest.mark.parametrize(("changes", "stage", "words"), [
        ({"network_input": np.zeros((1, 3, 64, 100), np.float32)}, "picture", "(64, 100) and (50, 100)"),
        ({"network_input": np.full((1, 3, 50, 100), 0.5, np.float32)}, "picture", "up to 0.5"),
        ({}, "post-processing", "same pixels above the threshold"),
    ])
    def test_cause_of_a_box(self, matching: Any, changes: Any, stage: str, words: str) -> None:
        ours, peer = reading(matching, box(20, 20), **changes), reading(matching)
        _, (difference,) = matching.compare_regions(ours, peer, 0.3)
        assert difference.stage == stage
        assert words in difference.cause

    def test_only_pixels_of_the_map_beside_the_box_count(self, matching: Any) -> None:
        probability = np.zeros((1, 1, 50, 100), np.float32)
        probability[0, 0, 12, 15] = 0.4  # The box covers 10 to 15 and 10 to 30 of the map.
        probability[0, 0, 40, 90] = 0.4
        ours, peer = reading(matching, box(20, 20), probability=probability), reading(matching)
        _, (difference,) = matching.compare_regions(ours, peer, 0.3)
        assert (difference.stage, difference.cause[:8]) == ("map", "1 pixels")
        _, (difference,) = matching.compare_regions(ours, peer, 0.5)
        assert difference.stage == "post-processing"

    @pytest.mark.parametrize(("place", "changes", "stage", "words"), [
        (0.5, {}, "post-processing", "boxes 0.50 pixels apart"),
        (0, {"crops": [np.zeros((9, 40, 3), np.uint8)]}, "crop", "crops of (9, 40) and (10, 40)"),
        (0, {"crops": [np.ones((10, 40, 3), np.uint8)]}, "crop", "400 pixels of the crop differ"),
        (0, {"widths": [352]}, "batch", "filled up to 352 and 320 pixels"),
        (0, {}, "network", "the same input"),
    ])
    def test_cause_of_a_text(self, matching: Any, place: float, changes: Any, stage: str, words: str) -> None:
        ours = reading(matching, box(place, 0), texts=[("ward", 0.5)], **changes)
        found, (difference,) = matching.compare_regions(ours, reading(matching, box(0, 0)), 0.3)
        assert (difference.kind, difference.ours, difference.peer, difference.stage) == ("text", "ward", "word", stage)
        assert words in difference.cause
        assert "scores 0.5000 and 0.9000" in difference.cause
        assert (found.near, found.same_text) == (1, 0)


def test_lines(matching: Any) -> None:
    ours = [{"box": box(0, 0).tolist(), "text": "a"}, {"box": box(0, 20).tolist(), "text": "b"}]
    peer = [{"box": box(0, 22).tolist(), "text": "b"}, {"box": box(0, 60).tolist(), "text": "c"}]
    assert matching.compare_lines(ours, peer) == matching.Agreement(2, 2, near=0, equal=0, same_text=1, everything=3)
    assert matching.compare_lines([], []) == matching.Agreement()


def test_answer_of_a_side(matching: Any) -> None:
    arrays = {"boxes": np.array([box(1, 2)], np.float32), "crop_0": np.zeros((3, 4, 3), np.uint8),
              "input": np.zeros((1, 3, 32, 32), np.float32), "map": np.zeros((1, 1, 32, 32), np.float32)}
    found = matching.Reading.of({"texts": [["x", 0.5]], "widths": [320]}, arrays, (40, 30))
    assert found.texts == [("x", 0.5)]
    assert [crop.shape for crop in found.crops] == [(3, 4, 3)]
    assert (found.boxes.dtype, found.size) == (np.float64, (40, 30))
