"""A training run over a few numbers, with the real loop, optimizer, schedule and hooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppocr.charset import Charset
from ppocr.config import Config, load_config
from ppocr.engine.checkpoint import save_checkpoint
from ppocr.engine.hooks import Hook, HookList
from ppocr.engine.precision import Precision
from ppocr.engine.run import Progress, TrainingRun
from ppocr.optimizer import build_optimizer


class Batches:
    """A loader over fixed batches, shuffled by the epoch."""

    def __init__(self, batches: int, size: int = 4) -> None:
        rng = np.random.default_rng(0)
        self.data = [(rng.normal(size=(size, 3)).astype("float32"), rng.normal(size=(size, 1)).astype("float32"))
                     for _ in range(batches)]
        self.order: list[int] = list(range(batches))

    def __len__(self) -> int:
        return len(self.data)

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        self.order = np.random.default_rng(epoch).permutation(len(self.data)).tolist()[start_batch:]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index in self.order:
            images, targets = self.data[index]
            yield {"image": paddle.to_tensor(images), "target": paddle.to_tensor(targets),
                   "info": [f"sample {index}"] * len(images), "failed": []}


class Network(paddle.nn.Layer):
    """Two linear layers with dropout, so that the random state of Paddle matters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = paddle.nn.Linear(3, 5)
        self.drop = paddle.nn.Dropout(0.3)
        self.last = paddle.nn.Linear(5, 1)

    def forward(self, images: Any, batch: Any = None) -> dict[str, Any]:
        return {"value": self.last(self.drop(paddle.tanh(self.first(images))))}


class Metric:
    main_indicator = "acc"


def squared_error(outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Any]:
    return {"loss": ((outputs["value"] - batch["target"]) ** 2).mean()}


def config_for(folder: Path, *options: str) -> Config:
    file = folder / "stub.yml"
    file.write_text("Architecture: {model_type: rec}\n")
    return load_config(file, [f"Global.save_model_dir={folder / 'output'}", "Global.use_gpu=false", *options], {})


def make_run(
    folder: Path, *options: str, hooks: list[Hook] | None = None, batches: int = 5, loader: Any = None,
    metrics: Iterator[dict[str, float]] | None = None, network: type[paddle.nn.Layer] = Network,
) -> TrainingRun:
    """Return a run of a `network`; `metrics` are what its evaluations give, one after the other."""
    paddle.set_device("cpu")
    paddle.seed(3)
    config = config_for(folder, *options)
    model, loader = network(), loader or Batches(batches)
    steps = -(-len(loader) // config["Global"]["accumulation_steps"])
    optimizer, schedule = build_optimizer(config["Optimizer"], model, epochs=config["Global"]["epoch_num"],
                                          steps_per_epoch=steps)
    return TrainingRun(
        config=config, network=model, model=model, charset=Charset.default(), loss=squared_error,
        optimizer=optimizer, schedule=schedule, postprocess=None, metric=Metric(), train_loader=loader,
        evaluate=lambda: dict(next(metrics)) if metrics else {"acc": 0.5}, precision=Precision(config["Global"], "cpu"),
        hooks=HookList(hooks or []), progress=Progress(),
    )


def weights(run: TrainingRun) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in run.network.state_dict().items()}


class SaveAndInterrupt(Hook):
    """Saves a checkpoint after a number of batches and interrupts the run, as a kill in the middle of it would."""

    def __init__(self, batches: int, prefix: Path) -> None:
        self.left, self.prefix = batches, prefix

    def after_step(self, run: TrainingRun) -> None:
        self.left -= 1
        if self.left == 0:
            save_checkpoint(run, self.prefix)
            raise KeyboardInterrupt
