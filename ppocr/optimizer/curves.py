"""The learning-rate curves by the names that a configuration uses under ``Optimizer.lr``."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ppocr.errors import ConfigError
from ppocr.optimizer.schedule import Clock, Curve
from ppocr.registry import SCHEDULES

__all__ = ["Clock", "Curve"]  # Clock is used by annotations of the dataclasses, which are resolved in this module.


def _cosine(share: float, start: float, end: float) -> float:
    """Return the value at `share` (0 to 1) of half a cosine from `start` to `end`."""
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


def _power(share: float, start: float, end: float, exponent: float) -> float:
    """Return the value at `share` (0 to 1) of a curve from `start` to `end` like ``(1 - share) ** exponent``."""
    return end + (start - end) * math.pow(1.0 - share, exponent)


@dataclass(kw_only=True)
class _RateCurve(Curve):
    """A curve with a base rate.

    Args:
        learning_rate: The base rate, which holds when the warm-up ends.
    """

    learning_rate: float = 0.001


@SCHEDULES.register()
@dataclass(kw_only=True)
class Const(_RateCurve):
    """The same rate all the time."""

    def rate(self, step: int) -> float:
        """Return the base rate."""
        return self.learning_rate


@SCHEDULES.register()
@dataclass(kw_only=True)
class Cosine(_RateCurve):
    """Half a cosine from the base rate to `eta_min` (Loshchilov & Hutter, SGDR, 2017, without restarts).

    Args:
        eta_min: Rate at the end of training.
    """

    eta_min: float = 0.0

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return _cosine(self.progress(step), self.learning_rate, self.eta_min)


@SCHEDULES.register()
@dataclass(kw_only=True)
class LinearWarmupCosine(_RateCurve):
    """Warm-up from `start_lr`, 5000 steps unless the section says otherwise, then half a cosine to `min_lr`.

    Args:
        start_lr: Rate of step 0.
        min_lr: Rate at the end of training.
    """

    start_lr: float = 1e-5
    min_lr: float = 1e-8

    @property
    def warmup(self) -> int:
        """Length of the warm-up in steps."""
        return super().warmup if self.warmup_epoch or self.warmup_steps is not None else 5000

    @property
    def warmup_start(self) -> float:
        """Rate of step 0."""
        return self.start_lr

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return _cosine(self.progress(step), self.learning_rate, self.min_lr)


@SCHEDULES.register()
@dataclass(kw_only=True)
class Linear(_RateCurve):
    """``end_lr + (learning_rate - end_lr) * (1 - progress) ** power``.

    Args:
        end_lr: Rate at the end of training.
        power: Exponent; 1 is a straight line.
    """

    end_lr: float = 0.0
    power: float = 1.0

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return _power(self.progress(step), self.learning_rate, self.end_lr, self.power)


@SCHEDULES.register()
@dataclass(kw_only=True)
class Poly(Linear):
    """As Linear, with the exponent 0.9 that is usual for detectors."""

    power: float = 0.9


@SCHEDULES.register()
@dataclass(kw_only=True)
class DecayLearningRate(_RateCurve):
    """As Linear; its exponent is called `factor`.

    Args:
        factor: Exponent.
        end_lr: Rate at the end of training.
    """

    factor: float = 0.9
    end_lr: float = 0.0

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return _power(self.progress(step), self.learning_rate, self.end_lr, self.factor)


@SCHEDULES.register()
@dataclass(kw_only=True)
class Step(_RateCurve):
    """The rate is multiplied by `gamma` every `step_size` epochs.

    Args:
        step_size: Number of epochs with the same rate.
        gamma: Factor.
    """

    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _positive("step_size", self.step_size)

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return self.learning_rate * self.gamma ** (step // self.clock.steps(self.step_size))


@SCHEDULES.register("MultiStep", "MultiStepDecay")
@dataclass(kw_only=True)
class MultiStep(_RateCurve):
    """The rate is multiplied by `gamma` at each of the `milestones`.

    Args:
        milestones: Epochs, ascending.
        gamma: Factor.
    """

    milestones: tuple[float, ...]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _ascending("milestones", self.milestones)

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return self.learning_rate * self.gamma ** _passed(self.clock, self.milestones, step)


@SCHEDULES.register()
@dataclass(kw_only=True)
class Piecewise(Curve):
    """Rates that hold between given epochs.

    Args:
        decay_epochs: Epochs at which the next value begins, ascending.
        values: The rates, one more than `decay_epochs`.
    """

    peak_key: ClassVar[str] = "values"

    decay_epochs: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        _ascending("decay_epochs", self.decay_epochs)
        if len(self.values) != len(self.decay_epochs) + 1:
            raise ConfigError(
                f"Piecewise has {len(self.values)} values for {len(self.decay_epochs)} decay_epochs",
                expected="one value more than decay_epochs", cure="correct Optimizer.lr",
            )

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return self.values[_passed(self.clock, self.decay_epochs, step)]


@SCHEDULES.register()
@dataclass(kw_only=True)
class TwoStepCosine(_RateCurve):
    """A cosine that reaches `eta_min` after `first_epochs`, then the tail of a cosine over the whole training.

    The second cosine is followed from where it stands at that time, so that the rate jumps up once and falls to
    `eta_min` again. A training that is not longer than `first_epochs` has the first cosine only.

    Args:
        first_epochs: Epoch at which the first cosine ends.
        eta_min: Rate at the end of both.
    """

    first_epochs: float = 200.0
    eta_min: float = 0.0

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        first = min(self.clock.steps(self.first_epochs), self.clock.total) - self.warmup
        behind = step - self.warmup
        share = behind / first if 0 <= behind < first else self.progress(step)
        return _cosine(share, self.learning_rate, self.eta_min)


@SCHEDULES.register()
@dataclass(kw_only=True)
class CyclicalCosine(_RateCurve):
    """Half a cosine from the base rate to `eta_min`, again and again (SGDR with equal periods).

    Args:
        cycle: Epochs of one period; the first begins when the warm-up ends.
        eta_min: Rate at the end of a period.
    """

    cycle: float
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        _positive("cycle", self.cycle)

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        period = max(self.clock.steps(self.cycle), 1)
        return _cosine((step - self.warmup) % period / period, self.learning_rate, self.eta_min)


@SCHEDULES.register()
@dataclass(kw_only=True)
class OneCycle(Curve):
    """Up to `max_lr` and down again within the training (Smith & Topin, "Super-Convergence", 2018).

    From ``max_lr / div_factor`` it rises during the share `pct_start` of the steps, then falls to
    ``max_lr / div_factor / final_div_factor``. With `three_phase` it first falls symmetrically to the initial rate.

    Args:
        max_lr: The highest rate.
        anneal_strategy: ``cos`` or ``linear`` between the corners.
        three_phase: See above.
        pct_start: Share of the steps in which the rate rises; with `three_phase` below 0.5.
        div_factor: Highest over initial rate.
        final_div_factor: Initial over final rate.
    """

    peak_key: ClassVar[str] = "max_lr"

    max_lr: float = 0.001
    anneal_strategy: Literal["cos", "linear"] = "cos"
    three_phase: bool = False
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        highest = 0.5 if self.three_phase else 1.0
        if not 0.0 < self.pct_start < highest:
            raise ConfigError(f"OneCycle has pct_start {self.pct_start}", expected=f"between 0 and {highest}",
                              cure="correct Optimizer.lr.pct_start")

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        initial = self.max_lr / self.div_factor
        final = initial / self.final_div_factor
        corners = [(0.0, initial), (self.pct_start, self.max_lr), (1.0, final)]
        if self.three_phase:
            corners.insert(2, (2.0 * self.pct_start, initial))
        done = self.progress(step)
        piece = max(bisect.bisect_left([position for position, _ in corners], done), 1)
        (left, begin), (right, end) = corners[piece - 1], corners[piece]
        share = (done - left) / (right - left)
        return _cosine(share, begin, end) if self.anneal_strategy == "cos" else begin + (end - begin) * share


@SCHEDULES.register()
@dataclass(kw_only=True)
class ReduceOnPlateau(_RateCurve):
    """The rate is multiplied by `factor` when the main indicator has not improved for a while.

    Counted in evaluations: after more than `patience` of them in a row without an improvement over the best value the
    rate falls, and the next `cooldown` evaluations are not counted.

    Args:
        factor: Factor, below 1.
        patience: Evaluations without improvement that are tolerated.
        threshold: What counts as an improvement: a value better than the best one by this share of it (``rel``) or
            by this amount (``abs``).
        threshold_mode: ``rel`` or ``abs``.
        cooldown: Evaluations after a reduction that are not counted.
        min_lr: The rate does not fall below.
        mode: Whether a higher (``max``) or lower (``min``) value is better. Main indicators are better when higher.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    mode: Literal["max", "min"] = "max"
    _scale: float = field(default=1.0, init=False)
    _best: float | None = field(default=None, init=False)
    _bad: int = field(default=0, init=False)
    _resting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.factor < 1.0:
            raise ConfigError(f"ReduceOnPlateau has factor {self.factor}", expected="between 0 and 1",
                              cure="correct Optimizer.lr.factor")

    def rate(self, step: int) -> float:
        """Return the rate, which depends on the evaluations so far and not on `step`."""
        return max(self.learning_rate * self._scale, min(self.min_lr, self.learning_rate))

    def on_eval(self, value: float) -> None:
        """Count an evaluation; NaN is no improvement."""
        if self._improves(value):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._resting:
            self._resting, self._bad = self._resting - 1, 0
        elif self._bad > self.patience:
            self._scale, self._bad, self._resting = self._scale * self.factor, 0, self.cooldown

    def _improves(self, value: float) -> bool:
        if self._best is None:
            return not math.isnan(value)
        margin = self.threshold * (abs(self._best) if self.threshold_mode == "rel" else 1.0)
        return value > self._best + margin if self.mode == "max" else value < self._best - margin

    def state(self) -> dict[str, Any]:
        """Return the reductions and counters."""
        return {"scale": self._scale, "best": self._best, "bad": self._bad, "resting": self._resting}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`; a state of another schedule leaves the counters as they are."""
        self._scale = float(state.get("scale", self._scale))
        self._best = state.get("best", self._best)
        self._bad = int(state.get("bad", self._bad))
        self._resting = int(state.get("resting", self._resting))


def _passed(clock: Clock, epochs: tuple[float, ...], step: int) -> int:
    """Return how many of the ascending `epochs` have begun at `step`."""
    return bisect.bisect_right([clock.steps(epoch) for epoch in epochs], step)


def _ascending(name: str, epochs: tuple[float, ...]) -> None:
    if list(epochs) != sorted(epochs):
        raise ConfigError(f"Optimizer.lr.{name} is {list(epochs)}", expected="ascending epochs", cure="sort them")


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise ConfigError(f"Optimizer.lr.{name} is {value}", expected="more than 0", cure="correct the value")
