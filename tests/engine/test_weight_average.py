"""The moving average of the weights: its arithmetic, who sees it, and exact continuation."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import pytest

from ppocr.engine.checkpoint import resume, save_checkpoint
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.weight_average import AVERAGE, RAW, WeightAverage, evaluated_weights
from ppocr.errors import ConfigError
from ppocr.weights import read_weights
from tests.engine.stubs import SaveAndInterrupt, config_for, make_run, weights
from tools.program import train

Arrays = dict[str, npt.NDArray[np.float32]]


def arrays_of(run: TrainingRun) -> Arrays:
    return {name: value.numpy().copy() for name, value in run.network.state_dict().items()}


def averaged_run(folder: Path, *options: str, hooks: list[Hook] | None = None, decay: float | None = 0.8,
                 **more: Any) -> TrainingRun:
    run = make_run(folder, *options, **more)
    if decay is not None:
        run.average = WeightAverage(run.network, decay)
        run.hooks.hooks.append(run.average)
    run.hooks.hooks += hooks or []
    return run


class Watch(Hook):
    """Keeps the weights after every optimizer step."""

    def __init__(self) -> None:
        self.seen: list[Arrays] = []

    def after_step(self, run: TrainingRun) -> None:
        assert run.last is not None
        if run.last.stepped:
            self.seen.append(arrays_of(run))


def interrupted(folder: Path, batches: int, *options: str, decay: float | None = 0.8) -> TrainingRun:
    run = averaged_run(folder, *options, hooks=[SaveAndInterrupt(batches, folder / "half")], decay=decay)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    return run


def test_the_average_is_that_of_the_formula(tmp_path: Path) -> None:
    watch = Watch()
    run = averaged_run(tmp_path, "Global.epoch_num=12", "Optimizer.lr={learning_rate: 0.05}", hooks=[watch])
    expected = {name: value.astype(np.float64) for name, value in arrays_of(run).items()}
    train(run)
    assert len(watch.seen) == 60
    for step, seen in enumerate(watch.seen):
        decay = min(0.8, (1 + step) / (10 + step))  # 0.1, 0.18, ... 0.8 from step 35 on.
        expected = {name: decay * expected[name] + (1 - decay) * value for name, value in seen.items()}
    raw = arrays_of(run)
    assert run.average is not None
    assert run.average.updates == 60
    with run.average.swapped():
        for name, value in arrays_of(run).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-7)
            assert np.abs(value - raw[name]).max() > 1e-3, name
    assert weights(run) == {name: value.tobytes() for name, value in raw.items()}


def test_only_optimizer_steps_count(tmp_path: Path) -> None:
    run = averaged_run(tmp_path, "Global.epoch_num=2", "Global.accumulation_steps=2")
    train(run)
    assert run.average is not None
    assert run.average.updates == 6  # Five batches an epoch: three steps.


def test_batch_norm_statistics_stay_those_of_the_network() -> None:
    network = paddle.nn.Sequential(paddle.nn.Linear(2, 3), paddle.nn.BatchNorm1D(3))
    average = WeightAverage(network, 0.5)
    network[1]._mean.set_value(np.full(3, 7, np.float32))
    network[0].weight.set_value(np.full((2, 3), 5, np.float32))
    with average.swapped():
        np.testing.assert_array_equal(network[1]._mean.numpy(), [7, 7, 7])
        assert np.abs(network[0].weight.numpy()).max() < 5


def test_a_block_within_a_block_and_an_error_in_it_leave_the_weights_alone() -> None:
    network = paddle.nn.Linear(1, 1)
    network.weight.set_value(np.float32([[1]]))
    average = WeightAverage(network, 0.5)
    network.weight.set_value(np.float32([[3]]))
    with pytest.raises(RuntimeError), average.swapped():
        with average.swapped():
            assert float(network.weight) == 1
        assert float(network.weight) == 1
        raise RuntimeError
    assert float(network.weight) == 3
    with evaluated_weights(None):
        assert float(network.weight) == 3


def test_the_average_begins_with_the_weights_that_were_loaded(tmp_path: Path) -> None:
    run = averaged_run(tmp_path)
    run.network.first.bias.set_value(np.full(5, 9, np.float32))
    run.hooks.before_train(run)
    assert run.average is not None
    with run.average.swapped():
        np.testing.assert_array_equal(run.network.first.bias.numpy(), np.full(5, 9))


def test_checkpoints_hold_the_average_and_beside_the_optimizer_the_weights(tmp_path: Path) -> None:
    run = averaged_run(tmp_path, "Global.epoch_num=2")
    train(run)
    save_checkpoint(run, tmp_path / "a")
    exported, own = read_weights(tmp_path / "a"), read_weights(tmp_path / "a.pdopt")
    raw = arrays_of(run)
    assert run.average is not None
    with run.average.swapped():
        averaged = arrays_of(run)
    for name in raw:
        np.testing.assert_array_equal(exported[name], averaged[name])
        np.testing.assert_array_equal(own[RAW + name], raw[name])
    assert not any(name.startswith(AVERAGE) for name in own)


@pytest.mark.parametrize("batches", [3, 5, 7])
def test_resumed_equals_uninterrupted(tmp_path: Path, batches: int) -> None:
    options = ["Global.epoch_num=3", "Optimizer.name=Adam"]
    whole = averaged_run(tmp_path, *options)
    train(whole)
    interrupted(tmp_path, batches, *options)
    second = averaged_run(tmp_path, *options)
    resume(second, tmp_path / "half")
    assert second.average is not None
    assert second.average.updates == batches
    train(second)
    assert weights(second) == weights(whole)
    assert whole.average is not None
    with second.average.swapped(), whole.average.swapped():
        assert weights(second) == weights(whole)


def test_a_checkpoint_without_an_average_lets_it_begin(tmp_path: Path) -> None:
    first = interrupted(tmp_path, 3, decay=None)
    second = averaged_run(tmp_path, "Global.epoch_num=2")
    resume(second, tmp_path / "half")
    assert second.average is not None
    with second.average.swapped():
        assert weights(second) == weights(first)


def test_a_run_without_an_average_goes_on_with_the_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = interrupted(tmp_path, 3)
    second = averaged_run(tmp_path, decay=None)
    resume(second, tmp_path / "half")
    assert weights(second) == weights(first)
    assert "Global.ema_decay is null" in caplog.text


def test_half_precision_weights_have_float32_averages(tmp_path: Path) -> None:
    network = paddle.nn.Linear(1, 1)
    network.to(dtype="float16")
    network.weight.set_value(paddle.to_tensor([[1.0]], dtype="float16"))
    average = WeightAverage(network, 0.999)
    master = paddle.to_tensor([[1.0001]])  # float16 would round it to 1.
    average.update({network.weight.name: master})
    kept = average.arrays()
    assert kept[RAW + "weight"].dtype == np.float16
    np.testing.assert_allclose(kept[AVERAGE + "weight"], [[0.1 * 1 + 0.9 * 1.0001]], rtol=1e-7)
    again = WeightAverage(network, 0.999)
    again.load(kept)
    np.testing.assert_array_equal(again.arrays()[AVERAGE + "weight"], kept[AVERAGE + "weight"])


def test_best_and_latest_hold_what_was_evaluated(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    seen: list[dict[str, bytes]] = []
    run = averaged_run(tmp_path, "Global.epoch_num=1", hooks=[PeriodicEvaluation(), Checkpointing(folder, 0)])

    def evaluation() -> dict[str, float]:
        with evaluated_weights(run.average):
            seen.append(weights(run))
        return {"acc": 0.5}

    run.evaluate = evaluation
    train(run)
    for name in ("best_accuracy", "latest"):
        assert {key: value.tobytes() for key, value in read_weights(folder / name).items()} == seen[0]
    assert weights(run) != seen[0]


@pytest.mark.parametrize("decay", ["0", "1", "1.5", "-0.1"])
def test_a_senseless_decay_is_refused(tmp_path: Path, decay: str) -> None:
    options = config_for(tmp_path, f"Global.ema_decay={decay}")["Global"]
    with pytest.raises(ConfigError, match="Global.ema_decay"):
        WeightAverage.from_options(options, paddle.nn.Linear(1, 1))


def test_no_average_unless_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ppocr"):
        assert WeightAverage.from_options(config_for(tmp_path)["Global"], paddle.nn.Linear(1, 1)) is None
    made = WeightAverage.from_options(config_for(tmp_path, "Global.ema_decay=0.99")["Global"], paddle.nn.Linear(1, 1))
    assert made is not None
    assert made.decay == 0.99
