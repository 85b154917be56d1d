from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.data.transforms.pipeline import build_transforms
from ppocr.data.transforms.random_scale import RandomScale
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS
from tests.data.transforms.scenes import overlap, parallel, scene


def test_image_and_polygons() -> None:
    widths = []
    for seed in range(60):
        sample = RandomScale((0.5, 2.0))(scene(seed=seed))
        parallel(sample)
        height, width = sample["image"].shape[:2]
        widths.append(width)
        assert abs(width / height - 1.5) < 0.02
        assert min(overlap(sample)) >= 0.88
    assert 120 <= min(widths) < 140
    assert 450 < max(widths) <= 480


def test_outer_edges_stay_edges() -> None:
    sample = RandomScale((2.0, 2.0))(scene([((-0.5, -0.5), (239.5, -0.5), (239.5, 159.5), (-0.5, 159.5))]))
    np.testing.assert_allclose(sample["polys"][0][2], [479.5, 319.5])


def test_one_pixel_and_no_regions() -> None:
    assert RandomScale((0.1, 0.2))(scene([], size=(1, 1)))["image"].shape == (1, 1, 3)
    sample = RandomScale((2.0, 2.0))({"image": np.zeros((3, 4, 3), np.uint8), "rng": np.random.default_rng(0)})
    assert sample["image"].shape == (6, 8, 3)


def test_between_an_augmentation_and_a_crop() -> None:
    pipeline = build_transforms([{"IaaAugment": None}, {"RandomScale": {"scale_range": [0.5, 2.0]}},
                                 {"EastRandomCropData": {"size": [200, 200]}}])
    for seed in range(10):
        sample = pipeline(scene(seed=seed))
        assert sample["image"].shape == (200, 200, 3)
        large = [np.ptp(polygon, axis=0).min() > 20 for polygon in sample["polys"]]
        assert min((share for share, keep in zip(overlap(sample), large, strict=True) if keep), default=1) > 0.85


@pytest.mark.parametrize(("arguments", "match"), [
    ({"scale_range": [0, 1]}, r"scale_range is \[0.0, 1.0\]"), ({"scale_range": [2, 1]}, "scale_range is"),
    ({"scale_range": 2}, "wrong type"), ({}, "needs the argument 'scale_range'"),
])
def test_wrong_arguments(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        TRANSFORMS.build({"name": "RandomScale", **arguments})
