"""Which checkpoints are written and kept, and what happens when one cannot be written."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine import checkpointing
from ppocr.engine.checkpoint import load_checkpoint_meta, resume, save_checkpoint
from ppocr.engine.checkpoint_files import newest_complete
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import CheckpointError, ConfigError, DatasetError, TrainingError
from tests.engine.stubs import Batches, config_for, make_run, weights
from tools.program import train

OUTPUT = "output"


def names(folder: Path) -> set[str]:
    return {path.stem for path in (folder / OUTPUT).iterdir() if path.suffix == ".state"}


def progress(folder: Path, name: str) -> tuple[int, int, int]:
    content = load_checkpoint_meta(folder / OUTPUT / name)
    assert content is not None
    return content["progress"]["epoch"], content["progress"]["batch"], content["progress"]["step"]


class Fail(Hook):
    """Raises an error before or after the optimizer step of a number, or in reading the batch that follows."""

    def __init__(self, step: int, error: BaseException, *, within_update: bool = False) -> None:
        self.step, self.error, self.within_update = step, error, within_update

    def before_update(self, run: TrainingRun) -> None:
        if self.within_update and run.progress.step + 1 == self.step:
            raise self.error

    def after_step(self, run: TrainingRun) -> None:
        if not self.within_update and run.progress.step == self.step:
            raise self.error


class TestWhen:
    def test_by_steps(self, tmp_path: Path) -> None:
        seen = []

        class Look(Hook):
            def after_step(self, run: TrainingRun) -> None:
                seen.append(progress(tmp_path, "latest")[2] if names(tmp_path) else 0)

        (tmp_path / OUTPUT).mkdir()
        train(make_run(tmp_path, "Global.epoch_num=2", "Global.accumulation_steps=2", batches=6,
                       hooks=[Checkpointing(tmp_path / OUTPUT, 0, steps=2), Look()]))
        assert seen == [0, 0, 0, 2, 2, 2, 3, 4, 4, 4, 4, 6]

    def test_the_one_before_is_kept(self, tmp_path: Path) -> None:
        train(make_run(tmp_path, "Global.epoch_num=3", hooks=[Checkpointing(tmp_path / OUTPUT, 0)]))
        assert names(tmp_path) == {"latest", "previous"}
        assert (progress(tmp_path, "latest"), progress(tmp_path, "previous")) == ((3, 0, 15), (2, 0, 10))
        resume(make_run(tmp_path), tmp_path / OUTPUT / "previous")

    @pytest.mark.parametrize(("key", "value"), [("save_batch_step", 0), ("keep_checkpoints", 0), ("keep_best", 0),
                                                ("save_epoch_step", -1)])
    def test_senseless_numbers_are_refused(self, tmp_path: Path, key: str, value: int) -> None:
        with pytest.raises(ConfigError, match=f"Global.{key} .* is {value}\n  expected: at least {int(value == 0)}"):
            Checkpointing.from_options(config_for(tmp_path, f"Global.{key}={value}")["Global"])

    def test_from_options(self, tmp_path: Path) -> None:
        hook = Checkpointing.from_options(config_for(
            tmp_path, "Global.save_batch_step=7", "Global.keep_checkpoints=3", "Global.keep_best=2")["Global"])
        assert (hook.steps, hook.keep, hook.best, hook.every) == (7, 3, 2, 10)
        assert hook.folder == tmp_path / OUTPUT


class TestRetention:
    def test_the_newest_of_an_interval(self, tmp_path: Path) -> None:
        (tmp_path / OUTPUT).mkdir()
        other = make_run(tmp_path, "Global.epoch_num=1")
        for name in ("iter_epoch_1", "iter_epoch_2", "iter_epoch_mine"):
            save_checkpoint(other, tmp_path / OUTPUT / name)
        save_checkpoint(other, tmp_path / OUTPUT / "iter_epoch_99")
        train(make_run(tmp_path, "Global.epoch_num=6", hooks=[Checkpointing(tmp_path / OUTPUT, 2, keep=2)]))
        # The 2 of the other training was replaced, and is this one's since; the others are not this one's to remove.
        assert names(tmp_path) == {"latest", "previous", "iter_epoch_1", "iter_epoch_4", "iter_epoch_6",
                                   "iter_epoch_mine", "iter_epoch_99"}
        assert len(list((tmp_path / OUTPUT).iterdir())) == 7 * 3

    def test_it_goes_on_after_a_resume(self, tmp_path: Path) -> None:
        train(make_run(tmp_path, "Global.epoch_num=3", hooks=[Checkpointing(tmp_path / OUTPUT, 1, keep=2)]))
        run = make_run(tmp_path, "Global.epoch_num=4", hooks=[Checkpointing(tmp_path / OUTPUT, 1, keep=2)])
        resume(run, tmp_path / OUTPUT / "latest")
        train(run)
        assert names(tmp_path) == {"latest", "previous", "iter_epoch_3", "iter_epoch_4"}

    def test_a_numbered_one_is_complete(self, tmp_path: Path) -> None:
        run = make_run(tmp_path, "Global.epoch_num=2", hooks=[Checkpointing(tmp_path / OUTPUT, 1)])
        train(run)
        again = make_run(tmp_path, "Global.epoch_num=2")
        resume(again, tmp_path / OUTPUT / "iter_epoch_2")
        assert weights(again) == weights(run)

    @pytest.mark.parametrize("has_links", [True, False])
    def test_the_best_ones(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
        def no_links(*arguments: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        if not has_links:
            monkeypatch.setattr(os, "link", no_links)
        scores = [0.2, 0.6, float("nan"), 0.4, 0.6, 0.5]
        kept = []

        class Look(Hook):
            def after_epoch(self, run: TrainingRun) -> None:
                kept.append(sorted(int(name[10:]) for name in names(tmp_path) if name.startswith("best_step_")))

        hooks: list[Hook] = [PeriodicEvaluation(), Checkpointing(tmp_path / OUTPUT, 0, best=3), Look()]
        run = make_run(tmp_path, "Global.epoch_num=6", metrics=iter([{"acc": score} for score in scores]), hooks=hooks)
        train(run)
        assert kept == [[5], [5, 10], [5, 10], [5, 10, 20], [10, 20, 25], [10, 25, 30]]
        assert names(tmp_path) == {"latest", "previous", "best_accuracy", "best_step_10", "best_step_25",
                                   "best_step_30"}
        assert progress(tmp_path, "best_accuracy")[2] == 10
        best = load_checkpoint_meta(tmp_path / OUTPUT / "best_step_25")
        assert best is not None
        assert best["metrics"] == {"acc": 0.6}
        again = make_run(tmp_path, "Global.epoch_num=7", metrics=iter([{"acc": 0.55}]),
                         hooks=[PeriodicEvaluation(), Checkpointing(tmp_path / OUTPUT, 0, best=3), Look()])
        resume(again, tmp_path / OUTPUT / "latest")
        train(again)
        assert kept[-1] == [10, 25, 35]

    def test_without_it_only_the_best(self, tmp_path: Path) -> None:
        train(make_run(tmp_path, "Global.epoch_num=2", metrics=iter([{"acc": 0.1}, {"acc": 0.2}]),
                       hooks=[PeriodicEvaluation(), Checkpointing(tmp_path / OUTPUT, 0)]))
        assert names(tmp_path) == {"latest", "previous", "best_accuracy"}


class TestExceptions:
    @pytest.mark.parametrize(("accumulation", "position"), [(1, (1, 2, 7)), (2, (1, 2, 4))])
    def test_the_last_complete_step_is_saved(self, tmp_path: Path, accumulation: int,
                                             position: tuple[int, int, int], caplog: pytest.LogCaptureFixture) -> None:
        class Vanishing(Batches):
            def __iter__(self) -> Iterator[dict[str, Any]]:
                for number, batch in enumerate(super().__iter__()):
                    if self.epoch == 1 and number == (2 if accumulation == 1 else 3):
                        raise DatasetError("the data are gone")
                    yield batch

            def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
                self.epoch = epoch
                super().set_epoch(epoch, start_batch)

        options = ["Global.epoch_num=2", f"Global.accumulation_steps={accumulation}", "Optimizer.name=Momentum"]
        run = make_run(tmp_path, *options, loader=Vanishing(5), hooks=[Checkpointing(tmp_path / OUTPUT, 0)])
        with pytest.raises(DatasetError):
            train(run)
        assert progress(tmp_path, "latest") == position
        assert f"continue with -o Global.checkpoints={tmp_path / OUTPUT / 'latest'} (epoch 1, batch 2)" in caplog.text
        again = make_run(tmp_path, *options)
        resume(again, tmp_path / OUTPUT / "latest")
        assert again.progress.step == position[2]
        train(again)
        assert progress(tmp_path, "previous") == (1, 0, 5 if accumulation == 1 else 3)

    @pytest.mark.parametrize(("error", "within_update"), [
        (TrainingError("the loss is not finite"), False), (KeyboardInterrupt(), False), (RuntimeError("half"), True)])
    def test_what_may_be_spoilt_is_not(self, tmp_path: Path, error: BaseException, within_update: bool) -> None:
        hooks = [Fail(7, error, within_update=within_update), Checkpointing(tmp_path / OUTPUT, 0)]
        if within_update:
            hooks.reverse()  # The mark is set before the error comes.
        with pytest.raises(type(error)):
            train(make_run(tmp_path, "Global.epoch_num=2", hooks=hooks))
        assert progress(tmp_path, "latest") == (1, 0, 5)

    def test_a_save_that_fails_as_well_does_not_hide_the_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                               caplog: pytest.LogCaptureFixture) -> None:
        def broken(*arguments: Any, **options: Any) -> None:
            raise RuntimeError("the device is lost")

        monkeypatch.setattr(checkpointing, "save_checkpoint", broken)
        with pytest.raises(ValueError, match="the first"):
            train(make_run(tmp_path, hooks=[Fail(3, ValueError("the first")), Checkpointing(tmp_path / OUTPUT, 0)]))
        assert "The last step could not be saved: the device is lost" in caplog.text
        assert "no checkpoint was written yet" in caplog.text

    def test_weights_that_are_not_finite_replace_nothing(self, tmp_path: Path) -> None:
        class Spoil(Hook):
            def after_step(self, run: TrainingRun) -> None:
                if run.progress.step == 8:
                    run.network.last.weight.set_value(np.full([5, 1], np.nan, np.float32))

        with pytest.raises(TrainingError, match=r"not finite at step 10: .*last\.weight"):
            train(make_run(tmp_path, hooks=[Spoil(), Checkpointing(tmp_path / OUTPUT, 0)]))
        assert newest_complete(tmp_path / OUTPUT) == tmp_path / OUTPUT / "latest"
        assert progress(tmp_path, "latest") == (1, 0, 5)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to make files larger than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Wide(paddle.nn.Layer):
    """A network whose files are larger than its state."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = paddle.nn.Linear(3, 40_000), paddle.nn.Linear(40_000, 1)

    def forward(self, images: Any, batch: Any = None) -> dict[str, Any]:
        return {"value": self.last(paddle.tanh(self.first(images)))}


