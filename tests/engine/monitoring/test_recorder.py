"""What is written to metrics.jsonl and to the boards, and how a run that is resumed goes on with both."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.checkpoint import save_checkpoint
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.console import EvaluationLog, ProgressLog
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.hooks import Hook
from ppocr.engine.monitoring.recorder import Monitoring, Recorder
from ppocr.engine.monitoring.writer import Start, Writer
from ppocr.engine.resuming import resume
from ppocr.engine.run import TrainingRun
from tests.engine.stubs import config_for, make_run
from tools.program import train


class Notes(Writer):
    """A board that remembers what it was given."""

    title = "Notes"

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.seen: list[tuple[Any, ...]] = []

    def _note(self, *what: Any) -> None:
        if what[0] == self.fails_at:
            raise RuntimeError("no room")
        self.seen.append(what)

    def open(self, start: Start) -> None:
        self._note("open", start.step)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self._note("scalar", name, value, step)

    def add_text(self, name: str, text: str, step: int) -> None:
        self._note("text", name, text, step)

    def add_image(self, name: str, image: Any, step: int) -> None:
        self._note("image", name, image.shape, step)

    def close(self, *, failed: bool = False) -> None:
        self._note("close", failed)


def records(folder: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "output" / name).read_text().splitlines()]


def places(folder: Path, name: str = "metrics.jsonl") -> list[tuple[str, int]]:
    return [(record["kind"], record["step"]) for record in records(folder, name)]


def monitored(folder: Path, *options: str, writer: Writer | None = None, hooks: tuple[Hook, ...] = ()) -> TrainingRun:
    """Return a run of 5 steps an epoch with lines, evaluations and checkpoints."""
    (folder / "output").mkdir(exist_ok=True)
    recorder = Recorder([writer] if writer else [])
    run = make_run(folder, *options, hooks=[
        ProgressLog(every=2, window=4), EvaluationLog(), PeriodicEvaluation(), Checkpointing(folder / "output", 0),
        *hooks, Monitoring(recorder)])
    run.recorder = recorder
    return run


def test_a_line_of_training_tells_losses_rate_speed_shares_and_memory(tmp_path: Path) -> None:
    run = monitored(tmp_path, "Global.epoch_num=1")
    run.figures["skipped_steps"] = 3.0
    train(run)
    line = records(tmp_path)[0]
    assert set(line) >= {"loss", "lr", "data_seconds", "step_seconds", "samples_per_second", "data_share", "step_share",
                         "memory_mb", "skipped_steps"}
    assert line["epoch"] == pytest.approx(0.4)
    assert line["skipped_steps"] == 3
    assert 0 < line["data_share"] + line["step_share"] <= 1 + 1e-9
    assert line["samples_per_second"] == pytest.approx(4 / (line["data_seconds"] + line["step_seconds"]))


def test_boards_get_the_same_figures_at_the_same_steps(tmp_path: Path) -> None:
    notes = Notes()
    train(monitored(tmp_path, "Global.epoch_num=1", writer=notes))
    assert notes.seen[0] == ("open", 0)
    assert notes.seen[-1] == ("close", False)
    written = {(f"{record['kind']}/{name}", value, record["step"]) for record in records(tmp_path)
               for name, value in record.items() if name not in ("kind", "epoch", "step", "time")}
    assert {entry[1:] for entry in notes.seen if entry[0] == "scalar"} == written


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    run = monitored(tmp_path)
    run.rank = 1
    run.recorder.add(run, "train", {"loss": 1.0})
    assert list((tmp_path / "output").iterdir()) == []


def test_what_is_not_finite_is_null_and_not_shown(tmp_path: Path) -> None:
    notes = Notes()
    run = monitored(tmp_path, writer=notes)
    run.recorder.add(run, "guard", {"norm": math.inf, "loss": math.nan, "count": 2})
    assert {key: records(tmp_path)[0][key] for key in ("norm", "loss", "count")} == \
        {"norm": None, "loss": None, "count": 2.0}
    assert notes.seen[1:] == [("scalar", "guard/count", 2.0, 0)]


def test_a_board_that_fails_is_left_out_and_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes(fails_at="scalar")
    train(monitored(tmp_path, "Global.epoch_num=1", writer=notes))
    assert notes.seen == [("open", 0)]
    assert caplog.text.count("Notes is left out from here on: RuntimeError: no room") == 1
    assert places(tmp_path) == [("train", 2), ("train", 4), ("train", 5), ("eval", 5)]


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = monitored(tmp_path)
    (tmp_path / "output" / "metrics.jsonl").mkdir()
    for _ in range(3):
        run.recorder.add(run, "train", {"loss": 1.0})
    assert caplog.text.count("metrics.jsonl cannot be written") == 1


def test_boards_are_told_of_a_failed_run(tmp_path: Path) -> None:
    class Fail(Hook):
        def after_step(self, run: TrainingRun) -> None:
            raise ZeroDivisionError

    notes = Notes()
    with pytest.raises(ZeroDivisionError):
        train(monitored(tmp_path, writer=notes, hooks=(Fail(),)))
    assert notes.seen[-1] == ("close", True)


def test_a_resumed_run_goes_on_where_its_checkpoint_stands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "output"
    first = monitored(tmp_path, "Global.epoch_num=3")
    train(first)
    whole = places(tmp_path)
    assert whole == [("train", 2), ("train", 4), ("train", 5), ("eval", 5), ("train", 7), ("train", 9), ("train", 10),
                     ("eval", 10), ("train", 12), ("train", 14), ("train", 15), ("eval", 15)]
    notes = Notes()
    again = monitored(tmp_path, "Global.epoch_num=3", writer=notes)
    resume(again, folder / "best_accuracy")  # The first evaluation: all gave the same.
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(again)
    assert "8 lines beyond step 5 were moved to metrics_earlier.jsonl" in caplog.text
    assert places(tmp_path) == whole
    assert places(tmp_path, "metrics_earlier.jsonl") == whole[4:]
    assert notes.seen[0] == ("open", 5)
    assert min(entry[3] for entry in notes.seen if entry[0] == "scalar") == 7


def test_an_evaluation_that_is_made_up_for_does_not_stand_there_twice(tmp_path: Path) -> None:
    class Kill(Hook):
        """Comes after the line of the evaluation was written, before the checkpoint that knows of it."""

        def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
            raise KeyboardInterrupt

    run = monitored(tmp_path, "Global.epoch_num=1")
    run.hooks.hooks.insert(2, Kill())
    with pytest.raises(KeyboardInterrupt):
        train(run)
    assert places(tmp_path)[-1] == ("eval", 5)
    again = monitored(tmp_path, "Global.epoch_num=1")
    resume(again, tmp_path / "output" / "latest")
    train(again)
    assert places(tmp_path) == [("train", 2), ("train", 4), ("train", 5), ("eval", 5)]


def test_the_line_that_a_killed_run_left_in_part_is_dropped(tmp_path: Path) -> None:
    run = monitored(tmp_path, "Global.epoch_num=1")
    train(run)
    path = tmp_path / "output" / "metrics.jsonl"
    path.write_text(path.read_text() + '{"kind": "train", "ste')
    again = monitored(tmp_path, "Global.epoch_num=2")
    resume(again, tmp_path / "output" / "latest")
    train(again)
    assert [step for _, step in places(tmp_path)] == [2, 4, 5, 5, 7, 9, 10, 10]


def test_a_new_run_does_not_mix_with_an_earlier_one_of_the_folder(tmp_path: Path) -> None:
    train(monitored(tmp_path, "Global.epoch_num=2"))
    train(monitored(tmp_path, "Global.epoch_num=1"))
    assert places(tmp_path) == [("train", 2), ("train", 4), ("train", 5), ("eval", 5)]
    assert len(places(tmp_path, "metrics_earlier.jsonl")) == 8


def test_a_checkpoint_that_does_not_know_the_lines_goes_by_their_steps(tmp_path: Path) -> None:
    train(monitored(tmp_path, "Global.epoch_num=2"))
    run = make_run(tmp_path)
    run.progress.step, run.progress.epoch = 5, 1
    save_checkpoint(run, tmp_path / "old")
    again = monitored(tmp_path, "Global.epoch_num=1")
    resume(again, tmp_path / "old")
    again.recorder.start(again)
    assert places(tmp_path) == [("train", 2), ("train", 4), ("train", 5), ("eval", 5)]


def test_the_boards_that_are_asked_for(tmp_path: Path) -> None:
    options = config_for(tmp_path)["Global"]
    assert not Recorder.from_options(options, 0).has_boards
    options = config_for(tmp_path, "Global.use_visualdl=true")["Global"]
    assert Recorder.from_options(options, 0).has_boards
    assert not Recorder.from_options(options, 1).has_boards
