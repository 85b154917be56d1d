"""Names to classes: the registries from which a configuration's sections are built.

A component is one class with typed keyword arguments and a decorator::

    @BACKBONES.register()
    class MyBackbone(nn.Layer):
        def __init__(self, in_channels: int = 3, scale: float = 1.0) -> None: ...

and a section names it: ``Backbone: {name: MyBackbone, scale: 0.5}``. What the section says is checked against the
constructor's signature; what the section does not say is supplied by the caller's context (``in_channels``,
``charset`` …) where the constructor asks for it, then by the constructor's own defaults.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import logging
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ppocr.coerce import coerce
from ppocr.errors import ConfigError, did_you_mean
from ppocr.peer_keys import inert_component_keys
from ppocr.sections import where

T = TypeVar("T")

LOGGER = logging.getLogger("ppocr")

ANY_TASK = ""


class Registry:
    """The components of one kind.

    Names may repeat between tasks: ``MobileNetV3`` is one network for detection and another for recognition.

    Args:
        kind: What the registry holds, in the words of an error message, such as ``"backbone"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[tuple[str, str], Callable[..., Any]] = {}

    def register(self, *names: str, tasks: Iterable[str] = (ANY_TASK,)) -> Callable[[T], T]:
        """Decorate a class (or factory function) to make it available under `names`, or under its own name.

        Args:
            names: The names; several are aliases of each other.
            tasks: The values of ``Architecture.model_type`` it serves; all by default.
        """

        def add(component: T) -> T:
            for name in names or (component.__name__,):  # type: ignore[attr-defined]
                for task in tasks:
                    present = self._entries.get((name, task))
                    if present is not None and _home(present) != _home(component):
                        raise ValueError(
                            f"{self.kind} {name!r} is registered twice: {_home(present)} and {_home(component)}"
                        )
                    self._entries[name, task] = component  # type: ignore[assignment]
            return component

        return add

    def names(self, task: str | None = None) -> list[str]:
        """Return the registered names, sorted; with `task`, only those that serve it."""
        return sorted({name for name, served in self._entries if task is None or served in (ANY_TASK, task)})

    def entries(self) -> list[tuple[str, str, Callable[..., Any]]]:
        """Return all ``(name, task, component)``, sorted; the task is ``""`` for components that serve every task."""
        return sorted(((name, task, component) for (name, task), component in self._entries.items()),
                      key=lambda entry: entry[:2])

    def get(self, name: str, *, task: str | None = None, place: str = "") -> Callable[..., Any]:
        """Look up a component.

        Raises:
            ConfigError: There is none of that name; close names and the cure are told.
        """
        for served in (task, ANY_TASK):
            if served is not None and (name, served) in self._entries:
                return self._entries[name, served]
        if task is None:
            found = {component for (known, _), component in self._entries.items() if known == name}
            if len(found) == 1:
                return found.pop()
        known = self.names(task)
        other_tasks = sorted(served for entry, served in self._entries if entry == name)
        hint = did_you_mean(name, known)
        if other_tasks:
            hint = f"it exists for model_type {' and '.join(other_tasks)}, but not for {task or 'an unnamed task'}"
        raise ConfigError(
            f"{place + ': ' if place else ''}there is no {self.kind} named {name!r}" + (f" ({hint})" if hint else ""),
            expected="one of " + ", ".join(known) if known else f"a registered {self.kind}; there is none yet",
            cure="correct the name, or list the module that registers it under Global.plugins",
        )

    def build(self, section: Mapping[str, Any], *, task: str | None = None, **context: Any) -> Any:
        """Build the component that `section` names; see the module's docstring for where its arguments come from.

        The section is left as it is. Its keys are checked against the constructor's signature and coerced to the
        annotated types.

        Args:
            section: A mapping with ``name`` and the constructor's arguments.
            task: ``Architecture.model_type``, which decides between components of the same name, and which is supplied
                to those that ask for it.
            context: Arguments that the caller can supply; each is used only if the constructor takes it and the
                section does not set it.

        Raises:
            ConfigError: Unknown name or key, wrong type, or a required argument that nobody supplies.
        """
        name = _section_name(section, self.kind)
        component = self.get(name, task=task, place=where(section, "name"))
        arguments = check_arguments(component, section, kind=self.kind, name=name, supplied={"task": task, **context})
        return component(**arguments)


