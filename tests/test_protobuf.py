"""Protobuf messages that are damaged."""

from __future__ import annotations

import pytest

from ppocr.protobuf import fields, text
from tests.legacy_program import field


def test_fields() -> None:
    message = field(1, 300) + field(2, b"name") + field(3, -1)
    assert [(number, bytes(value) if isinstance(value, bytes) else value) for number, value in fields(message)] == [
        (1, 300), (2, b"name"), (3, 2**64 - 1)]


def test_a_number_without_an_end() -> None:
    with pytest.raises(ValueError, match="without an end"):
        list(fields(b"\x08" + b"\xff" * 1000))


def test_a_field_that_is_cut_off() -> None:
    with pytest.raises(IndexError, match="longer than its message"):
        list(fields(field(2, b"name")[:-1]))


def test_text() -> None:
    assert text(memoryview("né".encode())) == "né"
    with pytest.raises(TypeError, match="a number in place of a text"):
        text(2**60)
