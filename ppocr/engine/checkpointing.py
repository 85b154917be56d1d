"""Which checkpoints a run writes, when, and which of them it keeps."""

from __future__ import annotations

import dataclasses
import fnmatch
import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ppocr.engine.checkpoint import save_checkpoint
from ppocr.engine.checkpoint_files import BEST, LATEST, PREVIOUS, Candidate, candidates, checkpoint_files, keep_as
from ppocr.engine.checkpoint_files import remove_checkpoint as remove
from ppocr.engine.feature_store import mebibytes
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import CheckpointError, ConfigError, PPOCRError, TrainingError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")

BEST_STEP, ITER_EPOCH = "best_step_", "iter_epoch_"
"""What the names of numbered checkpoints begin with."""

MOMENTS = 2
"""Values that an optimizer such as Adam keeps for each weight, for the estimate of the room that is needed."""


class Checkpointing(Hook):
    """Writes ``latest`` (and keeps the one before as ``previous``), ``best_accuracy``, ``iter_epoch_N``.

    ``latest`` is written before and after each evaluation, after each epoch, where the run stops and, if wanted, every
    so many steps. Where an exception ends the run, it is written if the last optimizer step was completed.

    A run whose ``latest`` or ``best_accuracy`` cannot be written ends; for the numbered ones, which are extras, the
    log says so and the run goes on.

    Args:
        folder: Where the checkpoints go.
        every: Keep ``iter_epoch_N`` every so many epochs; 0 keeps none.
        steps: Save ``latest`` every so many optimizer steps; None does not.
        keep: Number of ``iter_epoch_N`` of this training that stay, the newest; None for all.
        best: Number of best evaluations whose checkpoints stay; those beside ``best_accuracy`` are ``best_step_N``.
    """

    key = "checkpointing"

    def __init__(self, folder: str | Path, every: int, *, steps: int | None = None, keep: int | None = None,
                 best: int = 1) -> None:
        self.folder, self.every, self.steps, self.keep, self.best = Path(folder), every, steps, keep, best
        self._ranking: list[tuple[float, int]] = []
        self._latest = ""
        self._saved: tuple[int, int, bool] | None = None
        self._step_in_update = -1
        self._folder_was_there = False

    @classmethod
    def from_options(cls, options: Section) -> Checkpointing:
        """Build the hook from the section Global.

        Raises:
            ConfigError: A number makes no sense.
        """
        for key, least in (("save_epoch_step", 0), ("save_batch_step", 1), ("keep_checkpoints", 1), ("keep_best", 1)):
            if options[key] is not None and options[key] < least:
                raise ConfigError(f"{where(options, key)} is {options[key]}", expected=f"at least {least}"
                                  + ("" if key in ("save_epoch_step", "keep_best") else ", or null"),
                                  cure="correct the number")
        return cls(options["save_model_dir"], options["save_epoch_step"], steps=options["save_batch_step"],
                   keep=options["keep_checkpoints"], best=options["keep_best"])

    def before_train(self, run: TrainingRun) -> None:
        """Warn if the disk has no room for what the run will write."""
        if run.rank == 0:
            self._look_for_room(run)

    def before_update(self, run: TrainingRun) -> None:
        """Take note that the weights are about to change."""
        self._step_in_update = run.progress.step

    def after_step(self, run: TrainingRun) -> None:
        """Save ``latest`` by steps."""
        if self.steps and run.last is not None and run.last.stepped and run.progress.step % self.steps == 0:
            self._save_latest(run)

    def before_eval(self, run: TrainingRun) -> None:
        """Save ``latest``, so that nothing is lost when the evaluation fails."""
        self._save_latest(run)

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Save ``best_accuracy`` if this evaluation is the best, and ``latest`` with its result."""
        is_among_best = self._rank_evaluation(metrics[run.metric.main_indicator], run.progress.step)
        if run.progress.best.get("step") == run.progress.step:
            self._save(run, BEST, metrics)
            LOGGER.info("Saved %s", self.folder / BEST)
        self._save_latest(run, metrics)
        if self.best > 1 and run.rank == 0:
            with self._as_extra():
                if is_among_best:
                    keep_as(self.folder / LATEST, f"{BEST_STEP}{run.progress.step}")
                kept = {f"{BEST_STEP}{step}" for _, step in self._ranking}
                self._remove([one for one in self._own(run, BEST_STEP) if one.prefix.name not in kept])

    def after_epoch(self, run: TrainingRun) -> None:
        """Save ``latest`` if the evaluation has not, and ``iter_epoch_N`` when it is due."""
        self._save_latest(run)
        if self.every and run.progress.epoch % self.every == 0 and run.rank == 0:
            with self._as_extra():
                keep_as(self.folder / LATEST, f"{ITER_EPOCH}{run.progress.epoch}")
                if self.keep is not None:
                    own = sorted(self._own(run, ITER_EPOCH), key=lambda one: (one.saved, one.position))
                    self._remove(own[: -self.keep])

    def after_train(self, run: TrainingRun) -> None:
        """Save where the run was stopped."""
        if run.stop is None:
            return
        self._save_latest(run)
        if run.stop.interrupted:
            LOGGER.info("Stopped after batch %d of %d in epoch %d (%s); continue with -o Global.checkpoints=%s",
                        run.progress.batch, run.batches_per_epoch, run.progress.epoch + 1, run.stop.reason,
                        self.folder / LATEST)

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Save what can be saved; log where the run stopped, why, and how to continue it."""
        stopped = (run.progress.batch, run.batches_per_epoch, run.progress.epoch + 1)
        if self._can_be_saved(run, error):
            self._save_last_step(run)
        cause = f"{type(error).__name__}: {error.what}" if isinstance(error, PPOCRError) else type(error).__name__
        if self._latest:
            more = f"; continue with -o Global.checkpoints={self.folder / LATEST} ({self._latest})"
        elif run.checkpoint is not None:
            more = f"; no checkpoint was written since, continue with -o Global.checkpoints={run.checkpoint} once more"
        else:
            more = "; no checkpoint was written yet"
        LOGGER.warning("Stopped after batch %d of %d in epoch %d (%s)%s", *stopped, cause,
                       more if run.rank == 0 else "")

    def state_dict(self) -> dict[str, Any]:
        """Return the best evaluations as main indicator and step."""
        return {"ranking": [list(one) for one in self._ranking]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the best evaluations so far."""
        self._ranking = [(float(value), int(step)) for value, step in state["ranking"]]

    def _save_latest(self, run: TrainingRun, metrics: dict[str, float] | None = None) -> None:
        """Save ``latest`` unless it stands where the run does, with the result of its evaluation if there is one."""
        here = (run.progress.epoch, run.progress.batch)
        if self._saved is not None and self._saved[:2] == here and (self._saved[2] or metrics is None):
            return
        self._save(run, LATEST, metrics, keep=PREVIOUS)
        self._saved = (*here, metrics is not None)
        self._latest = f"epoch {run.progress.epoch}, batch {run.progress.batch}"
        run.checkpoint = str(self.folder / LATEST)

    def _save(self, run: TrainingRun, name: str, metrics: dict[str, float] | None, keep: str = "") -> None:
        if run.rank == 0 and self._folder_was_there and not self.folder.is_dir():
            # A save would make it anew, perhaps on the disk below the place where another one was mounted.
            raise CheckpointError(f"the folder {self.folder} is gone, with the checkpoints that were in it",
                                  expected="a folder that stays while the run writes into it",
                                  cure="mount or restore it, then continue with -o Global.checkpoints=latest")
        save_checkpoint(run, self.folder / name, metrics, keep=keep)
        self._folder_was_there = True

    def _can_be_saved(self, run: TrainingRun, error: BaseException) -> bool:
        """Tell whether the weights are those of the last optimizer step, and worth saving.

        Not of several ranks, which can no longer put their parts together, nor where the weights are the trouble.
        """
        return (run.world_size == 1 and isinstance(error, Exception) and run.progress.step > 0
                and not isinstance(error, (CheckpointError, TrainingError))
                and self._step_in_update != run.progress.step)

    def _save_last_step(self, run: TrainingRun) -> None:
        """Save ``latest`` with the position of the last optimizer step; what it was accumulating since is lost."""
        progress = run.progress
        if progress.batch < run.batches_per_epoch:
            run.progress = dataclasses.replace(progress, batch=progress.batch - progress.batch % run.accumulation)
        try:
            self._save_latest(run)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one that ends the run must not be hidden
            LOGGER.warning("The last step could not be saved: %s", error)
        finally:
            run.progress = progress

    def _rank_evaluation(self, value: float, step: int) -> bool:
        """Take an evaluation into the ranking; return whether it is among the best."""
        ranking = [one for one in self._ranking if one[1] != step]
        if not math.isnan(value):
            ranking.append((float(value), step))
        self._ranking = sorted(ranking, key=lambda one: (-one[0], one[1]))[: self.best]
        return any(one[1] == step for one in self._ranking)

    def _own(self, run: TrainingRun, begin: str) -> list[Candidate]:
        """Return the checkpoints of this training, and of no other, whose names begin so and end with a number."""
        return [one for one in candidates(self.folder)[0] if one.run == run.progress.run
                and fnmatch.fnmatchcase(one.prefix.name, f"{begin}[0-9]*")]

    def _remove(self, surplus: list[Candidate]) -> None:
        for one in surplus:
            remove(one.prefix)
            LOGGER.info("Removed %s", one.prefix)

    @contextmanager
    def _as_extra(self) -> Iterator[None]:
        """Let the run go on where a checkpoint cannot be kept that it can do without."""
        try:
            yield
        except OSError as error:
            LOGGER.error("A checkpoint could not be kept: %s. The run goes on; %s is complete.", error,
                         self.folder / LATEST)

    def _look_for_room(self, run: TrainingRun) -> None:
        """Warn if the checkpoints of the run may not fit on the disk."""
        self._folder_was_there = self.folder.is_dir()
        existing = next(folder for folder in (self.folder, *self.folder.absolute().parents) if folder.is_dir())
        numbered = (run.epochs // self.every - run.progress.epoch // self.every) if self.every else 0
        numbered = max(0, numbered if self.keep is None else min(numbered, self.keep))
        # While latest is written there are three of it: the new one, the one that it replaces, and the previous one.
        present = sum(checkpoint_files(self.folder / name)[-1].is_file() for name in (LATEST, PREVIOUS, BEST))
        copies = 3 + self.best + numbered - present
        size, free = _expected_size(run), shutil.disk_usage(existing).free
        if copies * size > free:
            LOGGER.warning("Up to %d checkpoints of about %s each will be written, and %s are free in %s: free some "
                           "space, or keep fewer of them (Global.keep_checkpoints, Global.save_epoch_step).", copies,
                           mebibytes(size), mebibytes(free), existing)


def _expected_size(run: TrainingRun) -> int:
    """Return about how many bytes a checkpoint of a run has."""
    if run.checkpoint is not None:
        return sum(path.stat().st_size for path in checkpoint_files(run.checkpoint))
    weights = sum(int(tensor.size) * tensor.element_size() for tensor in run.network.state_dict().values())
    trained = sum(int(parameter.size) * 4 for parameter in run.network.parameters() if not parameter.stop_gradient)
    copies = MOMENTS + (run.average is not None)
    return weights + copies * trained
