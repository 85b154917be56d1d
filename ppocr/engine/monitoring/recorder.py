"""Where the figures of a run go: ``metrics.jsonl`` always, and the boards that are asked for."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppocr.engine.hooks import Hook
from ppocr.engine.monitoring.tensorboard_writer import TensorBoardWriter
from ppocr.engine.monitoring.visualdl_writer import VisualDLWriter
from ppocr.engine.monitoring.wandb_writer import WandbWriter
from ppocr.engine.monitoring.writer import Image, Start, Writer
from ppocr.fileio import atomic_write
from ppocr.sections import Section, to_plain

if TYPE_CHECKING:
    from ppocr.engine.run import TrainingRun

LOGGER = logging.getLogger("ppocr")

FILE, EARLIER_FILE = "metrics.jsonl", "metrics_earlier.jsonl"


class Recorder:
    """Takes figures, texts and pictures of a run to its folder and to the boards; rank 0 writes, others do nothing.

    A board that fails is told of and left out from then on: the training is worth more than its curves.

    Args:
        writers: The boards.

    Attributes:
        latest: The last figures of each kind, for who wants to show them.
        lines: Lines in ``metrics.jsonl``; None as long as that is not known.
    """

    def __init__(self, writers: Sequence[Writer] = ()) -> None:
        self.latest: dict[str, dict[str, float]] = {}
        self.lines: int | None = None
        self._waiting, self._writers = list(writers), list[Writer]()
        self._started = False
        self._is_told = False

    @classmethod
    def from_options(cls, options: Section, rank: int) -> Recorder:
        """Return the recorder with the boards that ``Global.use_...`` ask for.

        Raises:
            DependencyError: The package of a board is not installed.
        """
        writers: list[Writer] = []
        if rank == 0 and options["use_visualdl"]:
            writers.append(VisualDLWriter())
        if rank == 0 and options["use_tensorboard"]:
            writers.append(TensorBoardWriter())
        if rank == 0 and options["use_wandb"]:
            writers.append(WandbWriter(options["wandb_project"]))
        return cls(writers)

    @property
    def has_boards(self) -> bool:
        """Whether any board is written."""
        return bool(self._waiting or self._writers)

    def start(self, run: TrainingRun) -> None:
        """Bring ``metrics.jsonl`` to where the run stands and open the boards; only the first call does anything.

        Raises:
            DependencyError: A board cannot be used.
        """
        if self._started or run.rank:
            return
        self._started = True
        folder = Path(run.config["Global"]["save_model_dir"])
        self._guarded(lambda: self._settle(folder, run.progress.step))
        while self._waiting:
            self._waiting[0].open(Start(folder, run.progress.step, run.progress.run, to_plain(run.config)))
            self._writers.append(self._waiting.pop(0))

    def add(self, run: TrainingRun, kind: str, figures: Mapping[str, float]) -> None:
        """Write figures of the step at which the run stands.

        Args:
            run: The run.
            kind: What they are of, such as ``"train"`` or ``"eval"``; boards show it as a heading.
            figures: Plain numbers: what was on the device is read already. One that is not finite becomes null in the
                file and is not shown by boards.
        """
        if run.rank:
            return
        self.start(run)
        numbers = {name: float(value) for name, value in figures.items()}
        self.latest[kind] = numbers
        epoch = run.progress.epoch + run.progress.batch / max(1, run.batches_per_epoch)
        line = {"kind": kind, "epoch": epoch, "step": run.progress.step, "time": round(time.time(), 3),
                **{name: value if math.isfinite(value) else None for name, value in numbers.items()}}
        self._guarded(lambda: self._append(Path(run.config["Global"]["save_model_dir"]), line))
        finite = {f"{kind}/{name}": value for name, value in numbers.items() if math.isfinite(value)}
        self._each(lambda writer: writer.add_scalars(finite, run.progress.step))

    def add_text(self, run: TrainingRun, name: str, text: str) -> None:
        """Give the boards a text."""
        self.start(run)
        self._each(lambda writer: writer.add_text(name, text, run.progress.step))

    def add_image(self, run: TrainingRun, name: str, image: Image) -> None:
        """Give the boards a picture, uint8 ``[H, W, 3]``, blue, green, red."""
        self.start(run)
        self._each(lambda writer: writer.add_image(name, image, run.progress.step))

    def close(self, *, failed: bool = False) -> None:
        """Close the boards; the file takes lines even then."""
        self._each(lambda writer: writer.close(failed=failed))
        self._writers.clear()

    def _each(self, action: Callable[[Writer], None]) -> None:
        for writer in list(self._writers):
            try:
                action(writer)
            except Exception as error:  # noqa: BLE001 - packages of others may raise anything
                LOGGER.warning("%s is left out from here on: %s: %s", writer.title, type(error).__name__, error)
                self._writers.remove(writer)

    def _guarded(self, write: Callable[[], None]) -> None:
        """Write to the file; a full disk is told of once, and ends the run where a checkpoint cannot be written."""
        try:
            write()
        except OSError as error:
            if not self._is_told:
                LOGGER.warning("%s cannot be written: %s", FILE, error)
            self._is_told = True

    def _append(self, folder: Path, line: Mapping[str, Any]) -> None:
        with open(folder / FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.lines = (self.lines or 0) + 1

    def _settle(self, folder: Path, step: int) -> None:
        """Move lines that are not of this run, or beyond its step, to another file, so that steps only ascend."""
        path = folder / FILE
        if not path.is_file():
            self.lines = 0
            return
        written = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept, left = list[str](), list[str]()
        for line in written:
            number = _step(line)
            if number is None:
                continue
            is_own = 0 < step >= number and (self.lines is None or len(kept) < self.lines)
            (kept if is_own else left).append(line)
        if len(kept) < len(written):
            with open(folder / EARLIER_FILE, "a", encoding="utf-8") as file:
                file.writelines(left)
            with atomic_write(path, "w") as replaced:
                replaced.writelines(kept)
            LOGGER.info("%s: %d lines %s were moved to %s", path, len(left),
                        f"beyond step {step}" if step else "of an earlier run", EARLIER_FILE)
        self.lines = len(kept)


class Monitoring(Hook):
    """Opens and closes the recorder of a run. It is the last of the hooks, so that the others can write to the end.

    Args:
        recorder: `TrainingRun.recorder`.
    """

    key = "records"

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def before_train(self, run: TrainingRun) -> None:
        """Open."""
        self.recorder.start(run)

    def after_train(self, run: TrainingRun) -> None:
        """Close."""
        self.recorder.close(failed=run.stop is not None and run.stop.interrupted)

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Close."""
        self.recorder.close(failed=True)

    def state_dict(self) -> dict[str, Any]:
        """Return how many lines of ``metrics.jsonl`` belong to the checkpoint."""
        return {"lines": self.recorder.lines}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the number of lines."""
        self.recorder.lines = state["lines"]


def _step(line: str) -> int | None:
    """Return the step of a line, None where it is not a whole one, as the last may be of a run that was killed."""
    try:
        return int(json.loads(line)["step"]) if line.endswith("\n") else None
    except (ValueError, KeyError, TypeError):
        return None
