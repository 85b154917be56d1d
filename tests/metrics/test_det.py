"""Precision, recall and hmean, against cases computed by hand and a plain loop over all pairs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.data.sample import Failure, SampleInfo
from ppocr.errors import ConfigError, DatasetError
from ppocr.metrics import build_metric
from ppocr.metrics.det import DetMetric
from ppocr.results import Detection


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def detection(*polygons: np.ndarray) -> Detection:
    return Detection(polygons, np.ones(len(polygons), np.float32))


def image(found: list[np.ndarray], regions: list[np.ndarray], ignored: list[bool] | None = None) -> dict[str, float]:
    """Return the metric of one image."""
    metric = DetMetric()
    batch = {"polys": [regions], "ignore_tags": [ignored or [False] * len(regions)], "failed": []}
    metric.update([detection(*found)], batch)
    return metric.compute()


def failure(label: str) -> Failure:
    return Failure(SampleInfo("labels.txt", 1, "a.jpg", label), "unreadable image", "")


A, B, C = box(0, 0, 100, 20), box(0, 50, 100, 70), box(200, 0, 300, 20)


class TestByHand:
    def test_all_found(self) -> None:
        assert image([A, B], [B, A]) == {"recall": 1, "precision": 1, "hmean": 1, "samples": 1, "failed": 0,
                                         "regions": 2, "detections": 2, "matched": 2}

    def test_one_of_three_found_and_one_wrong(self) -> None:
        found = image([A + 1, box(500, 500, 600, 520)], [A, B, C])
        assert found["recall"] == pytest.approx(1 / 3)
        assert found["precision"] == pytest.approx(1 / 2)
        assert found["hmean"] == pytest.approx(2 / (3 + 2))  # 2 * 1/3 * 1/2 / (1/3 + 1/2)

    @pytest.mark.parametrize(("width", "matched"), [(50, 0), (51, 1), (200, 0), (199, 1)])
    def test_intersection_over_union_is_above_one_half(self, width: int, matched: int) -> None:
        assert image([box(0, 0, width, 20)], [A])["matched"] == matched

    def test_another_threshold(self) -> None:
        metric = DetMetric(iou_threshold=0.8)
        batch = {"polys": [[A, B]], "ignore_tags": [[False, False]]}
        metric.update([detection(box(0, 0, 79, 20), box(0, 50, 81, 70))], batch)
        assert metric.compute()["matched"] == 1

    def test_one_region_takes_one_detection(self) -> None:
        found = image([A, A + 1, A - 1], [A])
        assert (found["matched"], found["detections"], found["regions"]) == (1, 3, 1)
        found = image([A], [A, A + 1])
        assert (found["matched"], found["detections"], found["regions"]) == (1, 1, 2)

    def test_who_comes_first_takes_the_first(self) -> None:
        # Both detections fit the first region; only the first detection fits the second, and is taken by then.
        near, far = A + np.float32([10, 0]), A - np.float32([30, 0])
        assert image([near, far], [A, A + np.float32([40, 0])])["matched"] == 1
        assert image([far, near], [A, A + np.float32([40, 0])])["matched"] == 2

    def test_no_detections_and_no_regions(self) -> None:
        assert image([], [A])["hmean"] == image([A], [])["hmean"] == image([], [])["hmean"] == 0
        assert image([], [A])["precision"] == image([A], [])["recall"] == 0
        assert image([A], [])["detections"] == 1


class TestIgnoredRegions:
    def test_neither_right_nor_wrong(self) -> None:
        found = image([A, B], [A, B, C], [False, True, True])
        assert (found["recall"], found["precision"], found["hmean"]) == (1, 1, 1)
        assert (found["regions"], found["detections"], found["matched"]) == (1, 1, 1)

    @pytest.mark.parametrize(("right", "detections"), [(150, 1), (151, 0)])
    def test_more_than_half_of_the_detection_lies_inside(self, right: int, detections: int) -> None:
        # The detection goes from 100 to 200, so that 50 or 51 hundredths of it are in the ignored region.
        assert image([box(100, 0, 200, 20)], [box(0, 0, right, 20)], [True])["detections"] == detections

    def test_small_detections_in_a_large_ignored_region(self) -> None:
        found = image([box(10, 2, 20, 8), box(30, 2, 40, 8)], [A, C], [True, False])
        assert (found["detections"], found["matched"], found["regions"]) == (0, 0, 1)

    def test_halves_in_two_ignored_regions_do_not_add_up(self) -> None:
        halves = [box(0, 0, 50, 20), box(50, 0, 100, 20)]
        assert image([A], halves, [True, True])["detections"] == 1

    def test_a_detection_in_an_ignored_region_fits_no_other(self) -> None:
        found = image([A], [A, A + 1], [False, True])
        assert (found["detections"], found["matched"], found["regions"]) == (0, 0, 1)


class TestAgainstALoop:
    @pytest.mark.parametrize("seed", range(4))
    def test_crowded_images(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(4, 14, (60, 1, 2))
        truth = (corners + rng.uniform(0, 120, (60, 1, 2))).astype(np.float32)
        found = (truth[rng.permutation(60)] + rng.normal(0, 2.5, (60, 4, 2))).astype(np.float32)
        ignored = (rng.random(60) < 0.3).tolist()
        matching = DetMetric().match(detection(*found), list(truth), ignored)
        pairs, counted = _slow(found, truth, ignored)
        assert matching.pairs == pairs
        assert matching.counted_detections.tolist() == counted
        assert matching.counted_regions.tolist() == [not tag for tag in ignored]
        assert 5 < len(pairs) < 60
        assert 0 < sum(counted) < 60

    def test_curved_polygons(self) -> None:
        angles = np.linspace(0, 2, 7)
        ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        curved = np.concatenate([ways * 60, ways[::-1] * 40]).astype(np.float32)
        chord = curved[[0, 6, 7, 13]]
        assert image([curved + 1, C], [curved, C])["matched"] == 2
        assert image([chord], [curved])["matched"] == 0


def _slow(found: np.ndarray, truth: np.ndarray, ignored: list[bool]) -> tuple[list[tuple[int, int]], list[bool]]:
    regions, boxes = ([shapely.make_valid(shapely.Polygon(polygon)) for polygon in side] for side in (truth, found))
    counted = [not any(tag and region.intersection(shape).area / shape.area > 0.5
                       for region, tag in zip(regions, ignored, strict=True)) for shape in boxes]
    pairs: list[tuple[int, int]] = []
    for row, (region, tag) in enumerate(zip(regions, ignored, strict=True)):
        for column, shape in enumerate(boxes):
            free = counted[column] and not tag and all(column != other for _, other in pairs)
            if free and region.intersection(shape).area / region.union(shape).area > 0.5:
                pairs.append((row, column))
                break
    return pairs, counted


class TestUnusableInput:
    BOW_TIE = np.array([[0, 0], [100, 20], [100, 0], [0, 20]], np.float32)

    def test_outlines_that_cross_themselves(self) -> None:
        assert image([self.BOW_TIE], [self.BOW_TIE])["matched"] == 1
        assert image([self.BOW_TIE], [A])["matched"] == 0  # exactly half of it

    @pytest.mark.parametrize("polygon", [np.zeros((4, 2)), np.zeros((2, 2)), np.full((4, 2), np.nan)])
    def test_polygons_without_an_area_count_as_missed_and_as_wrong(self, polygon: np.ndarray) -> None:
        found = image([polygon.astype(np.float32), A], [polygon, A])
        assert (found["regions"], found["detections"], found["matched"]) == (2, 2, 1)

    def test_failed_images_are_missed(self) -> None:
        label = json.dumps([{"transcription": text, "points": points.tolist()} for text, points in
                            [("a", A), ("###", B), ("*", C), ("b", self.BOW_TIE), ("c", C)]])
        metric = DetMetric()
        failed = [failure(text) for text in (label, "not JSON", "[]")]
        batch = {"polys": [[A]], "ignore_tags": [[False]], "failed": failed}
        metric.update([detection(A)], batch)
        # Of the first label "a" and "c" are missed; the second cannot be read and counts for one.
        assert metric.compute() == {"recall": 1 / 4, "precision": 1, "hmean": 0.4, "samples": 4, "failed": 3,
                                    "regions": 4, "detections": 1, "matched": 1}

    def test_a_batch_of_failures_alone(self) -> None:
        metric = DetMetric()
        metric.update([], {"failed": [failure("[]")]})
        assert metric.compute()["failed"] == 1

    def test_regions_are_missing(self) -> None:
        with pytest.raises(DatasetError, match="lacks ignore_tags"):
            DetMetric().update([detection(A)], {"polys": [[A]]})

    def test_results_and_regions_of_different_numbers(self) -> None:
        with pytest.raises(ValueError, match="shorter"):
            DetMetric().update([detection(A), detection(A)], {"polys": [[A]], "ignore_tags": [[False]]})

    def test_nothing_was_counted(self) -> None:
        with pytest.raises(DatasetError, match="saw no sample"):
            DetMetric().compute()


class TestSums:
    def batches(self) -> list[tuple[list[Detection], dict[str, Any]]]:
        rng = np.random.default_rng(3)
        batches = []
        for number in range(7):
            regions = [box(x, y, x + 30, y + 12) for x, y in rng.uniform(0, 300, (rng.integers(0, 6), 2))]
            found = [region + rng.normal(0, 4, 2).astype(np.float32) for region in regions[number % 2:]]
            ignored = (rng.random(len(regions)) < 0.3).tolist()
            failed = [failure(json.dumps([{"transcription": "a", "points": A.tolist()}]))] * (number % 3 == 0)
            batches.append(([detection(*found)], {"polys": [regions], "ignore_tags": [ignored], "failed": failed}))
        return batches

    def test_three_ranks_give_exactly_what_one_gives(self) -> None:
        alone, ranks = DetMetric(), [DetMetric() for _ in range(3)]
        for number, (results, batch) in enumerate(self.batches()):
            alone.update(results, batch)
            ranks[number % 3].update(results, batch)
        states = json.loads(json.dumps([rank.state() for rank in ranks]))
        ranks[1].merge(states)
        assert ranks[1].compute() == alone.compute()
        assert 0 < alone.compute()["hmean"] < 1
        assert all(type(value) is int for value in alone.state().values())

    def test_images_are_summed_up_before_anything_is_divided(self) -> None:
        metric = DetMetric()
        metric.update([detection(A, B, C), detection()], {"polys": [[A, B, C], [A]],
                                                         "ignore_tags": [[False] * 3, [False]]})
        assert metric.compute()["recall"] == 3 / 4

    def test_reset(self) -> None:
        metric = DetMetric()
        metric.update([detection(A)], {"polys": [[A]], "ignore_tags": [[False]]})
        metric.reset()
        assert set(metric.state().values()) == {0}


class TestSection:
    @pytest.mark.parametrize("name", ["hmean", "precision", "recall"])
    def test_main_indicator(self, name: str) -> None:
        metric = build_metric({"name": "DetMetric", "main_indicator": name}, task="det")
        assert metric.main_indicator == name

    @pytest.mark.parametrize(("arguments", "message"), [
        ({"main_indicator": "acc"}, "main_indicator"),
        ({"iou_threshold": 1.0}, "iou_threshold is 1"),
        ({"ignored_overlap": 0}, "ignored_overlap is 0"),
        ({"iou": 0.5}, "no argument 'iou'"),
    ])
    def test_mistakes(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            build_metric({"name": "DetMetric", **arguments}, task="det")
        assert message in str(caught.value)

    def test_recall_precision_and_hmean_come_first(self) -> None:
        assert list(image([A], [A]))[:3] == ["recall", "precision", "hmean"]
