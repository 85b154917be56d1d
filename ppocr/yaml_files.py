"""YAML files as sections that remember the line of every value, with ``_BASE_`` inheritance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ppocr.errors import ConfigError, did_you_mean
from ppocr.sections import Section, SectionList

BASE_KEY = "_BASE_"
REPLACE_KEY = "_REPLACE_"


def read_yaml(file: Path, _children: tuple[Path, ...] = ()) -> Section:
    """Read one YAML file together with those it inherits from, remembering the line of every value.

    Raises:
        ConfigError: The file is missing, is not a mapping, is not valid YAML, repeats a key or inherits from itself.
    """
    if file.resolve() in _children:
        chain = " -> ".join(str(child) for child in (*_children, file))
        raise ConfigError(f"configuration files inherit from each other in a circle: {chain}",
                          expected="a chain of _BASE_ files that ends", cure=f"remove one {BASE_KEY}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        close = did_you_mean(file.name, [entry.name for entry in file.parent.glob("*.y*ml")])
        raise ConfigError(f"configuration {file} cannot be read: {error.strerror}" + (f" ({close})" if close else ""),
                          expected="a YAML file", cure="correct the path given with -c") from None
    except UnicodeDecodeError:
        raise ConfigError(f"configuration {file} is not UTF-8", expected="UTF-8 text",
                          cure="save the file as UTF-8") from None
    section = _parse(text, str(file))
    bases = section.pop(BASE_KEY, [])
    merged = Section()
    for base in [bases] if isinstance(bases, str) else bases:
        merge(merged, read_yaml(file.parent / base, (*_children, file.resolve())))
    merge(merged, section)
    return merged


def merge(target: Section, source: Section) -> None:
    """Merge `source` into `target` in place: mappings key by key, everything else replaces."""
    for key, value in source.items():
        if key == REPLACE_KEY:
            continue
        present = target.get(key)
        if isinstance(value, Section):
            replace = bool(value.get(REPLACE_KEY, False))
            if not isinstance(present, Section) or replace:
                present = Section()
                target[key] = present
            merge(present, value)
        else:
            target[key] = value
        target.origins[key] = source.origins.get(key, "")


def _parse(text: str, file: str) -> Section:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = _Builder(file).build(node) if node is not None else Section()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{file}:{line}: {error.problem or error.context}", expected="valid YAML",
                          cure="check indentation, colons and brackets around this line") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: {error}", expected="valid YAML", cure="correct the file") from None
    if not isinstance(value, Section):
        raise ConfigError(f"{file} holds {type(value).__name__}, not a mapping", expected="sections such as Global:",
                          cure="write the configuration as a mapping of sections")
    return value


def parse_value(text: str, origin: str) -> Any:
    """Return the value of a YAML text given as an option or environment variable, which `origin` describes.

    Raises:
        ConfigError: The text is not valid YAML.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: {text!r} is not valid YAML ({error})", expected="a YAML value",
                          cure="quote the value") from None
    return None if node is None else _Builder(origin, lines=False).build(node)


class _Builder:
    """Turns composed YAML nodes into sections that know the line of each key."""

    def __init__(self, file: str, lines: bool = True) -> None:
        self.file, self.lines = file, lines
        self.loader = yaml.SafeLoader("")

    def build(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            items = SectionList([self.build(child) for child in node.value])
            items.origins = {str(i): self._place(child) for i, child in enumerate(node.value)}
            return items
        return self.loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode) -> Section:
        written: dict[Any, yaml.Node] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in written:
                raise ConfigError(f"{self._place(key_node)}: the key {key_node.value!r} is written twice",
                                  expected="each key once in a mapping", cure="remove one of the two")
            written[key_node.value] = key_node
        self.loader.flatten_mapping(node)
        section = Section()
        for key_node, value_node in node.value:
            key = str(self.loader.construct_object(key_node, deep=True))
            section[key] = self.build(value_node)
            section.origins[key] = self._place(key_node)
        return section

    def _place(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}" if self.lines else self.file
