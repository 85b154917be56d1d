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
