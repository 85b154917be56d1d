"""Trains as ``tools/train.py`` does, with faults where a test wants them, and tells what each step was like.

Writes ``<save_model_dir>/record.<ranks>.<rank>.json`` with the samples, loss and learning rate of every batch, the
metrics of every evaluation, and a digest of the final weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import paddle

from ppocr.commands import run_command
from ppocr.engine.hooks import Hook
from ppocr.engine.ranks import sharing_failures
from ppocr.engine.run import TrainingRun
from ppocr.engine.stopping import Stop
from ppocr.errors import ConfigError
from ppocr.fileio import atomic_write
from tools.program import prepare, start_training, train

FAULTS = ("none", "raise", "exit", "kill", "evaluation", "config", "slow", "stop")


class Record(Hook):
    """Notes what happens."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []
        self.metrics: list[dict[str, float]] = []

    def after_step(self, run: TrainingRun) -> None:
        record = run.last
        assert record is not None
        self.batches.append({"lines": [info.line for info in record.batch["info"]], "step": run.progress.step,
                             "failed": len(record.batch["failed"]), "loss": float(record.losses["loss"]),
                             "rate": record.learning_rate})

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        self.metrics.append(metrics)

    def after_train(self, run: TrainingRun) -> None:
        path = Path(run.config["Global"]["save_model_dir"]) / f"record.{run.world_size}.{run.rank}.json"
        state = {name: value.numpy() for name, value in sorted(run.network.state_dict().items())}
        digests = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in state.items()}
        sums = {name: float(abs(array.astype("float64")).sum()) for name, array in state.items()}
        with atomic_write(path, "w") as file:
            json.dump({"batches": self.batches, "metrics": self.metrics, "digests": digests, "sums": sums}, file)


class Fault(Hook):
    """Does what should not happen, on one rank, after a given optimizer step of this process."""

    def __init__(self, kind: str, rank: int, step: int) -> None:
        self.kind, self.rank, self.step = kind, rank, step

    def after_step(self, run: TrainingRun) -> None:
        self._do(run, ("raise", "exit", "kill", "slow", "stop"))

    def before_eval(self, run: TrainingRun) -> None:
        self._do(run, ("evaluation",))

    def _do(self, run: TrainingRun, kinds: tuple[str, ...]) -> None:
        if run.rank != self.rank or run.progress.step != self.step or self.kind not in kinds:
            return
        if self.kind == "exit":
            sys.exit(7)
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "slow":
            time.sleep(40)
        elif self.kind == "stop":
            run.request_stop(Stop("the test", interrupted=True))
        else:
            raise RuntimeError(f"rank {run.rank} is broken on purpose")


class Pace(Hook):
    """Makes each step take some time, so that a test can send a signal into the middle of the run."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def after_step(self, run: TrainingRun) -> None:
        time.sleep(self.seconds)


def without_batch_statistics(network: Any) -> None:
    """Let batch norms use their running statistics in training too, so that samples do not depend on each other."""
    for layer in network.sublayers():
        if hasattr(layer, "_use_global_stats"):
            layer._use_global_stats = True


def with_dropout(network: Any) -> None:
    """Let random numbers take part in the training."""
    network.backbone.register_forward_post_hook(
        lambda layer, inputs, output: paddle.nn.functional.dropout(output, 0.2, training=layer.training))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", required=True)
    parser.add_argument("-o", nargs="*", default=[])
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--rank", type=int, default=1)
    parser.add_argument("--step", type=int, default=3)
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--no-batch-norm", action="store_true")
    parser.add_argument("--dropout", action="store_true")
    given = parser.parse_args(arguments)
    config, device = prepare(given.c, given.o, name="train")
    with sharing_failures():
        if given.fault == "config" and int(os.environ["PADDLE_TRAINER_ID"]) == given.rank:
            raise ConfigError("this machine has no data", expected="data", cure="copy them")
        run = start_training(config, device)
        if given.no_batch_norm:
            without_batch_statistics(run.network)
        if given.dropout:
            with_dropout(run.network)
        run.hooks.hooks[:0] = [Record(), Fault(given.fault, given.rank, given.step), Pace(given.pace)]
        train(run)
    return run.stop.exit_code if run.stop else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
