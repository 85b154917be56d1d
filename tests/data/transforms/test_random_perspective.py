from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.data.transforms.det_crop import RandomCrop
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.data.transforms.random_perspective import RandomPerspective
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS
from tests.data.transforms.scenes import overlap, parallel, scene

V6: dict[str, Any] = {"prob": 1.0, "scale": 0.0, "shear": 20.0, "perspective": 0.001, "fill_value": (0.0, 0.0, 0.0)}


@pytest.mark.parametrize("fit_output", [True, False])
def test_polygons_move_with_the_image(fit_output: bool) -> None:
    transform = RandomPerspective(**V6, degrees=20.0, fit_output=fit_output)
    for seed in range(20):
        sample = transform(scene(seed=seed))
        parallel(sample)
        assert fit_output or sample["image"].shape == (160, 240, 3)
        assert min(overlap(sample)) >= 0.88


def test_fit_output_shows_everything() -> None:
    corners = [((0, 0), (239, 0), (239, 159), (0, 159))]
    for seed in range(20):
        sample = RandomPerspective(**V6, degrees=45.0)(scene(corners, seed=seed))
        height, width = sample["image"].shape[:2]
        assert sample["polys"][0].min() > -0.01
        assert (sample["polys"][0] < np.array([width, height]) - 0.99).all()


def test_share_of_cases() -> None:
    changed = sum(RandomPerspective(0.3)(scene(seed=seed))["polys"][0][0, 0] != 20 for seed in range(300))
    assert 60 < changed < 120


def test_the_horizon_stays_away() -> None:
    # 0.001 per pixel on 4000 pixels would put the horizon into the picture.
    for seed in range(10):
        corners = [((0, 0), (3999, 0), (3999, 2999), (0, 2999))]
        sample = RandomPerspective(**V6).defer(scene(corners, (4000, 3000), seed))
        assert max(sample["image"].shape) < 16000
        assert np.isfinite(sample["polys"][0]).all()


def test_uncovered_places_are_filled() -> None:
    transform = RandomPerspective(1.0, 30.0, 0.0, 0.0, 0.0, fill_value=(10, 20, 30))
    image = transform({**scene([]), "image": np.full((160, 240, 3), 200, np.uint8)})["image"]
    assert (image[0, 0] == (10, 20, 30)).all()
    assert (image[-1, -1] == (10, 20, 30)).all()


def test_vanishing_regions_are_ignored() -> None:
    sample = RandomPerspective(1.0, 0.0, 0.9, 0.0, 0.0, min_area_ratio=0.5)
    tags = {tuple(sample(scene(seed=seed))["ignore_tags"]) for seed in range(20)}
    assert tags == {(True, True, True), (False, False, False)}


def test_reproducible_and_deferred() -> None:
    entries = [{"IaaAugment": None}, {"RandomPerspective": {**V6, "fill_value": [0, 0, 0]}},
               {"RandomCrop": {"size": [200, 200]}}]
    for seed in range(5):
        first, second = build_transforms(entries)(scene(seed=seed)), build_transforms(entries)(scene(seed=seed))
        np.testing.assert_array_equal(first["image"], second["image"])
        assert first["image"].shape == (200, 200, 3)


def test_unusual_sizes() -> None:
    assert min(RandomPerspective(**V6)(scene([], (1, 1)))["image"].shape[:2]) >= 1
    sample = RandomPerspective(**V6).defer(scene([], (20000, 50)))
    assert RandomCrop((64, 64))(sample)["image"].shape == (64, 64, 3)


@pytest.mark.parametrize(("arguments", "match"), [
    ({"prob": 1.2}, "prob is 1.2"), ({"scale": 1.0}, "scale is 1.0"), ({"shear": 90}, "shear is 90"),
    ({"degrees": -1}, "degrees is -1"), ({"perspective": -0.1}, "perspective is -0.1"),
    ({"fill_value": [0, 0, 300]}, r"fill_value is \[0.0, 0.0, 300.0\]"), ({"fill_value": [0]}, "wrong type"),
])
def test_wrong_arguments(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        TRANSFORMS.build({"name": "RandomPerspective", **arguments})
