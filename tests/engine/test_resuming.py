"""What a run that is resumed takes from its checkpoint, and what it says of things that are no longer the same."""

from __future__ import annotations

import json
import logging
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine.checkpoint import load_start, resume, save_checkpoint
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.config_changes import config_changes
from ppocr.engine.hooks import Hook
from ppocr.engine.optimizer_state import optimizer_state
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import random_states, seed_everything
from tests.engine.stubs import make_run, weights
from tools.program import train

COSINE = "Optimizer.lr={name: Cosine, learning_rate: 0.1}"


class SaveAt(Hook):
    """Saves and ends the run when an epoch has so many batches."""

    def __init__(self, epoch: int, batch: int, prefix: Path) -> None:
        self.at, self.prefix = (epoch, batch), prefix

    def after_step(self, run: TrainingRun) -> None:
        if (run.progress.epoch, run.progress.batch) == self.at:
            save_checkpoint(run, self.prefix)
            raise KeyboardInterrupt


class Rates(Hook):
    def __init__(self) -> None:
        self.rates: list[float] = []

    def after_step(self, run: TrainingRun) -> None:
        assert run.last is not None
        self.rates.append(run.last.learning_rate)


def stopped(folder: Path, *options: str, epoch: int = 1, batch: int = 2, batches: int = 5) -> Path:
    with pytest.raises(KeyboardInterrupt):
        train(make_run(folder, *options, hooks=[SaveAt(epoch, batch, folder / "half")], batches=batches))
    return folder / "half"


def cosine(steps: int) -> list[float]:
    return [0.05 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]


