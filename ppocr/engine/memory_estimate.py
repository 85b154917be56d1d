"""How much memory a training takes: what is known before it begins, and what a dry run measures."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle

from ppocr.data.worker_memory import memory_left
from ppocr.engine.console import clock
from ppocr.engine.guards.debugging import tensors_in
from ppocr.engine.run import TrainingRun

LOGGER = logging.getLogger("ppocr")

STATES = {"SGD": 0, "Momentum": 1, "Adam": 2, "AdamW": 2, "Lamb": 2, "RMSProp": 3, "Adadelta": 2}
"""Numbers that each optimizer keeps for each trained number of the model."""

MIB = 1 << 20


@dataclass(frozen=True)
class TrainingMemory:
    """What a training keeps from step to step, in bytes.

    Attributes:
        parameters: Weights and the statistics of batch norms, with float32 masters and the moving average if there
            are any.
        gradients: Gradients of what is trained.
        optimizer: State of the optimizer; 0 for optimizers that are not known.
    """

    parameters: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.optimizer


def training_memory(run: TrainingRun) -> TrainingMemory:
    """Return what the weights and what belongs to them take. Outputs of layers come on top (see `dry_run`)."""
    weights = list({id(tensor): tensor for tensor in run.network.state_dict().values()}.values())
    trained = [parameter for parameter in run.network.parameters() if not parameter.stop_gradient]
    numbers = sum(int(parameter.size) for parameter in trained)
    own = sum(_bytes(tensor) for tensor in weights)
    # With O2 the weights are half precision, and the optimizer keeps masters and its state in float32.
    masters = sum(4 * int(parameter.size) for parameter in trained if parameter.element_size() < 4)
    average = own if run.average is not None else 0
    states = STATES.get(type(run.optimizer).__name__, 0)
    return TrainingMemory(own + masters + average, sum(_bytes(parameter) for parameter in trained),
                          4 * states * numbers)


def memory_line(run: TrainingRun) -> str:
    """Return the line of the log about memory before a run."""
    needed = training_memory(run)
    total, name = device_memory()
    return (f"Memory: {_mib(needed.parameters)} weights + {_mib(needed.gradients)} gradients + "
            f"{_mib(needed.optimizer)} optimizer = {_mib(needed.total)}"
            + (f" of {_mib(total)} ({name})" if total else "")
            + "; the outputs of layers come on top, which tools/train.py --dry-run measures")


def device_memory() -> tuple[int, str]:
    """Return the bytes of the device that trains and what they are; 0 where the system does not tell."""
    if paddle.get_device().startswith("gpu"):
        properties = paddle.device.cuda.get_device_properties()
        return int(properties.total_memory), str(properties.name)
    room = memory_left()
    return (room.size, f"free; {room.limit}") if room is not None else (0, "")


def dry_run(run: TrainingRun, step: Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]], *,
            steps: int = 3) -> None:
    """Train a few batches without saving anything; log shapes, memory, time, and what an epoch will take.

    The first step is not timed: memory is taken and kernels are chosen in it.

    Args:
        run: The run, whose hooks are left out.
        step: Trains a batch, returns losses and outputs.
        steps: Steps that are timed, at least 1; fewer where the epoch has fewer batches.
    """
    run.hooks.hooks.clear()
    run.model.train()
    before = _reset_peak()
    shapes: list[str] = []
    handles = [layer.register_forward_post_hook(functools.partial(_note_shapes, shapes, name))
               for name, layer in run.network.named_children()]
    run.train_loader.set_epoch(0)
    seconds: list[tuple[float, float]] = []
    asked = time.perf_counter()
    for batch in run.train_loader:
        started = time.perf_counter()
        losses, _ = step(batch)
        values = {name: float(value) for name, value in losses.items()}  # Waits for the device.
        finished = time.perf_counter()
        seconds.append((started - asked, finished - started))
        if len(seconds) == 1:
            for handle in handles:
                handle.remove()
            _log_first(batch, shapes, values)
        if len(seconds) > steps:
            break
        asked = time.perf_counter()
    _log_memory(training_memory(run), before)
    _log_time(run, seconds)


def _log_first(batch: dict[str, Any], shapes: list[str], losses: dict[str, float]) -> None:
    inputs = ", ".join(f"{key} {list(value.shape)}" for key, value in batch.items() if isinstance(value, paddle.Tensor))
    LOGGER.info("Dry run, batch: %s", inputs)
    for line in shapes:
        LOGGER.info("Dry run, output of %s", line)
    LOGGER.info("Dry run, first losses: %s", ", ".join(f"{name} {value:.4f}" for name, value in losses.items()))


def _log_memory(kept: TrainingMemory, before: int) -> None:
    peak = _peak()
    total, name = device_memory()
    on_gpu = paddle.get_device().startswith("gpu")
    if not peak:
        LOGGER.info("Dry run, memory: this system does not tell the peak")
        return
    beside = peak - kept.total if on_gpu else peak - before - kept.gradients - kept.optimizer
    LOGGER.info("Dry run, memory: peak %s%s; about %s of it are outputs of layers and other work on one batch%s",
                _mib(peak), f" of {_mib(total)} ({name})" if on_gpu else " of this process", _mib(max(0, beside)),
                "" if on_gpu else f"; {_mib(total)} are left ({name})" if total else "")


def _log_time(run: TrainingRun, seconds: list[tuple[float, float]]) -> None:
    timed = seconds[1:] or seconds
    data, step = (sum(column) / len(timed) for column in zip(*timed, strict=True))
    epoch = run.batches_per_epoch * (data + step)
    LOGGER.info("Dry run, time: %.3f s a step, %.3f s waiting for each batch (mean of %d; the first step took %.1f s); "
                "about %s for an epoch of %d batches, %s for all %d epochs, without evaluation",
                step, data, len(timed), seconds[0][1], clock(epoch), run.batches_per_epoch, clock(epoch * run.epochs),
                run.epochs)


def _note_shapes(lines: list[str], name: str, layer: Any, inputs: Any, outputs: Any) -> None:
    shapes = ", ".join(str(list(tensor.shape)) for tensor in tensors_in(outputs))
    lines.append(f"{name} ({type(layer).__name__}): {shapes}")


def _reset_peak() -> int:
    """Let the peak begin anew; return the bytes that are in use now."""
    if paddle.get_device().startswith("gpu"):
        paddle.device.cuda.reset_max_memory_allocated()
        return int(paddle.device.cuda.memory_allocated())
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: the peak of the resident size.
    except OSError:
        return 0
    return _status("VmRSS")


def _peak() -> int:
    if paddle.get_device().startswith("gpu"):
        return int(paddle.device.cuda.max_memory_allocated())
    return _status("VmHWM")


def _status(name: str) -> int:
    """Return a size that Linux tells of this process, in bytes; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:")), 0)


def _bytes(tensor: Any) -> int:
    return int(tensor.size) * int(tensor.element_size())


def _mib(size: int) -> str:
    return f"{size / MIB:,.{1 if size < 100 * MIB else 0}f} MiB"
