"""A save that is killed at any file operation leaves a checkpoint that resumes: the earlier one or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.checkpoint import resume, save_checkpoint
from ppocr.engine.checkpoint_files import SUFFIXES, newest_complete
from tests.engine.stubs import make_run, weights
from tools.program import train


class Killed(BaseException):
    """Unlike an exception that a cleanup could wait for."""


class Operations:
    """Counts links, renames, deletions and flushes, and ends the process's work at the chosen one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done, self.last = 0, -1
        for name in ("link", "replace", "unlink", "fsync"):
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


def no_links(*arguments: Any, **options: Any) -> None:
    raise PermissionError("this file system has no links")


@pytest.mark.parametrize(("keep", "has_links"), [("", True), ("previous", True), ("previous", False)])
def test_a_killed_save_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    first, second = make_run(tmp_path, "Global.epoch_num=1"), make_run(tmp_path, "Global.epoch_num=2")
    train(first)
    train(second)
    states = {1: weights(first), 2: weights(second)}
    operations = Operations(monkeypatch)
    found = []
    for number in range(1, 80):
        prefix = tmp_path / str(number) / "latest"
        operations.kill_at(-1)
        save_checkpoint(first, prefix)
        operations.kill_at(number)
        try:
            save_checkpoint(second, prefix, keep=keep)
        except Killed:
            killed = True
        else:
            killed = False
        operations.kill_at(-1)
        resumed = make_run(tmp_path, "Global.epoch_num=2")
        resume(resumed, prefix)
        assert weights(resumed) == states[resumed.progress.epoch], number
        found.append(resumed.progress.epoch)
        save_checkpoint(second, prefix, keep=keep)
        expected = {f"{name}{suffix}" for name in ("latest", keep) if name for suffix in SUFFIXES}
        assert {path.name for path in prefix.parent.iterdir()} == expected, number
        assert newest_complete(prefix.parent) == prefix
        if keep:
            resume(make_run(tmp_path, "Global.epoch_num=2"), prefix.with_name(keep))
        if not killed:
            break
    assert not killed
    assert found == sorted(found), "once the new checkpoint is complete, it stays"
    assert found[0] == 1
    assert found[-1] == 2