class TestNewSchedule:
    def test_it_begins_at_its_first_step_and_ends_with_the_last_epoch(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        prefix = stopped(tmp_path, COSINE, "Global.epoch_num=2")
        rates = Rates()
        options = [COSINE, "Global.epoch_num=4", "Global.new_schedule=true"]
        run = make_run(tmp_path, *options, hooks=[rates])
        whole = make_run(tmp_path, COSINE, "Global.epoch_num=2", hooks=[SaveAt(1, 2, tmp_path / "again")])
        with pytest.raises(KeyboardInterrupt):
            train(whole)
        with caplog.at_level(logging.INFO, logger="ppocr"):
            resume(run, prefix)
        moments = optimizer_state(whole.network, whole.optimizer)
        assert weights(run) == weights(whole)
        for name, value in optimizer_state(run.network, run.optimizer).items():
            np.testing.assert_array_equal(value, moments[name])
        assert (run.progress.epoch, run.progress.batch, run.progress.step) == (1, 2, 7)
        train(run)
        assert rates.rates == pytest.approx(cosine(13))  # Four epochs of five steps, less seven.
        assert run.progress.step == 20
        assert "begins its schedule at step 7 and ends it with epoch 4: Cosine: rate 0.1 at the start, 0 at the end " \
            "(13 steps)" in caplog.text
        assert "(13 steps)" in run.optimizer.optimizer_report

    @pytest.mark.parametrize("options", [(), ("Global.accumulation_steps=2",)])
    def test_the_run_that_began_it_is_resumed_exactly(self, tmp_path: Path, options: tuple[str, ...]) -> None:
        prefix = stopped(tmp_path, COSINE, *options, "Global.epoch_num=2")
        again = [COSINE, *options, "Global.epoch_num=4", "Global.new_schedule=true"]
        whole = make_run(tmp_path, *again)
        resume(whole, prefix)
        train(whole)
        first = make_run(tmp_path, *again, hooks=[SaveAt(2, 4, tmp_path / "later")])
        resume(first, prefix)
        with pytest.raises(KeyboardInterrupt):
            train(first)
        second = make_run(tmp_path, COSINE, *options, "Global.epoch_num=4")
        resume(second, tmp_path / "later")
        assert second.schedule.first_step > 0
        train(second)
        assert weights(second) == weights(whole)
        assert second.schedule.get_lr() == pytest.approx(0.0)

    def test_a_restart_from_the_latest_goes_on_with_it(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        hooks: list[Hook] = [Checkpointing(tmp_path / "output", 0)]
        train(make_run(tmp_path, COSINE, "Global.epoch_num=1", hooks=hooks))
        options = [COSINE, "Global.epoch_num=4", "Global.new_schedule=true", "Global.checkpoints=latest"]
        first = make_run(tmp_path, *options, hooks=[Checkpointing(tmp_path / "output", 0)])
        load_start(first, "rec")
        first.config["Global"]["epoch_num"] = 3
        train(first)
        rates = Rates()
        second = make_run(tmp_path, *options, hooks=[rates])
        with caplog.at_level(logging.INFO, logger="ppocr"):
            load_start(second, "rec")
        assert "the schedule was begun anew after 1 epochs, and goes on" in caplog.text
        train(second)
        assert rates.rates == pytest.approx(cosine(15)[10:])
        named = make_run(tmp_path, *options[:3])
        resume(named, tmp_path / "output" / "latest")
        assert named.schedule.first_step == 15
        assert named.schedule.get_lr() == pytest.approx(0.1)

    def test_without_a_checkpoint_it_has_no_effect(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        load_start(make_run(tmp_path, "Global.new_schedule=true"), "rec")
        assert "Global.new_schedule (-o Global.new_schedule=true) has no effect" in caplog.text


class TestOtherSteps:
    def test_the_rate_is_that_of_the_share_of_the_training(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        prefix = stopped(tmp_path, COSINE, "Global.epoch_num=4", batch=4, batches=8)  # Step 12 of 32.
        rates = Rates()
        run = make_run(tmp_path, COSINE, "Global.epoch_num=4", hooks=[rates, SaveAt(2, 1, tmp_path / "b")], batches=4)
        resume(run, prefix)
        assert "stands at step 12 of its schedule; this run stands at 6 after as many epochs" in caplog.text
        with pytest.raises(KeyboardInterrupt):
            train(run)
        assert run.progress.step == 15
        caplog.clear()
        again = make_run(tmp_path, COSINE, "Global.epoch_num=4", hooks=[rates], batches=4)
        resume(again, tmp_path / "b")
        assert not caplog.records
        train(again)
        assert rates.rates == pytest.approx(cosine(16)[6:])

    def test_also_in_a_schedule_that_was_begun_anew(self, tmp_path: Path) -> None:
        first = make_run(tmp_path, COSINE, "Global.epoch_num=4", "Global.new_schedule=true", batches=8,
                         hooks=[SaveAt(2, 4, tmp_path / "b")])
        resume(first, stopped(tmp_path, COSINE, "Global.epoch_num=4", batch=4, batches=8))
        with pytest.raises(KeyboardInterrupt):
            train(first)
        rates = Rates()
        run = make_run(tmp_path, COSINE, "Global.epoch_num=4", batches=4, hooks=[rates])
        resume(run, tmp_path / "b")
        train(run)
        assert rates.rates == pytest.approx(cosine(10)[4:])  # 2.5 epochs of 4 steps, of which one lies behind.


class TestShareOfTheEpoch:
    @pytest.mark.parametrize(("batches", "accumulation", "expected"), [
        (5, 1, 2), (10, 1, 4), (10, 4, 4), (10, 3, 3), (3, 1, 1), (2, 1, 0), (5, 4, 0), (7, 2, 2),
    ])
    def test_it_is_kept(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, batches: int, accumulation: int,
                        expected: int) -> None:
        prefix = stopped(tmp_path, "Global.epoch_num=2")  # After 2 of 5 batches.
        run = make_run(tmp_path, "Global.epoch_num=2", f"Global.accumulation_steps={accumulation}", batches=batches)
        resume(run, prefix)
        assert (run.progress.epoch, run.progress.batch) == (1, expected)
        same = batches == 5 and accumulation == 1
        told = f"2 of 5 of its epoch, which has {batches} batches now: the run goes on after batch {expected}, the same"
        assert (told in caplog.text) == (not same)
        train(run)
        assert (run.progress.epoch, run.progress.batch) == (2, 0)

    @pytest.mark.parametrize(("at", "batches", "expected"), [(5, 8, 8), (5, 5, 5)])
    def test_the_end_stays_the_end(self, tmp_path: Path, at: int, batches: int, expected: int) -> None:
        prefix = stopped(tmp_path, "Global.epoch_num=2", "Global.accumulation_steps=2", batch=at)
        run = make_run(tmp_path, "Global.epoch_num=2", "Global.accumulation_steps=2", batches=batches)
        resume(run, prefix)
        assert run.progress.batch == expected

    def test_an_older_checkpoint_does_not_tell(self, tmp_path: Path) -> None:
        prefix = stopped(tmp_path, "Global.epoch_num=2")
        state = Path(f"{prefix}.state")
        content = json.loads(state.read_text())
        del content["batches_per_epoch"], content["progress"]["run"], content["saved"], content["hooks"]
        state.write_text(json.dumps({**content, "hooks": {}}))
        run = make_run(tmp_path, "Global.epoch_num=2")
        resume(run, prefix)
        assert run.progress.batch == 2


class TestChanges:
    def test_what_matters_is_told(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        prefix = stopped(tmp_path, "Global.epoch_num=2", "Global.print_batch_step=3")
        resume(make_run(tmp_path, "Global.epoch_num=3", "Global.seed=7", "Optimizer.beta1=0.8",
                        "Global.save_model_dir=elsewhere"), prefix)
        told = caplog.text.split("Changed since the checkpoint was written:\n")[1].splitlines()
        assert told == ["  Global.epoch_num: 2 -> 3", "  Global.seed: 1024 -> 7", "  Optimizer.beta1: (not set) -> 0.8"]

    def test_nothing_is_told_of_an_equal_one(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        prefix = stopped(tmp_path, "Global.epoch_num=2")
        resume(make_run(tmp_path, "Global.epoch_num=2", f"Global.checkpoints={prefix}"), prefix)
        assert not caplog.records

    def test_lists_of_transforms_are_compared_inside(self) -> None:
        def config(*transforms: dict[str, Any], **loader: Any) -> dict[str, Any]:
            return {"Global": {}, "Train": {"dataset": {"transforms": list(transforms)}, "loader": loader}}

        decode: dict[str, Any] = {"Decode": {"mode": "BGR"}}
        assert config_changes(config(decode, num_workers=1), config({"Decode": {"mode": "RGB"}}, num_workers=4)) == [
            "Train.dataset.transforms.Decode.mode: BGR -> RGB"]
        assert config_changes(config(decode), config(decode, {"Flip": None})) == [
            "Train.dataset.transforms: ['Decode'] -> ['Decode', 'Flip']"]
        assert config_changes(config(decode), config(decode)) == []
        assert config_changes({"Global": {"seed": 1024}}, {"Global": {}}) == []

    def test_long_values_are_cut(self) -> None:
        line, = config_changes({"Global": {"label_list": ["x" * 100]}}, {"Global": {"label_list": None}})
        assert line == "Global.label_list: ['" + "x" * 54 + " ... -> null"


class TestRandomStates:
    def drawn(self) -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(paddle.rand([1]))  # noqa: NPY002 - the global one

    def states_of(self, seed: int) -> tuple[dict[str, Any], tuple[float, float, float]]:
        seed_everything(seed)
        self.drawn()
        return random_states(), self.drawn()

    def checkpoint(self, folder: Path, states: Any, world_size: int) -> Path:
        save_checkpoint(make_run(folder), folder / "a")
        content = json.loads((folder / "a.state").read_text())
        (folder / "a.state").write_text(json.dumps({**content, "random": states, "world_size": world_size}))
        return folder / "a"

    @pytest.mark.parametrize("rank", [0, 1])
    def test_each_rank_has_its_own_back(self, tmp_path: Path, rank: int) -> None:
        states, draws = zip(*(self.states_of(seed) for seed in (5, 6)), strict=True)
        prefix = self.checkpoint(tmp_path, json.loads(json.dumps(states)), 2)
        run = make_run(tmp_path)
        run.rank = rank
        resume(run, prefix)
        assert self.drawn() == draws[rank]

    def test_a_rank_that_was_not_there_is_seeded_otherwise(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        states, draws = zip(*(self.states_of(seed) for seed in (5, 6)), strict=True)
        prefix = self.checkpoint(tmp_path, list(states), 2)
        found = []
        for rank in (0, 2, 3):
            run = make_run(tmp_path)
            run.rank = rank
            resume(run, prefix)
            found.append(self.drawn())
        assert found[0] == draws[0]
        assert len({*found, *draws}) == 4
        assert "number of processes: 2 -> 1" in caplog.text

    def test_the_single_state_of_an_earlier_version(self, tmp_path: Path) -> None:
        state, drawn = self.states_of(5)
        resume(make_run(tmp_path), self.checkpoint(tmp_path, state, 1))
        assert self.drawn() == drawn
        again, _ = self.states_of(5)
        assert again == state

    def test_another_number_of_devices_is_told(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        state, drawn = self.states_of(5)
        state["paddle"] = state["paddle"] * 2
        resume(make_run(tmp_path), self.checkpoint(tmp_path, [state], 1))
        assert self.drawn()[:2] == drawn[:2]
        assert "random states of 2 devices, this run has 1" in caplog.text
