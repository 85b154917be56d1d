"""How much memory is told of, from a made-up /proc and from the real one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ppocr.engine.monitoring import memory_use
from ppocr.engine.monitoring.memory_use import memory_figures, resident_memory


def process(root: Path, number: int, pages: int, children: str = "") -> None:
    task = root / str(number) / "task" / str(number)
    task.mkdir(parents=True)
    (root / str(number) / "statm").write_text(f"9999 {pages} 1 1 0 1 0\n")
    (task / "children").write_text(children)


def test_workers_count_at_any_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(tmp_path, 10, 100, "11 12 ")
    process(tmp_path, 11, 20, "13 ")
    process(tmp_path, 12, 3)
    process(tmp_path, 13, 4, "14 ")  # Process 14 has ended meanwhile.
    monkeypatch.setattr(memory_use, "PROCESSES", tmp_path)
    assert resident_memory(10) == 127 * os.sysconf("SC_PAGE_SIZE")


def test_a_system_without_proc_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_use, "PROCESSES", tmp_path / "none")
    assert "memory_mb" not in memory_figures()


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="no /proc")
def test_memory_that_is_used_is_seen() -> None:
    before = memory_figures()["memory_mb"]
    used = np.ones(8 << 20)  # 64 MiB.
    assert memory_figures()["memory_mb"] - before > 50
    assert used[-1] == 1
