"""What an ONNX file says about itself besides its network: inputs, outputs and metadata, read without a package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr.errors import InferenceError
from ppocr.protobuf import fields, text

CHARACTERS = "character"
"""Under this key the field's exports hold the recognizer's dictionary, one character a line."""

GRAPH, METADATA = 7, 14
"""Fields of the model."""

INITIALIZERS, INPUTS, OUTPUTS = 5, 11, 12
"""Fields of the graph."""

TENSOR_NAME = 8


@dataclass(frozen=True)
class OnnxHeader:
    """Inputs, outputs and metadata of an ONNX file.

    Attributes:
        inputs: Shape of each input by its name, -1 where it varies.
        outputs: The same of the outputs.
        metadata: Texts by their keys.
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input, -1 where it varies."""
        return next(iter(self.inputs.values()))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the first output, -1 where it varies."""
        return next(iter(self.outputs.values()))

    @property
    def characters(self) -> tuple[str, ...]:
        """The recognizer's dictionary, without blank and final space; empty if the file has none."""
        lines = self.metadata.get(CHARACTERS, "")
        # Not splitlines: some dictionaries hold characters that it takes for line ends.
        symbols = lines.removesuffix("\n").split("\n") if lines else []
        return tuple(symbol.removesuffix("\r") or symbol for symbol in symbols)


def read_onnx_header(file: str | Path) -> OnnxHeader:
    """Read inputs, outputs and metadata of an ONNX file.

    Raises:
        InferenceError: It cannot be read, or is no ONNX file.
    """
    metadata: dict[str, str] = {}
    graph: Any = b""
    try:
        for field, value in fields(memoryview(Path(file).read_bytes())):
            if field == GRAPH:
                graph = value
            elif field == METADATA:
                parts = dict(fields(value))
                metadata[text(parts[1])] = text(parts.get(2, b""))
        weights: set[str] = set()
        inputs: dict[str, tuple[int, ...]] = {}
        outputs: dict[str, tuple[int, ...]] = {}
        for field, value in fields(graph):
            if field == INITIALIZERS:
                weights.add(text(dict(fields(value)).get(TENSOR_NAME, b"")))
            elif field in (INPUTS, OUTPUTS):
                name, shape = _value_info(value)
                (inputs if field == INPUTS else outputs)[name] = shape
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise _unusable(file, str(error)) from None
    # Older files list the weights among the inputs.
    inputs = {name: shape for name, shape in inputs.items() if name not in weights}
    if not inputs or not outputs:
        raise _unusable(file, "it has no inputs or no outputs")
    return OnnxHeader(inputs, outputs, metadata)


def _unusable(file: str | Path, why: str) -> InferenceError:
    return InferenceError(f"{file} cannot be read as ONNX: {why}", expected="a complete ONNX file",
                          cure="copy or download the file again")


def _value_info(message: Any) -> tuple[str, tuple[int, ...]]:
    """Return name and shape of an input or output: its type (2), of that the tensor (1), of that the shape (2)."""
    parts = dict(fields(message))
    tensor = dict(fields(dict(fields(parts[2]))[1]))
    shape = []
    for field, dimension in fields(tensor.get(2, b"")):
        if field == 1:
            size = dict(fields(dimension)).get(1, -1)
            # Negative numbers are stored as large ones; names of dimensions that vary are texts.
            shape.append(size if isinstance(size, int) and 0 < size < 1 << 63 else -1)
    return text(parts[1]), tuple(shape)
