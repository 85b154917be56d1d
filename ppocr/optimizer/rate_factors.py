"""Factors of the learning rate for parts of a model, chosen by name patterns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.errors import ConfigError
from ppocr.name_patterns import close_patterns, covers, first_cover, parameters_with_names

RATE, OWN_RATE = "learning_rate", "own_learning_rate"
"""Keys of ``optimize_attr``: the factor that Paddle applies, and here the one that the layer was built with."""


def apply_rate_factors(model: Any, factors: Mapping[str, float], place: str) -> list[str]:
    """Give the parameters of a model their factors and return the lines that tell so.

    The factor of a parameter is that of the first pattern that covers it, 1 if none does, times the factor that its
    layer was built with (``ParamAttr(learning_rate=...)``). Every optimizer of Paddle multiplies it with the rate of
    the schedule.

    Args:
        model: A layer, before its optimizer is made.
        factors: Pattern over structured names (see `ppocr.name_patterns`) to factor, above 0.
        place: Where the factors stand in the configuration.

    Raises:
        ConfigError: A factor that is not above 0, or a pattern whose factor no trained parameter takes.
    """
    for pattern, factor in factors.items():
        if not 0.0 < factor < float("inf"):
            raise ConfigError(f"{place}: the factor of {pattern!r} is {factor:g}", expected="a number above 0",
                              cure="correct it; to leave parameters as they are, name them in Global.freeze")
    everything = parameters_with_names(model)
    trained = [(names, parameter) for names, parameter in everything if not parameter.stop_gradient]
    groups: dict[str | None, list[Any]] = {pattern: [] for pattern in factors}
    own: dict[float, list[Any]] = {}
    for names, parameter in trained:
        found = first_cover(factors, names)
        groups.setdefault(found, []).append(parameter)
        own_factor = _set(parameter, 1.0 if found is None else factors[found])
        if own_factor != 1.0:
            own.setdefault(own_factor, []).append(parameter)
    for pattern in factors:
        if not groups[pattern]:
            raise _without_effect(pattern, model, everything, place)
    lines = [f"learning-rate factor {factors[key]:g} for {key!r}: {_count(group)}" if key is not None else
             f"learning-rate factor 1 (no pattern of lr_factors): {_count(group)}"
             for key, group in groups.items() if factors]
    return lines + [f"learning-rate factor {factor:g} of the layers' own{', besides these' if factors else ''}: "
                    f"{_count(group)}" for factor, group in own.items()]


def _set(parameter: Any, factor: float) -> float:
    """Set the factor of a parameter and return the one of its layer, with which it is multiplied."""
    attributes = parameter.optimize_attr
    own = float(attributes.setdefault(OWN_RATE, attributes.get(RATE, 1.0)))
    attributes[RATE] = own * factor
    return own


def _count(parameters: list[Any]) -> str:
    values = sum(int(parameter.size) for parameter in parameters)
    return f"{len(parameters)} parameter{'' if len(parameters) == 1 else 's'} ({values:,} values)"


def _without_effect(pattern: str, model: Any, everything: list[tuple[tuple[str, ...], Any]],
                    place: str) -> ConfigError:
    covered = [parameter for names, parameter in everything if any(covers(pattern, name) for name in names)]
    if any(not parameter.stop_gradient for parameter in covered):
        return ConfigError(f"{place}: every parameter that {pattern!r} covers is covered by an earlier pattern",
                           expected="the narrow patterns first: the first that covers a parameter counts",
                           cure=f"put {pattern!r} before the wider pattern, or remove it")
    if covered:
        return ConfigError(f"{place}: {pattern!r} covers {len(covered)} parameters, none of which is trained",
                           expected="patterns of what is trained", cure="remove it, or take them out of Global.freeze")
    hint = close_patterns(pattern, model)
    return ConfigError(f"{place}: {pattern!r} covers no parameter" + (f" ({hint})" if hint else ""),
                       expected="a pattern over structured names, such as backbone.* or head.fc.weight",
                       cure="correct or remove it")
