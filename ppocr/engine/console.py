"""The lines of training on the console and in the log; the run's recorder gets the same figures."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from typing import Any

import paddle

from ppocr.engine.evaluator import to_numpy
from ppocr.engine.hooks import Hook
from ppocr.engine.monitoring.memory_use import memory_figures
from ppocr.engine.run import TrainingRun

LOGGER = logging.getLogger("ppocr")


class ProgressLog(Hook):
    """Logs losses, learning rate and speed every ``Global.print_batch_step`` batches.

    Losses are averaged over the last ``Global.log_smooth_window`` batches. They are read from the device only when a
    line is due, so that logging never makes the device wait. Those of batches that were left out because they were not
    finite do not enter the mean. What other hooks put into ``run.figures`` stands in the line and the record as well.
    """

    def __init__(self, every: int, window: int) -> None:
        self.every = max(1, every)
        self.window: deque[dict[str, Any]] = deque(maxlen=max(1, window))
        self.records: list[tuple[float, float, int]] = []
        self._pending: list[dict[str, Any]] = []
        self._since: float | None = None

    def before_epoch(self, run: TrainingRun) -> None:
        """Start the clock of the first line."""
        if self._since is None:
            self._since = time.perf_counter()

    def after_step(self, run: TrainingRun) -> None:
        """Collect the batch; log if a line is due."""
        record = run.last
        assert record is not None
        self._pending.append(record.losses)
        self.records.append((record.data_seconds, record.step_seconds, record.samples))
        if run.progress.batch % self.every and run.progress.batch != run.batches_per_epoch:
            return
        self._read_losses()
        self._log(run, record.learning_rate)
        self.records.clear()

    def _read_losses(self) -> None:
        """Read the losses that are still on the device."""
        for losses in self._pending:
            values = {name: float(value) for name, value in losses.items()}
            if all(math.isfinite(value) for value in values.values()):
                self.window.append(values)
        self._pending.clear()

    def _log(self, run: TrainingRun, lr: float) -> None:
        names = self.window[-1] if self.window else ()
        means = {name: _mean([losses[name] for losses in self.window if name in losses]) for name in names}
        data, step, samples = (sum(column) for column in zip(*self.records, strict=True))
        count = len(self.records)
        done = run.progress.epoch * run.batches_per_epoch + run.progress.batch
        left = (run.epochs * run.batches_per_epoch - done) * (data + step) / count
        speed = samples * run.world_size / max(data + step, 1e-9)
        memory = memory_figures()
        figures = ", ".join([f"{name}: {value:.4f}" for name, value in means.items()] or ["no finite loss yet"])
        figures += "".join(f", {name}: {value:g}" for name, value in run.figures.items())
        figures += self._training_metric(run)
        LOGGER.info(
            "Epoch: %d/%d, Step: %d/%d, %s, lr: %s, data: %.3f s, step: %.3f s, %.1f samples/s, ETA: %s%s",
            run.progress.epoch + 1, run.epochs, run.progress.batch, run.batches_per_epoch, figures, _short(lr),
            data / count, step / count, speed, clock(left),
            f", max memory: {memory['gpu_memory_mb']:.0f} MB" if "gpu_memory_mb" in memory else "",
        )
        run.recorder.add(run, "train", {
            **means, **run.figures, "lr": lr, "data_seconds": data / count, "step_seconds": step / count,
            "samples_per_second": speed, **self._shares(data, step), **memory})

    def _shares(self, data: float, step: float) -> dict[str, float]:
        """Return the shares of the time since the last line; evaluation, checkpoints and all other hooks are the rest.

        Args:
            data: Seconds that were waited for batches.
            step: Seconds of forward, backward and optimizer step.
        """
        now = time.perf_counter()
        elapsed = max(now - (self._since or now), data + step, 1e-9)
        self._since = now
        return {"data_share": data / elapsed, "step_share": step / elapsed}

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
        """Log the metrics in one line and record them."""
        LOGGER.info(format_metrics(metrics))
        name = run.metric.main_indicator
        best = run.progress.best
        LOGGER.info("Best %s: %.4f (epoch %d, step %d)", name, best[name], int(best["epoch"]), int(best["step"]))
        run.recorder.add(run, "eval", metrics)


def format_metrics(metrics: dict[str, float]) -> str:
    """Return the line that evaluation prints, such as ``"Eval: acc:0.8800, norm_edit_dis:0.9200"``."""
    return "Eval: " + ", ".join(
        f"{name}:{value}" if isinstance(value, int) else f"{name}:{value:.4f}" for name, value in metrics.items()
    )


def clock(seconds: float) -> str:
    """Return a duration as ``h:mm:ss``."""
    whole = int(max(0.0, seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _short(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if value >= 1e-4 else f"{value:.3g}"
