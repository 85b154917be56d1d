"""Defaults per task: what a minimal configuration leaves out.

The defaults are YAML files in this folder: ``<model_type>/<algorithm>.yml``, else ``<model_type>/<head>.yml``, else
``<model_type>/default.yml``. Supporting a further algorithm means adding a file.
"""

from __future__ import annotations

import copy
from pathlib import Path

from ppocr.errors import ConfigError, did_you_mean
from ppocr.sections import Section, where
from ppocr.yaml_files import read_yaml

FOLDER = Path(__file__).parent


def choose_defaults(config: Section, file: Path) -> Section:
    """Return the defaults for the task and algorithm that `config`, read from `file`, names.

    Raises:
        ConfigError: The section Architecture is missing, or its ``model_type`` is missing or unknown.
    """
    architecture = config.get("Architecture")
    if not isinstance(architecture, Section):
        raise ConfigError(f"{file}: the section Architecture is missing",
                          expected="Architecture: {model_type: rec, algorithm: CRNN}",
                          cure="add the section; configs/ holds complete examples")
    task = architecture.get("model_type")
    tasks = sorted(folder.name for folder in FOLDER.iterdir() if (folder / "default.yml").is_file())
    if task not in tasks:
        architecture.path = "Architecture"
        hint = did_you_mean(str(task), tasks)
        what = f"{task!r} is not a model type" if task else "the model type is missing"
        raise ConfigError(f"{where(architecture, 'model_type')}: {what}" + (f" ({hint})" if hint else ""),
                          expected="one of " + ", ".join(tasks), cure="set Architecture.model_type")
    head = architecture.get("Head")
    names = (architecture.get("algorithm"), head.get("name") if isinstance(head, Section) else None)
    candidates = [FOLDER / str(task) / f"{name}.yml" for name in names if name]
    return read_yaml(next((path for path in candidates if path.is_file()), FOLDER / str(task) / "default.yml"))


def complete(config: Section, defaults: Section) -> list[str]:
    """Fill what `config` leaves out from `defaults`, in place, and return the dotted names of what was filled.

    A section that names its component is taken as it is, since the component has defaults of its own; only the
    datasets are filled up even then, because a minimal one leaves out its transforms. A network written part by part
    gets no further part. An explicit null stays: ``Transform: null`` says that there is none.
    """
    architecture = config["Architecture"]
    written_by_parts = any(part in architecture for part in ("Backbone", "Neck", "Head", "Models"))
    filled: list[str] = []

    def fill(target: Section, source: Section, path: str) -> None:
        for key, value in source.items():
            dotted = f"{path}.{key}" if path else key
            if key not in target:
                if path == "Architecture" and written_by_parts:
                    continue
                target[key] = copy.deepcopy(value)
                target.origins[key] = source.origins.get(key, "default")
                filled.append(dotted)
            elif _takes_defaults(target[key], value):
                fill(target[key], value, dotted)

    fill(config, defaults, "")
    return sorted(filled)


def _takes_defaults(present: object, defaults: object) -> bool:
    if not isinstance(present, Section) or not isinstance(defaults, Section):
        return False
    return "name" not in present or "transforms" in defaults
