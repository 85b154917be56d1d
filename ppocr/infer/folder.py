"""The folder of an exported model: the program, its weights, and ``inference.yml`` with all that is needed to use it.

Three kinds are read: our own (``schema: 1``), those of PaddleOCR 3 (an ``inference.yml`` without schema) and those of
PaddleOCR 2 (no ``inference.yml``; the predictor's arguments must then say what it would).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ppocr.charset import Charset
from ppocr.errors import ConfigError, InferenceError
from ppocr.infer.operators import Operator, prediction_operators

SCHEMA = 1
DESCRIPTION_FILE = "inference.yml"
STEMS = ("inference", "model")
PROGRAM_SUFFIXES = (".json", ".pdmodel")
PARAMS_SUFFIX = ".pdiparams"


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
        params_file: Its weights.
        description: What ``inference.yml`` says; None if there is none (PaddleOCR 2).
    """

    path: Path
    model_file: Path
    params_file: Path
    description: Description | None

    @classmethod
    def open(cls, path: str | Path) -> InferenceFolder:
        """Find the files of a folder and read its description.

        Raises:
            InferenceError: The folder or a file is missing, or ``inference.yml`` cannot be used.
            CharsetError: The stored charset is damaged.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise InferenceError(f"there is no folder {folder}", expected="the folder of an exported model",
                                 cure="correct the path, or export a model with tools/export_model.py")
        model_file, params_file = _program_files(folder)
        file = folder / DESCRIPTION_FILE
        return cls(folder, model_file, params_file, read_description(file) if file.is_file() else None)


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
    inputs = _mapping(content, "Model", file).get("inputs") or [{}]
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
        charset=Charset.from_dict(content["Charset"]) if content.get("Charset") else None,
        dictionary=tuple(str(symbol) for symbol in dictionary),
        input_shape=tuple(inputs[0]["shape"]) if inputs[0].get("shape") else None,
        parameters=dict(_mapping(content, "Parameters", file)),
        provenance=dict(_mapping(content, "Provenance", file)),
    )


def _program_files(folder: Path) -> tuple[Path, Path]:
    for stem in STEMS:
        params = folder / (stem + PARAMS_SUFFIX)
        for suffix in PROGRAM_SUFFIXES:
            program = folder / (stem + suffix)
            if program.is_file() and params.is_file():
                return program, params
    present = sorted(entry.name for entry in folder.iterdir())
    cure = "correct the folder, or copy the missing file"
    if any(name.endswith(".pdparams") for name in present):
        cure = "this folder holds training checkpoints: export one with tools/export_model.py first"
    shown = ", ".join(present[:10]) + (" …" if len(present) > 10 else "")
    raise InferenceError(f"{folder} holds no exported model ({shown or 'it is empty'})",
                         expected="inference.json or inference.pdmodel (or model.json, model.pdmodel) and the "
                                  ".pdiparams of the same name", cure=cure)


def _load_yaml(file: Path) -> Mapping[str, Any]:
    try:
        # The C parser reads the long lists of characters ten times as fast; both construct plain values only.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(file.read_text(encoding="utf-8"))
        content = loader.get_single_data()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InferenceError(f"{file} cannot be read: {error}", expected="a complete inference.yml",
                             cure="export the model again, or copy the file again") from None
    if not isinstance(content, Mapping):
        raise InferenceError(f"{file} holds {type(content).__name__}, not a mapping",
                             expected="a complete inference.yml", cure="export the model again")
    return content


def _mapping(content: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise InferenceError(f"{file}: {key} is {type(value).__name__}", expected=f"{key}: a mapping",
                             cure="export the model again")
    return value
