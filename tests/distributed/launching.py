"""Real runs of several processes, started by Paddle's launcher."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300.0
"""A job that takes longer hangs."""


@dataclass
class Job:
    """What a job left behind.

    Attributes:
        exit_code: Of the launcher.
        console: What the launcher printed, which includes the log of rank 0.
        logs: What each rank printed.
        seconds: From the start to the end.
    """

    exit_code: int
    console: str
    logs: list[str]
    seconds: float


def environment() -> dict[str, str]:
    """Return the environment of a job: one thread for each process, and no trace of another launcher."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PADDLE_", "PPOCR__"))}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def start(folder: Path, *command: object, processes: int = 2) -> subprocess.Popen[str]:
    """Start a script with its arguments on several processes, whose logs go to ``folder/log``."""
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", str(processes),
                "--log_dir", str(folder / "log")]
    return subprocess.Popen([*launcher, *map(str, command)], cwd=ROOT, env=environment(), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finish(folder: Path, process: subprocess.Popen[str], started: float) -> Job:
    """Wait for the end of a job and return what it left; kills one that hangs."""
    try:
        console, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        console, _ = process.communicate(timeout=60)
        raise AssertionError(f"the job hangs:\n{console[-4000:]}") from None
    logs = [path.read_text(encoding="utf-8") for path in sorted((folder / "log").glob("workerlog.*"))]
    return Job(process.returncode, console, logs, time.monotonic() - started)


def launch(folder: Path, *command: object, processes: int = 2) -> Job:
    """Run a script on several processes and return what it left behind."""
    started = time.monotonic()
    return finish(folder, start(folder, *command, processes=processes), started)


def alone(*command: object) -> str:
    """Run a script as a single process and return what it printed."""
    done = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, env=environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout
