"""Values of a configuration against type annotations."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from ppocr.coerce import coerce, type_name
from ppocr.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("1e-6", float, 1e-6),
        (3, float, 3.0),
        ("12", int, 12),
        (4.0, int, 4),
        ("true", bool, True),
        ("Off", bool, False),
        (None, int | None, None),
        ("null", int | None, None),
        (7, str, "7"),
        ("3", int | str, "3"),
        ([1, "2"], list[float], [1.0, 2.0]),
        ([3, 32, 320], tuple[int, int, int], (3, 32, 320)),
        ([1, 2], tuple[int, ...], (1, 2)),
        ("max", Literal["min", "max"], "max"),
        ("2", Literal[1, 2], 2),
        ({"a": "1"}, dict[str, int], {"a": 1}),
        ([1, [2]], list[int | list[int]], [1, [2]]),
        ("anything", Any, "anything"),
    ],
)
def test_converts(value: Any, annotation: Any, expected: Any) -> None:
    result = coerce(value, annotation, "here")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("False", int),
        (True, int),
        (1.5, int),
        (1, bool),
        ("maybe", bool),
        (None, int),
        ("x", float),
        ("mean", Literal["min", "max"]),
        ([1, 2], tuple[int, int, int]),
        (5, list[int]),
        ("abc", list[str]),
        ([1], dict[str, int]),
        ("text", int | None),
    ],
)
def test_refuses_and_names_the_place(value: Any, annotation: Any) -> None:
    with pytest.raises(ConfigError, match="my.yml:3"):
        coerce(value, annotation, "Global.x (my.yml:3)")


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (float | None, "float or null"),
        (Any | None, "any"),
        (list[int], "list of int"),
        (Literal["a", "b"], "'a' or 'b'"),
        (dict[str, Any], "mapping"),
    ],
)
def test_type_names_are_readable(annotation: Any, name: str) -> None:
    assert type_name(annotation) == name
