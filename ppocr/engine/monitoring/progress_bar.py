"""A bar in the terminal that shows how far the epoch is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ppocr.engine.hooks import Hook
from ppocr.engine.logger import console
from ppocr.errors import DependencyError
from ppocr.sections import Section

if TYPE_CHECKING:
    from ppocr.engine.run import TrainingRun

SHOWN = ("loss", "lr")
"""Of the latest figures."""


class ProgressBar(Hook):
    """A bar per epoch, below the lines of the log, which are written above it.

    Args:
        tqdm: The class of that name.
    """

    def __init__(self, tqdm: Any) -> None:
        tqdm.monitor_interval = 0  # Its watching thread does not go together with workers that are forked.
        self._tqdm = tqdm
        self._bar: Any = None
        self._figures: dict[str, float] = {}

    @classmethod
    def from_options(cls, options: Section, rank: int) -> ProgressBar | None:
        """Return the bar, or None where it is switched off; by default there is one if the output is a terminal.

        Raises:
            DependencyError: It is asked for, and the package tqdm is not installed.
        """
        wanted = options["progress_bar"]
        if rank or wanted is False or (wanted is None and not sys.stdout.isatty()):
            return None
        try:
            from tqdm import tqdm
        except ImportError as error:
            if wanted is None:
                return None
            raise DependencyError(f"Global.progress_bar is true, but tqdm cannot be imported: {error}",
                                  expected="the package tqdm", cure="pip install tqdm, or set it to null") from error
        return cls(tqdm)

    def before_epoch(self, run: TrainingRun) -> None:
        """Begin a bar where the epoch begins, or goes on."""
        self._close()
        self._bar = self._tqdm(total=run.batches_per_epoch, initial=run.progress.batch, unit=" batches", leave=False,
                               desc=f"Epoch {run.progress.epoch + 1}/{run.epochs}", file=sys.stdout,
                               dynamic_ncols=True)
        handler = console()
        if handler is not None:
            handler.around = lambda: self._tqdm.external_write_mode(file=sys.stdout)

    def after_step(self, run: TrainingRun) -> None:
        """Go on by one batch, with the latest figures."""
        if self._bar is None:
            return
        latest = run.recorder.latest.get("train", {})
        if latest is not self._figures:
            self._figures = latest
            shown = ", ".join(f"{name} {latest[name]:.4g}" for name in SHOWN if name in latest)
            self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update(1)

    def before_eval(self, run: TrainingRun) -> None:
        """Tell that the bar stands for an evaluation."""
        if self._bar is not None:
            self._bar.set_description_str("Evaluation")

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Tell that the epoch goes on."""
        if self._bar is not None:
            self._bar.set_description_str(f"Epoch {run.progress.epoch + 1}/{run.epochs}")

    def after_epoch(self, run: TrainingRun) -> None:
        """Take the bar away."""
        self._close()

    def after_train(self, run: TrainingRun) -> None:
        """Take the bar away."""
        self._close()

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Take the bar away."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None
