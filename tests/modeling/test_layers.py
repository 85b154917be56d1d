from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.common.convolution import DepthwiseConv2D, banded_depthwise, fast_rounding, shared_depthwise
from ppocr.modeling.common.layers import ConvBN, DropPath, SqueezeExcite, activation, make_divisible, uniform_attr
from ppocr.modeling.common.mixing import Attention, Block


@pytest.mark.parametrize(("value", "expected"), [
    (8, 8), (5.6, 8), (12, 16), (20, 24), (36, 40), (336, 336), (201.6, 200),
])
def test_make_divisible(value: float, expected: int) -> None:
    assert make_divisible(value) == expected


def test_make_divisible_never_loses_a_tenth() -> None:
    # 11 would round to 8, which is below 0.9 * 11.
    assert make_divisible(11) == 16


@pytest.mark.parametrize("slope", [0.2, 1 / 6])
def test_squeeze_excite_matches_numpy(slope: float) -> None:
    paddle.seed(3)
    layer = SqueezeExcite(8, slope=slope)
    x = np.random.default_rng(0).normal(size=(2, 8, 3, 5)).astype(np.float32)
    w1, b1, w2, b2 = (value.numpy() for value in layer.parameters())
    hidden = np.maximum(x.mean((2, 3)) @ w1[:, :, 0, 0].T + b1, 0)
    gates = np.clip(slope * (hidden @ w2[:, :, 0, 0].T + b2) + 0.5, 0, 1)
    np.testing.assert_allclose(layer(paddle.to_tensor(x)).numpy(), x * gates[:, :, None, None], atol=1e-6)


@pytest.mark.parametrize(("height", "kernel", "stride"), [
    (16, 3, (1, 1)), (8, 5, (2, 1)), (4, 5, (2, 1)), (4, 5, (1, 1)), (2, 5, (1, 1)), (2, 5, (2, 1)), (1, 5, (1, 1)),
    (3, 5, (2, 2)),
])
@pytest.mark.parametrize("form", [shared_depthwise, banded_depthwise])
def test_forms_of_the_depthwise_convolution(form: Any, height: int, kernel: int, stride: tuple[int, int]) -> None:
    rng = np.random.default_rng(height * kernel)
    x, weight, bias = rng.normal(size=(2, 8, height, 7)), rng.normal(size=(8, 1, kernel, kernel)), rng.normal(size=8)
    results = []
    for function in (
        lambda x, w, b: form(x, w, stride, (kernel // 2, kernel // 2), b),
        lambda x, w, b: F.conv2d(x, w, b, stride=stride, padding=kernel // 2, groups=8),
    ):
        tensors = [paddle.to_tensor(value.astype(np.float32), stop_gradient=False) for value in (x, weight, bias)]
        y = function(*tensors)
        (y * paddle.arange(y.size, dtype="float32").reshape(y.shape)).sum().backward()
        results.append([y.numpy(), *(tensor.grad.numpy() for tensor in tensors)])
    for other, plain in zip(*results, strict=True):
        np.testing.assert_allclose(other, plain, rtol=1e-4, atol=1e-4 * np.abs(plain).max())


@pytest.mark.parametrize(("form", "kernel"), [(shared_depthwise, 3), (banded_depthwise, 5)])
def test_only_training_takes_another_form(monkeypatch: pytest.MonkeyPatch, form: Any, kernel: int) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(f"ppocr.modeling.common.convolution.{form.__name__}",
                        lambda *args: calls.append(args) or form(*args))
    layer = ConvBN(8, 8, kernel, groups=8)
    assert isinstance(layer.conv, DepthwiseConv2D)
    layer.eval()
    layer(paddle.zeros([1, 8, 4, 4]))
    assert not calls
    with fast_rounding():
        layer(paddle.zeros([1, 8, 4, 4]))
    assert len(calls) == 1
    calls.clear()
    layer.train()
    layer(paddle.zeros([1, 8, 4, 4]))
    assert len(calls) == 1


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    paddle.seed(5)
    layer = DropPath(0.25)
    x = paddle.ones([4000, 2, 3])
    y = layer(x).numpy()
    assert set(np.unique(y.round(5))) == {0.0, np.float32(1 / 0.75).round(5)}
    assert (y == y[:, :1, :1]).all()
    assert abs(y.mean() - 1) < 0.03
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), x.numpy())


def test_attention_matches_numpy() -> None:
    paddle.seed(2)
    mask = np.array([[0, -np.inf, 0], [0, 0, 0], [0, 0, 0]], np.float32)
    layer = Attention(8, 2, mask=mask)
    layer.eval()
    x = np.random.default_rng(1).normal(size=(1, 3, 8)).astype(np.float32)
    q, k, v = np.split(x[0] @ layer.qkv.weight.numpy() + layer.qkv.bias.numpy(), 3, axis=1)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = np.exp(q[:, head] @ k[:, head].T / 2 + mask)
        heads.append(weights / weights.sum(1, keepdims=True) @ v[:, head])
    expected = np.concatenate(heads, 1) @ layer.proj.weight.numpy() + layer.proj.bias.numpy()
    np.testing.assert_allclose(layer(paddle.to_tensor(x)).numpy()[0], expected, atol=1e-6)


def test_norm_after_normalises_the_sum() -> None:
    paddle.seed(2)
    x = paddle.randn([2, 5, 8])
    after, before = Block(8, 2, norm_after=True), Block(8, 2)
    after.eval()
    before.eval()
    np.testing.assert_allclose(after(x).numpy().mean(-1), 0, atol=1e-5)
    assert np.abs(before(x).numpy().mean(-1)).max() > 0.05


def test_uniform_start_stays_in_its_bound() -> None:
    layer = paddle.nn.Linear(16, 500, weight_attr=uniform_attr(16, 0.5))
    weight = layer.weight.numpy()
    assert np.abs(weight).max() <= 0.25
    assert weight.std() == pytest.approx(0.25 / 3**0.5, rel=0.03)
    assert layer.weight.regularizer is not None


def test_unknown_activation() -> None:
    assert activation("nn.GELU") is activation("gelu")
    with pytest.raises(ConfigError, match="did you mean 'hardswish'"):
        activation("hardswich")
