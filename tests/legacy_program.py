"""Programs and weights as PaddlePaddle 2 writes them, made by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np


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


def program(variables: Mapping[str, int]) -> bytes:
    """Return a ``.pdmodel`` with variables: blocks (1) of variables (3) with name (1) and persistable (3)."""
    block = field(1, 0) + field(2, -1) + b"".join(
        field(3, field(1, name.encode()) + field(2, field(1, 7)) + field(3, persistable))
        for name, persistable in variables.items())
    return field(1, block) + field(4, field(1, 0))
