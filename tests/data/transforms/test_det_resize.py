from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.data.transforms.det_resize import DetResizeForTest
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS


def run(height: int, width: int, **arguments: Any) -> dict[str, Any]:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return DetResizeForTest(**arguments)({"image": image})


class TestSize:
    @pytest.mark.parametrize(("size", "arguments", "expected"), [
        ((720, 1280), {}, (736, 1312)),  # 736 / 720: 736 x 1308.4, 1308 / 32 = 40.9
        ((736, 736), {}, (736, 736)),
        ((1000, 2000), {}, (992, 1984)),  # nothing to enlarge, only rounded: 31.25 and 62.5, which goes to even
        ((720, 1280), {"limit_side_len": 960, "limit_type": "max"}, (544, 960)),  # 540 / 32 = 16.9
        ((100, 200), {"limit_side_len": 960, "limit_type": "max"}, (96, 192)),  # nothing to shrink; 3.1, 6.25
        ((100, 200), {"limit_side_len": 960, "limit_type": "resize_long"}, (480, 960)),
        ((720, 1280), {"image_shape": (736, 1280)}, (736, 1280)),
        ((720, 1280), {"image_shape": (736, 736), "keep_ratio": True}, (736, 1312)),  # 1308.4 rounded up
        ((720, 1280), {"resize_long": 960}, (640, 1024)),  # 540 and 960 rounded up to multiples of 128
        ((10, 1000), {"limit_side_len": 500, "limit_type": "max"}, (32, 512)),  # 5 -> at least 32; 500 -> 15.6
    ])
    def test_rules(self, size: tuple[int, int], arguments: dict[str, Any], expected: tuple[int, int]) -> None:
        sample = run(*size, **arguments)
        assert sample["image"].shape == (*expected, 3)
        assert sample["shape"].dtype == np.float32
        np.testing.assert_allclose(sample["shape"], [*size, expected[0] / size[0], expected[1] / size[1]], rtol=1e-6)

    @pytest.mark.parametrize(("rules", "named"), [
        ({"limit_side_len": 640, "resize_long": 960}, "limit_side_len and resize_long"),
        ({"image_shape": (64, 96), "limit_side_len": 640}, "image_shape and limit_side_len"),
    ])
    def test_rules_that_contradict_each_other(self, rules: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigError, match=named):
            run(720, 1280, **rules)

    @pytest.mark.parametrize(("size", "arguments", "expected"), [
        ((20000, 50), {}, (4000, 32)),  # 736 would need 294400 x 736
        ((50, 20000), {}, (32, 4000)),
        ((50, 20000), {"image_shape": (736, 1280), "keep_ratio": True}, (736, 4000)),
        ((50, 20000), {"resize_long": 5000}, (128, 3968)),  # 31 * 128
        ((3, 100), {}, (128, 4000)),  # 24533 x 736 shrunk to 4000 x 120, 3.75 -> 4
        ((5000, 5000), {"max_side_limit": 1000}, (992, 992)),  # 31.25; never above the limit
        ((5000, 5000), {"max_side_limit": 1020}, (992, 992)),  # 31.9 would be 1024
    ])
    def test_no_side_is_above_the_limit(self, size: tuple[int, int], arguments: Any, expected: tuple[int, int]) -> None:
        assert run(*size, **arguments)["image"].shape == (*expected, 3)


class TestTinyPictures:
    @pytest.mark.parametrize(("size", "expected"), [
        ((1, 1), (736, 736)), ((60, 3), (1376, 736)),  # 60 x 32, times 23: 1380 -> 43.1
    ])
    def test_are_padded_first(self, size: tuple[int, int], expected: tuple[int, int]) -> None:
        sample = run(*size)
        assert sample["image"].shape == (*expected, 3)
        padded = max(size[0], 32), max(size[1], 32)
        np.testing.assert_allclose(
            sample["shape"], [*size, expected[0] / padded[0], expected[1] / padded[1]], rtol=1e-6)

    def test_the_padding_is_black_and_right_and_below(self) -> None:
        image = DetResizeForTest(image_shape=(32, 32))({"image": np.full((5, 7, 3), 9, np.uint8)})["image"]
        assert (image[:5, :7] == 9).all()
        assert image.sum() == 5 * 7 * 3 * 9

    def test_sixty_four_are_enough(self) -> None:
        assert run(32, 32)["shape"].tolist() == [32, 32, 23, 23]
        assert run(4, 60, limit_side_len=60, limit_type="max")["image"].shape == (32, 64, 3)


class TestPixels:
    def test_bilinear(self) -> None:
        image = np.random.default_rng(1).integers(0, 256, (100, 170, 3), np.uint8)
        result = DetResizeForTest(limit_side_len=64)({"image": image.copy()})["image"]
        np.testing.assert_array_equal(result, cv2.resize(image, (160, 96), interpolation=cv2.INTER_LINEAR))

    def test_the_right_size_is_left_alone(self) -> None:
        image = np.zeros((736, 1280, 3), np.uint8)
        assert DetResizeForTest()({"image": image})["image"] is image

    def test_positions_lead_back(self) -> None:
        image = np.zeros((300, 500, 3), np.uint8)
        image[120:180, 50:150] = 255
        sample = DetResizeForTest(image_shape=(640, 320))({"image": image})
        rows, columns = np.nonzero(sample["image"][:, :, 0] > 127)
        _, _, ratio_h, ratio_w = sample["shape"]
        assert abs(columns.min() / ratio_w - 50) < 2
        assert abs(rows.max() / ratio_h - 180) < 2


class TestArguments:
    @pytest.mark.parametrize(("arguments", "match"), [
        ({"limit_side_len": 0}, "limit_side_len is 0"),
        ({"resize_long": -5}, "resize_long is -5"),
        ({"limit_type": "mean"}, "limit_type is 'mean'"),
        ({"image_shape": (0, 5)}, r"image_shape is \[0, 5\]"),
        ({"max_side_limit": 31}, "max_side_limit is 31"),
        ({"keep_ratio": True}, "keep_ratio is set without image_shape"),
    ])
    def test_wrong_ones(self, arguments: dict[str, Any], match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            DetResizeForTest(**arguments)

    def test_from_a_configuration(self) -> None:
        built = TRANSFORMS.build({"name": "DetResizeForTest", "image_shape": [736, 1280]}, charset=None)
        assert built.target_size(10, 10) == (736, 1280)
        with pytest.raises(ConfigError, match="'mean' has the wrong type"):
            TRANSFORMS.build({"name": "DetResizeForTest", "limit_type": "mean"})
