"""ReduceOnPlateau in a training: the rate falls with the evaluations, also in a run that is resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ppocr.engine.checkpoint import resume
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from tests.engine.stubs import make_run, weights
from tools.program import train


class Rates(Hook):
    """The rates that the batches of each epoch were trained with."""

    def __init__(self) -> None:
        self.by_epoch: dict[int, set[float]] = {}

    def after_step(self, run: TrainingRun) -> None:
        assert run.last is not None
        self.by_epoch.setdefault(run.progress.epoch, set()).add(run.last.learning_rate)


def plateau_run(folder: Path, rates: Rates, epochs: int, values: Iterator[float], *options: str) -> TrainingRun:
    lr = "{name: ReduceOnPlateau, learning_rate: 0.1, factor: 0.5, patience: 1, cooldown: 1}"
    return make_run(folder, f"Global.epoch_num={epochs}", f"Optimizer.lr={lr}", *options,
                    metrics=iter([{"acc": value} for value in values]),
                    hooks=[rates, PeriodicEvaluation(), Checkpointing(folder / "output", 0)])


# By hand, patience 1 and cooldown 1. Evaluations 2 and 3 do not exceed 0.5: after the second of them the rate falls.
# 4 rests. 5 and 6 do not exceed 0.5 either: it falls again. 7 rests, 8 improves, 9 is the first without improvement.
VALUES = [0.5, 0.5, 0.4, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9]
EXPECTED = [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025]
"""Rate of each epoch, whose evaluation comes at its end."""


def test_the_rate_falls_after_the_evaluations_that_bring_nothing(tmp_path: Path) -> None:
    rates = Rates()
    train(plateau_run(tmp_path, rates, len(VALUES), iter(VALUES)))
    assert [rates.by_epoch[epoch] for epoch in range(len(VALUES))] == [{rate} for rate in EXPECTED]


@pytest.mark.parametrize("done", [2, 3, 4, 6])
def test_resumed_equals_uninterrupted(tmp_path: Path, done: int) -> None:
    whole = plateau_run(tmp_path, Rates(), len(VALUES), iter(VALUES))
    train(whole)
    rates = Rates()
    train(plateau_run(tmp_path, rates, done, iter(VALUES)))
    second = plateau_run(tmp_path, rates, len(VALUES), iter(VALUES[done:]))
    resume(second, tmp_path / "output" / "latest")
    train(second)
    assert [rates.by_epoch[epoch] for epoch in range(len(VALUES))] == [{rate} for rate in EXPECTED]
    assert weights(second) == weights(whole)
