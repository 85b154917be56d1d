"""The weights of an ONNX model, layer by layer.

A converted model keeps no structured names. What it keeps are layers, in the order in which they run, and for most of
them the number under which Paddle created them (``conv2d_112.w_0``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.errors import CheckpointError, DependencyError

Array = npt.NDArray[Any]

CREATED = re.compile(r"^[a-z][a-z0-9_]*?_(\d+)\.w_\d+$")
"""Paddle's name of a parameter, with the number of its layer among those of its kind."""

EPSILON = 1e-5
"""What batch norms add to the variance, in all published networks."""


@dataclass(frozen=True)
class LayerWeights:
    """What one layer holds.

    Attributes:
        kind: ``conv``, ``conv_transpose``, ``linear``, ``batch_norm``, ``layer_norm`` or ``affine`` (two numbers).
        arrays: ``weight`` and ``bias`` where there is one; a batch norm has ``mean`` and ``variance`` too.
        created: Number under which Paddle created the layer; None where the file has lost it.
        output: Name of what it computes.
        source: Name of what a batch norm takes, if nothing else takes it; else empty.
    """

    kind: str
    arrays: Mapping[str, Array]
    created: int | None
    output: str = ""
    source: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return tuple(self.arrays["weight"].shape)


def read_onnx(path: str | Path) -> list[LayerWeights]:
    """Return the layers of an ONNX model that have weights, in the order in which they run.

    Raises:
        DependencyError: The package onnx is missing.
        CheckpointError: The file is no ONNX model.
    """
    try:
        import onnx
    except ImportError as error:
        raise DependencyError("reading the weights of an ONNX model takes the package onnx", expected="onnx",
                              cure="pip install onnx") from error
    try:
        model = onnx.load(str(path))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise CheckpointError(f"{path} cannot be read as an ONNX model: {error}", expected="a complete .onnx file",
                              cure="copy or download it again") from error
    except Exception as error:
        if type(error).__name__ != "DecodeError":  # Of protobuf, which is not imported here.
            raise
        raise CheckpointError(f"{path} is no ONNX model: {error}", expected="a complete .onnx file",
                              cure="copy or download it again") from error
    return _Graph(model.graph).layers()


