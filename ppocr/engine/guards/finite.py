"""Losses and gradients that are not finite: the run stops, or leaves the step out, and names the batch."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paddle

from ppocr.engine.guards.spikes import SpikeDetector
from ppocr.engine.guards.statistics import KeptStatistics
from ppocr.engine.guards.suspects import FILE, named_losses, named_samples, write_bad_batch
from ppocr.engine.hooks import Hook
from ppocr.engine.ranks import exchange
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError, TrainingError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")

MOST_IN_A_ROW = 30
"""So many steps in a row that the loss scaling leaves out are no overflow: the scale has fallen by 2**30 by then."""


@dataclass
class SeenBatch:
    """A batch of an update: its number in the epoch, its losses (tensors, then numbers) and its samples."""

    number: int
    losses: dict[str, Any]
    samples: list[Any]

    def is_finite(self) -> bool:
        """Tell whether all losses are finite; reads them from the device."""
        self.losses = {name: float(value) for name, value in self.losses.items()}
        return all(math.isfinite(value) for value in self.losses.values())


@dataclass
class Update:
    """An optimizer step and the batches that it is made of.

    Attributes:
        epoch: Epoch, from 1.
        step: Number of the step, from 1.
        mark: A number, perhaps still on the device, that is 0 if all gradients are finite and 1 or NaN if not; None
            before the gradients are complete.
        batches: Its batches.
    """

    epoch: int = 0
    step: int = 0
    mark: Any = None
    batches: list[SeenBatch] = field(default_factory=list)

    def is_finite(self) -> bool:
        """Tell whether the gradients are finite; reads the mark from the device."""
        self.mark = float(self.mark)
        return bool(self.mark == 0)


class FiniteGuard(Hook):
    """Looks after losses and gradients; the first of the hooks, so that no other saves what it has not looked at.

    On CPU everything is looked at in each step, and a step with gradients that are not finite is not taken. Reading a
    number from a GPU would make every step wait for it, so there the marks stay on the device until a line of the log
    is due or something is to be saved; the error still names the step in which it happened. With float16 the loss
    scaling leaves out steps whose gradients overflow, which is counted here and is an error only if it does not end.

    Gradients are looked at after their exchange, so that all ranks see the same and decide alike.

    Args:
        folder: The run's folder, for ``bad_batch.txt``.
        every: Batches between two lines of the log.
        tolerated: Updates that may be left out; looking at each step's gradients then costs a wait for the device.
        at_once: Look in each step.
    """

    key = "finite"

    def __init__(self, folder: str | Path, every: int, *, tolerated: int = 0, at_once: bool = True) -> None:
        self.folder = Path(folder)
        self.every = max(1, every)
        self.tolerated = tolerated
        self.at_once = at_once
        self.skipped = 0
        self.overflows = 0
        self._in_a_row = 0
        self._open = Update()
        self._complete: list[Update] = []
        self._spikes = SpikeDetector()
        self._statistics: KeptStatistics | None = None
        self._parameters: list[Any] = []

    @classmethod
    def from_options(cls, options: Section) -> FiniteGuard:
        """Build the hook from ``Global.skip_nonfinite`` and the device that is in use.

        Raises:
            ConfigError: The number is negative.
        """
        tolerated = int(options["skip_nonfinite"])
        if tolerated < 0:
            raise ConfigError(f"{where(options, 'skip_nonfinite')} is {tolerated}", expected="0 or more",
                              cure="set how many updates a run may leave out")
        return cls(options["save_model_dir"], options["print_batch_step"], tolerated=tolerated,
                   at_once=paddle.get_device() == "cpu")

    def before_train(self, run: TrainingRun) -> None:
        """Keep the statistics of batch norms where updates may be left out."""
        if self.tolerated or run.precision.scaler is not None:
            self._statistics = KeptStatistics(run.network)

    def before_update(self, run: TrainingRun) -> None:
        """Look at the gradients, or mark on the device whether they are finite; do not let bad ones be used."""
        self._complete_update(run)
        self._open.epoch, self._open.step = run.progress.epoch + 1, run.progress.step + 1
        if run.precision.scaler is not None:
            self._open.mark = math.nan  # The scaler looks at them in the step; see _complete_update.
            return
        if not self._parameters:  # Walking through a network takes longer than the check.
            self._parameters = run.network.parameters()
        self._open.mark = gradient_mark(self._parameters)
        if (self.at_once or self.tolerated) and not self._open.is_finite():
            run.optimizer.clear_grad(set_to_zero=False)  # Without a gradient, no parameter is changed.

    def after_step(self, run: TrainingRun) -> None:
        """Take note of the batch; judge if it is time to.

        Raises:
            TrainingError: Something was not finite, and more is not tolerated.
        """
        record = run.last
        assert record is not None
        if not record.stepped:
            self._complete_update(run)  # One whose last batch was empty, of which no hook is told.
        self._open.batches.append(SeenBatch(run.progress.batch, record.losses, record.batch["info"]))
        if not record.stepped:
            return
        self._complete_update(run)
        is_bad = isinstance(self._complete[-1].mark, float) and self._complete[-1].mark != 0
        is_line = run.progress.batch % self.every == 0 or run.progress.batch == run.batches_per_epoch
        if is_bad or is_line or (self.at_once and run.world_size == 1):
            self._judge(run, is_line=is_line)

    def before_eval(self, run: TrainingRun) -> None:
        """Look at what is on the device, before the other hooks save what is evaluated."""
        self._judge(run)

    def after_epoch(self, run: TrainingRun) -> None:
        """Look at what is on the device, before the other hooks save."""
        self._complete_update(run)
        self._judge(run)

    def after_train(self, run: TrainingRun) -> None:
        """Look at what is on the device, before the other hooks save where the run was stopped."""
        self._complete_update(run)
        self._judge(run)

    def state_dict(self) -> dict[str, Any]:
        """Return how many updates were left out."""
        return {"skipped": self.skipped, "overflows": self.overflows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Count on."""
        self.skipped, self.overflows = int(state["skipped"]), int(state["overflows"])

    def _complete_update(self, run: TrainingRun) -> None:
        """Put the update whose gradients were complete to those that are to be judged."""
        if self._open.mark is None:
            return
        if run.precision.scaler is not None:
            self._open.mark = run.precision.overflow
        self._complete.append(self._open)
        self._open = Update()

    def _judge(self, run: TrainingRun, *, is_line: bool = False) -> None:
        updates, self._complete = self._complete, []
        before, skipped = self.overflows, self.skipped
        for update in updates:
            self._judge_one(run, update)
        if self.overflows > before:
            LOGGER.info("Loss scaling: gradients overflowed in %d of %d steps, which were left out (%d since the "
                        "start).", self.overflows - before, len(updates), self.overflows)
        if self._statistics is not None and (self.overflows > before or self.skipped > skipped):
            restored = self._statistics.restore()
            if restored:
                LOGGER.warning("%d running statistics of batch norms were not finite after that and are as they were "
                               "before: %s", len(restored), named_samples(restored))
        elif self._statistics is not None and is_line:
            self._statistics.keep()
        if self.overflows or self.skipped:
            run.figures["skipped_steps"] = float(self.overflows + self.skipped)

    def _judge_one(self, run: TrainingRun, update: Update) -> None:
        finite = [batch.is_finite() for batch in update.batches]
        are_gradients_finite = update.is_finite()
        for batch, is_finite in zip(update.batches, finite, strict=True):
            if is_finite and "loss" in batch.losses:
                self._look_for_spike(update, batch)
        if not are_gradients_finite and run.precision.scaler is not None:
            self.overflows += 1
            self._in_a_row += 1
            if self._in_a_row >= MOST_IN_A_ROW:
                raise self._error(run, update, is_collective=True)
            return
        self._in_a_row = 0
        if are_gradients_finite and all(finite):
            return
        if are_gradients_finite and self.tolerated:
            # Other ranks know nothing of this loss, so it must not decide on anything.
            LOGGER.warning("%s. The gradients are finite and were used.",
                           self._error(run, update, is_collective=False).what)
            return
        if not are_gradients_finite and self.skipped < self.tolerated:
            self.skipped += 1
            error = self._error(run, update, is_collective=True)
            LOGGER.warning("Update left out (%d of %d that Global.skip_nonfinite allows): %s", self.skipped,
                           self.tolerated, error.what)
            return
        raise self._error(run, update, is_collective=not are_gradients_finite)

    def _look_for_spike(self, update: Update, batch: SeenBatch) -> None:
        untold = self._spikes.untold
        median = self._spikes.add(batch.losses["loss"])
        if median is None:
            return
        self._spikes.untold = 0
        LOGGER.warning("Loss spike at epoch %d, batch %d (step %d): %s, where the median of the last losses is %.4g%s; "
                       "samples of that batch: %s", update.epoch, batch.number, update.step, named_losses(batch.losses),
                       median, f" ({untold} more since the last warning)" if untold else "",
                       named_samples(batch.samples))

    def _error(self, run: TrainingRun, update: Update, *, is_collective: bool) -> TrainingError:
        """Return the error, with the batches that are at fault, and write all of their samples to a file.

        Args:
            run: The run.
            update: The update.
            is_collective: Whether all ranks are here; else only the batches of this one are known.
        """
        own = [batch for batch in update.batches if not batch.is_finite()] or update.batches
        mine: dict[str, Any] = {"rank": run.rank, "finite": all(batch.is_finite() for batch in own),
                                "batches": [[batch.number, named_losses(batch.losses), list(map(str, batch.samples))]
                                        for batch in own]}
        ranks = exchange(mine, run.world_size) if is_collective else [mine]
        guilty = [rank for rank in ranks if not rank["finite"]] or ranks
        batches = guilty[0]["batches"]
        what = "the gradients are" if guilty[0]["finite"] else "the loss is"
        numbers = " + ".join(str(number) for number, _, _ in batches)
        text = (f"{what} not finite at epoch {update.epoch}, batch {numbers} "
                f"(step {update.step}; {'; '.join(losses for _, losses, _ in batches)})")
        if run.world_size > 1 and not guilty[0]["finite"]:
            text += f" of rank {guilty[0]['rank']}"
        if self._in_a_row:
            text += f", the {self._in_a_row}th step in a row, whatever the loss scale"
        if run.rank == 0 or not is_collective:
            lines = [(f"rank {rank['rank']}, batch {number}: {losses}", samples)
                     for rank in guilty for number, losses, samples in rank["batches"]]
            write_bad_batch(self.folder, text, lines)
        last = f"The last good checkpoint is {run.checkpoint}" if run.checkpoint else "There is no checkpoint yet"
        samples = [sample for _, _, of_batch in batches for sample in of_batch]
        return TrainingError(f"{text}; samples of that batch: {named_samples(samples)}",
                             expected="finite losses and gradients",
                             cure=f"check these samples ({self.folder / FILE} lists all), lower "
                             "Optimizer.lr.learning_rate, set Optimizer.clip_norm_global; tools/train.py --debug names "
                             f"the layer. {last}")


def gradient_mark(parameters: Iterable[Any]) -> Any:
    """Return a number on the device: 0 if all gradients are finite, else NaN."""
    with paddle.no_grad():
        gradients = [gradient for parameter in parameters if (gradient := parameter.grad) is not None]
        sums = [gradient.sum(dtype="float32") for gradient in gradients]
        # A sum of numbers is finite if they are, unless they are too large for any training; infinity times 0 is NaN.
        return paddle.add_n(sums) * 0.0 if sums else 0.0
