"""``summary.json``: what it says of runs that are running, completed, interrupted, failed and killed."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.checkpoint import resume
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.run_summary import RunSummary, describe_error, exit_code_of
from ppocr.engine.stopping import Stop
from ppocr.errors import DatasetError
from tests.engine.stubs import make_run
from tools.program import train


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def summary(output: Path, name: str = "summary.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / name).read_text(encoding="utf-8"))
    return content


class At(Hook):
    """Does something after a step."""

    def __init__(self, step: int, action: Any) -> None:
        self.step, self.action = step, action

    def after_step(self, run: TrainingRun) -> None:
        if run.progress.step == self.step:
            self.action(run)


def throw(error: BaseException) -> Any:
    def action(run: TrainingRun) -> None:
        raise error

    return action


def run_with(output: Path, *hooks: Hook, rank: int = 0) -> TrainingRun:
    run = make_run(output.parent, "Global.epoch_num=2", hooks=[
        *hooks, PeriodicEvaluation(), Checkpointing(output, 0), RunSummary(output)])
    run.rank = rank
    return run


def test_a_completed_run(output: Path) -> None:
    seen = []
    train(run_with(output, At(1, lambda run: seen.append(summary(output))), At(6, lambda run: seen.append(
        summary(output)))))
    first, second = seen
    assert (first["status"], first["step"], first["exit_code"], first["checkpoint"]) == ("running", 0, None, None)
    assert (second["status"], second["step"], second["epoch"]) == ("running", 5, 1)
    content = summary(output)
    assert content["status"] == "completed"
    assert content["reason"] == "all epochs are done"
    assert (content["epoch"], content["epochs"], content["batch"], content["step"]) == (2, 2, 0, 10)
    assert content["best"] == {"acc": 0.5, "epoch": 1.0, "step": 5.0}
    assert (content["exit_code"], content["error"]) == (0, None)
    assert content["checkpoint"] == str(output / "latest")
    assert (content["pid"], content["host"], content["processes"]) == (os.getpid(), socket.gethostname(), 1)
    assert content["config_file"].endswith("stub.yml")
    assert set(content["versions"]) == {"ppocr", "paddle", "numpy", "python"}
    assert 0 <= content["seconds"] < 600
    assert content["started"] <= content["written"]


@pytest.mark.parametrize(("stop", "status"), [
    (Stop("SIGTERM", 143, interrupted=True), "interrupted"), (Stop("early stopping"), "completed"),
    (Stop("enough is enough", 2), "failed")])
def test_a_run_that_was_asked_to_stop(output: Path, stop: Stop, status: str) -> None:
    train(run_with(output, At(7, lambda run: run.request_stop(stop))))
    content = summary(output)
    assert (content["status"], content["reason"], content["exit_code"]) == (status, stop.reason, stop.exit_code)
    assert (content["epoch"], content["batch"], content["step"]) == (1, 2, 7)
    run = make_run(output.parent, "Global.epoch_num=2")
    resume(run, content["checkpoint"])
    assert run.progress.step == 7


def test_an_error_for_the_user(output: Path) -> None:
    error = DatasetError("no file", expected="a file", cure="bring it back")
    with pytest.raises(DatasetError):
        train(run_with(output, At(7, throw(error))))
    content = summary(output)
    assert (content["status"], content["exit_code"]) == ("failed", 2)
    assert content["error"] == {"type": "DatasetError", "what": "no file", "expected": "a file",
                                "cure": "bring it back"}
    assert content["reason"] == "DatasetError: no file"
    assert content["checkpoint"] == str(output / "latest")


def test_an_unexpected_error(output: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(run_with(output, At(3, lambda run: 1 // 0)))
    content = summary(output)
    assert (content["status"], content["exit_code"], content["error"]["type"]) == ("failed", 1, "ZeroDivisionError")
    assert "in <lambda>" in content["error"]["traceback"]


def test_ctrl_c_twice(output: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(run_with(output, At(3, throw(KeyboardInterrupt()))))
    content = summary(output)
    assert (content["status"], content["exit_code"], content["error"]) == ("interrupted", 130, None)
    assert content["checkpoint"] is None


def test_other_ranks_write_only_of_their_failure(output: Path) -> None:
    train(run_with(output, rank=1))
    assert not list(output.glob("summary*"))
    with pytest.raises(DatasetError):
        train(run_with(output, At(2, throw(DatasetError("mine"))), rank=1))
    assert not (output / "summary.json").exists()
    content = summary(output, "summary.rank1.json")
    assert (content["status"], content["rank"], content["error"]["what"]) == ("failed", 1, "mine")
    train(run_with(output))
    assert {path.name for path in output.glob("summary*")} == {"summary.json"}


def test_a_killed_run_is_known_by_its_process(output: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(run_with(output))
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    with caplog.at_level(logging.INFO, logger="ppocr"):
        for process, host, told in (
            (done.pid, socket.gethostname(), f"The last run in {output} was killed; it had told of 10 steps"),
            (os.getppid(), socket.gethostname(), f"Process {os.getppid()} on {socket.gethostname()} may still be"),
            (done.pid, "elsewhere", f"Process {done.pid} on elsewhere may still be training"),
        ):
            content = {**summary(output), "status": "running", "pid": process, "host": host}
            (output / "summary.json").write_text(json.dumps(content))
            caplog.clear()
            RunSummary(output).before_train(run_with(output))
            assert told in caplog.text
            (output / "summary.json").write_text(json.dumps({**content, "step": 10}))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"status": "running"}'])
def test_whatever_lies_there(output: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (output / "summary.json").write_text(content)
    RunSummary(output).before_train(run_with(output))
    assert not caplog.records
    assert summary(output)["status"] == "running"


def test_a_summary_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path, "Global.epoch_num=1", hooks=[RunSummary(tmp_path / "gone")])
    train(run)
    assert run.progress.epoch == 1
    assert "gone/summary.json could not be written" in caplog.text
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(("error", "code"), [(DatasetError("x"), 2), (KeyboardInterrupt(), 130), (SystemExit(7), 7),
                                             (SystemExit("text"), 1), (MemoryError(), 1)])
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_long_trace_is_cut() -> None:
    assert len(describe_error(ValueError("x" * 100_000))["traceback"]) == 8000
