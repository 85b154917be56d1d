"""Weights files (``.pdparams``): read as data, never as code; written whole or not at all; loaded with a report."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.errors import CheckpointError, did_you_mean
from ppocr.fileio import atomic_write, sha256
from ppocr.safe_pickle import Array, BlockedGlobalError, read_pickle

SUFFIX = ".pdparams"
NAME_TABLE = "StructuredToParameterName@@"
"""Entry that Paddle adds to a state: structured name to variable name."""

PROTOCOL = 4
MERGED = "reparam_conv"
"""In the names of layers whose branches were merged (see ppocr.modeling.common.reparam)."""

SHOWN = 10
"""Most names, or groups of names, that a message shows."""


class Weights(dict[str, Array]):
    """The arrays of a weights file by structured name, such as ``"head.fc.weight"``.

    Attributes:
        path: The file.
        sha256: SHA-256 of its content, hexadecimal.
    """

    def __init__(self, arrays: Mapping[str, Array], path: str | Path = "", digest: str = "") -> None:
        super().__init__(arrays)
        self.path = str(path)
        self.sha256 = digest


@dataclass(frozen=True)
class LoadReport:
    """What loading did to a model. Names are structured names; aliases of one tensor count once.

    Attributes:
        loaded: Number of the model's tensors that were filled.
        total: Number of the model's tensors.
        missing: Tensors of the model that the file lacks.
        unexpected: Entries of the file that the model has no place for.
        mismatched: ``(name, shape in the model, shape in the file)`` where the shapes differ.
        source: The file.
        sha256: SHA-256 of the file.
        dispensable: Those of the missing that the model can do without.
    """

    loaded: int
    total: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    source: str
    sha256: str
    dispensable: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Share of the model's tensors that were filled, of those that it cannot do without, 0 to 1."""
        needed = self.total - len(self.dispensable)
        return self.loaded / needed if needed else 0.0

    def __str__(self) -> str:
        digest = f" (sha256 {self.sha256[:12]})" if self.sha256 else ""
        counts = (f"loaded {self.loaded}/{self.total} tensors{digest}; missing {len(self.missing)}, unexpected "
                  f"{len(self.unexpected)}, of another shape {len(self.mismatched)}")
        return "\n".join([counts, *self._details()])

    def _details(self) -> list[str]:
        lines = []
        needed = [name for name in self.missing if name not in self.dispensable]
        if needed:
            lines.append(f"  missing in the file: {group_names(needed)}")
        if self.dispensable:
            lines.append(f"  missing in the file, but not used in prediction: {group_names(self.dispensable)}")
        if self.unexpected:
            lines.append(f"  without a place in the model: {group_names(self.unexpected)}")
        if self.mismatched:
            shown = [f"{name} (model {list(own)}, file {list(given)})" for name, own, given in self.mismatched[:SHOWN]]
            more = len(self.mismatched) - SHOWN
            lines.append("  of another shape: " + ", ".join(shown) + (f", and {more} more" if more > 0 else ""))
        return lines


def read_weights(path: str | Path) -> Weights:
    """Read a weights file of PaddlePaddle 2 or 3.

    Nothing that the file asks for is run (see ppocr.safe_pickle). The arrays are read-only; bfloat16 tensors come as
    uint16, as Paddle stores them.

    Args:
        path: The file, with or without ``.pdparams``.

    Raises:
        CheckpointError: The file is missing, damaged, names code to be run, or holds something else than arrays.
    """
    file = _find(path)
    try:
        with open(file, "rb") as stream:
            content = read_pickle(stream)
        digest = sha256(file)
    except BlockedGlobalError as error:
        raise CheckpointError(
            f"{file} asks for {error.name} to be called when it is read; it was not run",
            expected="arrays only, as Paddle writes them",
            cure="do not use this file unless you know who made it: weights never need that",
        ) from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{file} is damaged or is not a weights file ({error})",
                              expected="a complete .pdparams file", cure="copy or download it again") from None
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}", expected="a readable file",
                              cure="check the path and the permissions") from None
    return Weights(_arrays(content, file), file, digest)


