"""Which of a configuration's transforms prediction uses: those that need no label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppocr.data.transforms.pipeline import Pipeline, build_transforms
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

Operator = dict[str, dict[str, Any]]
"""One transform, ``{name: arguments}``."""


def prediction_operators(entries: Sequence[Any]) -> list[Operator]:
    """Return the transforms of an evaluation that bring an image to the network, as ``{name: arguments}``.

    Left out are ``KeepKeys`` and the transforms that read the label: those with "Label" in their name, as all label
    encoders of the field have, and those whose class has a true ``needs_label``.

    Args:
        entries: List of ``{name: arguments or None}``.

    Raises:
        ConfigError: An entry of another form.
    """
    kept = []
    for entry in entries:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise ConfigError(f"{entry!r} is not a transform", expected="{Name: arguments}", cure="correct the list")
        (name, arguments), = entry.items()
        if not _needs_label(str(name)):
            kept.append({str(name): dict(arguments or {})})
    return kept


def build_operators(operators: Sequence[Operator], **context: Any) -> Pipeline:
    """Build the transforms of `prediction_operators`.

    Args:
        operators: The transforms.
        context: What is supplied to each that asks for it: ``charset``, ``max_text_length``.

    Raises:
        ConfigError: An unknown transform or argument.
    """
    return build_transforms(list(operators), **context)


def _needs_label(name: str) -> bool:
    if name == "KeepKeys" or "Label" in name:
        return True
    return name in TRANSFORMS.names() and bool(getattr(TRANSFORMS.get(name), "needs_label", False))
