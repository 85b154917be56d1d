"""Measure what the engine costs per step: the time inside hooks, with logging, ``metrics.jsonl`` and boards.

A recognizer (the CRNN of ``train_step.py``) is trained on rendered words with all hooks that a training has. Their
time at the moments of each step is added up after a warm-up; evaluation, checkpoints and pictures, which come once in
a while, do not belong to it. Ends with 1 where the sum is above the limit, 2 % of a step of 100 ms. If the machine is
busy with other things, look at the processor time of the training's thread, which does not count the waiting.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml
from train_step import configuration, render_words

from ppocr.commands import run_command
from ppocr.config import load_config
from ppocr.engine.builder import build_training
from ppocr.engine.device import select_device
from ppocr.engine.hooks import Hook, HookList
from ppocr.engine.logger import start_logging, stop_logging
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import seed_everything
from tools.program import train_epoch

STEP_MILLISECONDS = 100.0
LIMIT = 0.02
MOMENTS = ("before_update", "after_step")


class Stopwatch:
    """Adds up the seconds that hooks take, by their names.

    Args:
        warmup: Steps that are not counted.
    """

    def __init__(self, warmup: int) -> None:
        self.warmup = warmup
        self.steps = 0
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.processor_seconds: defaultdict[str, float] = defaultdict(float)

    def watch(self, hooks: HookList) -> None:
        """Measure these hooks from now on."""
        for hook in hooks.hooks:
            for moment in MOMENTS:
                setattr(hook, moment, self._timed(type(hook).__name__, getattr(hook, moment)))
        hooks.hooks.append(_Counter(self))

    def _timed(self, name: str, method: Callable[[TrainingRun], None]) -> Callable[[TrainingRun], None]:
        def timed(run: TrainingRun) -> None:
            started, used = time.perf_counter(), time.thread_time()
            method(run)
            if self.steps >= self.warmup:
                self.seconds[name] += time.perf_counter() - started
                self.processor_seconds[name] += time.thread_time() - used

        return timed

    def milliseconds(self) -> dict[str, tuple[float, float]]:
        """Return the milliseconds per step of each hook, by the clock and of the processor, the longest first."""
        scale = 1e3 / (self.steps - self.warmup)
        names = sorted(self.seconds, key=lambda name: -self.seconds[name])
        return {name: (scale * self.seconds[name], scale * self.processor_seconds[name]) for name in names}


class _Counter(Hook):
    """Counts the steps, after all other hooks."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.stopwatch = stopwatch

    def after_step(self, run: TrainingRun) -> None:
        self.stopwatch.steps += 1


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a line per hook and, with ``--json``, one for programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="steps that are measured")
    parser.add_argument("--warmup", type=int, default=20, help="steps before those")
    parser.add_argument("--batch_size", type=int, default=4, help="samples per step; hooks do not depend on it")
    parser.add_argument("--print_batch_step", type=int, default=10, help="steps per line of the log")
    parser.add_argument("--boards", nargs="*", default=["visualdl"], help="of visualdl, tensorboard, wandb")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        stopwatch = measure(Path(folder), options)
    figures = stopwatch.milliseconds()
    total, processor = (sum(column) for column in zip(*figures.values(), strict=True))
    share = total / STEP_MILLISECONDS
    if options.json:
        print(json.dumps({"milliseconds_per_step": round(total, 4), "processor_milliseconds": round(processor, 4),
                          "share_of_100_ms": round(share, 5),
                          "hooks": {name: round(value, 4) for name, (value, _) in figures.items()}}))
        return int(share > LIMIT)
    print(f"{'per step':20} {'time':>10} {'processor':>10}")
    for name, (value, own) in figures.items():
        print(f"{name:20} {value:7.3f} ms {own:7.3f} ms")
    print(f"{'all hooks':20} {total:7.3f} ms {processor:7.3f} ms: {share:.2%} ({processor / STEP_MILLISECONDS:.2%}) of "
          f"a step of {STEP_MILLISECONDS:.0f} ms, limit {LIMIT:.0%}; {options.steps} steps")
    return int(share > LIMIT)


def measure(folder: Path, options: argparse.Namespace) -> Stopwatch:
    """Train ``warmup + steps`` steps and return the stopwatch."""
    labels = render_words(folder, options.batch_size * (options.warmup + options.steps))
    arguments = argparse.Namespace(batch_size=options.batch_size, workers=0)
    settings: dict[str, Any] = configuration(folder, Path(labels), folder, arguments)
    settings["Global"] |= {"print_batch_step": options.print_batch_step, "eval_batch_epoch": 1,
                           **{f"use_{board}": True for board in options.boards}}
    path = folder / "overhead.yml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = load_config(path, environ={})
    start_logging(config["Global"]["save_model_dir"], name="overhead")
    for handler in logging.getLogger("ppocr").handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.WARNING)  # The lines are written to the file, as they would be.
    seed_everything(0)
    run = build_training(config, select_device(None))
    stopwatch = Stopwatch(options.warmup)
    stopwatch.watch(run.hooks)
    run.model.train()
    run.hooks.before_train(run)
    run.hooks.before_epoch(run)
    train_epoch(run)
    run.hooks.after_train(run)
    stop_logging()
    return stopwatch


if __name__ == "__main__":
    sys.exit(run_command(main))
