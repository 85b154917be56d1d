from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.data.transforms.color_jitter import (
    ColorJitter,
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    turn_hue,
)
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def pillow(name: str, factor: float) -> np.ndarray:
    """Return what Pillow makes of the image, in BGR."""
    enhance, image = pytest.importorskip("PIL.ImageEnhance"), pytest.importorskip("PIL.Image")
    return np.asarray(getattr(enhance, name)(image.fromarray(IMAGE[:, :, ::-1])).enhance(factor))[:, :, ::-1]


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.4, 1.7])
@pytest.mark.parametrize(("operation", "name"), [
    (adjust_brightness, "Brightness"), (adjust_contrast, "Contrast"), (adjust_saturation, "Color"),
])
def test_as_pillow(operation: Any, name: str, factor: float) -> None:
    result = operation(IMAGE, factor)
    assert result.dtype == np.uint8
    assert np.abs(result.astype(int) - pillow(name, factor)).max() <= 2  # Pillow cuts fractions off


@pytest.mark.parametrize(("colour", "turn", "expected"), [
    ((0, 0, 255), 1 / 3, (0, 255, 0)), ((0, 0, 255), -1 / 3, (255, 0, 0)), ((0, 0, 255), 0.5, (255, 255, 0)),
    ((90, 90, 90), 0.2, (90, 90, 90)), ((10, 200, 60), 0.0, (10, 200, 60)),
])
def test_hue(colour: tuple[int, ...], turn: float, expected: tuple[int, ...]) -> None:
    result = turn_hue(np.full((2, 2, 3), colour, np.uint8), turn)
    assert np.abs(result.astype(int) - expected).max() <= 6  # a step of the circle is 6 grey levels


class TestTransform:
    def run(self, seed: int, **arguments: Any) -> np.ndarray:
        return ColorJitter(**arguments)({"image": IMAGE, "rng": np.random.default_rng(seed)})["image"]

    def test_nothing_by_default(self) -> None:
        assert self.run(0) is IMAGE

    def test_range(self) -> None:
        grey = np.full((4, 4, 3), 100, np.uint8)
        jitter = ColorJitter(brightness=0.4)
        samples = [jitter({"image": grey, "rng": np.random.default_rng(seed)}) for seed in range(300)]
        values = [int(sample["image"][0, 0, 0]) for sample in samples]
        assert 60 <= min(values) < 63
        assert 137 < max(values) <= 140
        assert abs(np.mean(values) - 100) < 5

    def test_two_numbers(self) -> None:
        np.testing.assert_array_equal(self.run(3, brightness=(0.5, 0.5)), adjust_brightness(IMAGE, 0.5))

    def test_large_amounts_do_not_fall_below_zero(self) -> None:
        assert all(self.run(seed, brightness=3.0).dtype == np.uint8 for seed in range(5))
        assert ColorJitter(saturation=3.0).saturation == (0.0, 4.0)

    def test_random_order(self) -> None:
        arguments: dict[str, Any] = {"brightness": (1.5, 1.5), "contrast": (0.5, 0.5)}
        results = {self.run(seed, **arguments).tobytes() for seed in range(20)}
        first, second = adjust_brightness(IMAGE, 1.5), adjust_contrast(IMAGE, 0.5)
        assert results == {adjust_contrast(first, 0.5).tobytes(), adjust_brightness(second, 1.5).tobytes()}

    def test_reproducible_and_not_in_place(self) -> None:
        before = IMAGE.copy()
        everything: dict[str, Any] = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.7, "hue": 0.1}
        np.testing.assert_array_equal(self.run(5, **everything), self.run(5, **everything))
        assert (self.run(6, **everything) != self.run(5, **everything)).any()
        np.testing.assert_array_equal(IMAGE, before)

    def test_one_pixel(self) -> None:
        sample = {"image": np.full((1, 1, 3), 7, np.uint8), "rng": np.random.default_rng(0)}
        assert ColorJitter(0.5, 0.5, 0.5, 0.5)(sample)["image"].shape == (1, 1, 3)

    @pytest.mark.parametrize(("arguments", "match"), [
        ({"brightness": -0.4}, "brightness is -0.4"), ({"hue": 0.6}, "hue is 0.6"), ({"hue": [-0.6, 0.1]}, "hue is"),
        ({"contrast": [1.5, 0.5]}, r"contrast is \(1.5, 0.5\)"), ({"saturation": "strong"}, "wrong type"),
    ])
    def test_wrong_arguments(self, arguments: dict[str, Any], match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            TRANSFORMS.build({"name": "ColorJitter", **arguments})
