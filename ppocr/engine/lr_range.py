"""The learning-rate range test: how the loss answers to a rate that rises (Smith, "Cyclical Learning Rates", 2017)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.stopping import Stop
from ppocr.errors import ConfigError
from ppocr.optimizer.schedule import Curve

Array = npt.NDArray[np.float64]

DIVERGED = 4.0
"""Times its minimum above which the smoothed loss has diverged, if it is also higher than at the start."""

SMOOTHING, CENTRED = 0.9, 0.8
"""Share of the earlier losses in the moving average that tells divergence, and in the two that make the curve: these
have as little noise together as the first alone."""

SETTLING = 5
"""Steps at the start whose smoothed loss is too noisy to judge by."""

LEAST_FALL = 0.01
"""Share of the loss at the start by which it has to fall for a suggestion."""

BELOW_MINIMUM = 10.0
"""How much smaller than the rate of the smallest loss the cautious suggestion is."""


@dataclass(kw_only=True)
class Rising(Curve):
    """The rate of the test: it is multiplied by the same number in each step.

    Args:
        start: Rate of the first step, above 0.
        end: Rate of the last step.
        steps: Number of steps, at least 2.
    """

    start: float
    end: float
    steps: int

    def rate(self, step: int) -> float:
        """Return the rate of `step`."""
        return float(self.start * (self.end / self.start) ** (min(step, self.steps - 1) / (self.steps - 1)))


@dataclass(frozen=True)
class RangeResult:
    """What the test found.

    Args:
        rates: Learning rate of each step.
        losses: Loss of each step, the last one possibly not finite.
        smoothed: The loss smoothed by `centred`; shorter than `losses` by a last loss that is not finite.
        diverged: Whether the loss rose so far that the test ended before its last step.
        steepest: Rate at which the smoothed loss falls fastest over the logarithm of the rate, before its minimum;
            None if it never falls.
        minimum: Rate at which the smoothed loss is smallest; None if it never falls.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: bool
    steepest: float | None
    minimum: float | None

    @property
    def tenth_of_minimum(self) -> float | None:
        """A tenth of the rate of the smallest loss."""
        return None if self.minimum is None else self.minimum / BELOW_MINIMUM

    @property
    def suggestion(self) -> float | None:
        """The smaller of `steepest` and `tenth_of_minimum`, to two digits: too low a rate costs time, too high a run.

        None if the loss never falls.
        """
        if self.steepest is None or self.tenth_of_minimum is None:
            return None
        return float(f"{min(self.steepest, self.tenth_of_minimum):.1e}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; losses that are not finite become None."""
        plain = asdict(self) | {"tenth_of_minimum": self.tenth_of_minimum, "suggestion": self.suggestion}
        plain["losses"] = [loss if math.isfinite(loss) else None for loss in self.losses]
        return plain


class RangeTest(Hook):
    """Lets the rate rise and notes the loss of each optimizer step; takes the place of the other hooks of a run.

    Args:
        start: First rate, above 0.
        end: Last rate, above `start`.
        steps: Most optimizer steps, at least 2 * `SETTLING`.

    Raises:
        ConfigError: The numbers make no sense.
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        if not 0.0 < start < end < math.inf:
            raise ConfigError(f"the rate is to rise from {start:g} to {end:g}", expected="0 < start < end",
                              cure="correct --start and --end")
        if steps < 2 * SETTLING:
            raise ConfigError(f"the test has {steps} steps", expected=f"at least {2 * SETTLING}",
                              cure="correct --steps")
        self.start, self.end, self.steps = start, end, steps
        self._rates: list[float] = []
        self._losses: list[float] = []
        self._of_step: list[float] = []

    def before_train(self, run: TrainingRun) -> None:
        """Put the rising rate in the place of the schedule, and make the run as long as the test."""
        curve = run.schedule.curve
        run.schedule.curve = Rising(clock=curve.clock, start=self.start, end=self.end, steps=self.steps)
        run.schedule.set_state_dict({"step": 0})
        per_epoch = -(-run.batches_per_epoch // run.accumulation)
        run.config["Global"]["epoch_num"] = -(-self.steps // per_epoch)

    def after_step(self, run: TrainingRun) -> None:
        """Note the loss, and end the run after the last step or when the loss has diverged."""
        assert run.last is not None
        # Read at every step: the test is short, and has to end before the numbers overflow.
        self._of_step.append(float(run.last.losses["loss"]))
        if not run.last.stepped:
            return
        self._rates.append(run.last.learning_rate)
        self._losses.append(sum(self._of_step) / len(self._of_step))
        self._of_step.clear()
        if has_diverged(self._losses):
            run.request_stop(Stop("the loss has diverged"))
        elif len(self._losses) >= self.steps:
            run.request_stop(Stop("the test is complete"))

    def result(self) -> RangeResult:
        """Return what was found so far."""
        return find_rates(self._rates, self._losses)


def smooth(losses: list[float], keep: float = SMOOTHING) -> Array:
    """Return the moving average of finite losses, corrected for its start at 0 as in Adam (Kingma & Ba, 2015)."""
    average, smoothed = 0.0, []
    for number, loss in enumerate(losses, 1):
        average = keep * average + (1.0 - keep) * loss
        smoothed.append(average / (1.0 - keep**number))
    return np.array(smoothed, np.float64)


def centred(losses: list[float]) -> Array:
    """Return the mean of `smooth` from the start and from the end, which lags behind neither.

    Losses are cut off at twice the level of the start, so that the last ones before a divergence do not outweigh all.
    """
    level = smooth(losses[:SETTLING])[-1] if losses else 0.0
    cut = np.minimum(losses, level + abs(level)).tolist()
    mean: Array = (smooth(cut, CENTRED) + smooth(cut[::-1], CENTRED)[::-1]) / 2
    return mean


def has_diverged(losses: list[float]) -> bool:
    """Tell whether the last loss is not finite, or the smoothed one far above its minimum."""
    if not losses or not math.isfinite(losses[-1]):
        return bool(losses)
    smoothed = smooth(losses)[SETTLING:]
    return len(smoothed) > SETTLING and bool(smoothed[-1] > max(DIVERGED * smoothed.min(), smoothed[0]))


def find_rates(rates: list[float], losses: list[float]) -> RangeResult:
    """Return the result for the rates and losses of a test's steps."""
    finite = losses[:-1] if losses and not math.isfinite(losses[-1]) else losses
    smoothed = centred(finite)
    steepest = minimum = None
    if len(finite) > 2 * SETTLING:
        lowest = SETTLING + int(np.argmin(smoothed[SETTLING:]))
        slope = np.gradient(smoothed, np.log(rates[:len(finite)]))
        before = slope[SETTLING:lowest]
        if len(before) and smoothed[SETTLING] - smoothed[lowest] > LEAST_FALL * abs(smoothed[SETTLING]):
            steepest, minimum = rates[SETTLING + int(np.argmin(before))], rates[lowest]
    return RangeResult(list(rates), list(losses), smoothed.tolist(), has_diverged(losses), steepest, minimum)
