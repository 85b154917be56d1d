"""Under which circumstances a run was started: ``environment.json`` in its folder."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import paddle

import ppocr
from ppocr.cv import cv2
from ppocr.data.dataset import SampleDataset
from ppocr.engine.hooks import Hook
from ppocr.engine.monitoring.fingerprint import Fingerprint, differences, fingerprint
from ppocr.engine.run import TrainingRun
from ppocr.fileio import atomic_write

LOGGER = logging.getLogger("ppocr")

FILE = "environment.json"

GIT_SECONDS = 10
"""A working copy on a slow disk must not hold up the training."""


class Circumstances(Hook):
    """Writes ``environment.json``, and tells when a run goes on with other data than it had. For rank 0.

    The file holds a list ``starts``, to which each start of the run adds one.

    Args:
        datasets: By split.
    """

    key = "data"

    def __init__(self, datasets: Mapping[str, SampleDataset]) -> None:
        self._datasets = datasets
        self._before: dict[str, Fingerprint] = {}
        self._now: dict[str, Fingerprint] = {}

    def before_train(self, run: TrainingRun) -> None:
        """Look at the data and write the file."""
        self._now = {split: fingerprint(dataset) for split, dataset in self._datasets.items()}
        for split, now in self._now.items():
            for change in differences(self._before[split], now) if split in self._before else ():
                LOGGER.warning("The %s data are not those of the checkpoint: %s.", split, change)
        folder = Path(run.config["Global"]["save_model_dir"])
        try:
            _write(folder / FILE, {**circumstances(run), "data": self._now}, is_new=run.progress.step == 0)
        except OSError as error:
            LOGGER.warning("%s cannot be written: %s", folder / FILE, error)

    def state_dict(self) -> dict[str, Any]:
        """Return the fingerprints of the data."""
        return dict(self._now)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember the data that the checkpoint was trained on."""
        self._before = state


def circumstances(run: TrainingRun) -> dict[str, Any]:
    """Return when, how, with what and from where a run is started, as plain values."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "run": run.progress.run,
        "step": run.progress.step,
        "checkpoints": run.config["Global"]["checkpoints"],
        "command": sys.argv,
        "working_folder": os.getcwd(),
        "versions": {"ppocr": ppocr.__version__, "python": platform.python_version(), "paddle": paddle.__version__,
                     "numpy": numpy.__version__, "opencv": cv2.__version__},
        "platform": platform.platform(),
        "host": platform.node(),
        "device": _device(),
        "processes": run.world_size,
        "git": git_states(),
    }


def git_states() -> dict[str, dict[str, Any]]:
    """Return the state of the program's checkout and of the working folder's, where these are in git."""
    program, here = git_state(Path(ppocr.__file__).parent), git_state(Path.cwd())
    states = {"program": program, "working_folder": here if here != program else None}
    return {name: state for name, state in states.items() if state is not None}


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return ``root``, ``commit`` and ``dirty`` (tracked files were changed) of the checkout that a folder is in."""
    found = _git(folder, "rev-parse", "--show-toplevel", "HEAD")
    if found is None or len(found.split("\n")) != 2:
        return None
    root, commit = found.split("\n")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"root": root, "commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, None where there is no git, no checkout or no answer."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False,
                              timeout=GIT_SECONDS, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"})
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _device() -> dict[str, Any]:
    device: dict[str, Any] = {"name": paddle.get_device(), "cpus": os.cpu_count(),
                              "omp_num_threads": os.environ.get("OMP_NUM_THREADS")}
    if device["name"].startswith("gpu"):
        device["model"] = paddle.device.cuda.get_device_name()
    return device


def _write(path: Path, start: Mapping[str, Any], *, is_new: bool) -> None:
    """Add a start to the file; a new run begins it anew."""
    starts = [] if is_new else _starts(path)
    with atomic_write(path, "w") as file:
        json.dump({"starts": [*starts, start]}, file, ensure_ascii=False, indent=1)
        file.write("\n")


def _starts(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    starts = content.get("starts") if isinstance(content, dict) else None
    return starts if isinstance(starts, list) else []
