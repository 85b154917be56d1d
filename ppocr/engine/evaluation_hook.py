"""Evaluation during training: when it is due, and which result is the best."""

from __future__ import annotations

import logging
from typing import Any

from ppocr.coerce import coerce
from ppocr.engine.evaluator import EvaluationStopped
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")


class PeriodicEvaluation(Hook):
    """Evaluates when it is due and keeps the best result in the run's progress.

    A run that was stopped before or in an evaluation makes up for it when it is resumed.

    Args:
        start: Optimizer step from which evaluation by steps begins.
        steps: Evaluate every so many optimizer steps; None evaluates by epochs.
        epochs: Evaluate every so many epochs, when `steps` is None.
    """

    key = "evaluation"

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

    def before_train(self, run: TrainingRun) -> None:
        """Evaluate where the checkpoint was written before the evaluation that was due."""
        if run.progress.step and self._is_due(run, at_epoch_end=run.progress.batch == 0):
            self._evaluate(run)

    def after_step(self, run: TrainingRun) -> None:
        """Evaluate by steps."""
        if run.last and run.last.stepped and self._is_due(run, at_epoch_end=False):
            self._evaluate(run)

    def after_epoch(self, run: TrainingRun) -> None:
        """Evaluate by epochs; the last epoch is always followed by an evaluation."""
        if self._is_due(run, at_epoch_end=True):
            self._evaluate(run)

    def state_dict(self) -> dict[str, Any]:
        """Return the step of the last evaluation."""
        return {"last_step": self._last_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the step of the last evaluation."""
        self._last_step = int(state["last_step"])

    def _is_due(self, run: TrainingRun, *, at_epoch_end: bool) -> bool:
        step = run.progress.step
        if self._last_step == step:
            return False
        if self.steps and step > self.start and (step - self.start) % self.steps == 0:
            return True
        by_epoch = self.steps is None and run.progress.epoch % self.epochs == 0
        return at_epoch_end and (by_epoch or run.progress.epoch == run.epochs)

    def _evaluate(self, run: TrainingRun) -> None:
        run.hooks.before_eval(run)
        try:
            metrics = run.evaluate()
        except EvaluationStopped:
            LOGGER.info("The evaluation was left; it is made up for when the run is resumed.")
            return
        self._last_step = run.progress.step
        name = run.metric.main_indicator
        if name not in metrics:
            raise ConfigError(f"Metric.main_indicator is {name!r}", expected="one of " + ", ".join(metrics),
                              cure="name a metric that evaluation computes")
        if not run.progress.best or metrics[name] > run.progress.best[name]:
            run.progress.best = {**metrics, "epoch": float(run.progress.epoch + (run.progress.batch > 0)),
                                 "step": float(run.progress.step)}
        run.schedule.on_eval(metrics[name])
        run.hooks.after_eval(run, metrics)


def _positive(options: Section, key: str, value: object) -> int:
    number = coerce(value, int, where(options, key))
    if number < 1:
        raise ConfigError(f"{where(options, key)} is {value!r}", expected="a number of at least 1",
                          cure="set how often to evaluate")
    return int(number)
