"""A save that is killed at any file operation leaves a checkpoint that resumes: the earlier one or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.checkpoint import resume, save_checkpoint
from tests.engine.stubs import make_run, weights
from tools.program import train


class Killed(BaseException):
    """Unlike an exception that a cleanup could wait for."""


class Operations:
    """Counts renames, deletions and flushes, and ends the process's work at the chosen one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done, self.last = 0, -1
        for name in ("replace", "unlink", "fsync"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, operation: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.done += 1
            if self.done == self.last:
                raise Killed
            return operation(*arguments, **options)

        return call

    def kill_at(self, number: int) -> None:
        self.done, self.last = 0, number


def test_a_killed_save_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_run(tmp_path, "Global.epoch_num=1"), make_run(tmp_path, "Global.epoch_num=2")
    train(first)
    train(second)
    states = {1: weights(first), 2: weights(second)}
    operations = Operations(monkeypatch)
    found = []
    for number in range(1, 20):
        prefix = tmp_path / str(number) / "latest"
        operations.kill_at(-1)
        save_checkpoint(first, prefix)
        operations.kill_at(number)
        try:
            save_checkpoint(second, prefix)
        except Killed:
            killed = True
        else:
            killed = False
        operations.kill_at(-1)
        resumed = make_run(tmp_path, "Global.epoch_num=2")
        resume(resumed, prefix)
        assert weights(resumed) == states[resumed.progress.epoch], number
        found.append(resumed.progress.epoch)
        save_checkpoint(second, prefix)
        files = {path.name for path in prefix.parent.iterdir() if path.suffix != ".tmp"}
        assert files == {"latest.pdparams", "latest.pdopt", "latest.state"}
        if not killed:
            break
    assert found == sorted(found), "once the new checkpoint is complete, it stays"
    assert found[0] == 1
    assert found[-1] == 2
