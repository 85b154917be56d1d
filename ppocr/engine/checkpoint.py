"""Checkpoints: ``<prefix>.pdparams`` (weights), ``<prefix>.pdopt`` (optimizer) and ``<prefix>.state`` (the rest).

The ``.state`` file is JSON and is written last. It holds the checksums of the other two, so that a checkpoint is
either complete or recognised as not.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from ppocr import __version__
from ppocr.charset import Charset
from ppocr.engine.optimizer_state import load_optimizer_state, optimizer_state
from ppocr.engine.run import Progress, TrainingRun
from ppocr.engine.seeding import random_states, restore_random_states
from ppocr.errors import CharsetError, CheckpointError
from ppocr.fileio import atomic_write, sha256
from ppocr.sections import to_plain
from ppocr.weights import load_into, read_weights, write_weights

LOGGER = logging.getLogger("ppocr")

SCHEMA = 1
SUFFIXES = (".pdparams", ".pdopt", ".state")


def save_checkpoint(run: TrainingRun, prefix: str | Path, metrics: dict[str, float] | None = None) -> None:
    """Write a complete checkpoint.

    Args:
        run: The run to save.
        prefix: Path without suffix, such as ``output/latest``.
        metrics: The evaluation that this checkpoint stands for, kept in the ``.state`` file.
    """
    prefix = Path(prefix)
    weights, optimizer, state = (prefix.with_name(prefix.name + suffix) for suffix in SUFFIXES)
    state.unlink(missing_ok=True)
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
        "files": {path.suffix: sha256(path) for path in (weights, optimizer)},
        "config": to_plain(run.config),
    }
    with atomic_write(state, "w") as file:
        json.dump(content, file, ensure_ascii=False, default=_plain_number)


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
    content = load_checkpoint_meta(prefix)
    if content is None:
        raise CheckpointError(
            f"Global.checkpoints={prefix}: there is no {state_path(prefix)}",
            expected="a complete checkpoint: .pdparams, .pdopt and .state",
            cure="to start from weights alone, set Global.pretrained_model instead",
        )
    weights, optimizer = (state_path(prefix).with_suffix(suffix) for suffix in SUFFIXES[:2])
    for path in (weights, optimizer):
        if not path.is_file() or sha256(path) != content["files"][path.suffix]:
            raise CheckpointError(f"{path} is missing or is not the file that {state_path(prefix).name} was written "
                                  "with", expected="the files of one checkpoint",
                                  cure="resume from another checkpoint of the run")
    check_charset(prefix, run.charset)
    report = load_into(run.network, read_weights(weights), minimum_share=1.0)
    load_optimizer_state(run.network, run.optimizer, read_weights(optimizer))
    run.schedule.set_state_dict(content["schedule"])
    run.precision.load_state_dict(content["scaler"])
    run.hooks.load_state_dict(content["hooks"])
    run.progress = Progress(**content["progress"])
    restore_random_states(content["random"])
    if content["world_size"] != run.world_size:
        LOGGER.warning("The checkpoint was written by %d processes, this run has %d: the order of the data differs "
                       "from here on.", content["world_size"], run.world_size)
    LOGGER.info("Resumed from %s: epoch %d, batch %d, step %d. %s", prefix, run.progress.epoch, run.progress.batch,
                run.progress.step, report)


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
    LOGGER.info("Global.pretrained_model=%s: %s", path, load_into(network, read_weights(path),
                                                                minimum_share=minimum_share))


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept in a checkpoint state")
