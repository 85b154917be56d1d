"""Write the configuration reference from the code, so that it cannot say anything else.

Names, argument types and defaults come from the registries and signatures, meanings from the ``Args`` part of the
docstrings.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ppocr.coerce import type_name
from ppocr.config_schema import GLOBAL_KEYS, TOP_LEVEL_SECTIONS
from ppocr.data import LoaderOptions
from ppocr.peer_keys import COMPONENT_KEYS
from ppocr.peer_keys import GLOBAL_KEYS as INERT_GLOBAL_KEYS
from ppocr.registry import ALL_REGISTRIES, Registry, constructor_parameters

COMPONENT_PACKAGES = (
    "ppocr.data",
    "ppocr.modeling",
    "ppocr.losses",
    "ppocr.optimizer",
    "ppocr.postprocess",
    "ppocr.metrics",
    "ppocr.infer",
)
"""The packages whose import fills the registries."""

SUPPLIED: dict[str, frozenset[str]] = {
    "transform": frozenset({"charset", "max_text_length", "label_list"}),
    "dataset": frozenset({"seed", "task"}),
    "batch sampler": frozenset({"seed", "batch_size", "shuffle", "drop_last"}),
    "image transform network": frozenset({"in_channels"}),
    "backbone": frozenset({"in_channels"}),
    "neck": frozenset({"in_channels"}),
    "head": frozenset({"in_channels", "num_classes", "max_text_length"}),
    "loss": frozenset({"charset"}),
    "post-process": frozenset({"charset", "max_text_length", "label_list"}),
    "metric": frozenset({"charset"}),
}
"""Arguments, by kind, that the program knows and passes itself; a section may still set them."""

INTERNAL: dict[str, frozenset[str]] = {
    "dataset": frozenset({"transform_context"}),
    "batch sampler": frozenset({"data_source", "run_seed", "rank", "world_size", "exact"}),
    "learning-rate schedule": frozenset({"clock"}),
}
"""Arguments that the program passes and that no section can spell out; the reference leaves them out."""

Table = list[tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Component:
    """A registered class with all the names it goes by."""

    target: Callable[..., Any]
    names: tuple[str, ...]
    tasks: tuple[str, ...]


def config_reference() -> str:
    """Return the text of ``docs/config_reference.md``; equal for equal code."""
    for package in COMPONENT_PACKAGES:
        importlib.import_module(package)
    blocks = [
        "# Configuration reference",
        "Written from the code by `make docs`. A configuration is one YAML file with the sections below; every "
        "component section names a component and sets its arguments: `{name: ..., argument: value}`. An argument "
        "without a default must be set, except those marked *(supplied)*, which the program passes itself where the "
        "section is silent.",
        _contents(),
        "## Sections",
        _table(("section", "what it holds"), [(f"`{key}`", text) for key, text in TOP_LEVEL_SECTIONS.items()]),
        "## Global",
        _table(("key", "type", "default", "meaning"), _global_rows()),
        *_loader_blocks(),
    ]
    for title, registry in ALL_REGISTRIES.items():
        components = list(components_of(registry))
        if components:
            blocks.append(f"## {title}")
            blocks += [block for component in components for block in _component_blocks(component, registry.kind)]
    blocks += _inert_blocks()
    return "\n\n".join(blocks) + "\n"


def components_of(registry: Registry) -> Iterable[Component]:
    """Return the components of a registry in the order of their names, aliases and tasks of one class together."""
    names: dict[Callable[..., Any], set[str]] = {}
    tasks: dict[Callable[..., Any], set[str]] = {}
    for name, task, target in registry.entries():
        names.setdefault(target, set()).add(name)
        tasks.setdefault(target, set()).update({task} - {""})
    components = [Component(target, _own_name_first(target, names[target]), tuple(sorted(tasks[target])))
                  for target in names]
    return sorted(components, key=lambda component: (component.names[0].lower(), component.tasks))


def arguments_of(component: Callable[..., Any], kind: str) -> dict[str, inspect.Parameter]:
    """Return the arguments that a section can set."""
    hidden = INTERNAL.get(kind, frozenset())
    return {key: value for key, value in constructor_parameters(component).items() if key not in hidden}


def argument_help(component: Callable[..., Any]) -> dict[str, str]:
    """Return the meaning of each argument, from the ``Args`` part of the docstrings of class and constructor.

    What these do not explain is taken from the classes that it inherits from.
    """
    sources: list[Any] = list(reversed(component.__mro__)) if inspect.isclass(component) else [component]
    meanings = {}
    for source in sources:
        constructor = vars(source).get("__init__") if inspect.isclass(source) else None
        for docstring in (getattr(constructor, "__doc__", None), source.__doc__):
            meanings.update(parse_args(docstring or ""))
    return meanings


def parse_args(docstring: str) -> dict[str, str]:
    """Read the ``Args:`` block of a docstring in Google style: argument to its text on one line."""
    match = re.search(r"^Args:\n((?:[ \t]+.*(?:\n|$)|[ \t]*\n)*)", inspect.cleandoc(docstring), re.MULTILINE)
    meanings: dict[str, str] = {}
    current: tuple[str, ...] = ()
    for line in textwrap.dedent(match.group(1)).splitlines() if match else ():
        entry = re.match(r"(\w+(?:, \w+)*)(?: \([^)]*\))?: (.*)$|(\w+(?:, \w+)*):$", line)
        if entry:
            current = tuple((entry.group(1) or entry.group(3)).split(", "))
            meanings.update(dict.fromkeys(current, entry.group(2) or ""))
        elif line.strip():
            for name in current:
                meanings[name] = f"{meanings[name]} {line.strip()}".strip()
    return meanings


def first_sentence(docstring: str) -> str:
    """Return the first sentence of a docstring on one line."""
    paragraph = " ".join(inspect.cleandoc(docstring).split("\n\n")[0].split())
    match = re.match(r"(.+?[^.A-Z])\.(?=\s+[A-Z`]|$)", paragraph)
    return f"{match.group(1)}." if match else paragraph


def _component_blocks(component: Component, kind: str) -> list[str]:
    target = component.target
    facts = [f"`{target.__module__}`"]
    if len(component.names) > 1:
        facts.append("also " + ", ".join(f"`{name}`" for name in component.names[1:]))
    if component.tasks:
        facts.append("for model type " + ", ".join(component.tasks))
    summary = first_sentence(target.__doc__ or "")
    rows = _argument_rows(target, kind)
    blocks = [f"### {component.names[0]}", f"{_plain(summary)} ({'; '.join(facts)})"]
    return [*blocks, _table(("argument", "type", "default", "meaning"), rows) if rows else "No arguments."]


def _argument_rows(component: Callable[..., Any], kind: str) -> Table:
    meanings = argument_help(component)
    rows: Table = []
    for key, parameter in arguments_of(component, kind).items():
        required = parameter.default is inspect.Parameter.empty
        default = "" if required else f"`{_yaml(parameter.default)}`"
        if key in SUPPLIED.get(kind, ()):
            default = f"{default} *(supplied)*".strip()
        rows.append((f"`{key}`", type_name(parameter.annotation), default, _plain(meanings.get(key, ""))))
    return rows


def _global_rows() -> Table:
    rows: Table = [
        (f"`{key}`", type_name(entry.type), f"`{_yaml(entry.default)}`", entry.help)
        for key, entry in GLOBAL_KEYS.items()
    ]
    return rows


def _loader_blocks() -> list[str]:
    rows = _argument_rows(LoaderOptions, "loader")
    return ["## Loader", "`Train.loader` and `Eval.loader`:", _table(("key", "type", "default", "meaning"), rows)]


def _inert_blocks() -> list[str]:
    rows = [(f"`{key}`", "Global and top level", cure) for key, cure in sorted(INERT_GLOBAL_KEYS.items())]
    for (kind, name), keys in sorted(COMPONENT_KEYS.items()):
        owner = f"every {kind}" if name == "*" else f"{kind} `{name}`"
        rows += [(f"`{key}`", owner, "") for key in keys]
    return [
        "## Keys without effect",
        "Configurations of PaddleOCR contain these. They are accepted and reported once per run.",
        _table(("key", "where", "instead"), rows),
    ]


def _contents() -> str:
    titles = ["Sections", "Global", "Loader"]
    titles += [title for title, registry in ALL_REGISTRIES.items() if registry.entries()]
    titles.append("Keys without effect")
    return "\n".join(f"- [{title}](#{title.lower().replace(' ', '-')})" for title in titles)


def _own_name_first(target: Callable[..., Any], names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name != target.__name__, name)))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Turn the double backquotes of docstrings into Markdown's single ones."""
    return text.replace("``", "`")


def _yaml(value: Any) -> str:
    """Write a default as it would stand in the YAML file."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return "[" + ", ".join(_yaml(item) for item in items) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    # The representation of other objects may hold a memory address.
    return type(value).__name__