def write_weights(path: str | Path, state_dict: Mapping[str, Any]) -> None:
    """Write tensors or arrays as a file that `read_weights` and ``paddle.load`` read.

    Args:
        path: The file, which is replaced only when the new one is complete.
        state_dict: Structured name to tensor or array. Names of one tensor share its data in the file.
    """
    arrays: dict[int, Array] = {}
    content: dict[str, Any] = {}
    table: dict[str, str] = {}
    for name, value in state_dict.items():
        if id(value) not in arrays:
            arrays[id(value)] = np.ascontiguousarray(value.numpy() if hasattr(value, "numpy") else value).reshape(
                tuple(value.shape))
        content[name] = arrays[id(value)]
        if hasattr(value, "name"):
            table[name] = str(value.name)
    if table:
        content[NAME_TABLE] = table
    with atomic_write(path) as file:
        pickle.dump(content, file, protocol=PROTOCOL)


def load_into(
    model: Any, weights: Mapping[str, Any], *, minimum_share: float = 1.0, strict: bool = False,
    dispensable: Collection[str] = (),
) -> LoadReport:
    """Copy weights into a model by name, and report what was done.

    A tensor that the model knows by several names (the weights of an LSTM) is filled if one of them is present. The
    values take the model's type. The model stays as it was when an error is raised.

    Args:
        model: A ``paddle.nn.Layer``.
        weights: Structured name to array, such as `read_weights` returns.
        minimum_share: Smallest share of the model's tensors that must be filled, 0 to 1.
        strict: Also refuse weights that the model has no place for.
        dispensable: Tensors that may be missing; they do not count in the share.

    Raises:
        CheckpointError: Fewer tensors were found, or, if `strict`, there are strangers; with hints at the cause.
    """
    own = model.state_dict()
    names: dict[int, list[str]] = {}
    for name, tensor in own.items():
        names.setdefault(id(tensor), []).append(name)
    found: list[tuple[Any, Array]] = []
    missing: list[str] = []
    mismatched = []
    for aliases in names.values():
        tensor = own[aliases[0]]
        name = next((alias for alias in aliases if alias in weights), None)
        if name is None:
            missing.append(aliases[0])
        elif tuple(tensor.shape) != tuple(weights[name].shape):
            mismatched.append((name, tuple(tensor.shape), tuple(weights[name].shape)))
        else:
            found.append((tensor, weights[name]))
    report = LoadReport(
        len(found), len(names), tuple(missing), tuple(name for name in weights if name not in own), tuple(mismatched),
        getattr(weights, "path", ""), getattr(weights, "sha256", ""),
        tuple(name for name in missing if name in dispensable),
    )
    if report.share < minimum_share or (strict and report.unexpected):
        raise _refusal(report, minimum_share)
    for tensor, array in found:
        _assign(tensor, array)
    return report


def group_names(names: Iterable[str]) -> str:
    """Return names for a message: all of up to ten, else grouped by their first parts with counts, ten groups."""
    listed = list(names)
    if len(listed) <= SHOWN:
        return ", ".join(listed)
    for depth in (3, 2, 1):
        groups = Counter(".".join(name.split(".")[:depth]) for name in listed)
        if len(groups) <= SHOWN:
            break
    shown = [f"{group}.* ({count})" if count > 1 else group for group, count in groups.most_common(SHOWN)]
    more = len(groups) - len(shown)
    return ", ".join(shown) + (f", and {more} more groups" if more else "")


