"""Single values of a configuration, set from the command line or the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppocr.errors import ConfigError, did_you_mean
from ppocr.sections import Section, SectionList
from ppocr.yaml_files import parse_value

ENVIRONMENT_PREFIX = "PPOCR__"

OPTION, VARIABLE = "-o ", "environment variable "
"""What the origin of a value begins with that an option or an environment variable set."""


def apply_overrides(config: Section, overrides: Sequence[str], environ: Mapping[str, str]) -> None:
    """Set the values of environment variables ``PPOCR__a__b=…``, then of ``a.b=…`` options, in place.

    Raises:
        ConfigError: An option is no assignment, or a path does not fit the configuration.
    """
    for name, value in sorted(environ.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            keys = name[len(ENVIRONMENT_PREFIX):].split("__")
            set_value(config, keys, value, f"{VARIABLE}{name}")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"-o {override!r} is not an assignment", expected="Key.sub=value",
                              cure="write the key, '=' and the value without spaces around '='")
        set_value(config, key.split("."), value, f"{OPTION}{override}")


def set_value(config: Section, keys: Sequence[str], text: str, origin: str) -> None:
    """Set one value, given as YAML text, at a path of keys; missing mappings on the way are made.

    Raises:
        ConfigError: The path leads through a value that is no mapping or list, or an index does not exist.
    """
    value = parse_value(text, origin)
    node: Any = config
    for depth, key in enumerate(keys[:-1]):
        child = _child(node, key, keys[: depth + 1], origin)
        if child is None:
            child = Section()
            _assign(node, key, child, keys[: depth + 1], origin)
        node = child
    _assign(node, keys[-1], value, keys, origin)


def _child(node: Any, key: str, path: Sequence[str], origin: str) -> Any:
    if isinstance(node, Section):
        return node.get(key)
    if isinstance(node, SectionList):
        entry = _entry(node, key)
        return node[_list_index(node, key, path, origin)] if entry is None else entry[key]
    raise ConfigError(f"{origin}: {'.'.join(path[:-1])} is {node!r}, which has no {key!r} inside",
                      expected="a mapping or a list", cure="shorten the key")


def _assign(node: Any, key: str, value: Any, path: Sequence[str], origin: str) -> None:
    if isinstance(node, Section):
        node[key] = value
        node.origins[key] = origin
    elif isinstance(node, SectionList):
        entry = _entry(node, key)
        if entry is not None:
            _assign(entry, key, value, path, origin)
            return
        index = _list_index(node, key, path, origin)
        node[index] = value
        node.origins[str(index)] = origin
    else:
        _child(node, key, path, origin)


def _entry(items: SectionList, key: str) -> Section | None:
    """Return the entry ``{key: …}`` of a list such as ``transforms``, which may be addressed by that name."""
    return next((item for item in items if isinstance(item, Section) and key in item and len(item) == 1), None)


def _list_index(items: SectionList, key: str, path: Sequence[str], origin: str) -> int:
    try:
        index = int(key)
        items[index]
    except (ValueError, IndexError):
        names = [next(iter(item)) for item in items if isinstance(item, Section) and len(item) == 1]
        hint = did_you_mean(key, names)
        raise ConfigError(
            f"{origin}: {'.'.join(path[:-1])} has no entry {key!r}" + (f" ({hint})" if hint else ""),
            expected=f"an index from 0 to {len(items) - 1}" + (f", or one of {', '.join(names)}" if names else ""),
            cure="correct the index or name",
        ) from None
    return index % len(items)
