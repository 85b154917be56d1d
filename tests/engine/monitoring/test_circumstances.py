"""environment.json, and the warning of a run that goes on with other data."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy
import paddle
import pytest

from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.engine.checkpoint import save_checkpoint
from ppocr.engine.monitoring import circumstances as module
from ppocr.engine.monitoring.circumstances import Circumstances, git_state, git_states
from ppocr.engine.resuming import resume
from ppocr.engine.run import TrainingRun
from tests.engine.stubs import make_run


def described(folder: Path, lines: int = 3) -> TrainingRun:
    labels = folder / "train.txt"
    labels.write_text("".join(f"{number}.png\tword\n" for number in range(lines)))
    (folder / "output").mkdir(exist_ok=True)
    return make_run(folder, "Global.epoch_num=1",
                    hooks=[Circumstances({"Train": SimpleDataSet(str(labels), str(folder))})])


def starts(folder: Path) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((folder / "output" / "environment.json").read_text())
    found: list[dict[str, Any]] = content["starts"]
    return found


def test_versions_command_device_and_data_are_written(tmp_path: Path) -> None:
    run = described(tmp_path)
    run.hooks.before_train(run)
    start, = starts(tmp_path)
    assert start["versions"]["paddle"] == paddle.__version__
    assert start["versions"]["numpy"] == numpy.__version__
    assert start["device"]["name"] == "cpu"
    assert start["data"]["Train"]["sources"][0]["lines"] == 3
    assert start["run"] == run.progress.run
    assert (start["step"], start["processes"], start["checkpoints"]) == (0, 1, None)
    assert isinstance(start["command"], list)


def test_a_resumed_run_adds_its_start_and_tells_of_other_data(tmp_path: Path,
                                                              caplog: pytest.LogCaptureFixture) -> None:
    run = described(tmp_path)
    run.hooks.before_train(run)
    run.progress.step = 5
    save_checkpoint(run, tmp_path / "output" / "latest")

    same = described(tmp_path)
    resume(same, tmp_path / "output" / "latest")
    same.hooks.before_train(same)
    assert "are not those of the checkpoint" not in caplog.text

    other = described(tmp_path, lines=4)
    resume(other, tmp_path / "output" / "latest")
    other.hooks.before_train(other)
    assert (f"The Train data are not those of the checkpoint: {tmp_path / 'train.txt'} has changed: 3 lines before, "
            "4 now.") in caplog.text
    assert [start["step"] for start in starts(tmp_path)] == [0, 5, 5]

    new = described(tmp_path)
    new.hooks.before_train(new)
    assert [start["step"] for start in starts(tmp_path)] == [0]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = described(tmp_path)
    (tmp_path / "output" / "environment.json").mkdir()
    run.hooks.before_train(run)
    assert "environment.json cannot be written" in caplog.text


class TestGit:
    def test_commit_and_changes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def git(*arguments: str) -> str:
            done = subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c",
                                   *arguments], capture_output=True, text=True, check=True)
            return done.stdout.strip()

        try:
            git("init", "-q")
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("there is no git")
        assert git_state(tmp_path) is None  # No commit yet.
        (tmp_path / "a.txt").write_text("1")
        git("add", "a.txt")
        git("commit", "-q", "-m", "first")
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "untracked.txt").write_text("x")
        state = git_state(tmp_path / "output")
        assert state == {"root": str(tmp_path.resolve()), "commit": git("rev-parse", "HEAD"), "dirty": False}
        (tmp_path / "a.txt").write_text("2")
        monkeypatch.chdir(tmp_path)
        assert git_states()["working_folder"] == {**state, "dirty": True}

    def test_without_git(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert git_state(tmp_path) is None
        assert git_states() == {}

    def test_a_git_that_does_not_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def hang(*arguments: Any, **options: Any) -> None:
            raise subprocess.TimeoutExpired("git", 10)

        monkeypatch.setattr(module.subprocess, "run", hang)
        assert git_state(tmp_path) is None
