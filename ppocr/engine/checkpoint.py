"""Checkpoints: what is saved, and which weights a configuration names.

The files are described in ppocr.engine.checkpoint_files, resuming in ppocr.engine.resuming.
"""

from __future__ import annotations

import errno
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from ppocr import __version__
from ppocr.engine.checkpoint_files import (
    LATEST,
    SCHEMA,
    SUFFIXES,
    check_charset,
    checkpoint_files,
    finish_saves,
    keep_as,
    load_checkpoint_meta,
    newest_complete,
    remove_staged,
    require_charset,
    state_path,
    stored_charset,
    take_place,
)
from ppocr.engine.device import world
from ppocr.engine.optimizer_state import optimizer_state
from ppocr.engine.pretrained_start import load_pretrained
from ppocr.engine.ranks import (
    averaged_statistics,
    check_same_weights,
    gather,
    statistics_arrays,
    wait_for_all,
)
from ppocr.engine.resuming import resume
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import random_states
from ppocr.engine.weight_average import evaluated_weights
from ppocr.errors import CheckpointError, TrainingError
from ppocr.fileio import atomic_write, sha256
from ppocr.overrides import OPTION, VARIABLE
from ppocr.sections import Section, to_plain, where
from ppocr.weights import write_weights

__all__ = [
    "SCHEMA", "check_charset", "load_checkpoint_meta", "load_pretrained", "load_start", "named_weights",
    "require_charset", "resume", "save_checkpoint", "state_path", "stored_charset",
]

