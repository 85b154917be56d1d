"""Losses and gradients that are not finite: stopped, left out, counted, and what is told of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import paddle
import pytest
from paddle.amp.auto_cast import amp_global_state

from ppocr.engine.checkpoint import load_checkpoint_meta
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.console import ProgressLog
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.guards import finite as finite_module
from ppocr.engine.guards.finite import FiniteGuard, gradient_mark
from ppocr.engine.hooks import Hook
from ppocr.engine.precision import Precision
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError, TrainingError
from tests.engine.stubs import Batches, config_for, make_run, squared_error, weights
from tools.program import train

NAN = float("nan")


def bad_loader(batches: int, *bad: int) -> Batches:
    """Return a loader whose batches number `bad` (from 1) of the first epoch hold NaN in the second image."""
    loader = Batches(batches)
    loader.set_epoch(0)
    for number in bad:
        loader.data[loader.order[number - 1]][0][1] = NAN
    return loader


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir(exist_ok=True)
    return folder


class Steps(Hook):
    """Keeps the weights after each step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, bytes]] = []

    def after_step(self, run: TrainingRun) -> None:
        self.weights.append(weights(run))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_loss_that_is_not_finite_stops_with_the_samples(tmp_path: Path, at_once: bool) -> None:
    loader = bad_loader(5, 2)
    sample = loader.order[1]
    folder = folder_of(tmp_path)
    run = make_run(tmp_path, hooks=[FiniteGuard(folder, 4, at_once=at_once), ProgressLog(every=4, window=1)],
                   loader=loader)
    # Neither a long interval nor a short window hides the batch in which it happened.
    with pytest.raises(TrainingError, match=r"^the loss is not finite at epoch 1, batch 2 \(step 2; loss nan\); "
                                            rf"samples of that batch: sample {sample}, .* and 1 more\n") as error:
        train(run)
    assert run.progress.batch == (2 if at_once else 4)
    assert "There is no checkpoint yet" in error.value.cure
    lines = (folder / "bad_batch.txt").read_text().splitlines()
    assert lines[0] == "# the loss is not finite at epoch 1, batch 2 (step 2; loss nan)"
    assert lines[1:] == ["# rank 0, batch 2: loss nan", *[f"sample {sample}"] * 4]


def test_weights_stay_as_they_were_before_bad_gradients(tmp_path: Path) -> None:
    steps = Steps()
    run = make_run(tmp_path, hooks=[steps, FiniteGuard(folder_of(tmp_path), 4)], loader=bad_loader(5, 3))
    with pytest.raises(TrainingError, match="batch 3 "):
        train(run)
    assert len(steps.weights) == 3
    assert steps.weights[2] == steps.weights[1] != steps.weights[0]


def test_gradients_that_are_not_finite_although_the_loss_is(tmp_path: Path) -> None:
    """The square root has the slope infinity at 0, and 0 times infinity comes back through the network."""

    def loss(outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Any]:
        losses = squared_error(outputs, batch)
        if batch["info"][0] == f"sample {bad}":
            losses["loss"] = losses["loss"] + (outputs["value"] * 0.0).sum().sqrt()
        return losses

    loader = bad_loader(5)
    bad = loader.order[2]
    run = make_run(tmp_path, hooks=[FiniteGuard(folder_of(tmp_path), 10, at_once=False)], loader=loader)
    run.loss = loss
    with pytest.raises(TrainingError, match=r"^the gradients are not finite at epoch 1, batch 3 \(step 3; loss \d"):
        train(run)


def test_no_checkpoint_is_made_of_weights_after_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    hooks: list[Hook] = [FiniteGuard(folder, 100, at_once=False), ProgressLog(every=100, window=20),
                         PeriodicEvaluation(steps=2), Checkpointing(folder, 0)]
    with pytest.raises(TrainingError, match="batch 3"):
        train(make_run(tmp_path, hooks=hooks, loader=bad_loader(6, 3)))
    kept = load_checkpoint_meta(folder / "latest")
    assert kept is not None
    assert kept["progress"]["step"] == 2


