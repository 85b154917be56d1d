from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from ppocr.errors import InferenceError
from ppocr.infer import exported_weights
from ppocr.infer.parameters import program_weights
from ppocr.weights import read_weights
from tests.tiny_recognizer import copy_of_export, exported, weights_file


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    data = b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(array: np.ndarray, code: int, *, packed: bool) -> bytes:
    dims = field(2, b"".join(map(varint, array.shape))) if packed else b"".join(field(2, side) for side in array.shape)
    description = field(1, code) + dims
    return struct.pack("<IQIi", 0, 0, 0, len(description)) + description + array.tobytes()


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
        block = field(1, 0) + field(2, -1) + b"".join(
            field(3, field(1, name.encode()) + field(2, field(1, 7)) + field(3, persistable))
            for name, persistable in variables.items())
        (tmp_path / "m.pdmodel").write_bytes(field(1, block) + field(4, field(1, 0)))
        a, b = np.arange(6, dtype=np.int64).reshape(2, 3), np.array(0.5, np.float16)
        (tmp_path / "m.pdiparams").write_bytes(tensor(a, 3, packed=packed) + tensor(b, 4, packed=packed))
        weights = program_weights(tmp_path / "m.pdmodel", tmp_path / "m.pdiparams")
        assert list(weights) == ["a", "b"]
        np.testing.assert_array_equal(weights["a"], a)
        assert weights["b"] == b
        assert weights["b"].dtype == np.float16
