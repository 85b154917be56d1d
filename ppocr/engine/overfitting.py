"""One batch must be learned: the quickest test of data, labels, network, loss and learning rate together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle

from ppocr.config import Config
from ppocr.engine.evaluator import predict_batch
from ppocr.engine.guards.debugging import names_without_gradient, tensors_in
from ppocr.engine.hooks import Hook, HookList
from ppocr.engine.run import TrainingRun
from ppocr.errors import DatasetError
from ppocr.optimizer.curves import Const

Step = Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
"""Trains on a batch; returns losses and outputs."""

REGIONS = ("polys", "ignore_tags")
"""What a metric of regions reads besides the images; training transforms make it, but leave it out of the batch."""

OVERRIDES = ("Global.checkpoints=null", "Global.cache_features=false", "Train.loader.num_workers=0",
             "Eval.loader.num_workers=0", "Global.ema_decay=null")
"""What the test needs: neither the place of another run nor anything that is only for a long one."""

_STILL = 0.02
"""Share of its beginning by which a loss has to fall to be called falling."""
_SHOWN = 20


@dataclass
class Trace:
    """What the test saw.

    Attributes:
        rate: The learning rate.
        indicator: Name of the metric.
        target: From where on the batch counts as learned.
        losses: Loss of each step.
        scores: ``(step, metric)`` in evaluation mode.
        idle: Trainable parameters that no gradient reached.
        frozen: Number of parameters that are not trained.
        gradient: Largest gradient of the first step, in absolute value.
        are_outputs_equal: Whether the network gives the same for all samples, at the end.
        dropped: Samples of the batch that could not be used, in words.
    """

    rate: float
    indicator: str
    target: float
    losses: list[float] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    frozen: int = 0
    gradient: float = 0.0
    are_outputs_equal: bool = False
    dropped: str = ""

    @property
    def is_learned(self) -> bool:
        """Whether the metric has reached the target."""
        return bool(self.scores) and self.scores[-1][1] >= self.target


class _FirstGradients(Hook):
    """Looks at the gradients of the first step."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def before_update(self, run: TrainingRun) -> None:
        if self._trace.losses:
            return
        self._trace.idle = names_without_gradient(run.network)
        gradients = [parameter.grad for parameter in run.network.parameters() if parameter.grad is not None]
        self._trace.gradient = max((float(gradient.astype("float32").abs().max()) for gradient in gradients),
                                   default=0.0)


def overrides_for_regions(config: Config) -> list[str]:
    """Return the override by which training batches hold the regions that the metric of evaluation reads."""
    kept = {split: next((entry["KeepKeys"]["keep_keys"] for entry in config[split]["dataset"]["transforms"]
                         if "KeepKeys" in entry), None) for split in ("Train", "Eval")}
    if kept["Train"] is None or kept["Eval"] is None:
        return []
    missing = [key for key in REGIONS if key in kept["Eval"] and key not in kept["Train"]]
    keys = ", ".join([*kept["Train"], *missing])
    return [f"Train.dataset.transforms.KeepKeys.keep_keys=[{keys}]"] if missing else []


def first_batch(run: TrainingRun, samples: int) -> dict[str, Any]:
    """Return the first samples of the first training batch, with what the post-processing reads besides.

    Raises:
        DatasetError: There is none.
    """
    run.train_loader.set_epoch(0)
    batch = next(iter(run.train_loader), None)
    if batch is None:
        raise DatasetError("there is no batch to learn", expected="training data", cure="look at Train.dataset")
    cut = {key: value[:samples] if key != "failed" else [] for key, value in batch.items()}
    if "shape" in getattr(run.postprocess, "needs", ()) and "shape" not in cut:
        count, _, height, width = cut["image"].shape
        # The regions of a training sample are those of the image as it is in the batch.
        cut["shape"] = paddle.to_tensor(np.array([[height, width, 1.0, 1.0]] * count, np.float32))
    return cut


def highest_rate(run: TrainingRun) -> float:
    """Return the highest learning rate of the run's schedule: after its warm-up, before its decay."""
    curve = run.schedule.curve
    steps = np.unique(np.linspace(0, max(curve.clock.total - 1, 0), 1000).round().astype(int)).tolist()
    return max(float(curve(step)) for step in [*steps, curve.warmup])


