"""Mixed precision: what the CPU does with it, and the scaler's arithmetic."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import paddle
import pytest
from paddle.amp.auto_cast import amp_global_state

from ppocr.engine.device import select_device
from ppocr.engine.precision import Precision
from ppocr.errors import DependencyError
from tests.engine.stubs import config_for


def test_on_cpu_a_warning_and_float32(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    precision = Precision(config_for(tmp_path, "Global.use_amp=true")["Global"], "cpu")
    assert not precision.enabled
    assert precision.state_dict() == {}
    assert "mixed precision needs a GPU" in caplog.text
    with precision.autocast():
        assert paddle.matmul(paddle.ones([2, 2]), paddle.ones([2, 2])).dtype == paddle.float32


def test_a_gpu_that_is_asked_for_and_not_there_is_an_error() -> None:
    if paddle.is_compiled_with_cuda():
        pytest.skip("this is the GPU build of Paddle")
    with pytest.raises(DependencyError) as caught:
        select_device(True)
    assert "paddlepaddle-gpu" in caught.value.what
    assert "-o Global.use_gpu=false" in caught.value.cure
    assert select_device(None) == select_device(False) == "cpu"


@pytest.fixture
def float16_scaler(tmp_path: Path) -> Precision:
    """A precision with a live scaler: on CPU Paddle switches it off unless it takes the place for a GPU."""
    gpu = SimpleNamespace(_expected_place=SimpleNamespace(
        is_gpu_place=lambda: True, is_xpu_place=lambda: False, is_custom_place=lambda: False))
    options = config_for(tmp_path, "Global.use_amp=true", "Global.scale_loss=1024")["Global"]
    with mock.patch.object(paddle.amp.grad_scaler, "_dygraph_tracer", return_value=gpu):
        return Precision(options, "gpu")


def test_overflow_skips_the_step_and_halves_the_scale(float16_scaler: Precision) -> None:
    state = amp_global_state()
    before, state.amp_dtype = state.amp_dtype, "float16"
    try:
        weight = paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(1.0))
        optimizer = paddle.optimizer.SGD(0.5, parameters=[weight])
        float16_scaler.backward(weight.sum() * 2)
        float16_scaler.step(optimizer)
        optimizer.clear_grad()
        np.testing.assert_allclose(weight.numpy(), [0.0])  # 1 - 0.5 * 2: the scale is taken out again.
        scales = [float16_scaler.state_dict()["scale"]]
        for _ in range(2):
            float16_scaler.backward(weight.sum() * float("inf"))
            float16_scaler.step(optimizer)
            optimizer.clear_grad()
            scales.append(float16_scaler.state_dict()["scale"])
        np.testing.assert_allclose(weight.numpy(), [0.0])
        assert scales == [1024.0, 512.0, 256.0]
        saved = float16_scaler.state_dict()
        float16_scaler.load_state_dict({**saved, "scale": 64.0})
        assert float16_scaler.state_dict()["scale"] == 64.0
    finally:
        state.amp_dtype = before


def test_bfloat16_needs_no_scaler(tmp_path: Path) -> None:
    options = config_for(tmp_path, "Global.use_amp=true", "Global.amp_dtype=bfloat16")["Global"]
    assert Precision(options, "gpu").scaler is None
