"""Statistics of batch norms gathered anew: equal to the mean over the batches, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine.recalibration import recalibrate
from ppocr.errors import DatasetError


class Network(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm = paddle.nn.BatchNorm1D(3)
        self.drop = paddle.nn.Dropout(0.9)
        self.second = paddle.nn.BatchNorm1D(3)
        self.unused = paddle.nn.BatchNorm1D(3)

    def forward(self, images: Any) -> Any:
        return self.second(self.drop(self.norm(images)))


def batches(count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(2)
    return [{"image": paddle.to_tensor(rng.normal(4, 2, (16, 3)).astype("float32")), "info": ["x"] * 16}
            for _ in range(count)]


def test_the_statistics_are_the_mean_of_those_of_the_batches() -> None:
    network, data = Network(), batches(4)
    network.norm._mean.set_value(np.full(3, 99, np.float32))
    network.unused._mean.set_value(np.full(3, 7, np.float32))
    network.train()
    assert recalibrate(network, [data[0], {"image": None, "info": []}, *data[1:]], 3) == 3
    images = np.stack([batch["image"].numpy() for batch in data[:3]]).astype(np.float64)
    np.testing.assert_allclose(network.norm._mean.numpy(), images.mean(axis=1).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(network.norm._variance.numpy(), images.var(axis=1).mean(axis=0), rtol=1e-4)
    # No dropout, and normalised by the statistics of each batch: mean 0 and variance 1.
    np.testing.assert_allclose(network.second._mean.numpy(), np.zeros(3), atol=1e-5)
    np.testing.assert_allclose(network.second._variance.numpy(), np.ones(3), rtol=1e-3)
    np.testing.assert_array_equal(network.unused._mean.numpy(), np.full(3, 7))
    assert network.norm._momentum == 0.9
    assert not any(layer.training for layer in network.sublayers(include_self=True))


def test_fewer_batches_than_asked_for() -> None:
    assert recalibrate(Network(), batches(2), 10) == 2


def test_held_layers_keep_theirs() -> None:
    network = Network()
    recalibrate(network, batches(2), 2, is_held=lambda layer: layer is network.norm)
    np.testing.assert_array_equal(network.norm._mean.numpy(), np.zeros(3))
    assert np.abs(network.second._mean.numpy()).min() > 1  # The images reach it as they are.


def test_without_data_an_error() -> None:
    with pytest.raises(DatasetError, match="gave no batch"):
        recalibrate(Network(), [], 2)
