"""What is known of published models: how pictures are prepared for them, and where their files come from."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppocr.errors import HubError, did_you_mean
from ppocr.model_files import load_yaml

CATALOG_FILE = Path(__file__).with_name("catalog.yml")

METADATA = "metadata"
"""In place of a dictionary file: the dictionary is in the ONNX file itself."""

FORMATS = ("paddle", "onnx")

TASKS = ("det", "rec", "cls")


@dataclass(frozen=True)
class SourceFile:
    """A file of a package.

    Attributes:
        path: Where it is, relative to the package's module.
        size: In bytes.
        sha256: Of its content.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PackageSource:
    """A Python package that carries a model's files.

    Attributes:
        package: Its name for pip.
        version: The version that the checksums belong to.
        module: Name of its folder.
        format: ``"paddle"`` or ``"onnx"``.
        files: What the model consists of, by the names that the files have in a model's folder.
        dictionary: File with the characters, one a line; ``"metadata"`` if the ONNX file holds them; None if the model
            has none.
    """

    package: str
    version: str
    module: str
    format: str
    files: Mapping[str, SourceFile]
    dictionary: SourceFile | str | None = None

    @property
    def command(self) -> str:
        """The command that brings the files."""
        return f"pip install --no-deps {self.package}=={self.version}"


@dataclass(frozen=True)
class Model:
    """A published model.

    Attributes:
        name: Under which it is published.
        task: ``"det"``, ``"rec"`` or ``"cls"``.
        algorithm: Of its configuration.
        size: Megabytes of its files, about.
        input_shape: Of its network, -1 where it varies.
        output_shape: The same; None for recognizers, whose last axis is `classes`.
        operators: The transforms that bring a picture to the network.
        postprocess: ``name`` and arguments.
        classes: Of a recognizer, the blank and the space among them; None for others.
        packages: Packages that carry it, in the order in which they are asked.
        url: Archive of its publisher.
    """

    name: str
    task: str
    algorithm: str
    size: float
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] | None
    operators: tuple[Mapping[str, Any], ...]
    postprocess: Mapping[str, Any]
    classes: int | None = None
    packages: tuple[PackageSource, ...] = ()
    url: str = ""

    @property
    def recipe(self) -> str:
        """Fingerprint of all that `inference.yml` says about the model, by which older folders are told apart."""
        content = [self.task, self.algorithm, self.input_shape, self.output_shape, self.operators, self.postprocess,
                   self.classes]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class System:
    """Published models that read pages together.

    Attributes:
        name: Of all of them.
        parts: Task to name of the model.
    """

    name: str
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Catalog:
    """Published models and systems by their names.

    Attributes:
        models: By name, in the order in which they are listed.
        systems: The same; the first is the one that is used where none is asked for.
    """

    models: Mapping[str, Model]
    systems: Mapping[str, System] = field(default_factory=dict)

    def model(self, name: str, task: str | None = None) -> Model:
        """Return a model.

        Args:
            name: Of a model, or of a system if `task` is given.
            task: ``"det"``, ``"rec"`` or ``"cls"``: the part of a system.

        Raises:
            HubError: There is none of that name, it is for another task, or there is no such task.
        """
        if task not in (None, *TASKS):
            raise HubError(f"there is no task {task!r}", expected=", ".join(TASKS), cure="correct the task")
        if task is not None and name in self.systems:
            name = self._part(name, task)
        model = self.models.get(name)
        if model is None:
            raise self._unknown(name)
        if task not in (None, model.task):
            close = [other for other in self.models.values() if other.task == task]
            raise HubError(f"{name} is a model for {model.task}, not for {task}",
                           expected="one of " + ", ".join(other.name for other in close),
                           cure=f"give the name of a model for {task}")
        return model

    def system(self, name: str) -> System:
        """Return a system.

        Raises:
            HubError: There is none of that name.
        """
        if name not in self.systems:
            hint = did_you_mean(name, self.systems)
            raise HubError(f"there is no published system {name!r}" + (f" ({hint})" if hint else ""),
                           expected="one of " + ", ".join(self.systems), cure="correct the name; for models that are "
                           "not a system, give det_model_dir and rec_model_dir")
        return self.systems[name]

    def _part(self, name: str, task: str) -> str:
        parts = self.systems[name].parts
        if task not in parts:
            raise HubError(f"the system {name} has no model for {task}", expected=", ".join(parts),
                           cure=f"give the name of a model for {task}")
        return parts[task]

    def _unknown(self, name: str) -> HubError:
        if name in self.systems:
            parts = self.systems[name].parts
            return HubError(f"{name} is not one model but several: {', '.join(parts.values())}",
                            expected="the name of one model",
                            cure=f'give one of them, or read pages with TextSystem(model="{name}")')
        hint = did_you_mean(name, [*self.models, *self.systems])
        return HubError(f"there is no published model {name!r}" + (f" ({hint})" if hint else ""),
                        expected="one of " + ", ".join(self.models),
                        cure="correct the name (ppocr models lists them), or give the folder of an exported model")


def read_catalog(file: Path) -> Catalog:
    """Read a catalog of the form of ``catalog.yml``, which explains it."""
    content = load_yaml(file.read_text(encoding="utf-8"))
    models = {name: _model(name, entry, content) for name, entry in content["models"].items()}
    systems = {name: System(name, dict(parts)) for name, parts in content.get("systems", {}).items()}
    return Catalog(models, systems)


@functools.cache
def shipped_catalog() -> Catalog:
    """Return the catalog that comes with the toolkit."""
    return read_catalog(CATALOG_FILE)


def _model(name: str, entry: Mapping[str, Any], content: Mapping[str, Any]) -> Model:
    recipe = content["recipes"][entry["recipe"]]
    address = entry.get("download", "")
    url = address if not address or "://" in address else content["downloads"] + address
    return Model(
        name, recipe["task"], recipe["algorithm"], float(entry["size"]), tuple(recipe["input"]),
        tuple(recipe["output"]) if "output" in recipe else None, tuple(recipe["transform_ops"]),
        dict(recipe["postprocess"]), entry.get("classes"),
        tuple(_package(source, content["packages"]) for source in entry.get("packages", [])), url,
    )


def _package(entry: Mapping[str, Any], packages: Mapping[str, Any]) -> PackageSource:
    facts = packages[entry["package"]]
    dictionary = entry.get("dictionary")
    return PackageSource(
        entry["package"], str(facts["version"]), facts["module"], facts["format"],
        {name: _file(values) for name, values in entry["files"].items()},
        dictionary if dictionary in (None, METADATA) else _file(dictionary),
    )


def _file(values: Mapping[str, Any]) -> SourceFile:
    return SourceFile(values["from"], int(values["size"]), str(values["sha256"]))
