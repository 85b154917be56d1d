"""The learning rate as a function of the optimizer step.

A `Curve` says which rate each step has; `Schedule` is the one Paddle scheduler that follows a curve. As the rate is
computed from the step alone, a resumed run continues exactly, and a run that is resumed with more epochs simply
follows the longer curve from where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import paddle

from ppocr.errors import ConfigError


@dataclass(frozen=True)
class Clock:
    """The length of a training run.

    Args:
        epochs: Number of epochs.
        steps_per_epoch: Optimizer steps of one epoch (batches divided by the accumulation).
        samples_per_step: Samples that make one step: batch size x ranks x accumulated batches; None if unknown.
        skipped: Steps of these epochs that were trained before the curve began.
    """

    epochs: int
    steps_per_epoch: int
    samples_per_step: int | None = None
    skipped: int = 0

    @property
    def total(self) -> int:
        """Optimizer steps from the beginning of the curve to the end of the run."""
        return self.epochs * self.steps_per_epoch - self.skipped

    def steps(self, epochs: float) -> int:
        """Return the nearest number of steps for a number of epochs."""
        return round(epochs * self.steps_per_epoch)


@dataclass(kw_only=True)
class Curve:
    """Base of all curves: warm-up, then `rate`.

    During the first ``warmup`` steps the rate rises linearly from 0 to the rate of the step at which the warm-up
    ends. What a curve calls the end of training is the moment after the last step, so that the last step itself still
    has a rate above the final one. Epochs in the arguments of a curve (such as ``decay_epochs``) are counted from the
    start of training, warm-up included. Curves that fall over the whole training do so between the end of the
    warm-up and the end of training; PaddleOCR lets them fall over the full length after the warm-up, so that they do
    not reach their end.

    With `scaling` all rates of the curve are multiplied by one factor, so that a configuration can be trained with
    other batch sizes, ranks or accumulation: samples per optimizer step / `base_batch_size` (``linear``: Goyal et al.,
    "Accurate, Large Minibatch SGD", 2017), or the square root of it (``sqrt``: Krizhevsky, "One weird trick", 2014;
    the usual choice for Adam).

    Args:
        clock: Length of the run; supplied by the builder.
        warmup_epoch: Length of the warm-up in epochs, fractions allowed.
        warmup_steps: The same in optimizer steps; not both.
        scaling: ``linear``, ``sqrt``, or null for none.
        base_batch_size: Samples per optimizer step that the rates were chosen for.
    """

    peak_key: ClassVar[str] = "learning_rate"
    """Key of the configuration that holds the highest rate."""

    clock: Clock
    warmup_epoch: float = 0.0
    warmup_steps: int | None = None
    scaling: Literal["linear", "sqrt"] | None = None
    base_batch_size: int | None = None

    @property
    def warmup(self) -> int:
        """Length of the warm-up in steps."""
        return self.clock.steps(self.warmup_epoch) if self.warmup_steps is None else self.warmup_steps

    @property
    def warmup_start(self) -> float:
        """Rate of step 0 when there is a warm-up."""
        return 0.0

    @property
    def batch_factor(self) -> float:
        """What all rates are multiplied by, 1 without `scaling`."""
        if self.scaling is None or self.base_batch_size is None or self.clock.samples_per_step is None:
            return 1.0
        ratio = self.clock.samples_per_step / self.base_batch_size
        return math.sqrt(ratio) if self.scaling == "sqrt" else ratio

    @property
    def decay_steps(self) -> int:
        """Steps between the end of the warm-up and the end of training, at least 1."""
        return max(self.clock.total - self.warmup, 1)

    def progress(self, step: int) -> float:
        """Return the share of the decay that lies behind, 0 at the end of the warm-up, 1 at the end of training."""
        return min(max(step - self.warmup, 0) / self.decay_steps, 1.0)

    def rate(self, step: int) -> float:
        """Return the rate of `step` (0 for the first), a step not within the warm-up, without `batch_factor`."""
        raise NotImplementedError

    def __call__(self, step: int) -> float:
        """Return the learning rate of optimizer step `step`, 0 for the first."""
        warmup = self.warmup
        if step >= warmup:
            return self.batch_factor * self.rate(step)
        start = self.warmup_start
        return self.batch_factor * (start + (self.rate(warmup) - start) * step / warmup)

    def on_eval(self, value: float) -> None:
        """Take note of an evaluation; for curves that depend on it."""

    def state(self) -> dict[str, Any]:
        """Return what the curve has to remember besides the step."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""

    def check(self, place: str) -> None:
        """Check the arguments that every curve has.

        Raises:
            ConfigError: Two lengths of the warm-up, a negative one, a rate that is negative or not finite, or a
                scaling without its base.
        """
        base = self.base_batch_size
        if (self.scaling is not None and base is None) or (base is not None and base < 1):
            raise ConfigError(f"{place}: scaling is {self.scaling}, base_batch_size is {base}",
                              expected="the samples per optimizer step that learning_rate was chosen for, such as 256",
                              cure="set base_batch_size, or remove scaling")
        if self.warmup_steps is not None and self.warmup_epoch:
            raise ConfigError(f"{place}: both warmup_epoch and warmup_steps are given", expected="one of them",
                              cure="remove one")
        if self.warmup < 0:
            raise ConfigError(f"{place}: the warm-up has {self.warmup} steps", expected="0 or more",
                              cure="correct warmup_epoch or warmup_steps")
        peak = self.rate(self.warmup)
        if not peak >= 0.0 or peak == float("inf"):
            raise ConfigError(f"{place}: the learning rate is {peak}", expected="a number that is not negative",
                              cure="correct the learning rate")

    def describe(self) -> str:
        """Return one line about the curve for the log."""
        steps = "1 warm-up step" if self.warmup == 1 else f"{self.warmup} warm-up steps"
        warmed_up = f"{self(self.warmup):g} after {steps}, " if self.warmup else ""
        text = (f"{type(self).__name__}: rate {self(0):g} at the start, {warmed_up}"
                f"{self(self.clock.total):g} at the end ({self.clock.total} steps)")
        if self.warmup and self.warmup >= self.clock.total:
            text += "; the warm-up is as long as the training, its full rate is not reached"
        if self.scaling is not None:
            text += (f"; scaled by {self.batch_factor:g}: {self.scaling}, {self.clock.samples_per_step} samples per "
                     f"step, base_batch_size {self.base_batch_size}")
        return text