LOGGER = logging.getLogger("ppocr")

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when a file cannot become larger."""


def named_weights(options: Section, *, for_training: bool = False) -> tuple[str, str] | None:
    """Return which weights the section Global names, as ``(key, path)``, or None.

    Where both ``checkpoints`` and ``pretrained_model`` are set, the one that was said last counts: an option before an
    environment variable before a file, and ``checkpoints`` where they are equal. The effective configuration of a
    resumed run names its checkpoint, so that ``-o Global.pretrained_model=...`` could not be heard otherwise.

    The word ``latest`` is the newest complete checkpoint in ``Global.save_model_dir``, and nothing while there is
    none: ``pretrained_model`` counts then. A checkpoint of that name in the current folder is ``./latest``.

    Args:
        options: The section.
        for_training: Whether the run goes on in that folder: saves that a kill has kept from their place are finished,
            and several ranks take the checkpoint that rank 0 finds.

    Raises:
        CheckpointError: ``latest`` is asked for, and no checkpoint in the folder is complete.
    """
    named = [key for key in ("checkpoints", "pretrained_model") if options[key]]
    if not named:
        return None
    chosen = max(named, key=lambda key: _precedence(options.origins.get(key, "")))
    path = str(options[chosen])
    if chosen == "checkpoints" and path == LATEST:
        found = _newest(options, for_training)
        if found is not None:
            path = str(found)
        else:
            LOGGER.info("%s: there is no checkpoint in %s yet.", where(options, chosen), options["save_model_dir"])
            return ("pretrained_model", str(options["pretrained_model"])) if len(named) == 2 else None
    for other in named:
        if other != chosen:
            LOGGER.info("%s is not read: %s counts.", where(options, other), where(options, chosen))
    return chosen, path


def load_start(run: TrainingRun, task: str) -> None:
    """Resume a run, or start it from weights, as the configuration says; and tell which of the two, or neither.

    Args:
        run: The run, as it was built.
        task: ``Architecture.model_type``.

    Raises:
        CheckpointError: The files cannot be used.
        CharsetError: They are of another charset.
    """
    options = run.config["Global"]
    key, path = named_weights(options, for_training=True) or ("", "")
    if key == "checkpoints":
        resume(run, path)
        return
    if key:
        load_pretrained(run.network, path, run.charset, options["min_load_share"],
                        dictionary=options["pretrained_dict_path"], use_space=options["pretrained_use_space_char"],
                        task=task)
        LOGGER.info("Only weights are taken from there: optimizer, schedule and epochs begin anew.")
    else:
        LOGGER.info("Training from random weights: neither Global.pretrained_model nor Global.checkpoints names any.")
    if options["pretrained_dict_path"] and not key:
        LOGGER.warning("%s has no effect without Global.pretrained_model.", where(options, "pretrained_dict_path"))
    if options["new_schedule"] and options["checkpoints"] != LATEST:
        LOGGER.warning("%s has no effect without Global.checkpoints.", where(options, "new_schedule"))


def _precedence(origin: str) -> int:
    return 2 if origin.startswith(OPTION) else 1 if origin.startswith(VARIABLE) else 0


def _newest(options: Section, for_training: bool) -> Path | None:
    """Return what ``latest`` is."""
    folder = Path(options["save_model_dir"])
    if state_path(LATEST).is_file() and folder.resolve() != Path().resolve():
        LOGGER.info("Global.checkpoints=%s means the newest checkpoint in %s. For the one in the current folder write "
                    "./%s", LATEST, folder, LATEST)
    rank, world_size = world()
    if not for_training or world_size == 1:
        if for_training:
            finish_saves(folder)
        return newest_complete(folder)
    # Rank 0 looks, because it renames files; an exception of it ends the other ranks too.
    if rank == 0:
        finish_saves(folder)
    return gather(newest_complete(folder) if rank == 0 else None, world_size)[0]


def save_checkpoint(run: TrainingRun, prefix: str | Path, metrics: dict[str, float] | None = None, *,
                    keep: str = "") -> None:
    """Write a complete checkpoint: rank 0 does, with what it collects from all ranks, which all call this.

    Args:
        run: The run to save.
        prefix: Path without suffix, such as ``output/latest``.
        metrics: The evaluation that this checkpoint stands for, kept in the ``.state`` file.
        keep: Name under which the checkpoint that is replaced is kept beside it; empty keeps none.

    Raises:
        CheckpointError: The files cannot be written. The earlier ones are as they were, and nothing else is left.
        TrainingError: The weights are not finite, or those of the ranks have drifted apart.
    """
    check_same_weights(run.network, run.world_size)
    states = gather(random_states(), run.world_size)
    statistics = statistics_arrays(run.network, run.world_size)
    with averaged_statistics(run.network, run.world_size):
        try:
            if run.rank == 0:
                _save(run, prefix, metrics, keep, states, statistics)
        finally:
            wait_for_all()  # A rank that went on would wait for rank 0 in a collective, whose patience is limited.


def _save(run: TrainingRun, prefix: str | Path, metrics: dict[str, float] | None, keep: str, states: list[Any],
          statistics: dict[str, Any]) -> None:
    """Write the files under other names and let them take their place.

    Args:
        run: The run, on rank 0.
        prefix: See `save_checkpoint`.
        metrics: See there.
        keep: See there.
        states: Random states by rank.
        statistics: What `statistics_arrays` gave.
    """
    _check_finite(run)
    try:
        take_place(prefix)  # What a killed save has left, or its state would seem to belong to the files below.
        remove_staged(prefix)
        try:
            _write_staged(run, prefix, metrics, states, statistics)
        except OSError:
            remove_staged(prefix)
            raise
        if keep:
            keep_as(prefix, keep, moving=True)
        take_place(prefix)
    except OSError as error:
        raise _not_written(prefix, error) from error


def _write_staged(run: TrainingRun, prefix: str | Path, metrics: dict[str, float] | None, states: list[Any],
                  statistics: dict[str, Any]) -> None:
    weights, optimizer, state = checkpoint_files(prefix, staged=True)
    with evaluated_weights(run.average):
        write_weights(weights, run.network.state_dict())
    raw = run.average.arrays() if run.average is not None else {}
    write_weights(optimizer, optimizer_state(run.network, run.optimizer) | raw | statistics)
    content = {
        "schema": SCHEMA,
        "version": __version__,
        "saved": round(time.time(), 3),
        "progress": vars(run.progress),
        "metrics": metrics or {},
        "charset": run.charset.to_dict() if run.charset is not None else None,
        "schedule": run.schedule.state_dict(),
        "scaler": run.precision.state_dict(),
        "hooks": run.hooks.state_dict(),
        "random": states,
        "world_size": run.world_size,
        "batches_per_epoch": run.batches_per_epoch,
        "files": {suffix: sha256(path) for suffix, path in zip(SUFFIXES, (weights, optimizer), strict=False)},
        "config": to_plain(run.config),
    }
    with atomic_write(state, "w") as file:
        json.dump(content, file, ensure_ascii=False, default=_plain_number)


def _check_finite(run: TrainingRun) -> None:
    """Refuse to replace a good checkpoint by weights that no training can go on with.

    Raises:
        TrainingError: A weight, or a statistic of a batch norm, is not finite.
    """
    bad = [name for name, parameter in run.network.named_parameters()
           if parameter.is_floating_point() and not np.isfinite(parameter.astype("float32").numpy()).all()]
    if bad:
        raise TrainingError(f"the weights are not finite at step {run.progress.step}: {', '.join(bad[:3])}"
                            + (f" and {len(bad) - 3} more" if len(bad) > 3 else ""),
                            expected="finite weights; they were not saved, the last checkpoint is kept",
                            cure="resume from it with a lower Optimizer.lr.learning_rate or with "
                            "Optimizer.clip_norm_global, and check the labels")


def _not_written(prefix: str | Path, error: OSError) -> CheckpointError:
    room = error.errno in NO_ROOM
    return CheckpointError(
        f"the checkpoint {prefix} cannot be written: {error.strerror or error}",
        expected="room on the disk and a folder that can be written to",
        cure=("free some space" if room else f"look after {Path(prefix).parent}") + ", then continue with -o "
        f"Global.checkpoints={LATEST}: the checkpoints that were there before are as they were",
    )


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept in a checkpoint state")
