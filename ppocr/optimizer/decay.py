"""Weight decay and gradient clipping: which parameters, how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import paddle
from paddle.regularizer import L1Decay, L2Decay, WeightDecayRegularizer

from ppocr.errors import ConfigError, TrainingError
from ppocr.registry import REGULARIZERS


class Regularizer(Protocol):
    """A penalty on the weights.

    Attributes:
        order: 1 for the sum of absolute values, 2 for half the sum of squares.
        factor: Its weight.
    """

    order: int
    factor: float


@REGULARIZERS.register("L1", "L1Decay")
@dataclass
class L1:
    """Add ``factor * sign(w)`` to the gradient.

    Args:
        factor: Strength; 0 is none.
    """

    factor: float = 0.0
    order = 1


@REGULARIZERS.register("L2", "L2Decay")
@dataclass
class L2:
    """Add ``factor * w`` to the gradient (for AdamW and Lamb: decay that is decoupled from the gradient).

    Args:
        factor: Strength; 0 is none.
    """

    factor: float = 0.0
    order = 2


@dataclass(frozen=True)
class Parameters:
    """The parameters that the optimizer trains.

    Factors of the learning rate are not set here but at the parameters (see `ppocr.optimizer.rate_factors`).

    Args:
        trainable: Structured name to parameter; without the frozen ones.
        exempt: Structured names to the reason why the optimizer's decay does not hold for them.
        unused_patterns: Name patterns that match no parameter.
    """

    trainable: Mapping[str, Any]
    exempt: Mapping[str, str]
    unused_patterns: tuple[str, ...] = ()

    @property
    def decayed(self) -> dict[str, bool]:
        """Paddle's own parameter names to whether the optimizer's decay holds for them."""
        return {parameter.name: name not in self.exempt for name, parameter in self.trainable.items()}

    @property
    def chosen_exempt(self) -> bool:
        """Whether the configuration exempts any parameter that has no regularizer of its own."""
        return any(reason != OWN_REGULARIZER for reason in self.exempt.values())


OWN_REGULARIZER = "has a regularizer of its own"


def select_parameters(model: Any, patterns: tuple[str, ...], one_dim_exempt: bool) -> Parameters:
    """Find what is trained and what is free of weight decay.

    Args:
        model: A layer; parameters with ``stop_gradient`` are left out.
        patterns: Parts of structured names; a parameter whose name contains one is exempt.
        one_dim_exempt: Exempt all one-dimensional parameters (biases, scales of normalisation).

    Raises:
        ConfigError: Nothing is trainable.
    """
    trainable = {name: item for name, item in model.named_parameters() if not item.stop_gradient}
    if not trainable:
        raise ConfigError("the model has no trainable parameter", expected="at least one that is not frozen",
                          cure="remove the freezing of parameters from the configuration")
    exempt: dict[str, str] = {}
    for name, parameter in trainable.items():
        found = next((pattern for pattern in patterns if pattern in name), None)
        if getattr(parameter, "regularizer", None) is not None:
            exempt[name] = OWN_REGULARIZER
        elif found is not None:
            exempt[name] = f"name contains {found!r}"
        elif one_dim_exempt and len(parameter.shape) == 1:
            exempt[name] = "one-dimensional"
    unused = tuple(pattern for pattern in patterns if not any(pattern in name for name in trainable))
    return Parameters(trainable, exempt, unused)


class SelectiveDecay(WeightDecayRegularizer):
    """A penalty that leaves chosen parameters alone.

    Args:
        regularizer: The penalty.
        decayed: Paddle's parameter names to whether the penalty holds.
    """

    def __init__(self, regularizer: Regularizer, decayed: Mapping[str, bool]) -> None:
        super().__init__()
        self.regularizer = regularizer
        self.decayed = dict(decayed)

    def __call__(self, param: Any, grad: Any, block: Any) -> Any:
        """Return what is added to the gradient of `param`, in its shape."""
        if param.name not in self.decayed:
            raise TrainingError(f"weight decay is asked for the unknown parameter {param.name!r}",
                                expected="a parameter of the model for which the optimizer was built",
                                cure="build the optimizer again, or do not exempt parameters from weight decay")
        if not self.decayed[param.name]:
            return paddle.zeros_like(param)
        direction = paddle.sign(param) if self.regularizer.order == 1 else param
        return paddle.scale(direction, self.regularizer.factor)

    def __str__(self) -> str:
        # Paddle writes it into a log line; its base class does not implement it.
        return f"L{self.regularizer.order} {self.regularizer.factor:g} on {sum(self.decayed.values())} parameters"


def coupled_decay(regularizer: Regularizer | None, parameters: Parameters) -> Any:
    """Return the ``weight_decay`` argument of an optimizer that adds the penalty to the gradient; None for none."""
    if regularizer is None:
        return None
    if parameters.chosen_exempt:
        return SelectiveDecay(regularizer, parameters.decayed)
    return L1Decay(regularizer.factor) if regularizer.order == 1 else L2Decay(regularizer.factor)


def gradient_clip(clip_norm: float | None, clip_norm_global: float | None, clip_value: float | None) -> Any:
    """Return Paddle's clipping object, or None.

    Args:
        clip_norm: Greatest L2 norm of each single gradient tensor.
        clip_norm_global: Greatest L2 norm of all gradients together.
        clip_value: Greatest absolute value of each gradient element.

    Raises:
        ConfigError: More than one of them, or a value that is not positive.
    """
    given = {"clip_norm": clip_norm, "clip_norm_global": clip_norm_global, "clip_value": clip_value}
    limits = {name: limit for name, limit in given.items() if limit is not None}
    if len(limits) > 1:
        raise ConfigError(f"Optimizer has {' and '.join(limits)}", expected="at most one kind of gradient clipping",
                          cure="remove all but one")
    for name, limit in limits.items():
        if not limit > 0.0:
            raise ConfigError(f"Optimizer.{name} is {limit}", expected="more than 0", cure="correct the value")
    if clip_norm is not None:
        return paddle.nn.ClipGradByNorm(clip_norm)
    if clip_norm_global is not None:
        return paddle.nn.ClipGradByGlobalNorm(clip_norm_global)
    return paddle.nn.ClipGradByValue(clip_value) if clip_value is not None else None