@pytest.mark.parametrize("at_once", [True, False])
def test_updates_are_left_out_as_often_as_is_tolerated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, at_once: bool
) -> None:
    steps, folder = Steps(), folder_of(tmp_path)
    guard = FiniteGuard(folder, 2, tolerated=2, at_once=at_once)
    run = make_run(tmp_path, "Global.epoch_num=1", hooks=[guard, steps], loader=bad_loader(6, 2, 5))
    train(run)
    same = [steps.weights[number] == steps.weights[number - 1] for number in range(1, 6)]
    assert same == [True, False, False, True, False]
    assert guard.skipped == 2
    assert run.figures == {"skipped_steps": 2.0}
    assert run.progress.step == run.schedule.steps_done == 6
    assert "Update left out (1 of 2 that Global.skip_nonfinite allows): the loss is not finite at epoch 1, batch 2 " \
        in caplog.text
    assert (folder / "bad_batch.txt").read_text().count("# rank 0") == 2

    resumed = FiniteGuard(folder, 2, tolerated=2, at_once=at_once)
    resumed.load_state_dict(guard.state_dict())
    with pytest.raises(TrainingError, match="batch 1 "):
        train(make_run(tmp_path, hooks=[resumed], loader=bad_loader(6, 1)))


def test_statistics_of_batch_norms_survive_a_batch_that_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[list[float]] = []

    class Look(Hook):
        def after_step(self, run: TrainingRun) -> None:
            seen.append(run.network.first.norm._mean.numpy().tolist())

    run = make_run(tmp_path, "Global.epoch_num=1", loader=bad_loader(5, 4),
                   hooks=[FiniteGuard(folder_of(tmp_path), 2, tolerated=1), Look()])
    norm = paddle.nn.BatchNorm1D(3, weight_attr=False, bias_attr=False)
    run.network.first = paddle.nn.Sequential(("norm", norm), ("linear", run.network.first))
    train(run)
    assert seen[3] == seen[1] != seen[2]  # Kept with the line after batch 2.
    assert np.isfinite(seen[4]).all()
    assert "2 running statistics of batch norms were not finite after that and are as they were before: " \
        "first.norm._mean, first.norm._variance" in caplog.text


def test_with_accumulation_the_batch_at_fault_is_named_and_the_whole_update_left_out(tmp_path: Path) -> None:
    options = ["Global.epoch_num=1", "Global.accumulation_steps=3"]
    with pytest.raises(TrainingError, match=r"epoch 1, batch 5 \(step 2; loss nan\)"):
        train(make_run(tmp_path, *options, hooks=[FiniteGuard(folder_of(tmp_path), 1)], loader=bad_loader(6, 5)))
    guard = FiniteGuard(folder_of(tmp_path), 1, tolerated=1)
    run = make_run(tmp_path, *options, hooks=[guard], loader=bad_loader(6, 1))
    train(run)
    assert guard.skipped == 1
    assert all(paddle.isfinite(parameter).all() for parameter in run.network.parameters())


def test_an_update_that_ends_with_an_empty_batch_is_judged(tmp_path: Path) -> None:
    class Empty(Batches):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            for number, batch in enumerate(super().__iter__()):
                yield {"info": [], "failed": ["f"]} if number == 1 else batch

    loader = Empty(4)
    loader.set_epoch(0)
    loader.data[loader.order[0]][0][:] = NAN
    run = make_run(tmp_path, "Global.accumulation_steps=2", hooks=[FiniteGuard(folder_of(tmp_path), 1)], loader=loader)
    with pytest.raises(TrainingError, match=r"epoch 1, batch 1 \(step 1; loss nan\)"):
        train(run)


