"""The folder of an exported model: the program, its weights, and ``inference.yml`` with all that is needed to use it.

Three kinds are read: our own (``schema: 1``), those of PaddleOCR 3 (an ``inference.yml`` without schema) and those of
PaddleOCR 2 (no ``inference.yml``; the predictor's arguments must then say what it would). The network is one of Paddle
(program and weights) or an ONNX file. In place of a folder, the name of a published model may be given.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ppocr import hub
from ppocr.charset import Charset
from ppocr.errors import ConfigError, HubError, InferenceError
from ppocr.infer.operators import Operator, prediction_operators
from ppocr.model_files import (
    DESCRIPTION_FILE,
    ONNX_SUFFIX,
    PARAMS_SUFFIX,
    PROGRAM_SUFFIXES,
    SCHEMA,
    load_yaml,
)

__all__ = ["DESCRIPTION_FILE", "SCHEMA", "Description", "InferenceFolder", "model_folder", "read_description"]

LOGGER = logging.getLogger("ppocr")

STEMS = ("inference", "model")

PADDLE, ONNXRUNTIME = "paddle", "onnxruntime"
"""Names of the backends that run the two kinds of files."""


@dataclass(frozen=True)
class Description:
    """What ``inference.yml`` says.

    Attributes:
        schema: Version of our format; 0 for PaddleOCR 3.
        model_name: Name of the model; may be empty.
        model_type: ``"rec"``, ``"cls"`` …; empty if unknown.
        algorithm: Name of the algorithm; may be empty.
        operators: The transforms that bring an image to the network, without those that read labels.
        postprocess: ``name`` and arguments of the decoder.
        charset: The characters; None where the file does not settle them.
        dictionary: PaddleOCR's list of characters, which leaves open whether the space follows.
        input_shape: Shape of the first input, -1 where it varies; None if unknown.
        parameters: Structured name of each weight to its name in the program.
        provenance: Where the weights come from.
    """

    schema: int
    model_name: str
    model_type: str
    algorithm: str
    operators: tuple[Operator, ...]
    postprocess: Mapping[str, Any]
    charset: Charset | None = None
    dictionary: tuple[str, ...] = ()
    input_shape: tuple[int, ...] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InferenceFolder:
    """The files of an exported model.

    Attributes:
        path: The folder.
        model_file: The program.
        params_file: Its weights; the same file where one holds both (ONNX).
        description: What ``inference.yml`` says; None if there is none (PaddleOCR 2).
        backend: What runs these files, unless something else is asked for: ``"paddle"`` or ``"onnxruntime"``.
    """

    path: Path
    model_file: Path
    params_file: Path
    description: Description | None
    backend: str = PADDLE

    @classmethod
    def open(cls, path: str | Path, *, task: str | None = None, backend: str | None = None) -> InferenceFolder:
        """Find the files of a folder and read its description.

        Args:
            path: The folder, or the name of a published model (see `ppocr.hub`); a folder that exists comes first.
            task: What the model is for, if that is known; a system of published models then stands for its part.
            backend: What is to run the network; where a folder holds files of both kinds it decides, by default for
                those of Paddle.

        Raises:
            InferenceError: The folder or a file is missing, or ``inference.yml`` cannot be used.
            HubError: The published model cannot be had.
            CharsetError: The stored charset is damaged.
        """
        folder = model_folder(path, task=task, backend=backend)
        model_file, params_file = _network_files(folder, backend)
        file = folder / DESCRIPTION_FILE
        return cls(folder, model_file, params_file, read_description(file) if file.is_file() else None,
                   ONNXRUNTIME if model_file.suffix == ONNX_SUFFIX else PADDLE)


def model_folder(path: str | Path, *, task: str | None = None, backend: str | None = None) -> Path:
    """Return the folder that `path` names: a folder, or a published model; which of them it is is logged.

    Args:
        path: A folder, which comes first, or a name.
        task: What the model is for, if that is known.
        backend: What is to run it.

    Raises:
        InferenceError: There is no such folder, and it is no name either.
        HubError: The published model cannot be had, or is for another task.
    """
    folder, name = Path(path), str(path)
    known = (*hub.names(), *(hub.systems() if task else ()))
    if folder.is_dir():
        if name in known:
            LOGGER.warning("%s: the folder of this name is taken, not the published model.", folder.absolute())
        return folder
    if name in known or name in hub.systems():
        found = hub.load(name, task=task, format={PADDLE: "paddle", ONNXRUNTIME: "onnx"}.get(backend or ""))
        LOGGER.info("%s: the published model in %s.", name, found)
        return found
    hint = hub.close_names(name, with_systems=task is not None)
    if hint:
        raise HubError(f"there is no folder {name} and no published model of that name ({hint})",
                       expected="the folder of an exported model, or a name that ppocr models lists",
                       cure="correct the name")
    raise InferenceError(f"there is no folder {folder}", expected="the folder of an exported model, or the name of a "
                         "published one (ppocr models lists them)",
                         cure="correct the path, or export a model with tools/export_model.py")


def read_description(file: Path) -> Description:
    """Read an ``inference.yml`` of ours or of PaddleOCR 3.

    Raises:
        InferenceError: The file is damaged, incomplete, or of a later version.
        CharsetError: The stored charset is damaged.
    """
    content = _load_yaml(file)
    schema = content.get("schema", 0)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise InferenceError(f"{file} has schema {schema!r}", expected=f"schema {SCHEMA} or earlier",
                             cure="update ppocr-toolkit")
    general = _mapping(content, "Global", file)
    postprocess = dict(_mapping(content, "PostProcess", file))
    dictionary = postprocess.pop("character_dict", None) or []
    charset = _mapping(content, "Charset", file)
    try:
        operators = prediction_operators(_mapping(content, "PreProcess", file).get("transform_ops") or [])
    except ConfigError as error:
        raise InferenceError(f"{file}: PreProcess.transform_ops: {error.what}", expected=error.expected,
                             cure="export the model again") from None
    if not postprocess.get("name"):
        raise InferenceError(f"{file}: PostProcess names no decoder", expected="PostProcess: {name: ...}",
                             cure="export the model again")
    return Description(
        schema=schema,
        model_name=str(general.get("model_name") or ""),
        model_type=str(general.get("model_type") or ""),
        algorithm=str(general.get("algorithm") or ""),
        operators=tuple(operators),
        postprocess=postprocess,
        charset=Charset.from_dict(charset) if charset else None,
        dictionary=tuple(str(symbol) for symbol in dictionary),
        input_shape=_input_shape(content, file),
        parameters=dict(_mapping(content, "Parameters", file)),
        provenance=dict(_mapping(content, "Provenance", file)),
    )


def _network_files(folder: Path, backend: str | None) -> tuple[Path, Path]:
    """Return program and weights; of ONNX the same file twice."""
    paddle, onnx = _paddle_files(folder), _onnx_file(folder)
    if backend == ONNXRUNTIME:
        paddle = None
    elif backend == PADDLE:
        onnx = None
    if paddle is not None:
        return paddle
    if onnx is not None:
        return onnx, onnx
    present = sorted(entry.name for entry in folder.iterdir())
    cure = "correct the folder, or copy the missing file"
    if any(name.endswith(".pdparams") for name in present):
        cure = "this folder holds training checkpoints: export one with tools/export_model.py first"
    shown = ", ".join(present[:10]) + (" …" if len(present) > 10 else "")
    asked = f" for the backend {backend}" if _paddle_files(folder) or _onnx_file(folder) else ""
    expected = ("inference.json or inference.pdmodel (or model.json, model.pdmodel) and the .pdiparams of the same "
                "name, or inference.onnx (or model.onnx)")
    if asked:
        expected = "inference.onnx or model.onnx" if backend == ONNXRUNTIME else "a program and its .pdiparams"
        cure = f"leave the backend {backend} out, which is chosen by the files that are there"
    raise InferenceError(f"{folder} holds no exported model{asked} ({shown or 'it is empty'})", expected=expected,
                         cure=cure)


def _paddle_files(folder: Path) -> tuple[Path, Path] | None:
    for stem in STEMS:
        params = folder / (stem + PARAMS_SUFFIX)
        for suffix in PROGRAM_SUFFIXES:
            program = folder / (stem + suffix)
            if program.is_file() and params.is_file():
                return program, params
    return None


def _onnx_file(folder: Path) -> Path | None:
    return next((file for file in (folder / (stem + ONNX_SUFFIX) for stem in STEMS) if file.is_file()), None)


def _load_yaml(file: Path) -> Mapping[str, Any]:
    try:
        content = load_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InferenceError(f"{file} cannot be read: {error}", expected="a complete inference.yml",
                             cure="export the model again, or copy the file again") from None
    if not isinstance(content, Mapping):
        raise InferenceError(f"{file} holds {type(content).__name__}, not a mapping",
                             expected="a complete inference.yml", cure="export the model again")
    return content


def _input_shape(content: Mapping[str, Any], file: Path) -> tuple[int, ...] | None:
    inputs = _mapping(content, "Model", file).get("inputs") or [{}]
    first = inputs[0] if isinstance(inputs, list) else None
    shape = (first.get("shape") or []) if isinstance(first, Mapping) else None
    if not isinstance(shape, list) or not all(isinstance(side, int) for side in shape):
        raise InferenceError(f"{file}: Model.inputs is {inputs!r}", cure="export the model again",
                             expected="a list of inputs, such as [{name: x, shape: [-1, 3, 48, -1]}]")
    return tuple(shape) or None


def _mapping(content: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise InferenceError(f"{file}: {key} is {type(value).__name__}", expected=f"{key}: a mapping",
                             cure="export the model again")
    return value
