from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from ppocr.errors import InferenceError
from ppocr.infer import exported_weights
from ppocr.infer.parameters import program_weights
from ppocr.weights import read_weights
from tests.legacy_program import field, program, tensor
from tests.tiny_recognizer import copy_of_export, exported, weights_file


class TestExportedWeights:
    def test_equal_to_the_weights_file(self) -> None:
        ours, trained = exported_weights(exported()), read_weights(weights_file())
        assert set(ours) == set(trained)
        for name, array in trained.items():
            np.testing.assert_array_equal(ours[name], array)

    def test_without_a_map(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="does not say which weight is which"):
            exported_weights(copy_of_export(tmp_path / "model"))

    @pytest.mark.parametrize("cut", [1, 100])
    def test_truncated(self, tmp_path: Path, cut: int) -> None:
        folder = copy_of_export(tmp_path / "model")
        params = folder / "inference.pdiparams"
        params.write_bytes(params.read_bytes()[:-cut])
        with pytest.raises(InferenceError, match="damaged"):
            program_weights(folder / "inference.json", params)

    @pytest.mark.parametrize("side", [-1, 2**62])
    def test_a_shape_that_cannot_be(self, tmp_path: Path, side: int) -> None:
        (tmp_path / "m.pdmodel").write_bytes(program({"a": 1}))
        description = field(1, 5) + field(2, side) + field(2, 8)
        (tmp_path / "m.pdiparams").write_bytes(
            struct.pack("<IQIi", 0, 0, 0, len(description)) + description + bytes(16))
        with pytest.raises(InferenceError, match="longer than the file"):
            program_weights(tmp_path / "m.pdmodel", tmp_path / "m.pdiparams")

    def test_a_description_of_negative_size(self, tmp_path: Path) -> None:
        (tmp_path / "m.pdmodel").write_bytes(program({"a": 1}))
        (tmp_path / "m.pdiparams").write_bytes(struct.pack("<IQIi", 0, 0, 0, -20) + bytes(40))
        with pytest.raises(InferenceError, match="damaged|weights"):
            program_weights(tmp_path / "m.pdmodel", tmp_path / "m.pdiparams")

    def test_of_another_program(self, tmp_path: Path) -> None:
        folder = copy_of_export(tmp_path / "model")
        params = tmp_path / "one.pdiparams"
        params.write_bytes(tensor(np.ones(2, np.float32), 5, packed=False))
        with pytest.raises(InferenceError, match="weights, .* 1\n"):
            program_weights(folder / "inference.json", params)


class TestOlderPrograms:
    """``.pdmodel`` is a protobuf message: blocks (1) of variables (3) with name (1) and persistable (3)."""

    @pytest.mark.parametrize("packed", [True, False])
    def test_names_are_sorted_and_types_kept(self, tmp_path: Path, packed: bool) -> None:
        variables = {"b": 1, "feed": 1, "a": 1, "temporary": 0, "fetch": 1}
        (tmp_path / "m.pdmodel").write_bytes(program(variables))
        a, b = np.arange(6, dtype=np.int64).reshape(2, 3), np.array(0.5, np.float16)
        (tmp_path / "m.pdiparams").write_bytes(tensor(a, 3, packed=packed) + tensor(b, 4, packed=packed))
        weights = program_weights(tmp_path / "m.pdmodel", tmp_path / "m.pdiparams")
        assert list(weights) == ["a", "b"]
        np.testing.assert_array_equal(weights["a"], a)
        assert weights["b"] == b
        assert weights["b"].dtype == np.float16
