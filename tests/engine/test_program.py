"""The training loop: accumulation, counting, empty batches, and exact continuation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine.checkpoint import resume
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError
from tests.engine.stubs import Batches, SaveAndInterrupt, make_run, weights
from tools.program import accumulation_group, prepare, train, train_epoch, train_step


@pytest.mark.parametrize(
    ("batches", "steps", "expected"),
    [
        (4, 1, [(1, True)] * 4),
        (4, 2, [(2, False), (2, True), (2, False), (2, True)]),
        (5, 3, [(3, False), (3, False), (3, True), (2, False), (2, True)]),
        (2, 4, [(2, False), (2, True)]),
    ],
)
def test_accumulation_groups(batches: int, steps: int, expected: list[tuple[int, bool]]) -> None:
    assert [accumulation_group(batch, batches, steps) for batch in range(batches)] == expected


def test_accumulated_gradients_equal_those_of_the_big_batch(tmp_path: Path) -> None:
    run = make_run(tmp_path, "Optimizer.clip_norm_global=null")
    run.network.eval()  # No dropout, so that the two ways see the same function.
    parts = Batches(3).data
    for number, (images, targets) in enumerate(parts):
        batch = {"image": paddle.to_tensor(images), "target": paddle.to_tensor(targets), "info": ["x"] * len(images)}
        losses, _ = train_step(run, batch, group=3, update=False)
        assert float(losses["loss"]) > 0, number
    accumulated = [p.grad.numpy() for p in run.network.parameters()]
    run.optimizer.clear_grad(set_to_zero=False)
    whole = {"image": paddle.to_tensor(np.concatenate([i for i, _ in parts])),
             "target": paddle.to_tensor(np.concatenate([t for _, t in parts])), "info": ["x"] * 12}
    train_step(run, whole, group=1, update=False)
    for got, parameter in zip(accumulated, run.network.parameters(), strict=True):
        np.testing.assert_allclose(got, parameter.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_the_schedule_counts_optimizer_steps(tmp_path: Path) -> None:
    run = make_run(tmp_path, "Global.accumulation_steps=2", "Global.epoch_num=3", batches=5)
    train(run)
    assert run.progress.step == 9  # Three steps an epoch: 2 + 2 + 1 batches.
    assert run.schedule.steps_done == 9
    assert (run.progress.epoch, run.progress.batch) == (3, 0)


def test_a_batch_without_usable_samples_changes_nothing(tmp_path: Path) -> None:
    class Empty(Batches):
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                yield {"info": [], "failed": ["f"]} if batch["info"][0] == "sample 1" else batch

    seen: list[int] = []

    class Count(Hook):
        def after_step(self, run: TrainingRun) -> None:
            seen.append(run.last.samples if run.last else -1)

    run = make_run(tmp_path, "Global.accumulation_steps=5", "Optimizer.lr={learning_rate: 0.1}", hooks=[Count()],
                   loader=Empty(5))
    before = weights(run)
    train_epoch(run)
    assert seen == [4, 4, 4, 4]
    assert run.progress.step == 1
    assert weights(run) != before


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "Momentum", "RMSProp", "Adadelta", "Lamb"])
def test_resumed_in_the_middle_of_an_epoch_equals_uninterrupted(tmp_path: Path, optimizer: str) -> None:
    options = ["Global.epoch_num=4", f"Optimizer.name={optimizer}"]
    whole = make_run(tmp_path, *options)
    train(whole)
    first = make_run(tmp_path, *options, hooks=[SaveAndInterrupt(7, tmp_path / "half")])
    with pytest.raises(KeyboardInterrupt):
        train(first)
    paddle.seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global generator is what must be restored
    paddle.nn.Linear(2, 2)  # Shifts the global parameter names of what is built next.
    second = make_run(tmp_path, *options)
    resume(second, tmp_path / "half")
    assert (second.progress.epoch, second.progress.batch, second.progress.step) == (1, 2, 7)
    train(second)
    assert weights(second) == weights(whole)


def test_the_exception_reaches_hooks_and_caller(tmp_path: Path) -> None:
    told: list[BaseException] = []

    class Boom(Hook):
        def after_step(self, run: TrainingRun) -> None:
            raise RuntimeError("boom")

        def on_exception(self, run: TrainingRun, error: BaseException) -> None:
            told.append(error)

    with pytest.raises(RuntimeError, match="boom"):
        train(make_run(tmp_path, hooks=[Boom()]))
    assert str(told[0]) == "boom"


@pytest.mark.parametrize(
    ("option", "what"),
    [("Global.seed=-1", r"Global.seed .* is -1"), ("Global.seed=4294967296", "Global.seed"),
     ("Global.save_model_dir={folder}/stub.yml/run", "cannot be written to: Not a directory")],
)
def test_what_no_run_can_use_is_told_at_once(tmp_path: Path, option: str, what: str) -> None:
    file = tmp_path / "stub.yml"
    file.write_text("Architecture: {model_type: rec}\n")
    options = [f"Global.save_model_dir={tmp_path / 'output'}", option.format(folder=tmp_path)]
    with pytest.raises(ConfigError, match=what):
        prepare(str(file), options, name="train")
