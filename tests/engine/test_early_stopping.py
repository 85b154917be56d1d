"""When a training that does not improve ends, also after a resume, and what the network then holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ppocr.engine.checkpoint import load_checkpoint_meta, resume
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.early_stopping import BestWeights, EarlyStopping
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.run import TrainingRun
from ppocr.engine.weight_average import WeightAverage
from ppocr.errors import ConfigError
from ppocr.weights import read_weights
from tests.engine.stubs import config_for, make_run, weights
from tools.program import train


def scores(*values: float) -> Iterator[dict[str, float]]:
    return iter([{"acc": value} for value in values])


def stopping_run(folder: Path, stopping: EarlyStopping, metrics: Iterator[dict[str, float]], epochs: int = 10,
                 *options: str) -> TrainingRun:
    output = folder / "output"
    return make_run(folder, f"Global.epoch_num={epochs}", *options, metrics=metrics,
                    hooks=[PeriodicEvaluation(), stopping, Checkpointing(output, 0), BestWeights(output)])


@pytest.mark.parametrize(
    ("patience", "min_delta", "values", "epochs"),
    [
        (1, 0.0, [0.1, 0.2, 0.2], 3),
        (2, 0.0, [0.1, 0.3, 0.2, 0.3, 0.9], 4),
        (2, 0.0, [0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.1], 7),
        (2, 0.05, [0.50, 0.54, 0.56, 0.58, 0.60, 0.61], 5),  # 0.56 is 0.06 above 0.50; 0.58, 0.60 not above 0.61.
        (2, 0.0, [float("nan"), float("nan")], 2),
        (2, 0.0, [-3.0, -2.0, -2.5, -2.1], 4),
    ],
)
def test_the_run_ends_after_so_many_evaluations_without_improvement(
    tmp_path: Path, patience: int, min_delta: float, values: list[float], epochs: int
) -> None:
    run = stopping_run(tmp_path, EarlyStopping(patience, min_delta), scores(*values))
    train(run)
    assert run.progress.epoch == epochs
    assert run.stop is not None
    assert run.stop.reason.startswith("early stopping: acc has not improved for ")
    assert (run.stop.exit_code, run.stop.interrupted) == (0, False)


def test_a_run_that_improves_reaches_its_end(tmp_path: Path) -> None:
    run = stopping_run(tmp_path, EarlyStopping(1), scores(0.1, 0.2, 0.3), 3)
    train(run)
    assert (run.progress.epoch, run.stop) == (3, None)


def test_the_last_evaluation_of_a_training_stops_nothing(tmp_path: Path) -> None:
    run = stopping_run(tmp_path, EarlyStopping(1), scores(0.1, 0.2, 0.2), 3)
    train(run)
    assert (run.progress.epoch, run.stop) == (3, None)


def test_the_best_weights_are_in_the_network_and_the_last_ones_in_latest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "output"
    run = stopping_run(tmp_path, EarlyStopping(2), scores(0.1, 0.4, 0.2, 0.3))
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(run)
    best, latest = ({name: array.tobytes() for name, array in read_weights(folder / name).items()}
                    for name in ("best_accuracy", "latest"))
    assert weights(run) == best != latest
    meta = load_checkpoint_meta(folder / "latest")
    assert meta is not None
    assert meta["progress"]["epoch"] == 4
    assert meta["hooks"]["early_stopping"] == {"best": 0.4, "waited": 2}
    assert f"The result is {folder / 'best_accuracy'}: acc 0.4000 (epoch 2, step 10)." in caplog.text
    assert "Training stopped (early stopping: acc has not improved for 2 evaluations)" in caplog.text


def test_the_count_goes_on_after_a_resume(tmp_path: Path) -> None:
    train(stopping_run(tmp_path, EarlyStopping(3), scores(0.5, 0.4), 2))
    run = stopping_run(tmp_path, EarlyStopping(3), scores(0.4, 0.4, 0.9))
    resume(run, tmp_path / "output" / "latest")
    train(run)
    assert run.progress.epoch == 4


def test_a_run_that_had_stopped_stops_again_unless_it_is_given_more_patience(tmp_path: Path) -> None:
    train(stopping_run(tmp_path, EarlyStopping(1), scores(0.5, 0.4)))
    again = stopping_run(tmp_path, EarlyStopping(1), scores())
    resume(again, tmp_path / "output" / "latest")
    train(again)
    assert again.progress.epoch == 2
    patient = stopping_run(tmp_path, EarlyStopping(2), scores(0.4))
    resume(patient, tmp_path / "output" / "latest")
    train(patient)
    assert patient.progress.epoch == 3


def test_the_best_weights_are_the_only_ones_left_to_evaluate(tmp_path: Path) -> None:
    run = stopping_run(tmp_path, EarlyStopping(1), scores(0.5, 0.4))
    run.average = WeightAverage(run.network, 0.9)
    run.hooks.hooks.insert(0, run.average)
    train(run)
    best = read_weights(tmp_path / "output" / "best_accuracy")
    with run.average.swapped():
        for name, value in run.network.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), best[name])


def test_a_best_checkpoint_of_another_run_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = stopping_run(tmp_path, EarlyStopping(1), scores(0.5, 0.4))
    run.progress.best = {"acc": 0.9, "epoch": 1.0, "step": 77.0}
    train(run)
    assert "The best weights are not restored" in caplog.text


@pytest.mark.parametrize("option", ["Global.early_stop_patience=0", "Global.early_stop_patience=-1",
                                    "Global.early_stop_min_delta=-0.1"])
def test_senseless_numbers_are_refused(tmp_path: Path, option: str) -> None:
    options = config_for(tmp_path, "Global.early_stop_patience=3", option)["Global"]
    with pytest.raises(ConfigError, match="Global.early_stop"):
        EarlyStopping.from_options(options)


def test_without_patience_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert EarlyStopping.from_options(config_for(tmp_path)["Global"]) is None
    assert not caplog.text
    assert EarlyStopping.from_options(config_for(tmp_path, "Global.early_stop_min_delta=0.1")["Global"]) is None
    assert "has no effect" in caplog.text
    made = EarlyStopping.from_options(config_for(tmp_path, "Global.early_stop_patience=4")["Global"])
    assert made is not None
    assert (made.patience, made.min_delta) == (4, 0.0)
