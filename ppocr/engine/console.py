"""The lines of training on the console and in the log, and the same figures in ``metrics.jsonl``."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from pathlib import Path
from typing import Any

import paddle

from ppocr.engine.evaluator import to_numpy
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import TrainingError

LOGGER = logging.getLogger("ppocr")


class ProgressLog(Hook):
    """Logs losses, learning rate and speed every ``Global.print_batch_step`` batches.

    Losses are averaged over the last ``Global.log_smooth_window`` batches. They are read from the device only when a
    line is due or before an evaluation, so that logging never makes the device wait. What is read must be finite; as
    the first of the hooks, this one stops the run before a checkpoint is made of weights that are not.
    """

    def __init__(self, every: int, window: int) -> None:
        self.every = max(1, every)
        self.window: deque[dict[str, Any]] = deque(maxlen=max(1, window))
        self.records: list[tuple[float, float, int]] = []
        self._pending: list[tuple[int, dict[str, Any], list[Any]]] = []

    def after_step(self, run: TrainingRun) -> None:
        """Collect the batch; log if a line is due.

        Raises:
            TrainingError: A loss since the last line is not finite.
        """
        record = run.last
        assert record is not None
        self._pending.append((run.progress.batch, record.losses, record.batch["info"]))
        self.records.append((record.data_seconds, record.step_seconds, record.samples))
        if run.progress.batch % self.every and run.progress.batch != run.batches_per_epoch:
            return
        self._read_losses(run)
        self._log(run, record.learning_rate)
        self.records.clear()

    def before_eval(self, run: TrainingRun) -> None:
        """Look at the losses before the other hooks save what is evaluated.

        Raises:
            TrainingError: A loss since the last line is not finite.
        """
        self._read_losses(run)

    def after_train(self, run: TrainingRun) -> None:
        """Look at the losses before the other hooks save where the run was stopped.

        Raises:
            TrainingError: A loss since the last line is not finite.
        """
        self._read_losses(run)

    def _read_losses(self, run: TrainingRun) -> None:
        """Read the losses that are still on the device."""
        for batch, losses, info in self._pending:
            values = {name: float(value) for name, value in losses.items()}
            if not all(math.isfinite(value) for value in values.values()):
                raise _not_finite(run.progress.epoch + 1, batch, values, info)
            self.window.append(values)
        self._pending.clear()

    def _log(self, run: TrainingRun, lr: float) -> None:
        means = {name: _mean([losses[name] for losses in self.window if name in losses]) for name in self.window[-1]}
        data, step, samples = (sum(column) for column in zip(*self.records, strict=True))
        count = len(self.records)
        done = run.progress.epoch * run.batches_per_epoch + run.progress.batch
        left = (run.epochs * run.batches_per_epoch - done) * (data + step) / count
        figures = ", ".join(f"{name}: {value:.4f}" for name, value in means.items())
        figures += self._training_metric(run)
        LOGGER.info(
            "Epoch: %d/%d, Step: %d/%d, %s, lr: %s, data: %.3f s, step: %.3f s, %.1f samples/s, ETA: %s%s",
            run.progress.epoch + 1, run.epochs, run.progress.batch, run.batches_per_epoch, figures, _short(lr),
            data / count, step / count, samples / max(data + step, 1e-9), clock(left), _memory(),
        )
        write_record(run, "train", {**means, "lr": lr, "data_seconds": data / count, "step_seconds": step / count,
                                    "samples_per_second": samples / max(data + step, 1e-9)})

    def _training_metric(self, run: TrainingRun) -> str:
        """Return the main indicator of the last batch as text, empty where it is not asked for."""
        if not run.config["Global"]["cal_metric_during_train"] or run.last is None or not run.last.batch["info"]:
            return ""
        if "logits" not in run.last.outputs:
            return ", no metric: the head gives several outputs while training"
        probabilities = {"probs": paddle.nn.functional.softmax(run.last.outputs["logits"].astype("float32"), axis=-1)}
        run.metric.reset()
        run.metric.update(run.postprocess(to_numpy(probabilities)), {**run.last.batch, "failed": []})
        name = run.metric.main_indicator
        return f", {name}: {run.metric.compute()[name]:.4f}"


class EvaluationLog(Hook):
    """Logs the metrics of each evaluation, and which is the best so far."""

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Log the metrics in one line and append them to ``metrics.jsonl``."""
        LOGGER.info(format_metrics(metrics))
        name = run.metric.main_indicator
        best = run.progress.best
        LOGGER.info("Best %s: %.4f (epoch %d, step %d)", name, best[name], int(best["epoch"]), int(best["step"]))
        write_record(run, "eval", metrics)


def format_metrics(metrics: dict[str, float]) -> str:
    """Return the line that evaluation prints, such as ``"Eval: acc:0.8800, norm_edit_dis:0.9200"``."""
    return "Eval: " + ", ".join(
        f"{name}:{value}" if isinstance(value, int) else f"{name}:{value:.4f}" for name, value in metrics.items()
    )


def write_record(run: TrainingRun, kind: str, figures: dict[str, float]) -> None:
    """Append one line of figures to ``metrics.jsonl`` in the run's folder (rank 0 only)."""
    if run.rank != 0:
        return
    path = Path(run.config["Global"]["save_model_dir"]) / "metrics.jsonl"
    line = {"kind": kind, "epoch": run.progress.epoch + run.progress.batch / max(1, run.batches_per_epoch),
            "step": run.progress.step, "time": round(time.time(), 3), **{k: float(v) for k, v in figures.items()}}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def clock(seconds: float) -> str:
    """Return a duration as ``h:mm:ss``."""
    whole = int(max(0.0, seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _not_finite(epoch: int, batch: int, losses: dict[str, float], info: list[Any]) -> TrainingError:
    parts = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    samples = ", ".join(map(str, info[:3])) + (f" and {len(info) - 3} more" if len(info) > 3 else "")
    return TrainingError(
        f"the loss is not finite at epoch {epoch}, batch {batch} ({parts}); samples of that batch: {samples}",
        expected="a finite loss",
        cure="lower Optimizer.lr.learning_rate, set Optimizer.clip_norm_global, and check these labels; the last "
        "checkpoint is kept",
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _short(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if value >= 1e-4 else f"{value:.3g}"


def _memory() -> str:
    if not paddle.is_compiled_with_cuda():
        return ""
    return f", max memory: {paddle.device.cuda.max_memory_allocated() / 2**20:.0f} MB"
