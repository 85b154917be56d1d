"""Ending a training that does not get better: ``Global.early_stop_patience``."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from ppocr.engine.checkpoint_files import BEST, load_checkpoint_meta
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.stopping import Stop
from ppocr.errors import ConfigError
from ppocr.sections import Section, where
from ppocr.weights import load_into, read_weights

LOGGER = logging.getLogger("ppocr")

REASON = "early stopping"
"""What the reason of such a stop begins with."""


class EarlyStopping(Hook):
    """Asks the run to stop after a number of evaluations in a row without an improvement.

    An improvement is a main indicator that is better, by more than `min_delta`, than at the last improvement. All
    ranks decide the same, because evaluation gives all of them the same metrics.

    The state goes into the checkpoint of the evaluation, so this hook stands before the one that writes it.

    Args:
        patience: Number of evaluations, at least 1.
        min_delta: What an improvement has to exceed, 0 or more, in the unit of the indicator.
    """

    key = "early_stopping"

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        self.patience, self.min_delta = patience, min_delta
        self._best: float | None = None
        self._waited = 0

    @classmethod
    def from_options(cls, options: Section) -> EarlyStopping | None:
        """Return the hook that ``Global.early_stop_patience`` asks for; None if it does not.

        Raises:
            ConfigError: The numbers make no sense.
        """
        patience, min_delta = options["early_stop_patience"], options["early_stop_min_delta"]
        if patience is None:
            if min_delta:
                LOGGER.warning("%s has no effect without Global.early_stop_patience.",
                               where(options, "early_stop_min_delta"))
            return None
        if patience < 1:
            raise ConfigError(f"{where(options, 'early_stop_patience')} is {patience}",
                              expected="a number of evaluations of at least 1, or null", cure="correct it")
        if not 0.0 <= min_delta < math.inf:
            raise ConfigError(f"{where(options, 'early_stop_min_delta')} is {min_delta:g}", expected="0 or more",
                              cure="correct it")
        return cls(patience, min_delta)

    def before_train(self, run: TrainingRun) -> None:
        """Stop again where the checkpoint is that of a run that had stopped, unless the patience is longer now."""
        self._stop_if_due(run)

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Count the evaluation."""
        value = metrics[run.metric.main_indicator]
        if not math.isnan(value) and (self._best is None or value > self._best + self.min_delta):
            self._best, self._waited = float(value), 0
        else:
            self._waited += 1
        self._stop_if_due(run)

    def state_dict(self) -> dict[str, Any]:
        """Return the last improvement and how many evaluations followed it."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with a state of `state_dict`."""
        self._best, self._waited = state["best"], int(state["waited"])

    def _stop_if_due(self, run: TrainingRun) -> None:
        if self._waited < self.patience or run.progress.epoch >= run.epochs:
            return
        run.request_stop(Stop(f"{REASON}: {run.metric.main_indicator} has not improved for {self._waited} "
                              f"evaluation{'' if self._waited == 1 else 's'}"))


class BestWeights(Hook):
    """Loads ``best_accuracy`` into the network after an early stop, so that what follows in the process uses it.

    Stands behind the hook that writes checkpoints: the last of them holds the weights that were reached, not the best.

    Args:
        folder: Where the checkpoints are.
    """

    def __init__(self, folder: str | Path) -> None:
        self.best = Path(folder) / BEST

    def after_train(self, run: TrainingRun) -> None:
        """Restore the best weights and say that they are the result."""
        if run.stop is None or run.stop.interrupted or not run.stop.reason.startswith(REASON):
            return
        name, best = run.metric.main_indicator, run.progress.best
        content = load_checkpoint_meta(self.best)
        if not best or content is None or content["progress"]["step"] != best["step"]:
            LOGGER.warning("The best weights are not restored: %s is not the checkpoint of the best evaluation.",
                           self.best)
            return
        load_into(run.network, read_weights(f"{self.best}.pdparams"), minimum_share=1.0)
        if run.average is not None:
            run.average.reset()  # The file holds the average; there is nothing else to evaluate now.
        LOGGER.info("The result is %s: %s %.4f (epoch %d, step %d).", self.best, name, best[name], int(best["epoch"]),
                    int(best["step"]))
