"""The bar in the terminal, and the lines of the log that come above it."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.console import ProgressLog
from ppocr.engine.logger import console, start_logging, stop_logging
from ppocr.engine.monitoring.progress_bar import ProgressBar
from ppocr.errors import DependencyError
from tests.engine.stubs import config_for, make_run
from tools.program import train


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("option", "terminal", "rank", "expected"), [
    ("null", True, 0, True), ("null", False, 0, False), ("true", False, 0, True), ("false", True, 0, False),
    ("true", True, 1, False)])
def test_when_there_is_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, terminal: bool, rank: int,
                             expected: bool) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stdout", Terminal() if terminal else io.StringIO())
    options = config_for(tmp_path, f"Global.progress_bar={option}")["Global"]
    assert (ProgressBar.from_options(options, rank) is not None) == expected


def test_without_tqdm_there_is_none_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert ProgressBar.from_options(config_for(tmp_path)["Global"], 0) is None
    with pytest.raises(DependencyError, match="progress_bar is true, but tqdm cannot be imported"):
        ProgressBar.from_options(config_for(tmp_path, "Global.progress_bar=true")["Global"], 0)


def test_lines_stand_above_the_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    bar = ProgressBar.from_options(config_for(tmp_path)["Global"], 0)
    assert bar is not None
    start_logging(tmp_path / "output", name="train")
    try:
        train(make_run(tmp_path, "Global.epoch_num=2", hooks=[ProgressLog(every=5, window=1), bar]))
    finally:
        stop_logging()
    shown = terminal.getvalue()
    assert "Epoch 1/2" in shown
    assert "Epoch 2/2" in shown
    assert "5/5" in shown
    # Wherever a line of the log begins, the bar has been wiped off, so that nothing is left of it beside the line.
    lines = [text for text in shown.split("\n") if "Epoch: " in text]
    assert len(lines) == 2
    assert all(line.split("\r")[-1].startswith("[2") for line in lines)
    log = (tmp_path / "output" / "train.log").read_text()
    assert "\r" not in log
    assert "batches" not in log


def test_a_resumed_epoch_begins_where_it_was(tmp_path: Path) -> None:
    class Bars:
        monitor_interval = 10
        made: list[dict[str, Any]] = []

        def __init__(self, **options: Any) -> None:
            self.made.append(options)
            self.steps = 0

        def update(self, count: int) -> None:
            self.steps += count

        def set_postfix_str(self, text: str, refresh: bool) -> None: ...

        def close(self) -> None: ...

    run = make_run(tmp_path, "Global.epoch_num=1", hooks=[ProgressBar(Bars)])
    run.progress.batch = 3
    train(run)
    assert [(bar["initial"], bar["total"]) for bar in Bars.made] == [(3, 5)]
    assert Bars.monitor_interval == 0


def test_the_console_is_found(tmp_path: Path) -> None:
    assert console() is None
    start_logging(None)
    try:
        assert console() in logging.getLogger("ppocr").handlers
    finally:
        stop_logging()
