"""The average of several checkpoints: weights alone, for evaluation, export and fine-tuning.

Of one training, the last ones are averaged (Izmailov et al. 2018). Of a fine-tuned model and the published one that it
began as, the average often reads the new words better than either, and forgets less (Wortsman et al. 2022).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr import __version__
from ppocr.engine.checkpoint_files import BEST, LATEST, PREVIOUS, SCHEMA, candidates, load_checkpoint_meta, state_path
from ppocr.errors import CharsetError, CheckpointError
from ppocr.fileio import atomic_write, sha256
from ppocr.pretrained import exported_folder, read_pretrained
from ppocr.weights import SUFFIX, Weights, read_weights, write_weights

Array = npt.NDArray[Any]

STATISTICS = ("_mean", "_variance")
"""Last parts of the names of a batch norm's running statistics."""


@dataclass(frozen=True)
class Member:
    """One of the averaged checkpoints.

    Args:
        prefix: Path without suffix, or the name of a published model.
        content: Its state, empty where there is none.
        weights: The weights of an exported or published model; None for a checkpoint, which is read when it is used.
    """

    prefix: Path
    content: dict[str, Any]
    weights: Weights | None = None

    def origin(self, digest: str) -> dict[str, Any]:
        """Return what the state of the average keeps of it; `digest` is the SHA-256 of its weights."""
        progress = self.content.get("progress") or {}
        return {"checkpoint": str(self.prefix), "epoch": progress.get("epoch"), "step": progress.get("step"),
                "sha256": digest}


@dataclass
class Average:
    """The average of checkpoints.

    Args:
        arrays: Structured name to array; names of one tensor share one array.
        members: What was averaged, by step.
        origins: See `Member.origin`.
        recalibrated: Batches that the batch norms' statistics were gathered from anew; 0 where they were averaged.
    """

    arrays: dict[str, Array]
    members: Sequence[Member]
    origins: list[dict[str, Any]]
    recalibrated: int = 0

    @property
    def statistics(self) -> list[str]:
        """Names of the batch norms' running statistics."""
        return [name for name in self.arrays if name.rsplit(".", 1)[-1] in STATISTICS]

    def write(self, prefix: str | Path) -> Path:
        """Write ``<prefix>.pdparams`` and ``<prefix>.state``, the state last, and return the path of the weights.

        Raises:
            CheckpointError: The files cannot be written, or would replace one of the averaged checkpoints.
        """
        prefix = Path(str(prefix).removesuffix(SUFFIX))
        if any(prefix.resolve() == member.prefix.resolve() for member in self.members):
            raise CheckpointError(f"{prefix} is one of the averaged checkpoints", expected="another place for the "
                                  "average", cure="choose another --output")
        file = Path(f"{prefix}{SUFFIX}")
        charset = next((one.content["charset"] for one in self.members if one.content.get("charset")), None)
        try:
            write_weights(file, self.arrays)
            content = {"schema": SCHEMA, "version": __version__, "charset": charset, "metrics": {},
                       "files": {SUFFIX: sha256(file)}, "averaged_from": self.origins,
                       "recalibrated": self.recalibrated, "config": self.members[-1].content.get("config")}
            with atomic_write(state_path(prefix), "w") as stream:
                json.dump(content, stream, ensure_ascii=False)
        except OSError as error:
            raise CheckpointError(f"{file} cannot be written: {error.strerror or error}",
                                  expected="a place in which files can be made", cure="choose another --output") \
                from None
        return file


def last_checkpoints(folder: str | Path, number: int) -> list[Path]:
    """Return the last checkpoints of the training that saved last in a folder, by step, one for each step.

    Numbered ones are meant: ``latest``, ``previous`` and ``best_accuracy`` are left out.

    Raises:
        CheckpointError: There are fewer.
    """
    found, _ = candidates(folder)
    of_run = [one for one in found if one.run == found[0].run and one.prefix.name not in (LATEST, PREVIOUS, BEST)]
    by_step = {one.position: one.prefix for one in of_run}
    if len(by_step) < number or number < 2:
        names = ", ".join(by_step[position].name for position in sorted(by_step)) or "none"
        raise CheckpointError(f"{folder}: {number} checkpoints are to be averaged, there are {len(by_step)} numbered "
                              f"ones ({names})", expected="at least 2, and no more than there are",
                              cure="lower --last, name the checkpoints, or train with a smaller "
                              "Global.save_epoch_step")
    return [by_step[position] for position in sorted(by_step)[-number:]]


