from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine.evaluator import predict_batch
from ppocr.errors import InferenceError
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