class Schedule(paddle.optimizer.lr.LRScheduler):
    """The scheduler that hands a curve to the optimizer.

    Call `step` after each optimizer step and `on_eval` after each evaluation. The rate in use is ``schedule()``.

    Args:
        curve: The rate as a function of the step.

    Attributes:
        first_step: The optimizer step with which the curve begins; below 0 where it was `move_to` a later place.
        epochs_before: Length of what was trained before `begin_anew`, 0 without that.
    """

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.first_step = 0
        self.epochs_before = 0.0
        super().__init__(learning_rate=curve(curve.warmup))

    def get_lr(self) -> float:
        """Return the learning rate of the current step."""
        return float(self.curve(self.position))

    @property
    def steps_done(self) -> int:
        """Number of calls of `step`."""
        return int(self.last_epoch)

    @property
    def position(self) -> int:
        """Number of the next step in the curve, 0 for its first."""
        return int(self.last_epoch) - self.first_step

    def move_to(self, position: int) -> None:
        """Let the next step be the one of this number in the curve."""
        self._begin(self.steps_done - position, self.epochs_before)

    def begin_anew(self, step: int, epochs_done: float) -> None:
        """Let the curve begin with a step, and end with the run.

        Args:
            step: The next optimizer step.
            epochs_done: Length of what was trained before, with the fraction of the current epoch.
        """
        self.last_epoch = step
        self._begin(step, epochs_done)

    def on_eval(self, value: float) -> None:
        """Tell the curve the main indicator of an evaluation; a new rate holds from the next optimizer step."""
        self.curve.on_eval(value)
        self.last_lr = self.get_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the step and what the curve remembers, as plain values."""
        state = {"step": self.steps_done, **self.curve.state()}
        if self.first_step or self.epochs_before:
            state |= {"first_step": self.first_step, "epochs_before": self.epochs_before}
        return state

    def set_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the step of `state_dict`; the rate is computed anew from this schedule's own curve."""
        self.last_epoch = int(state_dict["step"])
        self.curve.load_state(state_dict)
        self._begin(int(state_dict.get("first_step", 0)), float(state_dict.get("epochs_before", 0.0)))

    def _begin(self, first_step: int, epochs_before: float) -> None:
        self.first_step, self.epochs_before = first_step, epochs_before
        self.curve.clock = replace(self.curve.clock, skipped=self.curve.clock.steps(epochs_before))
        self.last_lr = self.get_lr()

    set_dict = set_state_dict  # Paddle's other name for it, which would be the base class's method.
