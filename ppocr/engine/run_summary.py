"""How a run ended, in one file that a program can read: ``summary.json``."""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy
import paddle

from ppocr import __version__
from ppocr.commands import INTERRUPTED, USER_ERROR
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import PPOCRError
from ppocr.fileio import atomic_write

LOGGER = logging.getLogger("ppocr")

FILE = "summary.json"
RUNNING, COMPLETED, INTERRUPTED_STATUS, FAILED = "running", "completed", "interrupted", "failed"
UNEXPECTED = 1
"""Exit code of a program that an unexpected exception ends."""

TRACE_LENGTH = 8000


class RunSummary(Hook):
    """Writes ``summary.json``: a run that is running when it begins and after each epoch, and how it ended.

    A file that says ``running`` with a process that is no more is that of a run that was killed. Rank 0 writes it; any
    other rank writes ``summary.rank<N>.json``, and only if it fails. As the last of the hooks it knows what the others
    have done. A summary that cannot be written is told of in the log, and changes nothing else.

    Args:
        folder: Where the file goes.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._started = time.time()
        self._duration_from = time.perf_counter()

    def before_train(self, run: TrainingRun) -> None:
        """Tell of an earlier run here that did not end, and write that this one is running."""
        self._started, self._duration_from = time.time(), time.perf_counter()
        for stale in [self._file(run.rank)] if run.rank else self._of_ranks_from(run.world_size):
            stale.unlink(missing_ok=True)
        if run.rank == 0:
            self._tell_of_last_run()
            self._write(run, RUNNING)

    def after_epoch(self, run: TrainingRun) -> None:
        """Write how far the run is."""
        if run.rank == 0:
            self._write(run, RUNNING)

    def after_train(self, run: TrainingRun) -> None:
        """Write that the run ended, and why."""
        if run.rank != 0:
            return
        if run.stop is None:
            self._write(run, COMPLETED, reason="all epochs are done", exit_code=0)
            return
        status = INTERRUPTED_STATUS if run.stop.interrupted else FAILED if run.stop.exit_code else COMPLETED
        self._write(run, status, reason=run.stop.reason, exit_code=run.stop.exit_code)

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Write what ended the run."""
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = f"{type(error).__name__}: {error.what if isinstance(error, PPOCRError) else error}"
        self._write(run, INTERRUPTED_STATUS if interrupted else FAILED,
                    reason="interrupted at once, without a checkpoint" if interrupted else reason,
                    exit_code=exit_code_of(error), error=None if interrupted else describe_error(error))

    def _write(self, run: TrainingRun, status: str, **ending: Any) -> None:
        progress = run.progress
        content = {
            "status": status,
            "reason": "",
            "error": None,
            "exit_code": None,
            **ending,
            "epoch": progress.epoch,
            "epochs": run.epochs,
            "batch": progress.batch,
            "batches_per_epoch": run.batches_per_epoch,
            "step": progress.step,
            "best": progress.best,
            "checkpoint": run.checkpoint,
            "started": _clock(self._started),
            "written": _clock(time.time()),
            "seconds": round(time.perf_counter() - self._duration_from, 3),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "rank": run.rank,
            "processes": run.world_size,
            "config_file": str(run.config.file),
            "versions": {"ppocr": __version__, "paddle": paddle.__version__, "numpy": numpy.__version__,
                         "python": platform.python_version()},
        }
        path = self._file(run.rank)
        try:
            if not self.folder.is_dir():  # It would be made anew, perhaps in a place where a disk was mounted.
                raise FileNotFoundError(f"{self.folder} is gone")
            with atomic_write(path, "w") as file:
                json.dump(content, file, ensure_ascii=False, indent=1, default=str)
                file.write("\n")
        except OSError as error:
            LOGGER.warning("%s could not be written: %s", path, error)

    def _file(self, rank: int) -> Path:
        return self.folder / (FILE if rank == 0 else f"summary.rank{rank}.json")

    def _of_ranks_from(self, world_size: int) -> list[Path]:
        """Return the files of ranks that an earlier run here had, and this one has not."""
        return [path for path in self.folder.glob("summary.rank*.json")
                if (number := path.name[len("summary.rank"):-len(".json")]).isdigit() and int(number) >= world_size]

    def _tell_of_last_run(self) -> None:
        """Say that the last run in this folder was killed, or that it may still be there."""
        try:
            last = json.loads((self.folder / FILE).read_text(encoding="utf-8"))
            status, host, process, step = last["status"], last["host"], int(last["pid"]), last["step"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        if status != RUNNING or process == os.getpid():
            return
        if host == socket.gethostname() and not _is_alive(process):
            LOGGER.info("The last run in %s was killed; it had told of %s steps.", self.folder, step)
        else:
            LOGGER.warning("Process %d on %s may still be training in %s: two runs in one folder overwrite each "
                           "other's checkpoints.", process, host, self.folder)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a command that an exception ends."""
    if isinstance(error, PPOCRError):
        return USER_ERROR
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return UNEXPECTED


def describe_error(error: BaseException) -> dict[str, str]:
    """Return an error as plain values: what was wrong, what was expected, what to do; with a trace if unexpected."""
    if isinstance(error, PPOCRError):
        return {"type": type(error).__name__, "what": error.what, "expected": error.expected, "cure": error.cure}
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "what": str(error), "expected": "", "cure": "",
            "traceback": trace[-TRACE_LENGTH:]}


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # Elsewhere asking could end it.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
