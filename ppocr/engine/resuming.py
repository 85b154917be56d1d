"""Going on with a training where a checkpoint left it: ``Global.checkpoints``, and ``Global.new_schedule`` with it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ppocr.engine.checkpoint_files import (
    LATEST,
    SUFFIXES,
    WITHOUT_TRAINING,
    check_charset,
    check_files,
    load_checkpoint_meta,
    newest_complete,
    state_path,
    take_place,
)
from ppocr.engine.config_changes import config_changes
from ppocr.engine.optimizer_state import load_optimizer_state
from ppocr.engine.ranks import restore_statistics
from ppocr.engine.run import Progress, TrainingRun
from ppocr.engine.seeding import restore_random_states, seed_everything
from ppocr.engine.weight_average import restore_weights
from ppocr.errors import CheckpointError
from ppocr.weights import group_names, load_into, read_weights

LOGGER = logging.getLogger("ppocr")

SHOWN = 12
"""Most changes of the configuration that are listed."""


def resume(run: TrainingRun, prefix: str | Path) -> None:
    """Continue a run exactly where a checkpoint of `save_checkpoint` left it.

    What the configuration has changed since is told; where it changes the length of an epoch, the run goes on at the
    same share of it. With ``Global.new_schedule`` the learning rate begins its schedule anew.

    Raises:
        CheckpointError: A file is missing, damaged, or belongs to another model or optimizer.
        CharsetError: The charset differs.
    """
    content = _complete(prefix)
    weights, optimizer = (state_path(prefix).with_suffix(suffix) for suffix in SUFFIXES[:2])
    check_charset(prefix, run.charset)
    report = load_into(run.network, read_weights(weights), minimum_share=1.0)
    _check_optimizer(run, content["config"])
    run.hooks.load_state_dict(content["hooks"])  # One of them decides what is trained, of which there is a state.
    arrays = dict(read_weights(optimizer))
    restore_weights(run.network, run.average, arrays)
    restore_statistics(run.network, arrays, run.rank, run.world_size)
    _tell_freezing(*load_optimizer_state(run.network, run.optimizer, arrays))
    run.precision.load_state_dict(content["scaler"])
    run.progress = Progress(**content["progress"])
    run.checkpoint = str(state_path(prefix).with_suffix(""))
    _restore_random(run, content["random"])
    LOGGER.info("Resumed from %s: epoch %d, batch %d, step %d. %s", prefix, run.progress.epoch, run.progress.batch,
                run.progress.step, report)
    _tell_changes(run, content)
    _keep_share_of_epoch(run, content)
    if _begins_schedule(run, content):
        _begin_schedule(run)
    else:
        run.schedule.set_state_dict(content["schedule"])
        _check_steps(run)


def _complete(prefix: str | Path) -> dict[str, Any]:
    """Return the state of a checkpoint whose files belong together.

    Raises:
        CheckpointError: It is not complete, or none of a training; says which one beside it is.
    """
    take_place(state_path(prefix).with_suffix(""))
    try:
        content = load_checkpoint_meta(prefix)
        if content is None:
            inside = sorted(str(path.with_suffix("")) for path in Path(prefix).glob(f"*{SUFFIXES[-1]}"))
            raise CheckpointError(
                f"Global.checkpoints={prefix}: there is no {state_path(prefix)}"
                + (f"; it is a folder, which holds {', '.join(inside)}" if inside else ""),
                expected="a complete checkpoint: .pdparams, .pdopt and .state",
                cure="name a checkpoint, or set Global.pretrained_model to start from weights alone",
            )
        for kind in (kind for key, kind in WITHOUT_TRAINING.items() if key in content):
            raise CheckpointError(f"Global.checkpoints={prefix} is {kind}, which has no training to go on with",
                                  expected="a checkpoint of a training",
                                  cure="set Global.pretrained_model instead, to start from its weights")
        check_files(prefix, content)
    except CheckpointError as error:
        other = _other(prefix)
        if other is None:
            raise
        raise CheckpointError(error.what, expected=error.expected,
                              cure=f"{error.cure}; the newest complete one there is {other}") from None
    return content


def _other(prefix: str | Path) -> Path | None:
    """Return the newest complete checkpoint beside, or in the folder, `prefix`."""
    folder = Path(prefix) if Path(prefix).is_dir() else Path(prefix).parent
    try:
        return newest_complete(folder, warn=False)
    except CheckpointError:
        return None


def _restore_random(run: TrainingRun, states: Any) -> None:
    """Give this rank its random states back; a rank that the earlier run did not have is seeded."""
    by_rank = states if isinstance(states, list) else [states]  # Earlier versions kept those of rank 0 only.
    if run.rank < len(by_rank):
        restore_random_states(by_rank[run.rank])
    else:
        seed_everything((run.config["Global"]["seed"] + run.rank + run.progress.step) % 2**32)


def _check_optimizer(run: TrainingRun, config: dict[str, Any]) -> None:
    """Refuse another optimizer by name, which says more than the names of its accumulators."""
    before, now = (str(settings["Optimizer"].get("name")) for settings in (config, run.config))
    if before != now:
        raise CheckpointError(
            f"the optimizer state does not fit: the checkpoint is of {before}, the configuration has {now}",
            expected="a checkpoint of the same optimizer",
            cure=f"set Optimizer.name={before}, or start from the weights with Global.pretrained_model",
        )


def _tell_freezing(fresh: list[str], frozen: list[str]) -> None:
    if fresh:
        LOGGER.warning("%d parameters are trained that were not when the checkpoint was written; their optimizer state "
                       "begins with zeros: %s", len(fresh), group_names(fresh))
    if frozen:
        LOGGER.warning("%d parameters are not trained that were when the checkpoint was written; their optimizer state "
                       "is left out: %s", len(frozen), group_names(frozen))


def _tell_changes(run: TrainingRun, content: dict[str, Any]) -> None:
    """Say what is not as it was when the checkpoint was written."""
    changes = config_changes(content["config"], run.config)
    if content["world_size"] != run.world_size:
        changes.insert(0, f"number of processes: {content['world_size']} -> {run.world_size}")
    if changes:
        more = [f"and {len(changes) - SHOWN} more"] if len(changes) > SHOWN else []
        is_longer = all(change.startswith("Global.epoch_num:") for change in changes)
        LOGGER.log(logging.INFO if is_longer else logging.WARNING, "Changed since the checkpoint was written:\n  %s",
                   "\n  ".join(changes[:SHOWN] + more))


def _keep_share_of_epoch(run: TrainingRun, content: dict[str, Any]) -> None:
    """Go on at the same share of the epoch where it has another number of batches, or of batches to a step."""
    progress, now = run.progress, run.batches_per_epoch
    before = int(content.get("batches_per_epoch", now))
    fits = progress.batch == now or progress.batch % run.accumulation == 0
    if progress.batch == 0 or (before == now and fits):
        return
    done, batch = progress.batch, now
    if done < before:
        batch = done * now // before
        batch -= batch % run.accumulation
    progress.batch = batch
    LOGGER.warning("The checkpoint stands after batch %d of %d of its epoch, which has %d batches now: the run goes on "
                   "after batch %d, the same share of it. Up to one step's samples come twice or not at all.", done,
                   before, now, batch)


def _begins_schedule(run: TrainingRun, content: dict[str, Any]) -> bool:
    """Tell whether the learning-rate schedule begins anew here.

    A restart that looks for the newest checkpoint by itself goes on with the schedule that an earlier start began.
    """
    options = run.config["Global"]
    if not options["new_schedule"]:
        return False
    begun = content["schedule"].get("epochs_before")
    if options["checkpoints"] == LATEST and begun:
        LOGGER.info("Global.new_schedule: the schedule was begun anew after %g epochs, and goes on. To begin another, "
                    "name the checkpoint by its path.", begun)
        return False
    return True


def _begin_schedule(run: TrainingRun) -> None:
    progress, accumulation, curve = run.progress, run.accumulation, run.schedule.curve
    before = curve.describe()
    steps_of_epoch = -(-run.batches_per_epoch // accumulation)
    run.schedule.begin_anew(progress.step, progress.epoch + -(-progress.batch // accumulation) / steps_of_epoch)
    report = getattr(run.optimizer, "optimizer_report", "")
    run.optimizer.optimizer_report = report.replace(before, curve.describe())
    LOGGER.info("Global.new_schedule: weights, optimizer moments, best metric and progress are those of the "
                "checkpoint; the learning rate begins its schedule at step %d and ends it with epoch %d: %s",
                progress.step, run.epochs, curve.describe())


def _check_steps(run: TrainingRun) -> None:
    """Move the learning rate to where this run's schedule stands, if its steps are not those of the checkpoint."""
    progress, accumulation, schedule = run.progress, run.accumulation, run.schedule
    per_epoch = -(-run.batches_per_epoch // accumulation)
    of_epoch = per_epoch if progress.batch == run.batches_per_epoch else progress.batch // accumulation
    here = progress.epoch * per_epoch + of_epoch - schedule.curve.clock.skipped
    if schedule.position == here:
        return
    before, rate = schedule.position, schedule.get_lr()
    schedule.move_to(here)
    LOGGER.warning("The checkpoint stands at step %d of its schedule; this run stands at %d after as many epochs "
                   "(another batch size, accumulation, number of processes or amount of data). The learning rate, %g "
                   "there, goes on at %g.", before, here, rate, schedule.get_lr())