def _find(path: str | Path) -> Path:
    """Return the file that `path` means, with or without the suffix."""
    file = Path(path)
    for candidate in (file, file.with_name(file.name + SUFFIX) if file.name else file):
        if candidate.is_file():
            return candidate
    present = sorted(entry.name for entry in file.parent.glob(f"*{SUFFIX}")) if file.parent.is_dir() else []
    hint = did_you_mean(file.name, present) or ("the folder holds " + ", ".join(present[:SHOWN]) if present else "")
    if file.is_dir():
        inside = sorted(entry.name for entry in file.glob(f"*{SUFFIX}"))
        hint = "it is a folder" + (", which holds " + ", ".join(inside[:SHOWN]) if inside else "")
    raise CheckpointError(f"there are no weights at {path}" + (f" ({hint})" if hint else ""),
                          expected=f"a file, with or without {SUFFIX}",
                          cure="correct Global.pretrained_model or Global.checkpoints")


def _arrays(content: Any, file: Path) -> dict[str, Array]:
    """Check that a file's content is a flat mapping of arrays, and return it without Paddle's table of names."""
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} holds a {type(content).__name__}, not a mapping of names to arrays",
                              expected="the state of a model", cure="save model.state_dict()")
    arrays: dict[str, Array] = {}
    for name, value in content.items():
        if name == NAME_TABLE:
            continue
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            value = value[1]  # Paddle keeps tensors outside a plain state as (variable name, array).
        if isinstance(name, str) and isinstance(value, np.ndarray):
            arrays[name] = value
            continue
        is_optimizer = name in ("LR_Scheduler", "master_weights")
        raise CheckpointError(
            f"{file}: the entry {name!r} is a {type(value).__name__}, not an array"
            + ("; this is the state of an optimizer" if is_optimizer else ""),
            expected="a flat mapping of names to arrays",
            cure=f"give the {SUFFIX} file" if is_optimizer else "save the state of the one model that is wanted",
        )
    return arrays


def _assign(tensor: Any, array: Array) -> None:
    import paddle

    if array.dtype == np.uint16:  # bfloat16: the upper half of a float32.
        array = (array.astype(np.uint32) << 16).view(np.float32)
    # Paddle shares the memory of arrays that it could alter, and these are read-only.
    value = paddle.to_tensor(np.array(array))
    tensor.set_value(value if value.dtype == tensor.dtype else value.astype(tensor.dtype))


def _refusal(report: LoadReport, minimum_share: float) -> CheckpointError:
    return CheckpointError(
        f"the weights{f' of {report.source}' if report.source else ''} do not fit the model: {report}",
        expected=f"at least {minimum_share:.0%} of the model's {report.total} tensors, by name and shape",
        cure="; ".join(_hints(report)) or "give the weights of this architecture, or correct the section Architecture",
    )


def _hints(report: LoadReport) -> list[str]:
    """Return likely causes of a misfit."""
    hints = []
    # A linear layer of the head whose number of outputs differs.
    classifiers = {name.removesuffix("weight") for name, own, given in report.mismatched
                   if name.startswith("head") and len(own) == 2 and own[0] == given[0]}
    for name, own, given in report.mismatched:
        if name.removesuffix("bias") in classifiers and len(own) == len(given) == 1:
            hints.append(f"the head has {own[0]} classes, the file {given[0]} ({name}): another charset; set "
                         "Global.character_dict_path and Global.use_space_char as in the training of the file")
            break
    if any(MERGED in name for name in report.unexpected):
        hints.append("the branches of the file's layers are merged, as in exported models: set reparameterized: true "
                     "in Architecture.Backbone (and in Neck and Head where they have it)")
    elif any(MERGED in name for name in report.missing):
        hints.append("the file's layers have branches, those of the model are merged: set reparameterized: false")
    prefix = _common_prefix(report)
    if prefix:
        hints.append(f"the names in the file begin with {prefix!r}: it holds several models; keep the entries of "
                     "one, without the prefix")
    return hints


def _common_prefix(report: LoadReport) -> str:
    """Return the first part of the file's names, if the model's missing names are the file's names without it."""
    missing = set(report.missing)
    for prefix in dict.fromkeys(name.split(".")[0] + "." for name in report.unexpected):
        stripped = {name[len(prefix):] for name in report.unexpected if name.startswith(prefix)}
        if missing and len(missing & stripped) > len(missing) / 2:
            return prefix
    return ""
