from __future__ import annotations

import subprocess
import sys

import pytest

from ppocr.data.memory import keep_freed_memory
from tests.source_tree import ROOT

FAULTS = """
import resource
import numpy as np
from ppocr.data.memory import keep_freed_memory

if {keep}:
    assert keep_freed_memory()

def use():
    for _ in range(20):
        arrays = [np.ones(3 << 20, np.uint8) for _ in range(5)]

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a matter of Linux's C library")
def test_freed_memory_is_used_again() -> None:
    # In a process of its own: the setting cannot be taken back.
    done = subprocess.run([sys.executable, "-c", FAULTS.format(keep=True)], capture_output=True, text=True, cwd=ROOT,
                          check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000  # 20 rounds of 15 MiB would be 76800 pages


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_other_c_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
