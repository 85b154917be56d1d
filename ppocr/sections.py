"""Configuration values that remember where they were written.

A `Section` is a plain ``dict`` and a `SectionList` a plain ``list``; both also know, for each key or index, the file
and line (or the override) that set it. Code that does not care uses them as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.errors import ConfigError


class Section(dict[str, Any]):
    """A mapping of the configuration.

    Attributes:
        path: Dotted path from the root, such as ``"Architecture.Backbone"``; empty for the root.
        origins: For each key, where its value was written, such as ``"my.yml:12"`` or ``"-o Global.seed=3"``.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, *, path: str = "") -> None:
        super().__init__(values or {})
        self.path = path
        self.origins: dict[str, str] = {}


class SectionList(list[Any]):
    """A list of the configuration; `path` and `origins` (keyed by the index as text) as in `Section`."""

    def __init__(self, values: list[Any] | None = None, *, path: str = "") -> None:
        super().__init__(values or [])
        self.path = path
        self.origins: dict[str, str] = {}


def where(section: Any, key: str | int | None = None) -> str:
    """Describe the place of `key` in `section` for an error message, such as ``"Global.seed (my.yml:7)"``.

    Works for plain dictionaries too, of which only the key is known. Without `key` the section itself is described.
    """
    path = getattr(section, "path", "")
    origins = getattr(section, "origins", {})
    if key is None:
        origin = origins.get("name") or next(iter(origins.values()), "")
        return _place(path or "the configuration", origin)
    dotted = f"{path}.{key}" if path else str(key)
    return _place(dotted, origins.get(str(key), ""))


def named_section(entry: Any, *, path: str = "", origin: str = "") -> Section:
    """Return an entry ``{Name: arguments}`` of a list as a section ``{name: Name, ...}`` that knows its place.

    Args:
        entry: The entry; the arguments are a mapping, or None for none. It is left as it is.
        path: Dotted path of the arguments, where they do not know it themselves.
        origin: Where the name was written, where the entry does not know it.

    Raises:
        ConfigError: It has another form.
    """
    if not isinstance(entry, Mapping) or len(entry) != 1:
        given = "several keys: " + ", ".join(map(str, entry)) if isinstance(entry, Mapping) and entry else repr(entry)
        place = _place(path or "the list", origin)
        raise ConfigError(f"{place}: an entry is written as {{Name: arguments}}, not as {given}",
                          expected="one key, such as '- RecAug: null' or '- KeepKeys: {keep_keys: [image]}'",
                          cure="give each its own list item; its arguments go below its name, indented")
    (name, arguments), = entry.items()
    origin = getattr(entry, "origins", {}).get(name) or origin
    path = getattr(arguments, "path", "") or (f"{path}.{name}" if path else str(name))
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ConfigError(f"{_place(path, origin)}: the arguments of {name} are {arguments!r}",
                          expected="a mapping, or null", cure="write them as {key: value}")
    section = Section({**(arguments or {}), "name": str(name)}, path=path)
    section.origins = {**getattr(arguments, "origins", {}), "name": origin}
    return section


def _place(dotted: str, origin: str) -> str:
    return f"{dotted} ({origin})" if origin else dotted


def to_plain(value: Any) -> Any:
    """Return a deep copy made of ordinary dicts and lists, ready to be dumped as YAML or JSON."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value
