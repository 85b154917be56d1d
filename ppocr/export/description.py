"""What ``inference.yml`` says: everything about a model that is not in the program and its weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ppocr.charset import Charset
from ppocr.errors import ConfigError, ExportError
from ppocr.infer.operators import Operator, prediction_operators
from ppocr.model_files import SCHEMA, dump_description
from ppocr.registry import POSTPROCESSES, TRANSFORMS, check_arguments, constructor_parameters
from ppocr.sections import to_plain

PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Provenance:
    """Where exported weights come from.

    Attributes:
        checkpoint: The weights file, as it was named.
        sha256: SHA-256 of its content.
        metrics: The evaluation that the checkpoint stands for, if it is known.
    """

    checkpoint: str
    sha256: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelIdentity:
    """What a model is called.

    Attributes:
        model_type: ``"rec"``, ``"cls"`` …
        algorithm: Name of the algorithm; may be empty.
        model_name: Name of the model; the algorithm if empty.
    """

    model_type: str
    algorithm: str = ""
    model_name: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the section ``Global``."""
        return {"model_name": self.model_name or self.algorithm or self.model_type, "model_type": self.model_type,
                "algorithm": self.algorithm}


def resolved_operators(entries: Sequence[Any], context: Mapping[str, Any], *, task: str) -> list[Operator]:
    """Return the transforms of an evaluation that prediction needs, with every argument written out.

    Args:
        entries: ``Eval.dataset.transforms``.
        context: What building supplies: charset, ``max_text_length`` …
        task: ``Architecture.model_type``.

    Raises:
        ConfigError: An unknown transform or argument.
    """
    operators = []
    for operator in prediction_operators(entries):
        (name, arguments), = operator.items()
        component = TRANSFORMS.get(name, task=task)
        operators.append({name: _resolved(component, {"name": name, **arguments}, "transform", name, context)})
    return operators


def resolved_postprocess(section: Mapping[str, Any], context: Mapping[str, Any], *, task: str) -> dict[str, Any]:
    """Return the section ``PostProcess`` with every argument written out, but for what the charset gives.

    Raises:
        ConfigError: An unknown name or argument.
    """
    name = str(section["name"])
    component = POSTPROCESSES.get(name, task=task)
    return {"name": name, **_resolved(component, section, "post-process", name, context)}


def describe(
    identity: ModelIdentity,
    *,
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    operators: Sequence[Operator],
    postprocess: Mapping[str, Any],
    charset: Charset | None,
    parameters: Mapping[str, str],
    provenance: Mapping[str, Any],
    names: tuple[str, str] = ("x", "probs"),
) -> str:
    """Return the text of ``inference.yml``.

    Args:
        identity: What the model is called.
        input_shape: Shape of the images, -1 where it varies.
        output_shape: Shape of the first output, -1 where it varies.
        operators: See `resolved_operators`.
        postprocess: See `resolved_postprocess`.
        charset: The characters, for recognizers.
        parameters: Structured name to name in the program.
        provenance: Plain values: checkpoint, checksum, metrics, versions, date.
        names: Name of the input and of the output.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "Global": identity.to_dict(),
        "Model": {
            "inputs": [{"name": names[0], "dtype": "float32", "shape": list(input_shape)}],
            "outputs": [{"name": names[1], "dtype": "float32", "shape": list(output_shape)}],
        },
        "PreProcess": {"transform_ops": list(operators)},
        "PostProcess": dict(postprocess),
        "Provenance": dict(provenance),
    }
    if charset is not None:
        content["Charset"] = charset.to_dict()
    content["Parameters"] = dict(parameters)
    return dump_description(to_plain(content))


def _resolved(
    component: Callable[..., Any], section: Mapping[str, Any], kind: str, name: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all arguments that a component is built with and that a file can hold; the charset travels by itself."""
    given = check_arguments(component, section, kind=kind, name=name, supplied=context)
    values: dict[str, Any] = {}
    for key, parameter in constructor_parameters(component).items():
        value = given.get(key, parameter.default)
        if isinstance(value, Charset) or value is inspect.Parameter.empty:
            continue
        values[key] = _plain(value, f"{kind} {name}: {key}")
    return values


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, place) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item, place) for key, item in value.items()}
    raise ExportError(f"{place} is a {type(value).__name__}, which inference.yml cannot hold",
                      expected="numbers, texts, lists and mappings", cure="set the argument in the configuration")


def require_section(value: Any, what: str) -> Any:
    """Return `value`, which must not be empty.

    Raises:
        ConfigError: It is.
    """
    if not value:
        raise ConfigError(f"the configuration has no {what}", expected=f"{what}, as evaluation uses it",
                          cure=f"add {what}")
    return value
