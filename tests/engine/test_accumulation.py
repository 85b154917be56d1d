"""Accumulated batches train as the big batch does, clipping included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from tests.engine.stubs import make_run, squared_error
from tools.program import train

SAMPLES = 192
BIG = 64


class Plain(paddle.nn.Layer):
    """Two layers without batch norm or dropout, so that a sample's gradient does not depend on its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.first = paddle.nn.Linear(3, 16)
        self.last = paddle.nn.Linear(16, 1)

    def forward(self, images: Any, batch: Any = None) -> dict[str, Any]:
        return {"value": self.last(paddle.tanh(self.first(images)))}


class Parts:
    """The same samples in the same order, in batches of `size`."""

    def __init__(self, size: int) -> None:
        rng = np.random.default_rng(5)
        self.images = rng.normal(size=(SAMPLES, 3)).astype("float32")
        self.targets = 3 * rng.normal(size=(SAMPLES, 1)).astype("float32")
        self.size = size

    def __len__(self) -> int:
        return SAMPLES // self.size

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None: ...

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, SAMPLES, self.size):
            part = slice(start, start + self.size)
            yield {"image": paddle.to_tensor(self.images[part]), "target": paddle.to_tensor(self.targets[part]),
                   "info": ["sample"] * self.size, "failed": []}


class Norms(Hook):
    """The norm of all gradients together before each optimizer step, before it is clipped."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def before_update(self, run: TrainingRun) -> None:
        self.norms.append(float(np.sqrt(sum(float((p.grad**2).sum()) for p in run.network.parameters()))))


def trained(folder: Path, size: int, *options: str) -> tuple[dict[str, Any], list[float]]:
    norms = Norms()
    run = make_run(folder, "Global.epoch_num=2", f"Global.accumulation_steps={BIG // size}", *options,
                   loader=Parts(size), hooks=[norms], network=Plain)
    assert run.loss is squared_error
    train(run)
    assert run.progress.step == 6
    return {name: value.numpy() for name, value in run.network.state_dict().items()}, norms.norms


@pytest.mark.parametrize("clip", ["clip_norm_global=0.5", "clip_norm_global=null", "clip_norm=0.2", "clip_value=0.05"])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_four_times_16_equals_64(tmp_path: Path, optimizer: str, clip: str) -> None:
    options = [f"Optimizer.name={optimizer}", "Optimizer.lr={learning_rate: 0.05}", "Optimizer.clip_norm_global=null",
               f"Optimizer.{clip}"]
    whole, whole_norms = trained(tmp_path, 64, *options)
    parts, parts_norms = trained(tmp_path, 16, *options)
    np.testing.assert_allclose(parts_norms, whole_norms, rtol=1e-6)
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_the_clipping_of_the_comparison_is_at_work(tmp_path: Path) -> None:
    options = ["Optimizer.name=SGD", "Optimizer.lr={learning_rate: 0.05}"]
    clipped, norms = trained(tmp_path, 16, *options, "Optimizer.clip_norm_global=0.5")
    free, _ = trained(tmp_path, 16, *options, "Optimizer.clip_norm_global=null")
    assert max(norms) > 0.5
    assert max(np.abs(clipped[name] - free[name]).max() for name in free) > 1e-3


def test_parts_that_are_not_accumulated_train_otherwise(tmp_path: Path) -> None:
    options = ["Optimizer.name=SGD", "Optimizer.lr={learning_rate: 0.05}"]
    whole, _ = trained(tmp_path, 64, *options)
    run = make_run(tmp_path, "Global.epoch_num=2", *options, loader=Parts(16), network=Plain)
    train(run)
    assert max(np.abs(value.numpy() - whole[name]).max() for name, value in run.network.state_dict().items()) > 1e-3
