"""Frozen parts: what the patterns take, that training leaves it bit by bit, and that a resumed run does so too."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.config import load_config
from ppocr.engine.builder import build_training
from ppocr.engine.evaluator import evaluation_mode
from ppocr.engine.freezing import Freezing, freeze
from ppocr.engine.optimizer_state import optimizer_state
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import seed_everything
from ppocr.errors import ConfigError
from tests.small_run import write_small_run
from tools.program import train


class Block(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.fc = paddle.nn.Linear(4, 4)
        self.bn = paddle.nn.BatchNorm1D(4)
        self.drop = paddle.nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.drop(self.bn(self.fc(x)))


class Network(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = paddle.nn.Sequential(Block(), Block())
        self.neck = paddle.nn.LSTM(4, 3)
        self.head = Block()

    def forward(self, x: Any) -> Any:
        return self.head(paddle.concat([self.backbone(x), self.neck(x.unsqueeze(1))[0][:, 0]], 1)[:, :4])


def held(*patterns: str) -> list[str]:
    return list(Freezing(Network(), patterns, "Global.freeze").layers)


class TestPatterns:
    def test_a_whole_part(self) -> None:
        network = Network()
        freezing = Freezing(network, ["backbone.*"], "Global.freeze")
        assert len(freezing.parameters) == 8
        assert all(name.startswith("backbone.") for name in freezing.parameters)
        assert list(freezing.layers) == [name for name, _ in network.named_sublayers() if name.startswith("backbone")]
        assert freezing.is_held(network.backbone)
        assert not freezing.is_held(network.head)
        assert freezing.lines == [
            "backbone.*: 8 parameters (56 values), batch norms with their statistics: 2",
            "together: 8 parameters (56 values), batch norms with their statistics: 2; trained: 8 of 16 parameters",
        ]

    @pytest.mark.parametrize(("patterns", "expected"), [
        (("backbone",), ["backbone", *(f"backbone.{i}{part}" for i in (0, 1) for part in ("", ".fc", ".bn", ".drop"))]),
        (("*.fc.weight",), []),  # The biases are trained.
        (("*.fc.weight", "head.fc.bias"), ["head.fc"]),
        (("head.bn.*",), ["head.bn"]),
        (("head.bn.weight", "head.bn.bias"), ["head.bn"]),
        (("head.fc", "head.bn"), ["head", "head.fc", "head.bn", "head.drop"]),
        (("*.drop",), ["backbone.0.drop", "backbone.1.drop", "head.drop"]),
    ])
    def test_layers_that_lie_wholly_in_the_patterns(self, patterns: tuple[str, ...], expected: list[str]) -> None:
        assert held(*patterns) == expected

    def test_another_name_of_a_parameter(self) -> None:
        network = Network()
        Freezing(network, ["neck.weight_hh_l0"], "")
        assert network.neck[0].cell.weight_hh.stop_gradient
        assert not network.neck[0].cell.weight_ih.stop_gradient

    @pytest.mark.parametrize(("patterns", "message"), [
        (["backbon.*"], r"Global.freeze: 'backbon.\*' fits no parameter .*did you mean 'backbone.\*'"),
        (["backbone.*", "heads.fc"], r"'heads.fc' fits no parameter .*did you mean 'head.fc'"),
        (["*"], "every one of the 16 parameters is frozen"),
        (["backbone", "neck", "head"], "every one of the 16 parameters is frozen"),
    ])
    def test_patterns_that_cannot_be_meant(self, patterns: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Freezing(Network(), patterns, "Global.freeze")

    def test_none_and_a_single_one(self, caplog: pytest.LogCaptureFixture) -> None:
        assert freeze(Network(), None, "") is None
        assert freeze(Network(), [], "") is None
        with caplog.at_level(logging.INFO, logger="ppocr"):
            freezing = freeze(Network(), "backbone", "")
        assert freezing is not None
        assert "Global.freeze: backbone: 8 parameters (56 values), batch norms with their statistics: 2" in caplog.text


class TestModes:
    def test_dropout_and_statistics_rest_whoever_calls_train(self) -> None:
        network = Network()
        Freezing(network, ["backbone.*"], "")
        x = paddle.randn([8, 4])
        network.backbone.eval()
        expected = network.backbone(x).numpy()
        for _ in range(2):
            network.train()
            with evaluation_mode(network):
                network(x)
            network(x)
            assert not any(layer.training for layer in network.backbone.sublayers(include_self=True))
            assert all(layer.training for layer in network.head.sublayers(include_self=True))
            np.testing.assert_array_equal(network.backbone(x).numpy(), expected)
        assert np.any(network.head.bn._mean.numpy())
        assert not np.any(network.backbone[0].bn._mean.numpy())


def build(folder: Path, output: str, *options: str) -> TrainingRun:
    config = load_config(folder / "small.yml", [f"Global.save_model_dir={folder / output}", *options], {})
    seed_everything(config["Global"]["seed"])
    (folder / output).mkdir(exist_ok=True)
    return build_training(config, "cpu")


def state(run: TrainingRun) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in run.network.state_dict().items()}


FREEZE = ["Global.freeze=[backbone.*, head.fc.bias]", "Global.accumulation_steps=2",
          "Optimizer={name: AdamW, weight_decay: 0.1, lr: {learning_rate: 0.01}}", "Global.eval_batch_step=1"]


def frozen(name: str) -> bool:
    return name.startswith("backbone.") or name == "head.fc.bias"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("freezing")
    write_small_run(folder, count=24, test_count=4)
    return folder


class TestTraining:
    def test_bit_by_bit_the_same_also_after_a_resume(self, folder: Path) -> None:
        whole = build(folder, "whole", *FREEZE, "Global.epoch_num=2")
        before = state(whole)
        assert any(name.endswith("_mean") for name in before if frozen(name))
        train(whole)
        after = state(whole)
        assert {name for name in before if before[name] == after[name]} == {name for name in before if frozen(name)}
        train(build(folder, "half", *FREEZE, "Global.epoch_num=1"))
        resumed = build(folder, "half", *FREEZE, "Global.epoch_num=2",
                        f"Global.checkpoints={folder / 'half' / 'latest'}")
        train(resumed)
        assert state(resumed) == after

    def test_another_freezing_is_told_when_a_run_is_resumed(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = build(folder, "first", *FREEZE, "Global.epoch_num=1")
        train(first)
        moments = optimizer_state(first.network, first.optimizer)
        again = [*FREEZE[1:], "Global.epoch_num=2", f"Global.checkpoints={folder / 'first' / 'latest'}"]
        run = build(folder, "first", "Global.freeze=[backbone.*, neck.*]", *again)
        assert "Global.freeze: ['backbone.*', 'head.fc.bias'] -> ['backbone.*', 'neck.*']" in caplog.text
        trained, left = caplog.text.split("optimizer state begins with zeros: ")[1].split("is left out: ")
        assert "head.fc.bias" in trained
        assert left.startswith("neck.")
        now = optimizer_state(run.network, run.optimizer)
        assert not any(name.startswith("neck.") for name in now)
        assert not np.any(now["head.fc.bias|moment1"])
        assert np.any(moments["head.fc.weight|moment1"])
        np.testing.assert_array_equal(now["head.fc.weight|moment1"], moments["head.fc.weight|moment1"])
        np.testing.assert_array_equal(now["head.fc.weight|beta1_pow_acc"], moments["head.fc.weight|beta1_pow_acc"])

    def test_factors_and_freezing_together(self, folder: Path) -> None:
        with pytest.raises(ConfigError, match="none of which is trained"):
            build(folder, "factors", "Global.freeze=backbone", 'Optimizer.lr_factors={"backbone.*": 0.1}')
        run = build(folder, "factors", "Global.freeze=backbone", 'Optimizer.lr_factors={"neck.*": 0.1}')
        assert "learning-rate factor 0.1 for 'neck.*'" in run.optimizer.optimizer_report


def test_a_frozen_recurrent_layer_behind_a_trained_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="neck has a frozen recurrent layer, and backbone before it is") as caught:
        freeze(Network(), ["neck.*"], "Global.freeze")
    assert "freeze backbone too" in caught.value.cure
    assert freeze(Network(), ["backbone.*", "neck.*"], "Global.freeze") is not None


def test_a_frozen_head_still_gives_what_its_loss_takes() -> None:
    """Heads give probabilities in evaluation, and scores before the softmax in training."""

    class Head(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.drop = paddle.nn.Linear(4, 2), paddle.nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            y = self.drop(self.fc(x))
            return y if self.training else paddle.nn.functional.softmax(y)

    network = paddle.nn.Sequential(("backbone", paddle.nn.Linear(4, 4)), ("head", Head()))
    freezing = Freezing(network, ["head.*"], "Global.freeze")
    network.train()
    x = paddle.ones([2, 4])
    assert (network(x).sum(axis=-1) - 1).abs().min() > 1e-3
    np.testing.assert_array_equal(network(x).numpy(), network(x).numpy())  # Its dropout is off.
    assert freezing.is_held(network.head)
