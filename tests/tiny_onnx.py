"""Small ONNX networks whose outputs are known: a recognizer, a detector, a direction classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SHARPNESS = 20.0


def recognizer(path: Path, characters: Sequence[str], *, classes: int | None = None, height: int = 32) -> None:
    """Write a network that reads every column: the darker it is, the later the character.

    Class ``c`` is likeliest where the mean of a column is about ``1 - 2 c / (classes - 1)``, blank first, which is
    white; the dictionary is in the metadata, without the space.
    """
    from onnx import helper

    count = classes or len(characters) + 2
    centres = np.linspace(1, -1, count, dtype=np.float32)
    # -(x - c)^2 up to what is equal for all classes: 2 c x - c^2.
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["columns"]),
        helper.make_node("Mul", ["columns", "slopes"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offsets"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"], axis=-1),
    ]
    weights = {"last": np.array([-1], np.int64), "slopes": 2 * centres * 1000, "offsets": -centres**2 * 1000}
    _save(path, nodes, weights, ["N", 3, height, "W"], ("probs", ["N", "W", count]),
          {"character": "\n".join(characters)} if characters else {})


def detector(path: Path) -> None:
    """Write a network that takes dark pixels for text."""
    from onnx import helper

    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "slope"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["maps"]),
    ]
    _save(path, nodes, {"slope": np.array([-SHARPNESS], np.float32)}, ["N", 3, "H", "W"], ("maps", ["N", 1, "H", "W"]))


def _save(
    path: Path,
    nodes: Sequence[Any],
    weights: dict[str, Any],
    input_shape: Sequence[Any],
    output: tuple[str, Sequence[Any]],
    metadata: dict[str, str] | None = None,
) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes), "tiny", [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
