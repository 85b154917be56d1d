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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppocr import __version__
from ppocr.charset import Charset
from ppocr.engine.charset_transfer import carry_over, charset_of_dictionary, class_axes
from ppocr.engine.optimizer_state import load_optimizer_state, optimizer_state
from ppocr.engine.ranks import average_statistics, gather
from ppocr.engine.run import Progress, TrainingRun
from ppocr.engine.seeding import random_states, restore_random_states, seed_everything
from ppocr.errors import CharsetError, CheckpointError
from ppocr.fileio import atomic_write, sha256
from ppocr.overrides import OPTION, VARIABLE
from ppocr.pretrained import read_pretrained
from ppocr.sections import Section, to_plain, where
from ppocr.weights import LoadReport, Weights, load_into, read_weights, write_weights

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
    """Write a complete checkpoint: rank 0 does, with what it collects from all ranks, which all call this.

    Args:
        run: The run to save.
        prefix: Path without suffix, such as ``output/latest``.
        metrics: The evaluation that this checkpoint stands for, kept in the ``.state`` file.
    """
    average_statistics(run.network, run.world_size)
    states = gather(random_states(), run.world_size)
    if run.rank != 0:
        return
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
        "random": states,
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


def stored_charset(prefix: str | Path, digest: str = "") -> Charset | None:
    """Return the charset in the ``.state`` beside weights, or None where there is none.

    Args:
        prefix: Path with or without ``.pdparams``.
        digest: SHA-256 of the weights; a state that was written with others is told of.
    """
    content = load_checkpoint_meta(prefix)
    if content is None or not content.get("charset"):
        return None
    if digest and (content.get("files") or {}).get(SUFFIXES[0], digest) != digest:
        LOGGER.warning("%s was written with other weights than %s holds now. Its charset is taken for theirs; if it is "
                       "not, remove it.", state_path(prefix), prefix)
    return Charset.from_dict(content["charset"])


def check_charset(prefix: str | Path, charset: Charset | None) -> None:
    """Compare the charset in a checkpoint, if it holds one, with the configured one.

    Raises:
        CharsetError: They differ, so that class indices would mean other characters.
    """
    require_charset(prefix, stored_charset(prefix), charset)