def overfit(run: TrainingRun, step: Step, batch: dict[str, Any], *, steps: int, target: float, rate: float,
            report: Callable[[Trace], None], every: int = 20) -> Trace:
    """Train on one batch until it is learned, and return what was seen.

    Args:
        run: The run; its hooks are left out, its learning rate is constant.
        step: Trains a batch.
        batch: The batch, the same tensors in each step.
        steps: Steps at most.
        target: Metric of the batch, in evaluation mode, from which on it counts as learned.
        rate: The learning rate.
        report: Called after each look at the metric.
        every: Steps between two looks at the metric.
    """
    trace = Trace(rate, run.metric.main_indicator, target)
    if run.train_loader.report.total:
        trace.dropped = run.train_loader.report.summary()
    trace.frozen = sum(parameter.stop_gradient for name, parameter in run.network.named_parameters()
                       if not name.endswith(("._mean", "._variance")))
    run.hooks = HookList([_FirstGradients(trace)])
    run.schedule.curve = Const(clock=run.schedule.curve.clock, learning_rate=rate)
    run.schedule.set_state_dict({"step": 0})
    run.model.train()
    for number in range(1, steps + 1):
        losses, outputs = step(batch)
        trace.losses.append(float(losses["loss"]))
        if not math.isfinite(trace.losses[-1]):
            break
        if number % every == 0 or number == steps:
            trace.scores.append((number, score(run, batch)))
            report(trace)
            if trace.is_learned:
                break
    trace.are_outputs_equal = not trace.is_learned and _are_equal(outputs)
    return trace


def score(run: TrainingRun, batch: dict[str, Any]) -> float:
    """Return the main indicator of the batch, in evaluation mode."""
    run.network.eval()
    try:
        with paddle.no_grad():
            results = predict_batch(run.network, batch, run.postprocess, run.precision.autocast)
    finally:
        run.network.train()
    run.metric.reset()
    run.metric.update(results, batch)
    return float(run.metric.compute()[run.metric.main_indicator])


def advice(trace: Trace) -> list[str]:
    """Return what to look at when the batch was not learned, the likeliest cause first."""
    first, last = trace.losses[0], trace.losses[-1]
    hints = []
    if not math.isfinite(last):
        hints.append(f"The loss is not finite after {len(trace.losses)} steps: lower the learning rate "
                     f"({trace.rate:g}), or find the layer with tools/train.py --debug.")
    elif last > 1.5 * first:
        hints.append(f"The loss rose from {first:.4g} to {last:.4g}: the learning rate ({trace.rate:g}) is too high.")
    elif last > (1 - _STILL) * first:
        hints.append(f"The loss stayed where it was ({first:.4g} to {last:.4g}): the learning rate ({trace.rate:g}) "
                     "may be too low, or no gradient reaches what should learn.")
    if trace.gradient < 1e-8:
        hints.append(f"The largest gradient of the first step is {trace.gradient:.2g}: nothing is learned from that.")
    if trace.idle:
        hints.append(f"No gradient reaches {len(trace.idle)} parameters: {_listed(trace.idle)}")
    if trace.frozen:
        hints.append(f"{trace.frozen} parameters are frozen (Global.freeze).")
    if trace.are_outputs_equal:
        hints.append("The network gives the same for all samples: it does not see its input. In recognition by CTC "
                     "that is the state before it begins to learn: try more --steps, or a higher --rate.")
    if trace.dropped:
        hints.append(f"Samples were left out of the batch: {trace.dropped}.")
    if math.isfinite(last) and last <= (1 - _STILL) * first:
        before = trace.losses[len(trace.losses) * 3 // 4]
        if last < 0.2 * first and last > 0.9 * before:
            hints.append(f"The loss fell from {first:.4g} to {last:.4g}, but {trace.indicator} stays low in evaluation "
                         "mode: look at the post-processing and its thresholds, the labels, and batch norms with few "
                         "samples.")
        else:
            hints.append(f"The loss still falls ({before:.4g} to {last:.4g} in the last quarter): try more --steps, or "
                         "a higher --rate.")
    return hints


def _are_equal(outputs: dict[str, Any]) -> bool:
    """Tell whether all samples have the same outputs, but for rounding."""
    tensors = [tensor.astype("float32").numpy() for tensor in tensors_in(outputs)]
    batched = [array for array in tensors if array.ndim > 1 and len(array) > 1]
    return bool(batched) and all(np.abs(array - array[:1]).max() <= 1e-4 * max(np.abs(array).max(), 1e-12)
                                 for array in batched)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
