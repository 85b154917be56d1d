"""The weights of an exported model under the names of the training model.

Exports of this toolkit keep the names in ``inference.yml``. Those of PaddleOCR 2 keep them in ``.pdiparams.info``, as
they were at the time; `TODAY` brings them to the names of today's networks. Exports of PaddleOCR 3 keep no names.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ppocr.errors import CheckpointError
from ppocr.fileio import sha256
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.parameters import program_weights
from ppocr.safe_pickle import BlockedGlobalError, read_pickle
from ppocr.weights import Weights

Array = npt.NDArray[Any]

INFO_SUFFIX = ".info"

TODAY: tuple[tuple[str, str], ...] = (
    (r"\.(dw_conv|pw_conv)\.w$", r".\1.lab.scale"),
    (r"\.(dw_conv|pw_conv)\.b$", r".\1.lab.bias"),
    (r"\.(dw_conv|pw_conv)\.activation\.(scale|bias)$", r".\1.act.lab.\2"),
)
"""Patterns of names that published exports have, and what these parameters are called now (PPLCNetV3)."""


def structured_weights(folder: InferenceFolder) -> Weights:
    """Return the weights of an exported model in Paddle's format, by structured name.

    Raises:
        CheckpointError: The folder does not say which weight is which.
        InferenceError: The program or its weights are damaged.
    """
    variables = program_weights(folder.model_file, folder.params_file)
    names = dict(folder.description.parameters) if folder.description else {}
    if not names:
        names = _published_names(folder, variables)
    missing = [name for name, variable in names.items() if variable not in variables]
    if missing:
        raise CheckpointError(f"{folder.path} names the weight {missing[0]!r}, which its program does not have",
                              expected="files of one export", cure="copy or export the model again")
    arrays = {today(name): variables[variable] for name, variable in names.items()}
    return Weights(arrays, folder.params_file, sha256(folder.params_file))


def today(name: str) -> str:
    """Return what a parameter of a published export is called in today's networks."""
    for pattern, replacement in TODAY:
        name = re.sub(pattern, replacement, name)
    return name


def _published_names(folder: InferenceFolder, variables: Mapping[str, Array]) -> dict[str, str]:
    """Return structured name to variable name for the weights in the program, as ``.pdiparams.info`` tells.

    That file also lists parameters that the program does not use; they have no values.
    """
    file = folder.params_file.with_name(folder.params_file.name + INFO_SUFFIX)
    if not file.is_file():
        raise CheckpointError(
            f"{folder.path} does not say which weight is which: there is no {file.name}, and inference.yml has no "
            "Parameters",
            expected="an export of this toolkit, or one of PaddleOCR 2 with its .pdiparams.info",
            cure="copy the missing file, or take the training checkpoint (.pdparams) of the model",
        )
    entries = _read_info(file)
    names = {str(entry["structured_name"]): variable for variable, entry in entries.items()
             if variable in variables and isinstance(entry, Mapping) and entry.get("structured_name")}
    unnamed = sorted(set(variables) - set(names.values()))
    if unnamed:
        raise CheckpointError(f"{file} does not name the weights {', '.join(unnamed[:5])}"
                              + (f" and {len(unnamed) - 5} more" if len(unnamed) > 5 else ""),
                              expected="files of one export", cure="copy or download the model again")
    return names


def _read_info(file: Path) -> Mapping[str, Any]:
    try:
        with open(file, "rb") as stream:
            content = read_pickle(stream)
    except BlockedGlobalError as error:
        raise CheckpointError(f"{file} asks for {error.name} to be called when it is read; it was not run",
                              expected="names only", cure="do not use this model unless you know who made it") from None
    except (pickle.UnpicklingError, OSError) as error:
        raise CheckpointError(f"{file} cannot be read ({error})", expected="a complete file",
                              cure="copy or download the model again") from None
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{file} holds a {type(content).__name__}, not a mapping of names",
                              expected="the file that was written with the program",
                              cure="copy or download the model again")
    return content
