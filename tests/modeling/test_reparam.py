"""Merging branches into one convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from ppocr.modeling.common.reparam import (
    fold_norm,
    grow,
    identity_kernel,
    merged_convolution,
    reparameterize,
    scale_by_norm,
    total,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    paddle.seed(0)


def random_norm(channels: int) -> nn.BatchNorm2D:
    norm = nn.BatchNorm2D(channels)
    for tensor in (norm.weight, norm.bias, norm._mean, norm._variance):
        tensor.set_value(paddle.rand([channels]) + 0.5)
    norm.eval()
    return norm


@pytest.mark.parametrize("bias", [False, None])
def test_a_batch_norm_is_folded_into_the_convolution(bias: Any) -> None:
    conv, norm, x = nn.Conv2D(4, 6, 3, padding=1, bias_attr=bias), random_norm(6), paddle.rand([2, 4, 8, 9])
    merged = merged_convolution(fold_norm(conv, norm), padding=1)
    np.testing.assert_allclose(merged(x).numpy(), norm(conv(x)).numpy(), atol=1e-5)


def test_the_identity_kernel_changes_nothing() -> None:
    x = paddle.rand([2, 6, 5, 7])
    for groups in (1, 2, 6):
        weight, bias = identity_kernel(6, groups, 3)
        np.testing.assert_array_equal(F.conv2d(x, weight, bias, padding=1, groups=groups).numpy(), x.numpy())
    norm = random_norm(6)
    weight, bias = scale_by_norm(identity_kernel(6, 6, 1), norm)
    np.testing.assert_allclose(F.conv2d(x, weight, bias, groups=6).numpy(), norm(x).numpy(), atol=1e-6)


@pytest.mark.parametrize(("taps", "dilation", "size"), [(1, 1, 3), (3, 1, 3), (3, 2, 7), (3, 3, 7), (5, 2, 9)])
def test_a_dilated_kernel_grows(taps: int, dilation: int, size: int) -> None:
    x, weight = paddle.rand([1, 4, 11, 12]), paddle.rand([4, 1, taps, taps])
    before = F.conv2d(x, weight, padding=dilation * (taps - 1) // 2, dilation=dilation, groups=4)
    after = F.conv2d(x, grow(weight, size, dilation), padding=size // 2, groups=4)
    np.testing.assert_allclose(after.numpy(), before.numpy(), atol=1e-5)


def test_a_sum_of_convolutions() -> None:
    x = paddle.rand([1, 3, 6, 6])
    one, other = nn.Conv2D(3, 5, 3, padding=1), nn.Conv2D(3, 5, 1)
    weight, bias = total([(one.weight, one.bias), (grow(other.weight, 3), other.bias)])
    np.testing.assert_allclose(F.conv2d(x, weight, bias, padding=1).numpy(), (one(x) + other(x)).numpy(), atol=1e-5)


class Mergeable(nn.Layer):
    """Doubles; counts how often it was merged."""

    def __init__(self) -> None:
        super().__init__()
        self.merged, self.is_repped = 0, False

    def rep(self) -> None:
        self.merged, self.is_repped = self.merged + 1, True


def test_one_call_merges_a_copy_or_the_model_itself_once() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Mergeable())
    copied = reparameterize(model)
    assert (model[1].merged, copied[1].merged, copied.training) == (0, 1, False)
    assert reparameterize(model, inplace=True) is model
    assert reparameterize(reparameterize(model))[1].merged == 1


def test_a_model_without_branches_is_returned_as_it_is() -> None:
    model = nn.Linear(2, 2)
    assert reparameterize(model) is model
    assert model.training is False
