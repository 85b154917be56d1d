"""The files of a checkpoint: ``<prefix>.pdparams`` (weights), ``.pdopt`` (optimizer) and ``.state`` (the rest).

The ``.state`` file is JSON and is written last. It holds the checksums of the other two, so that a checkpoint is
either complete or recognised as not; one that is being replaced stays usable until the new one is (see `take_place`).
"""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr.charset import Charset
from ppocr.errors import CharsetError, CheckpointError
from ppocr.fileio import sha256

LOGGER = logging.getLogger("ppocr")

SCHEMA = 1
SUFFIXES = (".pdparams", ".pdopt", ".state")
LATEST, PREVIOUS, BEST = "latest", "previous", "best_accuracy"
"""Names of the checkpoint where a run stands, of the one that stood there before, and of the best evaluation."""

WITHOUT_TRAINING = {"imported_from": "an imported model", "averaged_from": "an average of checkpoints"}
"""Keys of a state that belongs to weights alone, and what these are."""


def checkpoint_files(prefix: str | Path, *, staged: bool = False) -> list[Path]:
    """Return the three files of a checkpoint, or those that a save writes before they take their place."""
    prefix = Path(prefix)
    return [prefix.with_name(f".{prefix.name}.next{suffix}" if staged else prefix.name + suffix) for suffix in SUFFIXES]


def take_place(prefix: str | Path) -> None:
    """Rename the files of a finished save over the earlier ones.

    A save writes all three under other names, the state last, and renames them, the state last again. So wherever it
    is killed, either the earlier checkpoint is whole, or the staged state is there and this function ends the work.
    """
    staged = checkpoint_files(prefix, staged=True)
    if not staged[-1].is_file():
        return
    for source, target in zip(staged, checkpoint_files(prefix), strict=True):
        with contextlib.suppress(FileNotFoundError):  # Renamed before the kill, or by another process that resumes.
            os.replace(source, target)


def keep_as(prefix: str | Path, name: str, *, moving: bool = False) -> None:
    """Keep the checkpoint at `prefix` as `name` beside it too; nothing is done where there is none.

    The files get a second name, which takes neither time nor room: a checkpoint is replaced, and never written into.

    Args:
        prefix: Path without suffix.
        name: The other name.
        moving: Where the file system has no links, let the files move instead of copying them. Only for a checkpoint
            whose successor is staged, so that a kill loses neither.
    """
    target = Path(prefix).with_name(name)
    files, staged = checkpoint_files(prefix), checkpoint_files(target, staged=True)
    take_place(target)
    if not all(file.is_file() for file in files):
        return
    for source, link in zip(files, staged, strict=True):
        link.unlink(missing_ok=True)
        try:
            os.link(source, link)
        except OSError:
            if moving:
                os.replace(source, link)
            else:
                shutil.copyfile(source, link)
    take_place(target)


def remove_staged(prefix: str | Path) -> None:
    """Delete what an unfinished save of `prefix` has left, whether it was killed or failed."""
    for path in checkpoint_files(prefix, staged=True):
        for unfinished in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            unfinished.unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def remove_checkpoint(prefix: str | Path) -> None:
    """Delete the files of a checkpoint, the state last, so that what a kill leaves is still known for what it is."""
    for path in checkpoint_files(prefix):
        path.unlink(missing_ok=True)


def state_path(prefix: str | Path) -> Path:
    """Return the ``.state`` file that belongs to a prefix or a ``.pdparams`` file."""
    text = str(prefix)
    return Path((text[: -len(SUFFIXES[0])] if text.endswith(SUFFIXES[0]) else text) + SUFFIXES[-1])


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


def check_files(prefix: str | Path, content: dict[str, Any]) -> None:
    """Compare weights and optimizer with the checksums in the state of their checkpoint.

    Raises:
        CheckpointError: One is missing, or is not the file that the state was written with.
    """
    state = state_path(prefix)
    for path in (state.with_suffix(suffix) for suffix in SUFFIXES[:-1]):
        expected = (content.get("files") or {}).get(path.suffix)
        if not path.is_file() or sha256(path) != expected:
            raise CheckpointError(f"{path} is missing or is not the file that {state.name} was written with",
                                  expected="the files of one checkpoint", cure="resume from another checkpoint of the "
                                  "run")


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that a run could be resumed from.

    Args:
        prefix: Path without suffix.
        run: Name of the training that wrote it (`Progress.run`), empty for earlier versions.
        saved: When it was written, in seconds since 1970, 0 for earlier versions.
        position: Optimizer step, epoch and batch.
        content: Its state.
    """

    prefix: Path
    run: str
    saved: float
    position: tuple[int, int, int]
    content: dict[str, Any]


def candidates(folder: str | Path) -> tuple[list[Candidate], list[str]]:
    """Return the checkpoints in a folder, newest first, and what is wrong with those whose state cannot be read.

    Where trainings shared a folder one after the other, those of the one that saved last come first; within a training
    the one that is further is newer. Weights and optimizer are not looked at (see `check_files`).
    """
    found, faults = [], []
    for path in sorted(Path(folder).glob(f"*{SUFFIXES[-1]}")):
        prefix = path.with_suffix("")
        if path.name.startswith("."):
            continue  # A save that is not finished.
        try:
            content = load_checkpoint_meta(prefix)
            progress = content.get("progress") if content is not None else None
            if content is None or progress is None:
                continue  # Published weights, and what was imported.
            position = int(progress["step"]), int(progress["epoch"]), int(progress["batch"])
            found.append(Candidate(prefix, str(progress.get("run", "")), float(content.get("saved", 0.0)), position,
                                   content))
        except CheckpointError as error:
            faults.append(error.what)
        except (KeyError, TypeError, ValueError):
            faults.append(f"{path} does not tell where the run stood")
    last = {run: max(one.saved for one in found if one.run == run) for run in {one.run for one in found}}
    names = (PREVIOUS, LATEST)  # Of two at the same place, these are taken first.
    found.sort(key=lambda one: (last[one.run], one.run, one.position,
                                names.index(one.prefix.name) if one.prefix.name in names else -1), reverse=True)
    return found, faults


def newest_complete(folder: str | Path, *, warn: bool = True) -> Path | None:
    """Return the prefix of the newest complete checkpoint in a folder; None if it holds none at all.

    Only checkpoints of the training that saved last are taken: an older training in the same folder is another one.

    Args:
        folder: The folder; it need not exist.
        warn: Name those that are passed over in the log.

    Raises:
        CheckpointError: There are checkpoints, but none is complete.
    """
    found, faults = candidates(folder)
    for one in found:
        if one.run != found[0].run:
            break
        try:
            check_files(one.prefix, one.content)
        except CheckpointError as error:
            faults.append(error.what)
            continue
        for fault in faults if warn else ():
            LOGGER.warning("Passed over: %s", fault)
        return one.prefix
    if not faults:
        return None
    listed = "\n".join(f"    {fault}" for fault in faults)
    raise CheckpointError(f"none of the checkpoints in {folder} is complete:\n{listed}",
                          expected="one whose three files are those that were written together",
                          cure="copy an intact one there, or choose another Global.save_model_dir to train anew")


def finish_saves(folder: str | Path) -> None:
    """Let every finished save in a folder take its place, where a kill kept it from that."""
    for path in Path(folder).glob(f".*.next{SUFFIXES[-1]}"):
        with contextlib.suppress(OSError):  # A folder that can only be read: what is there already has to do.
            take_place(path.with_name(path.name[1:].removesuffix(f".next{SUFFIXES[-1]}")))


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
