"""Shell patterns over the structured names of a model's layers and parameters, such as ``backbone.*``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ppocr.errors import did_you_mean


def covers(pattern: str, name: str) -> bool:
    """Tell whether a pattern fits a name, or a layer that the name lies in.

    ``*`` also stands for dots: ``head.ctc_encoder`` and ``head.ctc_enc*`` both cover
    ``head.ctc_encoder.encoder.conv1.weight``.
    """
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:end]), pattern) for end in range(len(parts), 0, -1))


def parameters_with_names(model: Any) -> list[tuple[tuple[str, ...], Any]]:
    """Return the parameters of a model, each once with all structured names that it goes by.

    Only LSTM and GRU layers give a parameter several names. What Paddle counts as parameters but is never trained, the
    statistics of batch norms, is among them; those have ``stop_gradient``.
    """
    names: dict[int, list[str]] = {}
    for name, tensor in model.state_dict().items():
        names.setdefault(id(tensor), []).append(name)
    found = []
    for name, parameter in model.named_parameters():
        found.append((tuple(dict.fromkeys([name, *names.get(id(parameter), ())])), parameter))
    return found


def first_cover(patterns: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the first pattern that covers one of the names of a parameter, or None."""
    return next((pattern for pattern in patterns if any(covers(pattern, name) for name in names)), None)


def close_patterns(pattern: str, model: Any) -> str:
    """Return a "did you mean" for a pattern that fits nothing in a model, empty if nothing is close."""
    depth = pattern.count(".")
    layers = [name for name, _ in model.named_sublayers()]
    names = [*layers, *(f"{name}.*" for name in layers), *(name for name, _ in model.named_parameters())]
    return did_you_mean(pattern, [name for name in names if name.count(".") == depth]) or did_you_mean(
        pattern.split(".")[0], [name for name in layers if "." not in name])
