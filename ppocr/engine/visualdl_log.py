"""Scalars for VisualDL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import DependencyError


class VisualDLLog(Hook):
    """Writes losses, learning rate and metrics to ``<save_model_dir>/vdl`` every `every` batches.

    Raises:
        DependencyError: The package visualdl is not installed.
    """

    def __init__(self, folder: str | Path, every: int) -> None:
        try:
            from visualdl import LogWriter
        except ImportError as error:
            raise DependencyError(f"Global.use_visualdl is true, but visualdl cannot be imported: {error}",
                                  expected="the package visualdl", cure="pip install visualdl, or set it false") \
                from error
        self.every = max(1, every)
        self.writer: Any = LogWriter(logdir=str(Path(folder) / "vdl"))

    def after_step(self, run: TrainingRun) -> None:
        """Write the losses and the learning rate."""
        if run.last is None or run.progress.batch % self.every:
            return
        for name, value in run.last.losses.items():
            self.writer.add_scalar(f"train/{name}", float(value), run.progress.step)
        self.writer.add_scalar("train/lr", float(run.optimizer.get_lr()), run.progress.step)

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Write the metrics."""
        for name, value in metrics.items():
            self.writer.add_scalar(f"eval/{name}", float(value), run.progress.step)

    def after_train(self, run: TrainingRun) -> None:
        """Close the file."""
        self.writer.close()

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Close the file."""
        self.writer.close()
