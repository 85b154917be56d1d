"""Workers that die or hang, each with the sample that it was at."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ppocr.data.loader as loader_module
from ppocr.data import DataLoader
from ppocr.data.sample import Index
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.data.worker_memory import Room
from ppocr.data.worker_watch import Board
from ppocr.errors import ConfigError, DatasetError
from tests.data.toy import make_loader, section, write_set

LABELS = ["0", "1a", "abc", "22", "9", "b0", "77", "c", "5", "aa"]
BAD = 6
"""Line of the sample at which a worker comes to grief."""


def loader_with(folder: Path, fault: Callable[[], Any], **options: Any) -> DataLoader:
    def transform(sample: dict[str, Any]) -> dict[str, Any]:
        if sample["info"].line == BAD:
            fault()
        return sample

    loader = make_loader(section(write_set(folder, LABELS), {"num_workers": 2, **options}), "Eval")
    steps = loader.dataset.pipeline.transforms
    loader.dataset.pipeline = Pipeline([steps[0], transform, *steps[1:]])
    return loader


def no_children_left() -> bool:
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("fault", "ending", "cure"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL", "look for memory"),
        (lambda: os._exit(3), "ended with exit code 3", "look at that sample"),
    ],
)
def test_a_worker_that_dies(tmp_path: Path, fault: Callable[[], Any], ending: str, cure: str) -> None:
    with pytest.raises(DatasetError) as error:
        list(loader_with(tmp_path, fault))
    place = f"{tmp_path / 'train.txt'}:{BAD} ({tmp_path / 'img/5.png'})"
    assert ending in error.value.what
    assert error.value.what.endswith(f"while it made {place}")
    assert error.value.cure.startswith(cure)
    assert no_children_left()


def test_a_worker_that_hangs(tmp_path: Path) -> None:
    loader = loader_with(tmp_path, lambda: time.sleep(300), timeout=1.0)
    with pytest.raises(DatasetError) as error:
        list(loader)
    first, second = error.value.what.splitlines()
    assert first == "no batch came from the loader's 2 workers for 1 s"
    assert second.endswith(f" s at {tmp_path / 'train.txt'}:{BAD} ({tmp_path / 'img/5.png'})")
    assert "loader.timeout" in error.value.cure
    assert no_children_left()


def test_time_in_which_nobody_waits_does_not_count(tmp_path: Path) -> None:
    loader = loader_with(tmp_path, lambda: None, timeout=0.4, batch_size_per_card=1)
    seen = 0
    for batch in loader:
        seen += len(batch["info"])
        if seen == 1:
            time.sleep(1.0)
    assert seen == len(LABELS)


def test_a_death_is_told_when_the_next_batch_is_asked_for(tmp_path: Path) -> None:
    """Paddle's own handler raises in the midst of whatever the main process does just then."""
    may_die = tmp_path / "now"

    def die() -> None:
        while not may_die.exists():
            time.sleep(0.01)
        os._exit(3)

    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader_with(tmp_path, die, batch_size_per_card=2))
    next(batches)
    may_die.touch()
    deadline = time.monotonic() + 20
    while len(multiprocessing.active_children()) == 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(multiprocessing.active_children()) == 1
    assert signal.getsignal(signal.SIGCHLD) is before
    with pytest.raises(DatasetError, match=f"train.txt:{BAD} "):
        list(batches)


def test_notes_of_the_board() -> None:
    board = Board(2)
    assert board.read(0) is board.read(1) is None
    board.note(1, Index(0, 7, (320, 48)))
    board.note(0, Index(3, 0))
    first, second = board.read(0), board.read(1)
    assert first is not None
    assert second is not None
    assert (first.index, second.index) == (Index(3, 0), Index(0, 7, (320, 48)))
    assert 0 <= time.monotonic() - first.since < 60
    board.note(1, None)
    assert board.read(1) is None
    other = pickle.loads(pickle.dumps(board))  # As for a process that is no fork of this one.
    assert other.read(0) is None


@pytest.mark.parametrize("seconds", [-1, float("inf")])
def test_senseless_times_are_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(ConfigError, match="timeout is"):
        make_loader(section(write_set(tmp_path, LABELS), {"timeout": seconds}))


@pytest.mark.parametrize(("free", "warned"), [(1 << 40, False), (100, True)])
def test_little_memory_is_told_before_the_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free: int, warned: bool
) -> None:
    monkeypatch.setattr(loader_module, "memory_left", lambda: Room(free, "MemAvailable of the machine"))
    loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 1}), "Eval")
    with caplog.at_level(logging.WARNING, "ppocr"):
        for _ in range(2):
            assert sum(len(batch["info"]) for batch in loader) == len(LABELS)
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(messages) == int(warned)
    assert all(message.startswith("Eval: 1 workers with batches of 0 MiB need about 32 MiB") for message in messages)
