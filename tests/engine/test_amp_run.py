"""A whole training with the loss scaling of float16, whose scaler takes the CPU for a GPU.

The arithmetic stays float32: the CPU has no half-precision kernels. Scaling by powers of two changes no bit of a
gradient, so that the run must equal one without scaling that leaves out the same steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import paddle
import pytest
from paddle.amp.auto_cast import amp_global_state

from ppocr.engine.checkpoint import resume, save_checkpoint
from ppocr.engine.guards.finite import FiniteGuard
from ppocr.engine.hooks import Hook
from ppocr.engine.precision import Precision
from ppocr.engine.run import TrainingRun
from tests.engine.stubs import make_run, squared_error, weights
from tools.program import train

OVERFLOWS = (2, 6)
"""Steps, from 0, whose gradients are not finite."""
OPTIONS = ("Global.use_amp=true", "Global.scale_loss=1024", "Global.epoch_num=2", "Global.print_batch_step=2",
           "Optimizer.lr={name: Const, learning_rate: 0.01}")
GPU = SimpleNamespace(is_gpu_place=lambda: True, is_xpu_place=lambda: False, is_custom_place=lambda: False)


@pytest.fixture(autouse=True)
def _half_precision() -> Iterator[None]:
    state = amp_global_state()
    before, state.amp_dtype = state.amp_dtype, "float16"
    yield
    state.amp_dtype = before


class Scales(Hook):
    """Notes scale and weights after every step, and saves and stops where it is asked to."""

    def __init__(self, save_at: int = -1, prefix: Path = Path()) -> None:
        self.scales: list[float] = []
        self.states: list[dict[str, bytes]] = []
        self.save_at, self.prefix = save_at, prefix

    def after_step(self, run: TrainingRun) -> None:
        self.scales.append(run.precision.state_dict().get("scale", 0.0))
        self.states.append(weights(run))
        if run.progress.step == self.save_at:
            save_checkpoint(run, self.prefix)
            raise KeyboardInterrupt


class LeaveOut(Hook):
    """Leaves the steps out by hand."""

    def before_update(self, run: TrainingRun) -> None:
        if run.progress.step in OVERFLOWS:
            run.optimizer.clear_grad(set_to_zero=False)


def scaled_run(folder: Path, *hooks: Hook) -> TrainingRun:
    guard = FiniteGuard(folder, every=2)
    run = make_run(folder, *OPTIONS, hooks=[guard, *hooks])
    with mock.patch.object(paddle.amp.grad_scaler, "_dygraph_tracer",
                           return_value=SimpleNamespace(_expected_place=GPU)):
        run.precision = Precision(run.config["Global"], "gpu")

    def loss(outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Any]:
        value = squared_error(outputs, batch)["loss"]
        if run.progress.step in OVERFLOWS:
            value = value + (outputs["value"] * 0.0).sqrt().sum()  # 0, with a gradient of infinity times 0.
        return {"loss": value}

    run.loss = loss
    return run


def test_overflowed_steps_are_left_out_and_the_scale_falls(tmp_path: Path) -> None:
    notes = Scales()
    run = scaled_run(tmp_path, notes)
    start = weights(run)
    train(run)
    assert notes.scales == [1024.0] * 2 + [512.0] * 4 + [256.0] * 4
    states = [start, *notes.states]
    assert [states[step] == states[step + 1] for step in range(10)] == [step in OVERFLOWS for step in range(10)]
    guard = run.hooks.hooks[0]
    assert isinstance(guard, FiniteGuard)
    assert (guard.overflows, guard.skipped) == (2, 0)
    assert run.progress.step == run.schedule.steps_done == 10

    plain = make_run(tmp_path, "Global.epoch_num=2", OPTIONS[-1], hooks=[LeaveOut()])
    train(plain)
    assert weights(plain) == weights(run)


def test_a_resumed_run_goes_on_with_the_scale(tmp_path: Path) -> None:
    whole = scaled_run(tmp_path, Scales())
    train(whole)
    first = scaled_run(tmp_path, Scales(save_at=4, prefix=tmp_path / "half"))
    with pytest.raises(KeyboardInterrupt):
        train(first)
    saved = json.loads((tmp_path / "half.state").read_text())["scaler"]
    assert (saved["scale"], saved["incr_count"]) == (512.0, 1)  # One good step since the overflow.
    second = scaled_run(tmp_path)
    assert second.precision.state_dict()["scale"] == 1024.0
    resume(second, tmp_path / "half")
    assert second.precision.state_dict() == saved
    train(second)
    assert second.precision.state_dict() == whole.precision.state_dict()
    assert weights(second) == weights(whole)
    guard = second.hooks.hooks[0]
    assert isinstance(guard, FiniteGuard)
    assert guard.overflows == 2
