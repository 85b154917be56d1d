"""Reading the layers of ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.errors import CheckpointError
from ppocr.importing.onnx_weights import fold_norms, read_onnx

onnx = pytest.importorskip("onnx")


def write(path: Path, nodes: list[Any], constants: dict[str, Any]) -> Path:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph), str(path))
    return path


def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs, [output], **attributes)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    constants = {
        "conv2d_7.w_0": random.normal(size=(4, 3, 1, 1)), "reshaped": random.normal(size=(1, 4, 1, 1)),
        "conv2d_8.w_0": random.normal(size=(4, 4, 1, 1)),
        **{f"batch_norm2d_0.{part}": random.uniform(0.5, 1, 4) for part in ("w_0", "b_0", "w_1", "w_2")},
        "learnable_affine_block_0.w_0": [2.0], "learnable_affine_block_0.w_1": [0.5],
        "linear_3.w_0": random.normal(size=(4, 6)), "linear_3.b_0": random.normal(size=6),
        "ln.scale": random.normal(size=6), "ln.shift": random.normal(size=6), "half": 0.5, "one": 1.0,
        "gemm": random.normal(size=(2, 6)), "gemm_bias": random.normal(size=2),
    }
    nodes = [
        node("Identity", ["conv2d_7.w_0"], "alias"),
        node("Conv", ["x", "alias"], "c1"), node("Add", ["c1", "reshaped"], "c1b"),
        node("Mul", ["learnable_affine_block_0.w_0", "c1b"], "s"),
        node("Add", ["s", "learnable_affine_block_0.w_1"], "t"),
        node("Mul", ["t", "half"], "h"), node("Add", ["h", "one"], "i"),
        node("Conv", ["i", "conv2d_8.w_0"], "c2"),
        node("BatchNormalization", ["c2", *(f"batch_norm2d_0.{part}" for part in ("w_0", "b_0", "w_1", "w_2"))], "n"),
        node("ReduceMean", ["n"], "m", axes=[2, 3], keepdims=0),
        node("MatMul", ["m", "linear_3.w_0"], "l"), node("Add", ["l", "linear_3.b_0"], "lb"),
        node("Mul", ["lb", "ln.scale"], "z"), node("Add", ["z", "ln.shift"], "zz"),
        node("Gemm", ["zz", "gemm", "gemm_bias"], "y", transB=1),
    ]
    return write(tmp_path / "model.onnx", nodes, constants)


def test_layers_in_order_with_numbers(model: Path) -> None:
    found = read_onnx(model)
    assert [(layer.kind, layer.shape, layer.created, "bias" in layer.arrays) for layer in found] == [
        ("conv", (4, 3, 1, 1), 7, True), ("affine", (1,), 0, True), ("conv", (4, 4, 1, 1), 8, False),
        ("batch_norm", (4,), 0, True), ("linear", (4, 6), 3, True), ("layer_norm", (6,), None, True),
        ("linear", (6, 2), None, True),
    ]
    assert found[0].arrays["bias"].shape == (4,)
    assert found[1].arrays["weight"].tolist() == [2.0]
    assert found[3].arrays.keys() == {"weight", "bias", "mean", "variance"}


def test_a_batch_norm_is_folded_as_onnxruntime_would_compute_it(model: Path) -> None:
    found = read_onnx(model)
    folded = fold_norms(found, [layer for layer in found if layer.kind == "batch_norm"])
    assert [layer.kind for layer in folded] == ["conv", "affine", "conv", "linear", "layer_norm", "linear"]
    conv, norm = found[2].arrays, found[3].arrays
    x = np.random.default_rng(1).normal(size=4)
    plain = conv["weight"][:, :, 0, 0] @ x
    expected = norm["weight"] * (plain - norm["mean"]) / np.sqrt(norm["variance"] + 1e-5) + norm["bias"]
    merged = folded[2].arrays
    np.testing.assert_allclose(merged["weight"][:, :, 0, 0] @ x + merged["bias"], expected, rtol=1e-5)


def test_no_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model at all, but text")
    with pytest.raises(CheckpointError, match="ONNX"):
        read_onnx(tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match="ONNX"):
        read_onnx(tmp_path / "absent.onnx")
