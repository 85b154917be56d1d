"""Evaluation during training, and the checkpoints that depend on it."""

from __future__ import annotations

import logging
from pathlib import Path

from ppocr.coerce import coerce
from ppocr.engine.checkpoint import save_checkpoint
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError, PPOCRError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")


class PeriodicEvaluation(Hook):
    """Evaluates when it is due and keeps the best result in the run's progress.

    Args:
        start: Optimizer step from which evaluation by steps begins.
        steps: Evaluate every so many optimizer steps; None evaluates by epochs.
        epochs: Evaluate every so many epochs, when `steps` is None.
    """

    def __init__(self, start: int = 0, steps: int | None = None, epochs: int = 1) -> None:
        self.start, self.steps, self.epochs = start, steps, epochs
        self._last_step = -1

    @classmethod
    def from_options(cls, options: Section) -> PeriodicEvaluation:
        """Build the hook from ``Global.eval_batch_step`` and ``Global.eval_batch_epoch``.

        Raises:
            ConfigError: The numbers make no sense.
        """
        if options["eval_batch_epoch"] is not None:
            return cls(epochs=_positive(options, "eval_batch_epoch", options["eval_batch_epoch"]))
        value = options["eval_batch_step"]
        if value is None:
            return cls()
        pair = [0, value] if isinstance(value, int) else list(value)
        if len(pair) != 2:
            raise ConfigError(f"{where(options, 'eval_batch_step')} is {value!r}", expected="every, or [start, every]",
                              cure="write two whole numbers")
        return cls(start=coerce(pair[0], int, where(options, "eval_batch_step")),
                   steps=_positive(options, "eval_batch_step", pair[1]))

    def after_step(self, run: TrainingRun) -> None:
        """Evaluate by steps."""
        step = run.progress.step
        if self.steps and run.last and run.last.stepped and step > self.start \
                and (step - self.start) % self.steps == 0:
            self._evaluate(run)

    def after_epoch(self, run: TrainingRun) -> None:
        """Evaluate by epochs; the last epoch is always followed by an evaluation."""
        last = run.progress.epoch == run.epochs
        by_epoch = self.steps is None and run.progress.epoch % self.epochs == 0
        if (last or by_epoch) and self._last_step != run.progress.step:
            self._evaluate(run)

    def _evaluate(self, run: TrainingRun) -> None:
        self._last_step = run.progress.step
        metrics = run.evaluate()
        name = run.metric.main_indicator
        if name not in metrics:
            raise ConfigError(f"Metric.main_indicator is {name!r}", expected="one of " + ", ".join(metrics),
                              cure="name a metric that evaluation computes")
        if not run.progress.best or metrics[name] > run.progress.best[name]:
            run.progress.best = {**metrics, "epoch": float(run.progress.epoch + (run.progress.batch > 0)),
                                 "step": float(run.progress.step)}
        run.schedule.on_eval(metrics[name])
        run.hooks.after_eval(run, metrics)


class Checkpointing(Hook):
    """Writes ``best_accuracy``, ``latest`` and ``iter_epoch_N``.

    ``latest`` is written after each epoch and each evaluation. An exception can come in the middle of a step, so
    nothing is written then; the log says from where the run can be continued.

    Args:
        folder: Where the checkpoints go.
        every: Keep ``iter_epoch_N`` every so many epochs; 0 keeps none.
    """

    def __init__(self, folder: str | Path, every: int) -> None:
        self.folder, self.every = Path(folder), every
        self._latest = ""

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Save ``best_accuracy`` if this evaluation is the best, and ``latest`` in the middle of an epoch."""
        if run.rank != 0:
            return
        if run.progress.best.get("step") == run.progress.step:
            save_checkpoint(run, self.folder / "best_accuracy", metrics)
            LOGGER.info("Saved %s", self.folder / "best_accuracy")
        if run.progress.batch:
            self._save_latest(run, metrics)

    def after_epoch(self, run: TrainingRun) -> None:
        """Save ``latest``, and ``iter_epoch_N`` when it is due."""
        if run.rank != 0:
            return
        self._save_latest(run)
        if self.every and run.progress.epoch % self.every == 0:
            save_checkpoint(run, self.folder / f"iter_epoch_{run.progress.epoch}")

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
        save_checkpoint(run, self.folder / "latest", metrics)
        self._latest = f"epoch {run.progress.epoch}, batch {run.progress.batch}"


def _positive(options: Section, key: str, value: object) -> int:
    number = coerce(value, int, where(options, key))
    if number < 1:
        raise ConfigError(f"{where(options, key)} is {value!r}", expected="a number of at least 1",
                          cure="set how often to evaluate")
    return int(number)
