"""Enlargement, and the convolutions that train faster on CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from ppocr.modeling.common.cpu_training import DoublingConv2D, NarrowingConv2D
from ppocr.modeling.common.upsample import upsample


@pytest.mark.parametrize(("channels", "factor"), [(1, 2), (3, 2), (6, 4), (24, 8), (5, 1)])
def test_upsample_repeats_pixels(channels: int, factor: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, channels, 3, 5)).astype(np.float32)
    found = upsample(paddle.to_tensor(x), factor).numpy()
    np.testing.assert_array_equal(found, x.repeat(factor, 2).repeat(factor, 3))


def test_gradient_of_upsample_sums_each_block() -> None:
    x = paddle.zeros([1, 2, 2, 3])
    x.stop_gradient = False
    weights = np.random.default_rng(0).normal(size=(1, 2, 4, 6)).astype(np.float32)
    (upsample(x, 2) * paddle.to_tensor(weights)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), weights.reshape(1, 2, 2, 2, 3, 2).sum((3, 5)), atol=1e-5)


def test_upsample_keeps_the_type() -> None:
    y = upsample(paddle.full([1, 3, 2, 2], 0.5, dtype="float64"), 2)  # Paddle has no kernel of 16 bits on CPU.
    assert y.dtype == paddle.float64
    np.testing.assert_array_equal(y.numpy(), np.full((1, 3, 4, 4), 0.5))


def narrowing(size: int) -> paddle.nn.Layer:
    return NarrowingConv2D(8, 3, size, padding=size // 2, bias_attr=False)


CASES: list[tuple[Callable[[], Any], str]] = [
    (lambda: narrowing(3), "conv2d_transpose"), (lambda: narrowing(9), "conv2d_transpose"),
    (lambda: NarrowingConv2D(8, 3, (1, 5), padding=(0, 2)), "conv2d_transpose"),
    (lambda: DoublingConv2D(8, 3, 2, stride=2), "concat"),
]


@pytest.mark.parametrize(("make", "used"), CASES)
def test_training_on_cpu_gives_the_same_results(make: Callable[[], Any], used: str) -> None:
    paddle.seed(0)
    layer = make()
    if layer.bias is not None:
        layer.bias.set_value(paddle.randn(layer.bias.shape))
    x = paddle.randn([2, 8, 6, 7])
    results = []
    for training in (True, False):
        layer.train() if training else layer.eval()
        given = x.clone().detach()
        given.stop_gradient = False
        y = layer(given)
        (y * paddle.arange(y.size, dtype="float32").reshape(y.shape)).sum().backward()
        results.append([y, given.grad, *(value.grad for value in layer.parameters())])
        layer.clear_gradients()
    for fast, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fast.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5 * np.abs(plain.numpy()).max())


@pytest.mark.parametrize(("make", "used"), CASES)
def test_only_training_takes_the_other_form(make: Callable[[], Any], used: str, monkeypatch: pytest.MonkeyPatch
                                            ) -> None:
    layer = make()
    owner: Any = F if used == "conv2d_transpose" else paddle
    calls: list[Any] = []
    original = getattr(owner, used)
    monkeypatch.setattr(owner, used, lambda *args, **kwargs: calls.append(args) or original(*args, **kwargs))
    layer.eval()
    layer(paddle.zeros([1, 8, 4, 4]))
    assert not calls
    layer.train()
    layer(paddle.zeros([1, 8, 4, 4]))
    assert calls


@pytest.mark.parametrize(("out", "kernel", "side"), [(1, 2, 8), (3, 4, 10)])
def test_other_enlarging_kernels(out: int, kernel: int, side: int) -> None:
    layer = DoublingConv2D(8, out, kernel, stride=2)
    x = paddle.randn([1, 8, 4, 4])
    trained = layer(x).numpy()
    layer.eval()
    assert trained.shape == (1, out, side, side)
    np.testing.assert_allclose(trained, layer(x).numpy(), atol=1e-5)
