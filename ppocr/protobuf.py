"""Protobuf messages, read field by field without their definitions: enough for the few facts that are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

LONGEST_VARINT = 70
"""Bits of a number with the most bytes that one may have."""


def fields(message: bytes | memoryview) -> Iterator[tuple[int, Any]]:
    """Yield ``(field number, value)`` of a message; nested messages and texts come as slices of `message`.

    Raises:
        ValueError: The message is damaged.
        IndexError: It ends too early.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
        elif kind == BYTES:
            size, position = _varint(message, position)
            if position + size > len(message):
                raise IndexError("a field is longer than its message")
            yield key >> 3, message[position:position + size]
            position += size
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
            yield key >> 3, message[position:position + size]
            position += size
        else:
            raise ValueError(f"a protobuf field of kind {kind}")


def varints(data: bytes | memoryview) -> list[int]:
    """Return the numbers of a packed field."""
    values, position = [], 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(value)
    return values


def text(value: Any) -> str:
    """Return the text of a field.

    Raises:
        TypeError: It is a number.
        ValueError: It is not UTF-8.
    """
    if isinstance(value, int):  # Of which bytes() would make so many zeros.
        raise TypeError("a number in place of a text")
    return bytes(value).decode("utf-8")


def _varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position
        if shift >= LONGEST_VARINT:
            raise ValueError("a protobuf number without an end")
