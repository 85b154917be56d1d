"""Parts of a model that training leaves as they are: ``Global.freeze``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.name_patterns import close_patterns, covers, parameters_with_names

LOGGER = logging.getLogger("ppocr")

RECURRENT = (nn.LSTM, nn.GRU, nn.SimpleRNN)
"""Layers through which Paddle passes no gradient unless their own weights have one."""


class Freezing:
    """The frozen parts of a network.

    A frozen parameter has ``stop_gradient``, so that no optimizer changes it. A layer all of whose parameters are
    frozen, or whose name a pattern fits, is held in evaluation mode, with the layers inside it: its batch norms use
    and keep their statistics, its dropout is off. Heads and their parts, whose outputs in evaluation are others than
    those that a loss takes, stay in training as a whole; of them only the innermost layers are held. What is frozen
    follows from the configuration alone; no checkpoint holds it. `lift` ends the freezing.

    Args:
        network: The model, before its optimizer is made and before it is wrapped for data parallelism. Whoever puts
            it into training mode as a whole, the held layers are back in evaluation mode with its next call.
        patterns: See `ppocr.name_patterns`.
        place: Where the patterns stand in the configuration.

    Attributes:
        parameters: Structured names of the frozen parameters.
        layers: The held layers by name.
        lines: What is frozen, for the log.
        is_lifted: Whether the freezing has ended.

    Raises:
        ConfigError: A pattern fits nothing, or everything is frozen.
    """

    def __init__(self, network: Any, patterns: Sequence[str], place: str) -> None:
        trainable = [(names, parameter) for names, parameter in parameters_with_names(network)
                     if not parameter.stop_gradient]
        frozen = {pattern: [(names, parameter) for names, parameter in trainable
                            if any(covers(pattern, name) for name in names)] for pattern in patterns}
        chosen = {names[0]: parameter for group in frozen.values() for names, parameter in group}
        for pattern, group in frozen.items():
            if not group and not any(covers(pattern, name) for name, _ in network.named_sublayers()):
                raise _fits_nothing(pattern, network, place)
        if len(chosen) == len(trainable):
            raise ConfigError(f"{place}: every one of the {len(trainable)} parameters is frozen",
                              expected="at least one that is trained",
                              cure="remove the pattern of what is to be trained")
        self.parameters = tuple(chosen)
        self.layers = _held_layers(network, patterns, trainable, {id(parameter) for parameter in chosen.values()})
        self.lines = [_line(pattern, group, self._norms(pattern)) for pattern, group in frozen.items()]
        self.lines.append(_line("together", [((name,), chosen[name]) for name in chosen], self._norms(None))
                          + f"; trained: {len(trainable) - len(chosen)} of {len(trainable)} parameters")
        self.is_lifted = False
        self._frozen = list(chosen.values())
        self.set_frozen(True)
        self.hold()
        network.register_forward_pre_hook(lambda layer, inputs: self.hold())

    def set_frozen(self, frozen: bool) -> None:
        """Keep the gradients from the frozen parameters, or let them have some."""
        for parameter in self._frozen:
            parameter.stop_gradient = frozen

    def lift(self) -> None:
        """End the freezing: all is trained, and the held layers follow the mode of the network again."""
        self.is_lifted = True
        self.set_frozen(False)
        for layer in self.layers.values():
            layer.train()

    def hold(self) -> None:
        """Put the held layers into evaluation mode."""
        if self.is_lifted:
            return
        for name, layer in self.layers.items():
            if name.split(".")[0] != "head" or next(layer.children(), None) is None:
                layer.training = False

    def is_held(self, layer: Any) -> bool:
        """Tell whether a layer is wholly frozen."""
        return any(layer is held for held in self.layers.values())

    def _norms(self, pattern: str | None) -> int:
        """Return the number of held batch norms that a pattern covers; of all without one."""
        return sum(hasattr(layer, "_mean") and (pattern is None or covers(pattern, name)
                                                or covers(pattern, f"{name}.weight"))
                   for name, layer in self.layers.items())


def freeze(network: Any, patterns: str | Sequence[str] | None, place: str) -> Freezing | None:
    """Freeze what the patterns fit, log it, and return it; None without patterns.

    Raises:
        ConfigError: See `Freezing`; or a recurrent layer is frozen behind something that is trained.
    """
    if not patterns:
        return None
    freezing = Freezing(network, [patterns] if isinstance(patterns, str) else list(patterns), place)
    _check_recurrent(network, place)
    for line in freezing.lines:
        LOGGER.info("Global.freeze: %s", line)
    return freezing


def _check_recurrent(network: Any, place: str) -> None:
    """Refuse frozen recurrent layers of a neck or head where something before that part is trained."""
    trained = ""
    for part, module in network.named_children():
        layers = [layer for layer in module.sublayers(include_self=True) if isinstance(layer, RECURRENT)]
        if trained and any(parameter.stop_gradient for layer in layers for parameter in layer.parameters()):
            raise ConfigError(f"{place}: {part} has a frozen recurrent layer, and {trained} before it is trained: "
                              "Paddle passes no gradient through recurrent layers that are frozen",
                              expected="all that lies before a frozen recurrent layer to be frozen as well",
                              cure=f"freeze {trained} too, or train {part}, with a small factor in "
                              "Optimizer.lr_factors")
        if not all(parameter.stop_gradient for parameter in module.parameters()):
            trained = part


def _held_layers(network: Any, patterns: Sequence[str], trainable: list[tuple[tuple[str, ...], Any]],
                 frozen: set[int]) -> dict[str, Any]:
    known = {id(parameter) for _, parameter in trainable}
    held: dict[str, Any] = {}
    for name, layer in network.named_sublayers():  # Layers come before those inside them.
        own = [id(parameter) for parameter in layer.parameters() if id(parameter) in known]
        inside = any(name.startswith(f"{outer}.") for outer in held)
        if inside or any(covers(pattern, name) for pattern in patterns) or (own and frozen.issuperset(own)):
            held[name] = layer
    return held


def _line(title: str, group: list[tuple[tuple[str, ...], Any]], norms: int) -> str:
    values = sum(int(parameter.size) for _, parameter in group)
    return f"{title}: {len(group)} parameters ({values:,} values), batch norms with their statistics: {norms}"


def _fits_nothing(pattern: str, network: Any, place: str) -> ConfigError:
    hint = close_patterns(pattern, network)
    parts = ", ".join(name for name, _ in network.named_children())
    return ConfigError(f"{place}: {pattern!r} fits no parameter and no layer of the model"
                       + (f" ({hint})" if hint else ""),
                       expected=f"a pattern over structured names, such as backbone.*; the model's parts are {parts}",
                       cure="correct or remove it")