class TestRoom:
    def contents(self, folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / OUTPUT).iterdir()}

    @pytest.mark.parametrize(("size", "fails"), [(300_000, "pdparams"), (1_000_000, "pdopt")])
    def test_a_file_that_cannot_grow_leaves_the_last_good_one(self, tmp_path: Path, size: int, fails: str) -> None:
        hook = Checkpointing(tmp_path / OUTPUT, 0)
        run = make_run(tmp_path, "Global.epoch_num=1", hooks=[hook], network=Wide)
        train(run)
        sizes = {path.suffix[1:]: path.stat().st_size for path in (tmp_path / OUTPUT).glob("latest.*")}
        assert sizes[fails] > size > sizes["state"]
        before = self.contents(tmp_path)
        run.progress.epoch, run.progress.step = 1, 6
        run.config["Global"]["epoch_num"] = 2
        with largest_file(size), pytest.raises(CheckpointError, match=r"cannot be written: File too large") as caught:
            train(run)
        assert "free some space" in caught.value.cure
        assert self.contents(tmp_path) == before
        assert newest_complete(tmp_path / OUTPUT) == tmp_path / OUTPUT / "latest"

    @pytest.mark.parametrize(("number", "cure"), [
        (errno.ENOSPC, "free some space"), (errno.EROFS, "look after"), (errno.EACCES, "look after")])
    @pytest.mark.parametrize("call", [1, 2, 3])
    def test_whatever_the_system_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str,
                                      call: int) -> None:
        run = make_run(tmp_path, "Global.epoch_num=1", hooks=[Checkpointing(tmp_path / OUTPUT, 0)])
        train(run)
        before = self.contents(tmp_path)
        calls = []

        def fail(*arguments: Any) -> None:
            calls.append(arguments)
            if len(calls) == call:
                raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match=os.strerror(number)) as caught:
            save_checkpoint(run, tmp_path / OUTPUT / "latest", keep="previous")
        assert cure in caught.value.cure
        assert len(calls) == call
        assert self.contents(tmp_path) == before

    def test_extras_are_left_out_and_the_run_goes_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                     caplog: pytest.LogCaptureFixture) -> None:
        def full(*arguments: Any, **options: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(checkpointing, "keep_as", full)
        run = make_run(tmp_path, "Global.epoch_num=2", metrics=iter([{"acc": 0.1}, {"acc": 0.2}]),
                       hooks=[PeriodicEvaluation(), Checkpointing(tmp_path / OUTPUT, 1, best=2)])
        train(run)
        assert run.progress.epoch == 2
        assert names(tmp_path) == {"latest", "previous", "best_accuracy"}
        assert caplog.text.count("No space left on device. The run goes on") == 4

    def test_a_folder_that_vanishes_is_not_made_anew(self, tmp_path: Path) -> None:
        class Unmount(Hook):
            def after_step(self, run: TrainingRun) -> None:
                if run.progress.step == 8:
                    shutil.rmtree(tmp_path / OUTPUT)

        with pytest.raises(CheckpointError, match="output is gone, with the checkpoints"):
            train(make_run(tmp_path, hooks=[Unmount(), Checkpointing(tmp_path / OUTPUT, 0)]))
        assert not (tmp_path / OUTPUT).exists()

    @pytest.mark.parametrize(("options", "copies"), [
        ({"every": 0}, 4), ({"every": 2}, 9), ({"every": 2, "keep": 3}, 7), ({"every": 3, "best": 4}, 10)])
    def test_too_little_room_is_told_before_the_first_epoch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
        options: dict[str, int], copies: int,
    ) -> None:
        size = 26 * 4 * 3  # Values of the network, in bytes, with two moments each.
        for free, warns in ((copies * size, False), (copies * size - 1, True)):
            monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: shutil._ntuple_diskusage(0, 0, free))
            caplog.clear()
            with caplog.at_level(logging.WARNING, logger="ppocr"):
                Checkpointing(tmp_path / OUTPUT, **options).before_train(make_run(tmp_path, "Global.epoch_num=10"))
            assert (f"Up to {copies} checkpoints of about 0.0 MiB each" in caplog.text) == warns
