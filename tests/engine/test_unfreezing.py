"""Parts that are frozen for some epochs: when they begin to be trained, and that a resumed run does the same."""

from __future__ import annotations

import logging
from pathlib import Path

import paddle
import pytest

from ppocr.config import load_config
from ppocr.engine.builder import build_training
from ppocr.engine.freezing import Freezing
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import seed_everything
from ppocr.engine.unfreezing import Unfreezing, everything_trainable
from ppocr.errors import ConfigError
from tests.engine.stubs import SaveAndInterrupt, config_for
from tests.small_run import write_small_run
from tools.program import train

OPTIONS = ["Global.freeze=[backbone.*, neck.*]", "Global.unfreeze_epoch=3", "Global.epoch_num=4",
           "Global.ema_decay=0.9",
           "Optimizer={name: AdamW, weight_decay: 0.1, lr: {learning_rate: 0.01}}", "Global.eval_batch_epoch=4"]
BATCHES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unfreezing")
    write_small_run(folder, count=24, test_count=4)
    return folder


def build(folder: Path, output: str, *options: str) -> TrainingRun:
    (folder / output).mkdir(exist_ok=True)
    config = load_config(folder / "small.yml", [f"Global.save_model_dir={folder / output}", *options], {})
    seed_everything(config["Global"]["seed"])
    return build_training(config, "cpu")


def state(run: TrainingRun) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in run.network.state_dict().items()}


def frozen(name: str) -> bool:
    return name.startswith(("backbone.", "neck."))


class StateOfEpochs(Hook):
    """Keeps the weights at the end of each epoch."""

    def __init__(self) -> None:
        self.states: list[dict[str, bytes]] = []

    def after_epoch(self, run: TrainingRun) -> None:
        self.states.append(state(run))


@pytest.fixture(scope="module")
def whole(folder: Path) -> list[dict[str, bytes]]:
    """The weights at the start and after each epoch of a training, with the average at the end as the last entry."""
    run, epochs = build(folder, "whole", *OPTIONS), StateOfEpochs()
    start = state(run)
    run.hooks.hooks.append(epochs)
    train(run)
    assert run.average is not None
    with run.average.swapped():
        return [start, *epochs.states, state(run)]


def test_frozen_until_the_epoch_and_trained_from_it_on(whole: list[dict[str, bytes]]) -> None:
    start, first, second, third, fourth, _ = whole
    for name in start:
        if frozen(name):
            assert start[name] == first[name] == second[name], name
            # With the parameters the statistics of batch norms begin to move.
            assert second[name] != third[name] != fourth[name], name
        else:
            assert start[name] != first[name] != second[name], name


@pytest.mark.parametrize("batches", [BATCHES + 1, 2 * BATCHES, 2 * BATCHES + 1])
def test_resumed_before_at_and_after_the_epoch_equals_uninterrupted(
    folder: Path, whole: list[dict[str, bytes]], batches: int
) -> None:
    run = build(folder, f"half{batches}", *OPTIONS)
    run.hooks.hooks.insert(0, SaveAndInterrupt(batches, folder / f"half{batches}" / "saved"))
    # The average is made before the checkpoint, as it would be by the hook that writes it.
    assert run.average is not None
    run.hooks.hooks.remove(run.average)
    run.hooks.hooks.insert(0, run.average)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    again = build(folder, f"half{batches}", *OPTIONS,
                  f"Global.checkpoints={folder / f'half{batches}' / 'saved'}")
    train(again)
    assert state(again) == whole[4]
    assert again.average is not None
    with again.average.swapped():
        assert state(again) == whole[5]


def test_the_log_tells_when_everything_is_trained(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = build(folder, "log", *OPTIONS, "Global.epoch_num=3")
    with caplog.at_level(logging.INFO, logger="ppocr"):
        train(run)
    names = [name for name, _ in run.network.named_parameters() if not name.endswith(("_mean", "_variance"))]
    count = sum(map(frozen, names))
    assert f"Epoch 3: everything is trained from here on; {count} parameters were frozen." in caplog.text
    trained = sum(not parameter.stop_gradient for _, parameter in run.network.named_parameters())
    assert f"AdamW: {trained} parameters" in run.optimizer.optimizer_report


def test_what_is_frozen_for_a_while_counts_as_trained_only_within_the_block() -> None:
    network = paddle.nn.Sequential(("backbone", paddle.nn.Linear(2, 2)), ("head", paddle.nn.Linear(2, 2)))
    unfreezing = Unfreezing(Freezing(network, ["backbone.*"], ""), 2)
    assert network.backbone.weight.stop_gradient
    with everything_trainable(unfreezing):
        assert not network.backbone.weight.stop_gradient
    assert network.backbone.weight.stop_gradient
    with everything_trainable(None):
        assert network.backbone.weight.stop_gradient


def test_held_layers_follow_the_mode_again(folder: Path) -> None:
    network = paddle.nn.Sequential(("backbone", paddle.nn.Dropout(0.5)), ("head", paddle.nn.Linear(2, 2)))
    freezing = Freezing(network, ["backbone"], "")
    network.train()
    network(paddle.ones([1, 2]))
    assert not network.backbone.training
    freezing.lift()
    assert network.backbone.training
    network(paddle.ones([1, 2]))
    assert network.backbone.training
    network.eval()
    network.train()
    assert network.backbone.training


@pytest.mark.parametrize("option", ["Global.unfreeze_epoch=1", "Global.cache_features=true"])
def test_senseless_combinations_are_refused(folder: Path, option: str) -> None:
    with pytest.raises(ConfigError, match="Global.unfreeze_epoch"):
        build(folder, "refused", *OPTIONS, option)


def test_what_has_no_effect_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = paddle.nn.Sequential(("backbone", paddle.nn.Linear(2, 2)), ("head", paddle.nn.Linear(2, 2)))
    freezing = Freezing(network, ["backbone.*"], "")
    assert Unfreezing.from_options(config_for(tmp_path)["Global"], freezing) is None
    assert not caplog.text
    assert Unfreezing.from_options(config_for(tmp_path, "Global.unfreeze_epoch=2")["Global"], None) is None
    assert "has no effect without Global.freeze" in caplog.text
    options = config_for(tmp_path, "Global.unfreeze_epoch=9", "Global.epoch_num=3")["Global"]
    assert Unfreezing.from_options(options, freezing) is not None
    assert "the training ends before, after epoch 3" in caplog.text