def require_charset(source: str | Path, stored: Charset | None, charset: Charset | None) -> None:
    """Compare the charset of weights with the configured one, if both are known.

    Raises:
        CharsetError: They differ.
    """
    if charset is None or stored is None or stored.symbols == charset.symbols:
        return
    only_stored = "".join(sorted(set(stored.symbols) - set(charset.symbols)))[:20]
    only_config = "".join(sorted(set(charset.symbols) - set(stored.symbols)))[:20]
    detail = f"only in the checkpoint: {only_stored!r}; only in the configuration: {only_config!r}" \
        if only_stored or only_config else "the same characters in another order"
    raise CharsetError(
        f"checkpoint {source} was trained with another charset: {len(stored)} characters (sha256 {stored.digest[:8]}), "
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
    if "imported_from" in content:
        raise CheckpointError(f"Global.checkpoints={prefix} is an imported model, which has no training to go on with",
                              expected="a checkpoint of a training",
                              cure="set Global.pretrained_model instead, to start from its weights")
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
    _restore_random(run, content["random"])
    if content["world_size"] != run.world_size:
        LOGGER.warning("The checkpoint was written by %d processes, this run has %d: the order of the data differs "
                       "from here on.", content["world_size"], run.world_size)
    _check_steps(run)
    LOGGER.info("Resumed from %s: epoch %d, batch %d, step %d. %s", prefix, run.progress.epoch, run.progress.batch,
                run.progress.step, report)


def _restore_random(run: TrainingRun, states: Any) -> None:
    """Give this rank its random states back; a rank that the earlier run did not have is seeded."""
    by_rank = states if isinstance(states, list) else [states]  # Earlier versions kept those of rank 0 only.
    if run.rank < len(by_rank):
        restore_random_states(by_rank[run.rank])
    else:
        seed_everything((run.config["Global"]["seed"] + run.rank + run.progress.step) % 2**32)


def _check_optimizer(run: TrainingRun, config: dict[str, Any]) -> None:
    """Refuse another optimizer by name, which says more than the names of its accumulators; tell other freezing."""
    before, now = (str(settings["Optimizer"].get("name")) for settings in (config, run.config))
    if before != now:
        raise CheckpointError(
            f"the optimizer state does not fit: the checkpoint is of {before}, the configuration has {now}",
            expected="a checkpoint of the same optimizer",
            cure=f"set Optimizer.name={before}, or start from the weights with Global.pretrained_model",
        )
    frozen = [settings["Global"].get("freeze") or [] for settings in (config, run.config)]
    before, now = (", ".join([part] if isinstance(part, str) else part) or "nothing" for part in frozen)
    if before != now:
        LOGGER.warning("The checkpoint was trained with %s frozen, this run freezes %s.", before, now)


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


def load_pretrained(network: Any, path: str | Path, charset: Charset | None, minimum_share: float, *,
                    dictionary: str | None = None, use_space: bool | None = None, task: str = "") -> None:
    """Start a network from the weights of a file and log what was loaded.

    Where the weights are of another charset than the configured one, and the head tells which of its rows belong to
    characters, these are carried over by character (see ppocr.engine.charset_transfer).

    Args:
        network: The model.
        path: A weights file, an exported folder or a published model (see ppocr.pretrained).
        charset: The configured charset.
        minimum_share: Smallest share of the model's tensors that the file must fill.
        dictionary: ``Global.pretrained_dict_path``, the dictionary of weights without a ``.state`` beside them.
        use_space: ``Global.pretrained_use_space_char``.
        task: ``Architecture.model_type``, if an exported model of another one is to be refused.

    Raises:
        CheckpointError: The file is missing or damaged, fills less than `minimum_share`, or is for another task.
        CharsetError: The charset that is told is not that of the weights.
    """
    pretrained = read_pretrained(path)
    weights = pretrained.weights
    kind = pretrained.folder.description.model_type if pretrained.folder and pretrained.folder.description else ""
    if task and kind not in ("", task):
        # Networks of several tasks share backbones, of which the smallest tensors fit: too few, and too many to notice.
        raise CheckpointError(f"Global.pretrained_model={path} is a model of type {kind!r}, the configuration is for "
                              f"{task!r}", expected=f"a model of type {task}", cure="name another model")
    if charset is not None:
        known = pretrained.charset or stored_charset(path, weights.sha256)
        weights = _for_charset(network, weights, path, known, charset, dictionary, use_space)
    report = load_into(network, weights, minimum_share=minimum_share,
                       dispensable=getattr(network, "training_only", ()))
    LOGGER.info("Global.pretrained_model=%s: %s", path, report)
    random = _random_parts(network, report)
    if random:
        LOGGER.warning("Most of the %s starts from random numbers, because its tensors are not in the file or have "
                       "another shape there. If that is not what you want, make this section of Architecture what it "
                       "was in the training of the file.", " and the ".join(random))


def _for_charset(network: Any, weights: Weights, path: str | Path, known: Charset | None, charset: Charset,
                 dictionary: str | None, use_space: bool | None) -> Weights:
    """Return the weights, which are of the charset `known`, with the rows of `charset`, and tell what was done."""
    axes = class_axes(network)
    if not axes:
        try:
            require_charset(path, known, charset)
        except CharsetError as error:
            LOGGER.warning("%s\n  The head is trained anew where its size differs, and on other meanings where it "
                           "does not.", error.what)
        return weights
    named = None
    if dictionary:
        named = charset_of_dictionary(weights, axes, charset, dictionary, use_space)
    if known is not None and named is not None and known.symbols != named.symbols:
        raise CharsetError(f"Global.pretrained_dict_path={dictionary} has other characters than what lies beside the "
                           f"weights {path}",
                           expected="the dictionary of that training, or none: the weights tell it",
                           cure="remove Global.pretrained_dict_path")
    known = known or named
    if known is None:
        _tell_unknown_charset(network, weights, axes)
        return weights
    if known.symbols == charset.symbols:
        return weights
    weights, transfer = carry_over(network, weights, known, charset)
    LOGGER.info("Global.pretrained_model=%s: %s", path, transfer)
    return weights


def _tell_unknown_charset(network: Any, weights: Weights, axes: Mapping[str, Any]) -> None:
    own = network.state_dict()
    sizes = {name: (own[name].shape, weights[name].shape) for name in axes if name in weights}
    other = [f"{name} (model {list(here)}, file {list(there)})" for name, (here, there) in sizes.items()
             if list(here) != list(there)]
    if other:
        LOGGER.warning("The weights are of another charset, and nothing tells which: %s. These start from random "
                       "numbers. To keep the characters that stay, name the dictionary of the weights in "
                       "Global.pretrained_dict_path.", ", ".join(other))
    elif sizes:
        LOGGER.info("Nothing tells the charset of the weights; their head has the size of this one, so it is taken for "
                    "the same. If it is another, name its dictionary in Global.pretrained_dict_path.")


def _random_parts(network: Any, report: LoadReport) -> list[str]:
    """Return the parts of a model (backbone, neck, head) of which less than half was loaded.

    Half of the tensors, and of their values: networks of one family have many tensors of one number each, which fit
    whatever the width.
    """
    own = network.state_dict()
    # An LSTM's tensors go by several names, of which the report has one.
    unfilled = {id(own[name]) for name in (*report.missing, *(name for name, _, _ in report.mismatched))}
    tensors: Counter[str] = Counter()
    values: Counter[str] = Counter()
    for name, tensor in own.items():
        part, sign = name.split(".")[0], 1 if id(tensor) in unfilled else -1
        tensors[part] += sign
        values[part] += sign * int(tensor.size)
    return [part for part in tensors if tensors[part] > 0 or values[part] > 0]


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept in a checkpoint state")
