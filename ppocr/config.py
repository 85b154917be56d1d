"""Configuration files: read, inherit, override, check, complete, save.

A value is looked for in this order: ``-o`` options, environment variables ``PPOCR__Global__epoch_num=5``, the file,
the files it inherits from with ``_BASE_``, and the defaults of the task. Every value remembers where it came from.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ppocr import __version__
from ppocr.coerce import coerce
from ppocr.config_schema import GLOBAL_KEYS, TOP_LEVEL_SECTIONS
from ppocr.defaults import choose_defaults, complete
from ppocr.errors import ConfigError, did_you_mean
from ppocr.fileio import atomic_write
from ppocr.overrides import apply_overrides
from ppocr.peer_keys import GLOBAL_KEYS as INERT_GLOBAL_KEYS
from ppocr.plugins import moved_plugins
from ppocr.sections import Section, SectionList, to_plain, where
from ppocr.yaml_files import read_yaml


class Config(Section):
    """A complete, checked configuration.

    Attributes:
        file: The file it was read from.
        notes: What the user should know once: keys without effect.
        defaulted: Dotted names of the values that no file, variable or option set.
    """

    def __init__(self, values: Section, file: Path) -> None:
        super().__init__(values)
        self.origins = values.origins
        self.file = file
        self.notes: list[str] = []
        self.defaulted: list[str] = []

    def save(self, path: str | Path, **extra: Any) -> None:
        """Write the effective configuration as YAML, with the defaulted keys named in a comment.

        Args:
            path: The file to write, atomically.
            extra: Further facts for the head of the file, such as versions, each a plain value.
        """
        lines = [f"# Effective configuration, from {self.file.name}; ppocr-toolkit {__version__}"]
        lines += [f"# {key}: {value}" for key, value in extra.items()]
        if self.defaulted:
            lines.append("# Set by default: " + ", ".join(self.defaulted))
        content = to_plain(self)
        if self["Global"]["plugins"]:
            # Their paths start at the folder of the configuration, which the saved one has another of.
            content["Global"]["plugins"] = moved_plugins(self["Global"]["plugins"], self.file.parent, Path(path).parent)
        with atomic_write(path, "w") as file:
            file.write("\n".join(lines) + "\n")
            yaml.safe_dump(content, file, sort_keys=False, allow_unicode=True, width=120)


def load_config(
    path: str | Path, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Config:
    """Read a configuration, apply the environment and the overrides, complete it and check its frame.

    The arguments of components are checked when they are built.

    Args:
        path: YAML file. ``_BASE_: other.yml`` (or a list) inherits; mappings merge, lists and scalars replace, and
            ``_REPLACE_: true`` in a mapping takes nothing from the inherited one.
        overrides: ``"Key.sub.0.name=value"``; an index or the name of an entry addresses a list; the value is YAML.
        environ: Environment variables, ``os.environ`` by default.

    Raises:
        ConfigError: Unreadable file, wrong YAML, unknown key, wrong type; with file, line and cure.
    """
    file = Path(path)
    written = read_yaml(file)
    variables = os.environ if environ is None else environ
    # The defaults depend on the task, which an option may set, and an option may address what only the defaults
    # hold. So the options are applied twice: to choose the defaults, and on top of them.
    probe = copy.deepcopy(written)
    apply_overrides(probe, overrides, variables)
    config = Config(written, file)
    config.defaulted = complete(config, choose_defaults(probe, file))
    apply_overrides(config, overrides, variables)
    _check_sections(config)
    _check_global(config)
    _set_paths(config, "")
    return config


def _check_sections(config: Config) -> None:
    """Check the names and types of the top-level sections and note those without effect."""
    for key in list(config):
        if key in TOP_LEVEL_SECTIONS:
            if config[key] is None:
                del config[key]
            elif not isinstance(config[key], Section):
                raise ConfigError(f"{where(config, key)} is {config[key]!r}", expected="a mapping",
                                  cure=f"write the keys of {key} below it, indented")
        elif key in INERT_GLOBAL_KEYS:
            config.notes.append(f"{where(config, key)} has no effect here: {INERT_GLOBAL_KEYS[key]}")
            del config[key]
        else:
            hint = did_you_mean(key, TOP_LEVEL_SECTIONS)
            raise ConfigError(f"{where(config, key)}: there is no section {key!r}" + (f" ({hint})" if hint else ""),
                              expected="one of " + ", ".join(TOP_LEVEL_SECTIONS), cure="correct or remove it")


def _check_global(config: Config) -> None:
    """Check and convert the values of ``Global``; fill its defaults; note keys without effect."""
    section = config.setdefault("Global", Section())
    section.path = "Global"
    for key in list(section):
        if key in GLOBAL_KEYS:
            section[key] = coerce(section[key], GLOBAL_KEYS[key].type, where(section, key))
        elif key in INERT_GLOBAL_KEYS:
            if section[key] not in (None, False, ""):
                config.notes.append(f"{where(section, key)} has no effect here: {INERT_GLOBAL_KEYS[key]}")
            del section[key]
        else:
            hint = did_you_mean(key, GLOBAL_KEYS)
            raise ConfigError(f"{where(section, key)}: Global has no key {key!r}" + (f" ({hint})" if hint else ""),
                              expected="a key listed in docs/config_reference.md", cure="correct or remove the key")
    for key, known in GLOBAL_KEYS.items():
        if key not in section:
            section[key] = known.default
            section.origins[key] = "default"
            config.defaulted.append(f"Global.{key}")


def _set_paths(value: Any, path: str) -> None:
    """Tell every section and list its dotted path, which error messages show."""
    if isinstance(value, (Section, SectionList)):
        value.path = path
        items = value.items() if isinstance(value, Section) else enumerate(value)
        for key, child in items:
            _set_paths(child, f"{path}.{key}" if path else str(key))
