"""The optimizers by the names that a configuration uses.

Each is a small class that holds its checked arguments and makes the Paddle optimizer from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import paddle

from ppocr.errors import ConfigError
from ppocr.optimizer.decay import Parameters, Regularizer, coupled_decay, gradient_clip
from ppocr.registry import OPTIMIZERS, REGULARIZERS


@dataclass(kw_only=True)
class OptimizerSpec:
    """Arguments that every optimizer has, and the base of all.

    Args:
        lr: The section of the learning-rate schedule.
        regularizer: Section of the penalty, ``{name: L1 or L2, factor: ...}``.
        weight_decay: Shorter form of an L2 regularizer; not both.
        clip_norm: Greatest norm of each single gradient tensor.
        clip_norm_global: Greatest norm of all gradients together.
        clip_value: Greatest absolute value of each gradient element. At most one of the three.
        no_weight_decay_name: Parts of structured parameter names (a list, or separated by spaces) that exempt a
            parameter from weight decay.
        one_dim_param_no_weight_decay: Exempt all one-dimensional parameters.
        lr_factors: Factors of the learning rate by pattern over structured names of parameters or layers, such as
            ``{"backbone.*": 0.1}``. The first pattern that covers a parameter counts; without one it is 1. Factors
            that layers have of their own are multiplied with it.
    """

    default_decay: ClassVar[float] = 0.0
    """Weight decay when the section gives none."""

    lr: dict[str, Any]
    regularizer: dict[str, Any] | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    clip_norm_global: float | None = None
    clip_value: float | None = None
    no_weight_decay_name: list[str] | str | None = None
    one_dim_param_no_weight_decay: bool = False
    lr_factors: dict[str, float] | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """The name patterns of parameters without weight decay."""
        names = self.no_weight_decay_name or ()
        return tuple(names.split()) if isinstance(names, str) else tuple(names)

    @property
    def clip(self) -> Any:
        """Paddle's clipping object, or None."""
        return gradient_clip(self.clip_norm, self.clip_norm_global, self.clip_value)

    def penalty(self) -> Regularizer | None:
        """Return the regularizer that the section asks for, else the default one; None for no decay.

        Raises:
            ConfigError: Both forms are given, or a negative factor.
        """
        if self.regularizer is not None and self.weight_decay is not None:
            raise ConfigError("Optimizer has both regularizer and weight_decay", expected="one of them",
                              cure="remove one")
        factor = self.default_decay if self.weight_decay is None else self.weight_decay
        section: Mapping[str, Any] = {"name": "L2", "factor": factor} if self.regularizer is None else self.regularizer
        penalty: Regularizer = REGULARIZERS.build(section)
        if not penalty.factor >= 0.0:
            raise ConfigError(f"the weight decay is {penalty.factor}", expected="0 or more",
                              cure="correct Optimizer.regularizer.factor or Optimizer.weight_decay")
        return penalty if penalty.factor else None

    def decay_factor(self) -> float:
        """Return the factor for an optimizer whose decay is decoupled from the gradient.

        Raises:
            ConfigError: An L1 penalty, which such an optimizer does not have.
        """
        penalty = self.penalty()
        if penalty is None:
            return 0.0
        if penalty.order != 2:
            raise ConfigError(f"{type(self).__name__} has no L1 regularizer", expected="L2 or weight_decay",
                              cure="use L2, or another optimizer")
        return penalty.factor

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        raise NotImplementedError

    def _common(self, parameters: Parameters, schedule: Any) -> dict[str, Any]:
        return {"learning_rate": schedule, "parameters": list(parameters.trainable.values()), "grad_clip": self.clip}

    def _coupled(self, parameters: Parameters) -> Any:
        return coupled_decay(self.penalty(), parameters)


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class SGD(OptimizerSpec):
    """Stochastic gradient descent.

    Args:
        multi_precision: Keep float32 copies of half-precision weights.
    """

    multi_precision: bool = False

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        return paddle.optimizer.SGD(
            multi_precision=self.multi_precision,
            weight_decay=self._coupled(parameters),
            **self._common(parameters, schedule),
        )


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class Momentum(OptimizerSpec):
    """Gradient descent with momentum.

    Args:
        momentum: Share of the last update that is kept.
        use_nesterov: Nesterov's variant.
        multi_precision: Keep float32 copies of half-precision weights.
    """

    momentum: float = 0.9
    use_nesterov: bool = False
    multi_precision: bool = False

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        return paddle.optimizer.Momentum(
            momentum=self.momentum,
            use_nesterov=self.use_nesterov,
            multi_precision=self.multi_precision,
            weight_decay=self._coupled(parameters),
            **self._common(parameters, schedule),
        )


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class Adam(OptimizerSpec):
    """Adam (Kingma & Ba, 2015); weight decay is added to the gradient.

    Args:
        beta1: Decay of the mean of the gradient.
        beta2: Decay of the mean of its square.
        epsilon: Added to the denominator.
        lazy_mode: For sparse gradients, update only the rows that have one.
        multi_precision: Keep float32 copies of half-precision weights.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    lazy_mode: bool = False
    multi_precision: bool = False

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        return paddle.optimizer.Adam(
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            lazy_mode=self.lazy_mode,
            multi_precision=self.multi_precision,
            weight_decay=self._coupled(parameters),
            **self._common(parameters, schedule),
        )


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019); 0.01 when none is given."""

    default_decay: ClassVar[float] = 0.01

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        decayed = parameters.decayed
        return paddle.optimizer.AdamW(
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            lazy_mode=self.lazy_mode,
            multi_precision=self.multi_precision,
            weight_decay=self.decay_factor(),
            apply_decay_param_fun=lambda name: decayed[name],
            **self._common(parameters, schedule),
        )


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class Lamb(OptimizerSpec):
    """LAMB for large batches (You et al., 2020), with decoupled weight decay; 0.01 when none is given.

    Args:
        beta1: Decay of the mean of the gradient.
        beta2: Decay of the mean of its square.
        epsilon: Added to the denominator.
        multi_precision: Keep float32 copies of half-precision weights.
    """

    default_decay: ClassVar[float] = 0.01

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    multi_precision: bool = False

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        decayed = parameters.decayed
        return paddle.optimizer.Lamb(
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            multi_precision=self.multi_precision,
            lamb_weight_decay=self.decay_factor(),
            exclude_from_weight_decay_fn=lambda parameter: not decayed[parameter.name],
            **self._common(parameters, schedule),
        )


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class RMSProp(OptimizerSpec):
    """RMSProp (Hinton, lecture 6e, 2012).

    Args:
        momentum: Share of the last update that is kept.
        rho: Decay of the mean of the squared gradient.
        epsilon: Added under the root.
        centered: Subtract the squared mean of the gradient.
    """

    momentum: float = 0.0
    rho: float = 0.95
    epsilon: float = 1e-6
    centered: bool = False

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        return paddle.optimizer.RMSProp(
            momentum=self.momentum,
            rho=self.rho,
            epsilon=self.epsilon,
            centered=self.centered,
            weight_decay=self._coupled(parameters),
            **self._common(parameters, schedule),
        )


@OPTIMIZERS.register()
@dataclass(kw_only=True)
class Adadelta(OptimizerSpec):
    """Adadelta (Zeiler, 2012).

    Args:
        rho: Decay of both running means.
        epsilon: Added under the roots.
    """

    rho: float = 0.95
    epsilon: float = 1e-8

    def create(self, parameters: Parameters, schedule: Any) -> Any:
        """Return the Paddle optimizer."""
        return paddle.optimizer.Adadelta(
            rho=self.rho,
            epsilon=self.epsilon,
            weight_decay=self._coupled(parameters),
            **self._common(parameters, schedule),
        )
