from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.data.transforms.copy_paste import CopyPaste
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS
from tests.data.transforms.scenes import CURVED, as_polygons, draw, overlap, parallel, scene

OWN = ((10, 10), (60, 10), (60, 40), (10, 40))
TARGET = 400, 300


def other(seed: int = 0, number: int = 5) -> dict[str, Any]:
    """Return a sample whose regions have the colours 1, 2, 3 … (0 is that of the target's own region)."""
    outlines = [OWN, CURVED, ((150, 20), (230, 40), (225, 60), (145, 40)), ((30, 60), (70, 60), (70, 80), (30, 80)),
                ((150, 100), (190, 90), (200, 130), (160, 140)), ((200, 70), (235, 70), (235, 85), (200, 85))]
    sample = scene(outlines, seed=seed)
    for key in ("polys", "texts", "ignore_tags"):
        sample[key] = sample[key][1:number + 1]
    return sample


def target(seed: int = 0, **changes: Any) -> dict[str, Any]:
    return {**scene([OWN], TARGET, seed=seed), "extra": [other()], **changes}


class TestPasting:
    def test_colours_come_with_their_polygons(self) -> None:
        transform = CopyPaste(objects_paste_ratio=1.0)
        for seed in range(15):
            sample = transform(target(seed))
            parallel(sample)
            assert "extra" not in sample
            assert len(sample["polys"]) == 6
            assert min(overlap(sample)) >= 0.9, (seed, overlap(sample))

    def test_number(self) -> None:
        for ratio, number in [(0.0, 1), (0.2, 1), (0.5, 2), (0.99, 4), (1.0, 5)]:
            assert len(CopyPaste(ratio)(target())["polys"]) == 1 + number
        crowd = other()
        for key in ("polys", "texts", "ignore_tags"):
            crowd[key] = crowd[key][2:3] * 200  # forty would be asked for
        sample = CopyPaste(0.2)({**scene([], (1000, 900)), "extra": [crowd]})
        assert len(sample["polys"]) == 30

    def test_shares_count_all_regions_but_ignored_ones_are_not_pasted(self) -> None:
        extra = other()
        extra["ignore_tags"] = [True, True, False, True, True]
        sample = CopyPaste(0.4)(target(extra=[extra]))  # two of five, but only one is cared for
        assert sample["texts"] == ["0", "3"]
        extra["ignore_tags"] = [True] * 5
        before = target(extra=[extra])
        image = before["image"]
        assert CopyPaste(1.0)(before)["image"] is image

    def test_size_and_shape_stay_while_the_angle_is_random(self) -> None:
        angles = []
        for seed in range(30):
            polygon = CopyPaste(0.2)(target(seed, extra=[other(number=1)]))["polys"][1]
            before = as_polygons([CURVED])[0]
            for after in (polygon, before):
                after -= after[0]
            np.testing.assert_allclose(np.hypot(*polygon.T), np.hypot(*before.T), atol=0.01)
            along = polygon[3] - polygon[0]
            angles.append(np.degrees(np.arctan2(along[1], along[0])) % 360)
        assert max(np.diff(sorted(angles))) < 90
        assert np.ptp(angles) > 250

    def test_existing_regions_are_not_touched(self) -> None:
        for seed in range(20):
            sample = CopyPaste(1.0)(target(seed))
            boxes = [(*polygon.min(axis=0), *polygon.max(axis=0)) for polygon in sample["polys"]]
            for position, first in enumerate(boxes):
                for second in boxes[:position]:
                    assert (first[0] > second[2] or second[0] > first[2]
                            or first[1] > second[3] or second[1] > first[3])

    def test_everything_is_within_the_picture(self) -> None:
        for seed in range(20):
            for polygon in CopyPaste(1.0)(target(seed))["polys"]:
                assert polygon.min() >= 0
                assert (polygon <= np.array(TARGET) - 1).all()

    def test_anywhere_if_not_limited_and_the_touched_are_ignored(self) -> None:
        everywhere = ((0, 0), (399, 0), (399, 299), (0, 299))
        assert len(CopyPaste(1.0)({**scene([everywhere], TARGET), "extra": [other()]})["polys"]) == 1
        sample = CopyPaste(0.2, limit_paste=False)({**scene([everywhere], TARGET), "extra": [other()]})
        assert sample["ignore_tags"] == [True, False]

    def test_no_room(self) -> None:
        sample = CopyPaste(1.0)({**scene([], (20, 10)), "extra": [other()]})
        assert sample["polys"] == []

    def test_the_pictures_that_were_given_stay_as_they_are(self) -> None:
        sample, extra = target(), other()
        image, polygons = sample["image"], sample["polys"]
        CopyPaste(1.0)({**sample, "extra": [extra]})
        np.testing.assert_array_equal(image, draw(as_polygons([OWN]), TARGET))
        assert len(polygons) == 1
        np.testing.assert_array_equal(extra["image"], other()["image"])


class TestSamples:
    def test_reproducible(self) -> None:
        first, second = CopyPaste(0.6)(target(4)), CopyPaste(0.6)(target(4))
        np.testing.assert_array_equal(first["image"], second["image"])
        assert first["texts"] == second["texts"]
        assert (CopyPaste(0.6)(target(5))["image"] != first["image"]).any()

    def test_no_other_sample(self) -> None:
        for sample in (target(extra=[]), {key: value for key, value in target().items() if key != "extra"}):
            assert CopyPaste()(sample)["texts"] == ["0"]

    def test_other_sample_without_regions(self) -> None:
        assert CopyPaste()(target(extra=[scene([])]))["texts"] == ["0"]

    def test_the_pipeline_draws_the_other_sample(self) -> None:
        pipeline = build_transforms([{"CopyPaste": {"objects_paste_ratio": 1.0}}])
        assert pipeline.extra_at == 0
        sample = target()
        del sample["extra"]
        assert len(pipeline(sample, lambda number: [other()] * number)["polys"]) == 6


@pytest.mark.parametrize(("arguments", "match"), [
    ({"objects_paste_ratio": -0.1}, "objects_paste_ratio is -0.1"), ({"objects_paste_ratio": 2}, "ratio is 2"),
    ({"limit_paste": "some"}, "wrong type"),
])
def test_wrong_arguments(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        TRANSFORMS.build({"name": "CopyPaste", **arguments})
