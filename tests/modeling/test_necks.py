from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.necks.sequence_encoder import ENCODERS
from ppocr.registry import NECKS

CASES: list[tuple[dict[str, Any], int]] = [
    ({"encoder_type": "reshape"}, 32),
    ({"encoder_type": "fc", "hidden_size": 20}, 20),
    ({"encoder_type": "rnn", "hidden_size": 12}, 24),
    ({"encoder_type": "cascadernn", "hidden_size": 12}, 24),
    ({"encoder_type": "cascadernn", "hidden_size": 12, "out_channels": [10, 14], "with_linear": True}, 14),
    ({"encoder_type": "svtr", "dims": 16, "hidden_dims": 24}, 16),
    ({"encoder_type": "svtr", "dims": 16, "hidden_dims": 24, "kernel_size": [1, 3], "depth": 1}, 16),
    ({"encoder_type": "lightsvtr", "dims": 16, "depth": 2, "mlp_ratio": 2, "local_kernel": 5}, 16),
]


def build(options: dict[str, Any]) -> Any:
    paddle.seed(0)
    return NECKS.build({"name": "SequenceEncoder", **options}, task="rec", in_channels=32)


def test_every_encoder_is_covered() -> None:
    assert {options["encoder_type"] for options, _ in CASES} == set(ENCODERS)


@pytest.mark.parametrize(("options", "channels"), CASES)
def test_shape_and_gradient(options: dict[str, Any], channels: int) -> None:
    neck = build(options)
    for width in (1, 9):
        assert list(neck(paddle.rand([2, 32, 1, width])).shape) == [2, width, channels]
    assert neck.out_channels == channels
    neck(paddle.rand([4, 32, 1, 9])).square().mean().backward()
    silent = [name for name, value in neck.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []


def test_reshape_keeps_order() -> None:
    features = paddle.arange(6, dtype="float32").reshape([1, 2, 1, 3])
    neck = NECKS.build({"name": "SequenceEncoder", "encoder_type": "reshape"}, task="rec", in_channels=2)
    np.testing.assert_array_equal(neck(features).numpy()[0], [[0, 3], [1, 4], [2, 5]])


@pytest.mark.parametrize("encoder_type", ["svtr", "lightsvtr"])
def test_guided_encoders_send_no_gradient_back(encoder_type: str) -> None:
    for guided in (True, False):
        features = paddle.rand([2, 32, 1, 5])
        features.stop_gradient = False
        build({"encoder_type": encoder_type, "dims": 16, "use_guide": guided})(features).sum().backward()
        assert (features.grad is None) == guided


@pytest.mark.parametrize(("options", "words"), [
    ({"encoder_type": "rrn"}, "'reshape' or 'fc'"),
    ({"encoder_type": "rnn", "hidden_dims": 3}, "no argument 'hidden_dims'"),
    ({"encoder_type": "reshape", "hidden_size": 48}, "no argument 'hidden_size'"),
    ({"encoder_type": "cascadernn", "with_linear": True}, "two layers"),
    ({"encoder_type": "svtr", "hidden_dims": 50}, "do not divide"),
    ({"encoder_type": "svtr", "kernel_size": [3]}, "kernel_size is .3.\n  expected: .height, width."),
    ({"encoder_type": "rnn", "hidden_siz": 3}, "did you mean 'hidden_size'"),
    ({}, "encoder_type"),
])
def test_bad_sections(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(options)


def test_maps_of_more_than_one_row_are_refused() -> None:
    with pytest.raises(ConfigError, match="height 1"):
        build({"encoder_type": "reshape"})(paddle.zeros([1, 32, 2, 5]))
