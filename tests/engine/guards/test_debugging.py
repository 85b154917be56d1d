"""The debug mode names the first fault on the way from the images to the gradients."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import paddle
import pytest

from ppocr.config import load_config
from ppocr.engine.guards.debugging import OVERRIDES, NumericsCheck, names_without_gradient, tensors_in
from ppocr.engine.guards.finite import FiniteGuard
from ppocr.engine.run import TrainingRun
from ppocr.errors import TrainingError
from tests.engine.stubs import Batches, make_run, squared_error
from tools.program import train

NAN = float("nan")


def debugged(tmp_path: Path, **arguments: Any) -> TrainingRun:
    return make_run(tmp_path, hooks=[NumericsCheck(), FiniteGuard(tmp_path, 1)], **arguments)


def test_a_batch_that_is_not_finite(tmp_path: Path) -> None:
    loader = Batches(5)
    loader.set_epoch(0)
    sample = loader.order[1]
    loader.data[sample][0][0] = NAN
    with pytest.raises(TrainingError, match=rf"epoch 1, batch 2: the batch itself is not finite \(image\); samples of "
                                            rf"that batch: sample {sample}, "):
        train(debugged(tmp_path, loader=loader))


def test_the_layer_in_which_it_arises(tmp_path: Path) -> None:
    run = debugged(tmp_path)
    with paddle.no_grad():
        run.network.last.weight[0] = float("inf")
    with pytest.raises(TrainingError, match=r"epoch 1, batch 1: the output of last \(Linear\) is the first that is "
                                            r"not finite: \d of 4 numbers, shape \[4, 1\], type float32; its input is "
                                            r"finite, up to [\d.]+; samples"):
        train(run)


def test_the_loss(tmp_path: Path) -> None:
    run = debugged(tmp_path)
    run.loss = lambda outputs, batch: {"loss": squared_error(outputs, batch)["loss"] - 1e9,
                                       "part": (squared_error(outputs, batch)["loss"] - 1e9).log()}
    with pytest.raises(TrainingError, match=r"batch 1: the loss is not finite \(loss -1e\+09, part nan\), although"):
        train(run)


def test_the_gradient_nearest_to_the_loss(tmp_path: Path) -> None:
    run = debugged(tmp_path)
    run.loss = lambda outputs, batch: {"loss": (outputs["value"] * 0.0).sum().sqrt()}  # Slope infinity times 0.
    with pytest.raises(TrainingError, match=r"the gradient of last.bias is not finite, of the 4 of 4 parameters"):
        train(run)


def test_parameters_without_a_gradient_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = debugged(tmp_path)
    run.network.spare = paddle.nn.Linear(2, 2)
    run.network.first.bias.stop_gradient = True  # Frozen, so that none is expected.
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(run)
    lines = [record.getMessage() for record in caplog.records if "No gradient" in record.getMessage()]
    assert lines == ["No gradient reaches 2 of 5 parameters: spare.weight, spare.bias"]


def test_helpers() -> None:
    layer = paddle.nn.Linear(2, 1)
    assert names_without_gradient(layer) == ["weight", "bias"]
    one, two = paddle.ones([1]), paddle.zeros([2])
    assert [tensor.shape for tensor in tensors_in({"a": [one, (two, "text")], "b": None})] == [[1], [2]]


def test_what_the_option_sets_can_be_read_and_overridden(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("Architecture: {model_type: rec}\nTrain: {loader: {num_workers: 4}}\n")
    config = load_config(file, [*OVERRIDES, "Global.print_batch_step=5"], {})
    options = config["Global"]
    assert (options["check_numerics"], options["deterministic"], options["print_batch_step"]) == (True, True, 5)
    assert config["Train"]["loader"]["num_workers"] == 0