class _Graph:
    """The nodes of a graph with their constants, as if there were no ``Identity`` nodes."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self.names = {name: name for name in self.constants}
        self.source: dict[str, str] = {}
        self.nodes = []
        for node in graph.node:
            if node.op_type == "Constant":
                value = next((item.t for item in node.attribute if item.name == "value"), None)
                if value is not None:
                    self.constants[node.output[0]] = numpy_helper.to_array(value)
                    self.names[node.output[0]] = node.output[0]
            elif node.op_type == "Identity":
                self.source[node.output[0]] = self.origin(node.input[0])
            else:
                self.nodes.append(node)
        self.users: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.users[self.origin(name)].append(node)

    def origin(self, name: str) -> str:
        return self.source.get(name, name)

    def constant(self, name: str) -> Array | None:
        """Return the floating-point constant of a name."""
        array = self.constants.get(self.origin(name))
        return array if array is not None and array.dtype.kind == "f" else None

    def layers(self) -> list[LayerWeights]:
        found = []
        for node in self.nodes:
            reader = READERS.get(node.op_type)
            layer = reader(self, node) if reader is not None else None
            if layer is not None:
                found.append(layer)
        return found

    def convolution(self, node: Any) -> LayerWeights | None:
        kind = "conv" if node.op_type == "Conv" else "conv_transpose"
        own = self.constant(node.input[2]) if len(node.input) > 2 else None
        return self._weighted(kind, node, node.input[1], own)

    def product(self, node: Any) -> LayerWeights | None:
        transposed = any(item.name == "transB" and item.i for item in node.attribute)
        own = self.constant(node.input[2]) if len(node.input) > 2 else None
        return self._weighted("linear", node, node.input[1], own, transposed=transposed)

    def _weighted(self, kind: str, node: Any, name: str, bias: Array | None, *,
                  transposed: bool = False) -> LayerWeights | None:
        weight = self.constant(name)
        if weight is None:
            return None
        channels = weight.shape[1] if kind in ("linear", "conv_transpose") and not transposed else weight.shape[0]
        if bias is None:
            bias = self._added(node, channels)
        arrays = {"weight": weight.T if transposed else weight}
        if bias is not None:
            arrays["bias"] = bias.reshape(-1)
        return LayerWeights(kind, arrays, self._number(name), node.output[0])

    def batch_norm(self, node: Any) -> LayerWeights | None:
        arrays = [array for array in map(self.constant, node.input[1:5]) if array is not None]
        if len(arrays) != 4:
            return None
        return LayerWeights("batch_norm", dict(zip(("weight", "bias", "mean", "variance"), arrays, strict=True)),
                            self._number(node.input[1]), node.output[0], self._sole_source(node))

    def layer_norm(self, node: Any) -> LayerWeights | None:
        """Return the layer norm that is written as one node."""
        weight, bias = (self.constant(name) for name in node.input[1:3])
        return None if weight is None or bias is None else LayerWeights("layer_norm", {"weight": weight, "bias": bias},
                                                                        self._number(node.input[1]))

    def scaling(self, node: Any) -> LayerWeights | None:
        """Return the affine map, or the layer norm in single steps, of which this product is the scale."""
        weight, name = self._operand(node)
        if weight is None:
            return None
        bias = self._added(node, weight.size)
        if bias is None or bias.size != weight.size:
            return None
        kind = "affine" if weight.size == 1 else "layer_norm"
        if kind == "affine" and weight.ndim == 0:
            return None  # A number of the formula, such as that of GELU, and no parameter.
        arrays = {"weight": weight.reshape(-1), "bias": bias.reshape(-1)}
        return LayerWeights(kind, arrays, self._number(name))

    def _operand(self, node: Any) -> tuple[Array | None, str]:
        for name in node.input:
            array = self.constant(name)
            if array is not None:
                return array, self.origin(name)
        return None, ""

    def _added(self, node: Any, size: int) -> Array | None:
        """Return the constant of so many values that is added to a node's output, if that is all that is done to it."""
        users = self.users[node.output[0]]
        if len(users) != 1 or users[0].op_type != "Add":
            return None
        array, _ = self._operand(users[0])
        return array if array is not None and array.size == size and array.ndim > 0 else None

    def _sole_source(self, node: Any) -> str:
        source = self.origin(node.input[0])
        return source if len(self.users[source]) == 1 else ""

    def _number(self, name: str) -> int | None:
        match = CREATED.match(self.origin(name))
        return int(match.group(1)) if match else None


READERS = {
    "Conv": _Graph.convolution,
    "ConvTranspose": _Graph.convolution,
    "MatMul": _Graph.product,
    "Gemm": _Graph.product,
    "BatchNormalization": _Graph.batch_norm,
    "LayerNormalization": _Graph.layer_norm,
    "Mul": _Graph.scaling,
}


def fold_norms(layers: Sequence[LayerWeights], norms: Sequence[LayerWeights]) -> list[LayerWeights]:
    """Return the layers with some batch norms folded into the convolutions before them.

    Args:
        layers: All layers.
        norms: Those of them to fold; one that does not follow a convolution stays.
    """
    by_source = {norm.source: norm for norm in norms if norm.source}
    folded = []
    done = set()
    for layer in layers:
        norm = by_source.get(layer.output)
        if norm is not None and layer.kind == "conv":
            folded.append(_folded(layer, norm))
            done.add(norm.output)
        else:
            folded.append(layer)
    return [layer for layer in folded if layer.output not in done or layer.kind != "batch_norm"]


def _folded(layer: LayerWeights, norm: LayerWeights) -> LayerWeights:
    scale = norm.arrays["weight"] / np.sqrt(norm.arrays["variance"] + EPSILON)
    bias = (layer.arrays.get("bias", 0.0) - norm.arrays["mean"]) * scale + norm.arrays["bias"]
    weight = layer.arrays["weight"] * scale.reshape(-1, 1, 1, 1)
    return LayerWeights("conv", {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}, layer.created,
                        norm.output)


def counted(layers: Sequence[LayerWeights]) -> str:
    """Return how many layers of each kind there are, for a message."""
    kinds = [layer.kind for layer in layers]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
