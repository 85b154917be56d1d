"""Configuration values that remember where they were written.

A `Section` is a plain ``dict`` and a `SectionList` a plain ``list``; both also know, for each key or index, the file
and line (or the override) that set it. Code that does not care uses them as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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


def _place(dotted: str, origin: str) -> str:
    return f"{dotted} ({origin})" if origin else dotted


def to_plain(value: Any) -> Any:
    """Return a deep copy made of ordinary dicts and lists, ready to be dumped as YAML or JSON."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value
