"""Which checkpoints a run writes, and when."""

from __future__ import annotations

import logging
from pathlib import Path

from ppocr.engine.checkpoint import save_checkpoint
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import PPOCRError

LOGGER = logging.getLogger("ppocr")


class Checkpointing(Hook):
    """Writes ``best_accuracy``, ``latest`` and ``iter_epoch_N``.

    ``latest`` is written before and after each evaluation, after each epoch, and where the run stops. An exception can
    come in the middle of a step, so nothing is written then; the log says from where the run can be continued.

    Args:
        folder: Where the checkpoints go.
        every: Keep ``iter_epoch_N`` every so many epochs; 0 keeps none.
    """

    def __init__(self, folder: str | Path, every: int) -> None:
        self.folder, self.every = Path(folder), every
        self._latest = ""
        self._saved: tuple[int, int, bool] | None = None

    def before_eval(self, run: TrainingRun) -> None:
        """Save ``latest``, so that nothing is lost when the evaluation fails."""
        self._save_latest(run)

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Save ``best_accuracy`` if this evaluation is the best, and ``latest`` with its result."""
        if run.progress.best.get("step") == run.progress.step:
            save_checkpoint(run, self.folder / "best_accuracy", metrics)
            LOGGER.info("Saved %s", self.folder / "best_accuracy")
        self._save_latest(run, metrics)

    def after_epoch(self, run: TrainingRun) -> None:
        """Save ``latest`` if the evaluation has not, and ``iter_epoch_N`` when it is due."""
        self._save_latest(run)
        if self.every and run.progress.epoch % self.every == 0:
            save_checkpoint(run, self.folder / f"iter_epoch_{run.progress.epoch}")

    def after_train(self, run: TrainingRun) -> None:
        """Save where the run was stopped."""
        if run.stop is None:
            return
        self._save_latest(run)
        if run.stop.interrupted:
            LOGGER.info("Stopped after batch %d of %d in epoch %d (%s); continue with -o Global.checkpoints=%s",
                        run.progress.batch, run.batches_per_epoch, run.progress.epoch + 1, run.stop.reason,
                        self.folder / "latest")

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Log where the run stopped, why, and how to continue it."""
        cause = f"{type(error).__name__}: {error.what}" if isinstance(error, PPOCRError) else type(error).__name__
        resumed = run.config["Global"]["checkpoints"]
        if self._latest:
            more = f"; continue with -o Global.checkpoints={self.folder / 'latest'} ({self._latest})"
        elif resumed:
            more = f"; no checkpoint was written since, continue with -o Global.checkpoints={resumed} once more"
        else:
            more = "; no checkpoint was written yet"
        LOGGER.warning("Stopped after batch %d of %d in epoch %d (%s)%s", run.progress.batch, run.batches_per_epoch,
                       run.progress.epoch + 1, cause, more if run.rank == 0 else "")

    def _save_latest(self, run: TrainingRun, metrics: dict[str, float] | None = None) -> None:
        """Save ``latest`` unless it stands where the run does, with the result of its evaluation if there is one."""
        here = (run.progress.epoch, run.progress.batch)
        if self._saved is not None and self._saved[:2] == here and (self._saved[2] or metrics is None):
            return
        save_checkpoint(run, self.folder / "latest", metrics)
        self._saved = (*here, metrics is not None)
        self._latest = f"epoch {run.progress.epoch}, batch {run.progress.batch}"
