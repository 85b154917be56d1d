"""Checkpoints: ``<prefix>.pdparams`` (weights), ``<prefix>.pdopt`` (optimizer) and ``<prefix>.state`` (the rest).

The ``.state`` file is JSON and is written last. It holds the checksums of the other two, so that a checkpoint is
either complete or recognised as not; one that is being replaced stays usable until the new one is (see `_take_place`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ppocr import __version__
from ppocr.charset import Charset
from ppocr.engine.optimizer_state import load_optimizer_state, optimizer_state
from ppocr.engine.run import Progress, TrainingRun
from ppocr.engine.seeding import random_states, restore_random_states, seed_everything
from ppocr.errors import CharsetError, CheckpointError
from ppocr.fileio import atomic_write, sha256
from ppocr.overrides import OPTION, VARIABLE
from ppocr.sections import Section, to_plain, where
from ppocr.weights import LoadReport, load_into, read_weights, write_weights

LOGGER = logging.getLogger("ppocr")

SCHEMA = 1
SUFFIXES = (".pdparams", ".pdopt", ".state")


def named_weights(options: Section) -> tuple[str, str] | None:
    """Return which weights the section Global names, as ``(key, path)``, or None.

    Where both ``checkpoints`` and ``pretrained_model`` are set, the one that was said last counts: an option before an
    environment variable before a file, and ``checkpoints`` where they are equal. The effective configuration of a
    resumed run names its checkpoint, so that ``-o Global.pretrained_model=...`` could not be heard otherwise.
    """
    named = [key for key in ("checkpoints", "pretrained_model") if options[key]]
    if not named:
        return None
    chosen = max(named, key=lambda key: _precedence(options.origins.get(key, "")))
    for other in named:
        if other != chosen:
            LOGGER.info("%s is not read: %s counts.", where(options, other), where(options, chosen))
    return chosen, str(options[chosen])


def _precedence(origin: str) -> int:
    return 2 if origin.startswith(OPTION) else 1 if origin.startswith(VARIABLE) else 0


def save_checkpoint(run: TrainingRun, prefix: str | Path, metrics: dict[str, float] | None = None) -> None:
    """Write a complete checkpoint.

    Args:
        run: The run to save.
        prefix: Path without suffix, such as ``output/latest``.
        metrics: The evaluation that this checkpoint stands for, kept in the ``.state`` file.
    """
    _take_place(prefix)  # What a killed save has left, or else its state would seem to belong to the files below.
    weights, optimizer, state = _files(prefix, staged=True)
    write_weights(weights, run.network.state_dict())
    write_weights(optimizer, optimizer_state(run.network, run.optimizer))
    content = {
        "schema": SCHEMA,
        "version": __version__,
        "progress": vars(run.progress),
        "metrics": metrics or {},
        "charset": run.charset.to_dict() if run.charset is not None else None,
        "schedule": run.schedule.state_dict(),
        "scaler": run.precision.state_dict(),
        "hooks": run.hooks.state_dict(),
        "random": random_states(),
        "world_size": run.world_size,
        "files": {suffix: sha256(path) for suffix, path in zip(SUFFIXES, (weights, optimizer), strict=False)},
        "config": to_plain(run.config),
    }
    with atomic_write(state, "w") as file:
        json.dump(content, file, ensure_ascii=False, default=_plain_number)
    _take_place(prefix)


def _files(prefix: str | Path, *, staged: bool = False) -> list[Path]:
    """Return the three files of a checkpoint, or those that a save writes before they take their place."""
    prefix = Path(prefix)
    return [prefix.with_name(f".{prefix.name}.next{suffix}" if staged else prefix.name + suffix) for suffix in SUFFIXES]


def _take_place(prefix: str | Path) -> None:
    """Rename the files of a finished save over the earlier ones.

    A save writes all three under other names, the state last, and renames them, the state last again. So wherever it
    is killed, either the earlier checkpoint is whole, or the staged state is there and this function ends the work.
    """
    staged = _files(prefix, staged=True)
    if not staged[-1].is_file():
        return
    for source, target in zip(staged, _files(prefix), strict=True):
        with contextlib.suppress(FileNotFoundError):  # Renamed before the kill, or by another process that resumes.
            os.replace(source, target)


def load_checkpoint_meta(prefix: str | Path) -> dict[str, Any] | None:
    """Return the content of ``<prefix>.state``, or None when there is no such file (published weights have none).

    Args:
        prefix: Path with or without ``.pdparams``.

    Raises:
        CheckpointError: The file is damaged or of a later version.
    """
    path = state_path(prefix)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", expected="the state of a checkpoint",
                              cure="use another checkpoint of the run") from None
    if not isinstance(content, dict) or content.get("schema", 0) > SCHEMA:
        raise CheckpointError(f"{path} has schema {content.get('schema') if isinstance(content, dict) else '?'}",
                              expected=f"schema {SCHEMA} or earlier", cure="update ppocr-toolkit")
    return content


def state_path(prefix: str | Path) -> Path:
    """Return the ``.state`` file that belongs to a prefix or a ``.pdparams`` file."""
    text = str(prefix)
    return Path((text[: -len(".pdparams")] if text.endswith(".pdparams") else text) + ".state")


def check_charset(prefix: str | Path, charset: Charset | None) -> None:
    """Compare the charset in a checkpoint, if it holds one, with the configured one.

    Raises:
        CharsetError: They differ, so that class indices would mean other characters.
    """
    content = load_checkpoint_meta(prefix)
    if charset is None or content is None or not content.get("charset"):
        return
    stored = Charset.from_dict(content["charset"])
    if stored.symbols == charset.symbols:
        return
    only_stored = "".join(sorted(set(stored.symbols) - set(charset.symbols)))[:20]
    only_config = "".join(sorted(set(charset.symbols) - set(stored.symbols)))[:20]
    detail = f"only in the checkpoint: {only_stored!r}; only in the configuration: {only_config!r}" \
        if only_stored or only_config else "the same characters in another order"
    raise CharsetError(
        f"checkpoint {prefix} was trained with another charset: {len(stored)} characters (sha256 {stored.digest[:8]}), "
        f"the configuration has {len(charset)} (sha256 {charset.digest[:8]}); {detail}",
        expected="the same characters in the same order",
        cure="use the dictionary and Global.use_space_char of that training",
    )


def resume(run: TrainingRun, prefix: str | Path) -> None:
    """Continue a run exactly where a checkpoint of `save_checkpoint` left it.

    Raises:
        CheckpointError: A file is missing, damaged, or belongs to another model or optimizer.
        CharsetError: The charset differs.
    """
    _take_place(state_path(prefix).with_suffix(""))
    content = load_checkpoint_meta(prefix)
    if content is None:
        inside = sorted(str(path.with_suffix("")) for path in Path(prefix).glob("*.state"))
        raise CheckpointError(
            f"Global.checkpoints={prefix}: there is no {state_path(prefix)}"
            + (f"; it is a folder, which holds {', '.join(inside)}" if inside else ""),
            expected="a complete checkpoint: .pdparams, .pdopt and .state",
            cure="name a checkpoint, or set Global.pretrained_model to start from weights alone",
        )
    weights, optimizer = (state_path(prefix).with_suffix(suffix) for suffix in SUFFIXES[:2])
    for path in (weights, optimizer):
        if not path.is_file() or sha256(path) != content["files"][path.suffix]:
            raise CheckpointError(f"{path} is missing or is not the file that {state_path(prefix).name} was written "
                                  "with", expected="the files of one checkpoint",
                                  cure="resume from another checkpoint of the run")
    check_charset(prefix, run.charset)
    report = load_into(run.network, read_weights(weights), minimum_share=1.0)
    _check_optimizer(run, content["config"])
    load_optimizer_state(run.network, run.optimizer, read_weights(optimizer))
    run.schedule.set_state_dict(content["schedule"])
    run.precision.load_state_dict(content["scaler"])
    run.hooks.load_state_dict(content["hooks"])
    run.progress = Progress(**content["progress"])
    if run.rank == 0:
        restore_random_states(content["random"])
    else:  # The states are those of rank 0; with them, all ranks would drop out the same units.
        seed_everything((run.config["Global"]["seed"] + run.rank + run.progress.step) % 2**32)
    if content["world_size"] != run.world_size:
        LOGGER.warning("The checkpoint was written by %d processes, this run has %d: the order of the data differs "
                       "from here on.", content["world_size"], run.world_size)
    _check_steps(run)
    LOGGER.info("Resumed from %s: epoch %d, batch %d, step %d. %s", prefix, run.progress.epoch, run.progress.batch,
                run.progress.step, report)


def _check_optimizer(run: TrainingRun, config: dict[str, Any]) -> None:
    """Refuse another optimizer by name, which says more than the names of its accumulators."""
    before, now = (str(settings["Optimizer"].get("name")) for settings in (config, run.config))
    if before != now:
        raise CheckpointError(
            f"the optimizer state does not fit: the checkpoint is of {before}, the configuration has {now}",
            expected="a checkpoint of the same optimizer",
            cure=f"set Optimizer.name={before}, or start from the weights with Global.pretrained_model",
        )


def _check_steps(run: TrainingRun) -> None:
    """Warn when the steps of the checkpoint are not those that this run would have taken up to here."""
    progress, accumulation = run.progress, run.accumulation
    per_epoch = -(-run.batches_per_epoch // accumulation)
    of_epoch = per_epoch if progress.batch == run.batches_per_epoch else progress.batch // accumulation
    here = progress.epoch * per_epoch + of_epoch
    if progress.step != here:
        LOGGER.warning("The checkpoint stands at step %d; this run would stand at %d (another batch size, "
                       "accumulation, number of processes or amount of data). The learning rate follows the steps: it "
                       "goes on at %g.", progress.step, here, run.schedule.get_lr())


def load_pretrained(network: Any, path: str | Path, charset: Charset | None, minimum_share: float) -> None:
    """Start a network from the weights of a file and log what was loaded.

    Args:
        network: The model.
        path: A weights file, with or without ``.pdparams``.
        charset: The configured charset, compared with the one beside the weights if there is one; when they differ
            and the head therefore does not fit, the head keeps its initial values and the report says so.
        minimum_share: Smallest share of the model's tensors that the file must fill.

    Raises:
        CheckpointError: The file is missing or damaged, or fills less than `minimum_share`.
    """
    try:
        check_charset(path, charset)
    except CharsetError as error:
        LOGGER.warning("%s\n  The head is trained anew where its size differs, and on other meanings where it does "
                       "not.", error.what)
    report = load_into(network, read_weights(path), minimum_share=minimum_share)
    LOGGER.info("Global.pretrained_model=%s: %s", path, report)
    random = _random_parts(network, report)
    if random:
        LOGGER.warning("Most of the %s starts from random numbers, because its tensors are not in the file or have "
                       "another shape there. If that is not what you want, make this section of Architecture what it "
                       "was in the training of the file.", " and the ".join(random))


def _random_parts(network: Any, report: LoadReport) -> list[str]:
    """Return the parts of a model (backbone, neck, head) of which less than half was loaded."""
    totals = Counter(name.split(".")[0] for name in network.state_dict())
    unfilled = Counter(name.split(".")[0] for name in (*report.missing, *(name for name, _, _ in report.mismatched)))
    return [part for part, total in totals.items() if 2 * unfilled[part] > total]


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept in a checkpoint state")
