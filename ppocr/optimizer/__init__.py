"""Optimizer, learning-rate schedule, weight decay and gradient clipping from the ``Optimizer`` section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppocr.errors import ConfigError
from ppocr.optimizer import curves, optimizers  # imported to register
from ppocr.optimizer.decay import Parameters, select_parameters
from ppocr.optimizer.rate_factors import apply_rate_factors
from ppocr.optimizer.schedule import Clock, Schedule
from ppocr.registry import OPTIMIZERS, SCHEDULES
from ppocr.sections import Section, where

__all__ = ["build_optimizer", "build_schedule", "curves", "optimizers"]


def build_optimizer(
    section: Mapping[str, Any], model: Any, *, epochs: int, steps_per_epoch: int, samples_per_step: int | None = None
) -> tuple[Any, Schedule]:
    """Build the optimizer of `model` and its schedule.

    The trainable parameters of the model (those without ``stop_gradient``) are optimized. A parameter's own
    regularizer takes the place of the optimizer's weight decay. The text attribute ``optimizer_report`` of the
    optimizer tells what was set up: schedule, clipping, decay, the parameters without decay, and the factors of the
    learning rate.

    Args:
        section: The ``Optimizer`` section.
        model: A ``paddle.nn.Layer``.
        epochs: Length of the training.
        steps_per_epoch: Optimizer steps of one epoch, gradient accumulation taken into account.
        samples_per_step: Samples of all ranks and accumulated batches that make one step, for `lr.scaling`.

    Returns:
        The Paddle optimizer and the schedule. Call ``schedule.step()`` after each optimizer step and
        ``schedule.on_eval(value)`` after each evaluation.

    Raises:
        ConfigError: Unknown name or key, wrong type or value, or a model without trainable parameters.
    """
    spec = OPTIMIZERS.build(section)
    schedule = build_schedule(spec.lr, epochs=epochs, steps_per_epoch=steps_per_epoch,
                              samples_per_step=samples_per_step)
    parameters = select_parameters(model, spec.patterns, spec.one_dim_param_no_weight_decay)
    factors = apply_rate_factors(model, spec.lr_factors or {}, where(section, "lr_factors"))
    optimizer = spec.create(parameters, schedule)
    optimizer.optimizer_report = "\n".join([_report(spec, schedule, parameters), *factors])
    return optimizer, schedule


def build_schedule(section: Mapping[str, Any], *, epochs: int, steps_per_epoch: int,
                   samples_per_step: int | None = None) -> Schedule:
    """Build the schedule of an ``lr`` section; a section without a name is a constant rate.

    Raises:
        ConfigError: See `build_optimizer`.
    """
    if epochs < 1 or steps_per_epoch < 1:
        raise ConfigError(
            f"the training has {epochs} epochs of {steps_per_epoch} optimizer steps", expected="at least 1 of each",
            cure="set Global.epoch_num, add data, or lower batch_size_per_card or Global.accumulation_steps",
        )
    if not section.get("name"):
        named = Section({"name": "Const", **section}, path=getattr(section, "path", "Optimizer.lr"))
        named.origins = dict(getattr(section, "origins", {}))
        section = named
    curve = SCHEDULES.build(section, clock=Clock(epochs, steps_per_epoch, samples_per_step))
    curve.check(where(section))
    return Schedule(curve)


def _report(spec: Any, schedule: Schedule, parameters: Parameters) -> str:
    penalty = spec.penalty()
    decay = "none" if penalty is None else f"L{penalty.order} {penalty.factor:g}"
    clip = {name: getattr(spec, name) for name in ("clip_norm", "clip_norm_global", "clip_value")}
    clip_text = ", ".join(f"{name} {limit:g}" for name, limit in clip.items() if limit is not None) or "none"
    total = sum(int(parameter.size) for parameter in parameters.trainable.values())
    lines = [
        f"optimizer {type(spec).__name__}: {len(parameters.trainable)} parameters ({total:,} values), "
        f"weight decay {decay}, gradient clipping {clip_text}",
        f"learning rate {schedule.curve.describe()}",
    ]
    for reason in dict.fromkeys(parameters.exempt.values()):
        names = [name for name, why in parameters.exempt.items() if why == reason]
        lines.append(f"not under the optimizer's weight decay ({reason}): {len(names)}: {', '.join(names)}")
    lines += [f"no_weight_decay_name {pattern!r} matches no parameter" for pattern in parameters.unused_patterns]
    return "\n".join(lines)