@pytest.fixture
def float16() -> Iterator[Any]:
    """A live scaler on CPU (see test_precision), and the type that it takes the losses for."""
    gpu = SimpleNamespace(_expected_place=SimpleNamespace(
        is_gpu_place=lambda: True, is_xpu_place=lambda: False, is_custom_place=lambda: False))
    state = amp_global_state()
    before, state.amp_dtype = state.amp_dtype, "float16"

    def precision(folder: Path) -> Precision:
        options = config_for(folder, "Global.use_amp=true", "Global.scale_loss=1024")["Global"]
        with mock.patch.object(paddle.amp.grad_scaler, "_dygraph_tracer", return_value=gpu):
            made = Precision(options, "gpu")
        made.enabled = False  # No autocast; the scaler alone.
        return made

    yield precision
    state.amp_dtype = before


def test_steps_that_the_loss_scaling_leaves_out_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, float16: Any
) -> None:
    guard, steps = FiniteGuard(folder_of(tmp_path), 3, at_once=False), Steps()
    run = make_run(tmp_path, "Global.epoch_num=1", hooks=[guard, steps, ProgressLog(3, 20)], loader=bad_loader(6, 2, 3))
    run.precision = float16(tmp_path)
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(run)
    assert [steps.weights[number] == steps.weights[number - 1] for number in range(1, 6)] == \
        [True, True, False, False, False]
    assert (guard.overflows, guard.skipped) == (2, 0)
    assert "gradients overflowed in 2 of 3 steps, which were left out (2 since the start)" in caplog.text
    assert "skipped_steps: 2" in caplog.text
    assert float(run.precision.state_dict()["scale"]) == 256


def test_an_overflow_that_does_not_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, float16: Any
) -> None:
    monkeypatch.setattr(finite_module, "MOST_IN_A_ROW", 4)
    run = make_run(tmp_path, hooks=[FiniteGuard(folder_of(tmp_path), 2, at_once=False)],
                   loader=bad_loader(8, 2, 4, 5, 6, 7))
    run.precision = float16(tmp_path)
    with pytest.raises(TrainingError, match=r"batch 7 \(step 7; loss nan\), the 4th step in a row, whatever the loss"):
        train(run)


def test_the_mark_of_the_gradients() -> None:
    layer = paddle.nn.Linear(2, 2)
    assert float(gradient_mark(layer.parameters())) == 0  # There are none yet.
    layer(paddle.ones([1, 2])).sum().backward()
    assert float(gradient_mark(layer.parameters())) == 0
    for bad in (NAN, float("inf"), float("-inf")):
        layer.weight.grad = paddle.to_tensor([[1.0, bad], [0.0, 0.0]])
        assert float(gradient_mark(layer.parameters())) != 0
    layer.weight.grad = paddle.to_tensor([[float("-inf"), float("inf")], [0.0, 0.0]])
    assert float(gradient_mark(layer.parameters())) != 0


def test_a_negative_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="skip_nonfinite"):
        FiniteGuard.from_options(config_for(tmp_path, "Global.skip_nonfinite=-1")["Global"])


def test_several_ranks_decide_together_and_name_the_one_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here is rank 0, whose loss is finite; the gradients are not, as rank 1 has sent bad ones."""
    other = {"rank": 1, "finite": False, "batches": [[2, "loss nan", ["x.jpg", "y.jpg"]]]}
    monkeypatch.setattr(finite_module, "exchange", lambda value, world_size: [value, other])
    run = make_run(tmp_path, loader=bad_loader(5))
    guard = FiniteGuard(folder_of(tmp_path), 4)
    run.world_size = 2

    class Exchange(Hook):
        def before_update(self, run: TrainingRun) -> None:
            if run.progress.step == 1:
                parameter = run.network.parameters()[0]
                parameter.grad = paddle.full_like(parameter, NAN)

    run.hooks.hooks = [Exchange(), guard]
    monkeypatch.setattr("tools.program.gradient_exchange", lambda run, update: nullcontext())
    monkeypatch.setattr("tools.program.agree_on_stop", lambda run: False)
    with pytest.raises(TrainingError, match=r"the loss is not finite at epoch 1, batch 2 \(step 2; loss nan\) of rank "
                                            r"1; samples of that batch: x.jpg, y.jpg"):
        train(run)
    assert "# rank 1, batch 2: loss nan\nx.jpg\ny.jpg\n" in (tmp_path / "output" / "bad_batch.txt").read_text()