def average_checkpoints(prefixes: Sequence[str | Path]) -> Average:
    """Return the average of checkpoints: floats are summed in float64, integers come from the last.

    Args:
        prefixes: Paths with or without ``.pdparams``, exported folders or names of published models, at least two; the
            checkpoint that is furthest counts as the last.

    Raises:
        CheckpointError: Fewer than two, one is missing or damaged, or their tensors differ in name or shape.
        CharsetError: Their charsets differ.
    """
    members = [_member(prefix) for prefix in prefixes]
    if len({member.prefix.resolve() for member in members}) < max(2, len(members)):
        raise CheckpointError("the average of " + ", ".join(str(member.prefix) for member in members),
                              expected="two or more different checkpoints", cure="name each once")
    members.sort(key=lambda member: (member.content.get("progress") or {}).get("step", -1))  # Stable.
    sums: dict[str, Array] = {}
    origins = []
    last = Weights({})
    for member in members:
        last = _read(member)
        _compare(members[0], sums, member, last)
        for name, array in last.items():
            if _is_float(array):
                sums[name] = sums.get(name, 0.0) + _as_float(array).astype(np.float64)
            else:
                sums[name] = array
        origins.append(member.origin(last.sha256))
    return Average(_shared(last, sums, len(members)), members, origins)


def _member(prefix: str | Path) -> Member:
    if exported_folder(prefix) is not None:
        exported = read_pretrained(prefix)
        content = {"charset": exported.charset.to_dict()} if exported.charset is not None else {}
        return Member(Path(prefix), content, exported.weights)
    path = Path(str(prefix).removesuffix(SUFFIX))
    return Member(path, load_checkpoint_meta(path) or {})


def _read(member: Member) -> Weights:
    if member.weights is not None:
        return member.weights
    weights = read_weights(f"{member.prefix}{SUFFIX}")
    expected = (member.content.get("files") or {}).get(SUFFIX, weights.sha256)
    if weights.sha256 != expected:
        raise CheckpointError(f"{member.prefix}{SUFFIX} is not the file that {state_path(member.prefix).name} was "
                              "written with", expected="the files of one checkpoint", cure="leave it out")
    return weights


def _compare(first: Member, sums: Mapping[str, Array], member: Member, weights: Weights) -> None:
    """Refuse weights of another model or charset, where both are known, than those of the first checkpoint."""
    charsets = {charset["sha256"] for one in (first, member) if (charset := one.content.get("charset"))}
    if len(charsets) > 1:
        raise CharsetError(f"{first.prefix} and {member.prefix} were trained with different charsets",
                           expected="checkpoints of one training", cure="leave one of them out")
    if member is first:
        return
    differing = [name for name in sorted(set(sums) | set(weights))
                 if name not in sums or name not in weights or sums[name].shape != weights[name].shape]
    if differing:
        raise CheckpointError(f"{member.prefix} has other tensors than {first.prefix}: {len(differing)} differ in name "
                              f"or shape, such as {', '.join(differing[:3])}",
                              expected="checkpoints of one training", cure="leave one of them out")


def _shared(last: Mapping[str, Array], sums: Mapping[str, Array], number: int) -> dict[str, Array]:
    """Return the averages in the types of the last checkpoint, bfloat16 as float32; aliases share an array."""
    averages: dict[int, Array] = {}
    for name, array in last.items():
        if id(array) not in averages:
            dtype = _as_float(array[:0] if array.ndim else array).dtype
            averages[id(array)] = (sums[name] / number).astype(dtype) if _is_float(array) else array
    return {name: averages[id(array)] for name, array in last.items()}


def _is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or array.dtype == np.uint16


def _as_float(array: Array) -> Array:
    """Return an array of floats; Paddle keeps bfloat16, the upper half of a float32, as uint16."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array
