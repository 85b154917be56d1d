"""What a configuration says about augmenters: ``{type: Affine, args: {rotate: [-10, 10]}}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ppocr.errors import ConfigError, did_you_mean

PLACE = "IaaAugment: augmenter_args"


@dataclass(frozen=True)
class Spec:
    """One augmenter.

    Args:
        type: Its name in imgaug.
        args: Its arguments, as the configuration has them.
    """

    type: str
    args: Mapping[str, Any] = field(default_factory=dict)


def is_spec(value: Any) -> bool:
    """Tell whether a value looks like the description of an augmenter."""
    return isinstance(value, Mapping) and "type" in value


def parse_specs(entries: Any, place: str = PLACE) -> list[Spec]:
    """Return the augmenters of a list.

    Args:
        entries: List of ``{type, args}``.
        place: Where it was written, for the error.

    Raises:
        ConfigError: Not such a list.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise ConfigError(f"{place} is {entries!r}", expected="a list of {type: name, args: {...}}",
                          cure="write each augmenter as a list item")
    return [_parse(entry, f"{place}[{position}]") for position, entry in enumerate(entries)]


def _parse(entry: Any, place: str) -> Spec:
    expected = "{type: name of the augmenter, args: {argument: value}}, such as {type: Fliplr, args: {p: 0.5}}"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{place} is {entry!r}", expected=expected, cure="write it in this form")
    for key in entry:
        if key not in ("type", "args"):
            hint = did_you_mean(str(key), ("type", "args"))
            raise ConfigError(f"{place} has a key {key!r}" + (f" ({hint})" if hint else ""), expected=expected,
                              cure="put the arguments of the augmenter under args")
    name, args = entry.get("type"), entry.get("args")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{place} does not name its augmenter: {dict(entry)!r}", expected=expected, cure="add type")
    if args is not None and not isinstance(args, Mapping):
        raise ConfigError(f"{place}: the arguments of {name} are {args!r}", expected=expected, cure="write a mapping")
    return Spec(name, dict(args or {}))


def probability(value: Any, name: str) -> float:
    """Return the argument ``p`` of an augmenter.

    Raises:
        ConfigError: It is no probability.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"IaaAugment: p of {name} is {value!r}", expected="a probability from 0 to 1",
                          cure="correct the value")
    return float(value)
