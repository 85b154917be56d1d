"""The weights of an exported model as arrays, read without Paddle.

A ``.pdiparams`` file holds the tensors one after another in the sorted order of their variable names; the names
themselves are in the program. Our ``inference.yml`` maps them to the structured names of the training model.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.errors import InferenceError
from ppocr.infer.folder import InferenceFolder
from ppocr.protobuf import fields, text, varints

Array = npt.NDArray[Any]

DTYPES: dict[int, str] = {0: "?", 1: "<i2", 2: "<i4", 3: "<i8", 4: "<f2", 5: "<f4", 6: "<f8", 20: "u1", 21: "i1",
                          22: "<u2"}
"""Paddle's numbers of element types; bfloat16 (22) comes as uint16."""

PARAMETER_OP = "p"


def exported_weights(path: str | Path) -> dict[str, Array]:
    """Return the weights of an exported folder, structured name to array.

    Args:
        path: A folder with an ``inference.yml`` of ours.

    Raises:
        InferenceError: The folder cannot be read, or has no map of names.
    """
    folder = InferenceFolder.open(path)
    names = folder.description.parameters if folder.description else {}
    if not names:
        raise InferenceError(f"{path} does not say which weight is which", expected="Parameters in inference.yml",
                             cure="export the model with this toolkit, or call program_weights for variable names")
    variables = program_weights(folder.model_file, folder.params_file)
    missing = [variable for variable in names.values() if variable not in variables]
    if missing:
        raise InferenceError(f"{path}: inference.yml names weights that the program lacks, such as {missing[0]}",
                             expected="files of one export", cure="export the model again")
    return {name: variables[variable] for name, variable in names.items()}


def program_weights(model_file: str | Path, params_file: str | Path) -> dict[str, Array]:
    """Return the weights of a program, variable name to array.

    Args:
        model_file: ``.json`` or ``.pdmodel``.
        params_file: ``.pdiparams``.

    Raises:
        InferenceError: The files are damaged or do not belong together.
    """
    try:
        names = sorted(variable_names(Path(model_file)))
        arrays = list(_tensors(Path(params_file).read_bytes()))
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise InferenceError(f"{model_file} or {params_file} is damaged ({error})", expected="a complete program",
                             cure="export the model again, or copy both files again") from error
    if len(names) != len(arrays):
        raise InferenceError(f"{model_file} has {len(names)} weights, {params_file} {len(arrays)}",
                             expected="files of one export", cure="export the model again")
    return dict(zip(names, arrays, strict=True))


def variable_names(model_file: Path) -> list[str]:
    """Return the names of a program's weights, in the program's order."""
    if model_file.suffix == ".json":
        program = json.loads(model_file.read_bytes())
        block = program["program"]["regions"][0]["blocks"][0]
        # OA[0] tells whether the value is stored; the random state of an LSTM's dropout is not.
        return [str(op["A"][3]) for op in block["ops"] if op["#"] == PARAMETER_OP and op["OA"][0]]
    return list(_persistable_variables(model_file.read_bytes()))


def _tensors(data: bytes) -> Iterator[Array]:
    position = 0
    while position < len(data):
        _, levels = struct.unpack_from("<IQ", data, position)
        position += 12
        for _ in range(levels):
            size, = struct.unpack_from("<Q", data, position)
            position += 8 + size
        _, size = struct.unpack_from("<II", data, position)
        position += 8
        dtype, shape = _tensor_description(data[position:position + size])
        position += size
        count = math.prod(shape)  # In Python's numbers: a damaged shape must not overflow into a small or negative one.
        if count * dtype.itemsize > len(data) - position:
            raise ValueError("a weight is longer than the file")
        yield np.frombuffer(data, dtype, count, position).reshape(shape)
        position += count * dtype.itemsize


def _tensor_description(message: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    code, shape = 0, []
    for field, value in fields(message):
        if field == 1:
            code = value
        elif field == 2:
            shape += [value] if isinstance(value, int) else varints(value)
    return np.dtype(DTYPES[code]), tuple(shape)


def _persistable_variables(program: bytes) -> Iterator[str]:
    """Yield the weights that an older program (a protobuf message) declares: blocks (1), their variables (3)."""
    for field, block in fields(program):
        if field != 1:
            continue
        for inner, variable in fields(block):
            if inner == 3:
                parts = dict(fields(variable))
                name = text(parts[1])
                if parts.get(3) and name not in ("feed", "fetch"):
                    yield name