def check_arguments(
    component: Callable[..., Any],
    section: Mapping[str, Any],
    *,
    kind: str,
    name: str,
    supplied: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments for `component`: those of `section`, checked, and those of `supplied` that it takes.

    Raises:
        ConfigError: Unknown key, wrong type, or a required argument that is missing.
    """
    parameters = constructor_parameters(component)
    arguments: dict[str, Any] = {}
    for key, value in section.items():
        if key == "name":
            continue
        if inert_component_keys(kind, name, key):
            _tell_once(f"{where(section, key)} has no effect here (see docs/config_reference.md)")
            continue
        if key not in parameters:
            hint = did_you_mean(key, parameters)
            raise ConfigError(
                f"{where(section, key)}: {kind} {name} has no argument {key!r}" + (f" ({hint})" if hint else ""),
                expected="one of " + ", ".join(p for p in parameters if p not in supplied) or "no argument",
                cure="correct or remove the key",
            )
        arguments[key] = coerce(value, parameters[key].annotation, where(section, key))
    for key, parameter in parameters.items():
        if key in arguments:
            continue
        if key in supplied:
            arguments[key] = supplied[key]
        elif parameter.default is inspect.Parameter.empty:
            raise ConfigError(
                f"{where(section)}: {kind} {name} needs the argument {key!r}",
                expected=f"{key}: a value for it",
                cure="add the key to the section",
            )
    return arguments


def constructor_parameters(component: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the keyword parameters of a class or function, with annotations resolved to types."""
    source: Any = component
    if inspect.isclass(component) and str(getattr(component.__init__, "__module__", "")).split(".")[0] == "paddle":
        return {}  # No constructor of its own: what it inherits from paddle.nn.Layer is not for a configuration.
    if inspect.isclass(component) and not dataclasses.is_dataclass(component):
        source = component.__init__
    # A dataclass's own __init__ resolves names in the wrong module when fields are inherited; the class does not.
    hints = _type_hints(source)
    parameters = {}
    for key, parameter in inspect.signature(component).parameters.items():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        annotation = hints.get(key, inspect.Parameter.empty)
        parameters[key] = parameter.replace(annotation=annotation)
    return parameters


def _type_hints(source: Any) -> dict[str, Any]:
    """Return the resolved annotations of a class or function, without those whose names Python does not know here."""
    try:
        return typing.get_type_hints(source)
    except NameError:
        # A name that is imported for type checkers only; the other arguments are still checked.
        hints: dict[str, Any] = {}
        for key, annotation in source.__annotations__.items():
            alone = type("Alone", (), {"__annotations__": {key: annotation}, "__module__": source.__module__})
            with contextlib.suppress(NameError):
                hints |= typing.get_type_hints(alone)
        return hints


@functools.cache
def _tell_once(message: str) -> None:
    """Log a message once per process, however many components are built from the section that it is about."""
    LOGGER.info("%s", message)


def _section_name(section: Any, kind: str) -> str:
    if not isinstance(section, Mapping):
        raise ConfigError(
            f"the {kind} section is {section!r}", expected=f"a mapping such as {{name: ...}} that names a {kind}",
            cure="write the section as a mapping",
        )
    if not section.get("name"):
        raise ConfigError(
            f"{where(section)}: the section does not name its {kind}", expected="name: <a registered name>",
            cure=f"add the key 'name' with the {kind} to use",
        )
    return str(section["name"])


def _home(component: Any) -> str:
    return f"{component.__module__}.{component.__qualname__}"


TRANSFORMS = Registry("transform")
"""Data transforms: one sample in, one sample out."""
DATASETS = Registry("dataset")
SAMPLERS = Registry("batch sampler")
STNS = Registry("image transform network")
"""Networks before the backbone (``Architecture.Transform``)."""
BACKBONES = Registry("backbone")
NECKS = Registry("neck")
HEADS = Registry("head")
LOSSES = Registry("loss")
OPTIMIZERS = Registry("optimizer")
SCHEDULES = Registry("learning-rate schedule")
REGULARIZERS = Registry("regularizer")
POSTPROCESSES = Registry("post-process")
METRICS = Registry("metric")
BACKENDS = Registry("inference backend")

ALL_REGISTRIES: dict[str, Registry] = {
    "Transforms": TRANSFORMS,
    "Datasets": DATASETS,
    "Batch samplers": SAMPLERS,
    "Image transform networks": STNS,
    "Backbones": BACKBONES,
    "Necks": NECKS,
    "Heads": HEADS,
    "Losses": LOSSES,
    "Optimizers": OPTIMIZERS,
    "Learning-rate schedules": SCHEDULES,
    "Regularizers": REGULARIZERS,
    "Post-processing": POSTPROCESSES,
    "Metrics": METRICS,
    "Inference backends": BACKENDS,
}
