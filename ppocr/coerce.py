"""Check a configuration value against a type annotation and convert it where YAML left it in another type."""

from __future__ import annotations

import collections.abc
import inspect
import pathlib
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

from ppocr.errors import ConfigError

_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off"}


def coerce(value: Any, annotation: Any, place: str) -> Any:
    """Return `value` as `annotation` wants it.

    YAML 1.1 reads ``1e-6`` as text and environment variables are always text, so text that spells a number or a
    truth value is converted; an integer serves as a float, and a float without a fraction as an integer.

    Args:
        value: What the configuration holds.
        annotation: A type such as ``int``, ``float | None``, ``list[int]``, ``Literal["min", "max"]``.
        place: Where the value was written, for the error.

    Raises:
        ConfigError: The value cannot be read as that type.
    """
    try:
        return _convert(value, annotation)
    except (TypeError, ValueError) as error:
        detail = f" ({error})" if str(error) else ""
        raise ConfigError(
            f"{place}: {value!r} has the wrong type{detail}",
            expected=type_name(annotation),
            cure="correct the value in the configuration",
        ) from None


def type_name(annotation: Any) -> str:
    """Return a readable name for an annotation: ``"float or null"``, ``"list of int"``, ``"'min' or 'max'"``."""
    if annotation is inspect.Parameter.empty or annotation is Any:
        return "any"
    if annotation is None or annotation is type(None):
        return "null"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        # Python 3.10 makes "Any or null" of an argument of type Any whose default is null.
        return "any" if Any in args else " or ".join(type_name(arg) for arg in args)
    if origin is Literal:
        return " or ".join(repr(arg) for arg in args)
    if origin in (list, tuple, collections.abc.Sequence):
        inner = [type_name(arg) for arg in args if arg is not Ellipsis]
        return f"list of {', '.join(inner)}" if inner else "list"
    if origin in (dict, collections.abc.Mapping) or annotation in (dict, collections.abc.Mapping):
        return "mapping"
    return getattr(annotation, "__name__", str(annotation))


def _convert(value: Any, annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty or annotation is Any:
        return value
    if annotation is None or annotation is type(None):
        if value is None or (isinstance(value, str) and value.lower() in ("null", "none", "~", "")):
            return None
        raise ValueError("not null")
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _convert_union(value, args)
    if origin is Literal:
        return _convert_literal(value, args)
    if origin is tuple or annotation is tuple:
        return _convert_tuple(value, args)
    if origin in (list, collections.abc.Sequence) or annotation in (list, collections.abc.Sequence):
        return [_convert(item, args[0] if args else Any) for item in _as_list(value)]
    if origin in (dict, collections.abc.Mapping) or annotation in (dict, collections.abc.Mapping):
        return _convert_mapping(value, args)
    converter = _SCALARS.get(annotation)
    if converter is not None:
        return converter(value)
    if origin is not None or not isinstance(annotation, type):
        return value  # Callables, type variables and the like are not for a configuration to check.
    if isinstance(value, annotation):
        return value
    raise ValueError(f"{type(value).__name__} given")


def _convert_union(value: Any, options: tuple[Any, ...]) -> Any:
    # The member that the value already is wins, so that `int | str` leaves "3" a string.
    for option in options:
        if isinstance(option, type) and type(value) is option:
            return value
    if value is None and type(None) in options:
        return None
    # Null comes last, so that "null" stays text where text is allowed.
    for option in sorted(options, key=lambda option: option is type(None)):
        try:
            return _convert(value, option)
        except (TypeError, ValueError):
            continue
    raise ValueError("" if value is None else f"{type(value).__name__} given")


def _convert_literal(value: Any, options: tuple[Any, ...]) -> Any:
    for option in options:
        if value == option and isinstance(value, bool) == isinstance(option, bool):
            return option
        if isinstance(value, str) and not isinstance(option, str) and value == str(option):
            return option
    raise ValueError("not one of the allowed values")


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    raise ValueError(f"{type(value).__name__} given")


def _convert_tuple(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    items = _as_list(value)
    if not args:
        return tuple(items)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(item, args[0]) for item in items)
    if len(items) != len(args):
        raise ValueError(f"{len(items)} items given, {len(args)} wanted")
    return tuple(_convert(item, arg) for item, arg in zip(items, args, strict=True))


def _convert_mapping(value: Any, args: tuple[Any, ...]) -> Any:
    if not isinstance(value, collections.abc.Mapping):
        raise ValueError(f"{type(value).__name__} given")
    if not args or args[1] is Any:
        return value
    return {_convert(key, args[0]): _convert(item, args[1]) for key, item in value.items()}


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError("neither true nor false")


def _to_int(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("a truth value given")
    if isinstance(value, int):
        return value
    number = float(value)
    if not number.is_integer():
        raise ValueError("not a whole number")
    return int(number)


def _to_float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("a truth value given")
    if isinstance(value, (int, float, str)):
        return float(value)
    raise ValueError(f"{type(value).__name__} given")


def _to_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{type(value).__name__} given")


_SCALARS: dict[Any, typing.Callable[[Any], Any]] = {
    bool: _to_bool,
    int: _to_int,
    float: _to_float,
    str: _to_str,
    pathlib.Path: lambda value: pathlib.Path(_to_str(value)),
}
