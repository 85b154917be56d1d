from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine.consistency import check_images
from ppocr.engine.evaluator import predict_batch
from ppocr.errors import ConfigError, InferenceError
from ppocr.postprocess.db import DBPostProcess


def model(images: Any) -> dict[str, Any]:
    """Find one text of 32 x 16 pixels in each image."""
    maps = np.zeros((images.shape[0], 1, 64, 64), np.float32)
    maps[:, :, 20:36, 10:42] = 1
    return {"maps": paddle.to_tensor(maps)}


class TestWhatAPostProcessNeedsOfTheBatch:
    def test_it_is_handed_over(self) -> None:
        batch = {"image": paddle.zeros([2, 3, 64, 64]),
                 "shape": paddle.to_tensor([[64.0, 64.0, 1.0, 1.0], [128.0, 128.0, 0.5, 0.5]])}
        one, twice = predict_batch(model, batch, DBPostProcess(unclip_ratio=0.0))
        np.testing.assert_allclose(one.boxes, [[[10, 20], [41, 20], [41, 35], [10, 35]]], atol=1e-4)
        np.testing.assert_allclose(twice.boxes, 2 * one.boxes, atol=1e-4)

    def test_without_it_the_error_says_how_to_keep_it(self) -> None:
        with pytest.raises(InferenceError, match="no 'shape'") as caught:
            predict_batch(model, {"image": paddle.zeros([1, 3, 64, 64])}, DBPostProcess())
        assert "KeepKeys" in caught.value.cure


def test_images_of_several_sizes_go_through_the_model_by_size() -> None:
    sizes: list[list[int]] = []

    def width_of(images: Any) -> dict[str, Any]:
        sizes.append(list(images.shape))
        return {"width": images.mean(axis=[1, 2, 3]) * images.shape[3]}

    def read(outputs: dict[str, Any]) -> list[str]:
        return [f"{width:.0f} of {float(scale):g}" for width, scale in
                zip(outputs["width"], outputs["scale"], strict=True)]

    read.needs = ("scale",)  # type: ignore[attr-defined]
    images = [np.full((3, 8, width), value, np.float32) for width, value in ((16, 1), (20, 1), (16, 2), (24, 1))]
    batch = {"image": images, "scale": paddle.to_tensor([0.5, 1.0, 2.0, 4.0])}
    assert predict_batch(width_of, batch, read) == ["16 of 0.5", "20 of 1", "32 of 2", "24 of 4"]
    assert sizes == [[2, 3, 8, 16], [1, 3, 8, 20], [1, 3, 8, 24]]


@pytest.mark.parametrize(("images", "cure"), [
    (paddle.zeros([2, 8, 8, 3]), "add ToCHWImage"),
    (paddle.zeros([2, 3, 8, 8], dtype="uint8"), "add NormalizeImage"),
    (paddle.zeros([2, 1, 8, 8]), "in_channels"),
    (paddle.zeros([2, 3, 8]), "correct the transforms"),
])
def test_images_that_no_network_takes_name_the_transform(images: Any, cure: str) -> None:
    with pytest.raises(ConfigError, match="the transforms make images of shape") as caught:
        check_images(images, SimpleNamespace(in_channels=3))
    assert cure in caught.value.cure


def test_images_of_a_network_pass() -> None:
    check_images(paddle.zeros([2, 1, 8, 8]), SimpleNamespace(in_channels=1))
