"""A training that is killed leaves no worker processes behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import multiprocessing, sys, time
from pathlib import Path
from tests.data.toy import make_loader, section, write_set

labels = write_set(Path(sys.argv[1]), ["0", "1a", "abc", "22", "9", "b0", "77", "c"] * 8)
for batch in make_loader(section(labels, {"num_workers": 2, "batch_size_per_card": 1})):
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""


def is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends them")
def test_workers_end_with_the_training(tmp_path: Path) -> None:
    training = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, text=True,
                                stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert training.stdout is not None
    workers = [int(word) for word in training.stdout.readline().split()]
    assert len(workers) == 2
    assert all(map(is_running, workers))
    training.send_signal(signal.SIGKILL)
    training.wait()
    end = time.monotonic() + 20
    while any(map(is_running, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    left = [worker for worker in workers if is_running(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert left == []
