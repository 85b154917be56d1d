"""``ppocr overfit``: what is learned, what is not, and what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr import cli
from ppocr.config import load_config
from ppocr.data.report import BadSampleReport
from ppocr.engine.overfitting import Trace, advice, first_batch, highest_rate, overfit, overrides_for_regions
from ppocr.engine.run import TrainingRun
from tests.engine.stubs import Batches, make_run
from tests.small_detection import write_pictures, write_user_config
from tests.small_run import write_small_run
from tools.overfit import main
from tools.program import train_step


def test_it_is_a_command() -> None:
    assert "overfit" in cli.commands()


def test_words_are_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_small_run(tmp_path)
    assert main(["-c", str(config), "--samples", "1", "--rate", "0.01", "--steps", "200", "--target", "1",
                 "-o", "Architecture.Backbone.scale=0.125", "Architecture.Neck.hidden_size=32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "1 samples, learning rate 0.01, at most 200 steps; learned at acc 1 in evaluation mode" in lines
    assert lines[-1].startswith("learned: acc 1.0000 after ")
    assert not (tmp_path / "output").exists()


def test_nothing_is_learned_at_no_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_small_run(tmp_path, count=8)
    assert main(["-c", str(config), "--steps", "2", "--rate", "1e-9", "-o", "Global.freeze=[backbone.*]"]) == 1
    text = capsys.readouterr().out
    assert "not learned: acc 0.0000 after 2 steps. Look at:" in text
    assert "the learning rate (1e-09) may be too low" in text
    assert "21 parameters are frozen" in text


def test_regions_of_training_images_are_in_the_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path)
    config = write_user_config(tmp_path)
    assert overrides_for_regions(load_config(config, [], {})) == [
        "Train.dataset.transforms.KeepKeys.keep_keys=[image, threshold_map, threshold_mask, shrink_map, shrink_mask, "
        "polys, ignore_tags]"]
    options = ["Global.use_gpu=false", "Architecture.Backbone.scale=0.35", "Architecture.Neck.out_channels=24",
               "Train.dataset.transforms.EastRandomCropData.size=[64,64]"]
    assert main(["-c", str(config), "--samples", "2", "--steps", "1", "-o", *options]) == 1
    assert "hmean 0.0000" in capsys.readouterr().out


class Score:
    """A metric that counts how near the values are."""

    main_indicator = "acc"

    def reset(self) -> None:
        self.value = 0.0

    def update(self, results: list[Any], batch: dict[str, Any]) -> None:
        errors = np.abs(np.array(results) - batch["target"].numpy()[:, 0])
        self.value = float((errors < 0.1).mean())

    def compute(self) -> dict[str, float]:
        return {"acc": self.value}


def numbers_run(tmp_path: Path) -> TrainingRun:
    loader: Any = Batches(3)
    loader.report = BadSampleReport()
    run = make_run(tmp_path, "Optimizer.lr={name: Cosine, learning_rate: 0.02, warmup_steps: 4}", loader=loader)
    run.network.drop.p = 0.0
    run.postprocess = lambda outputs: outputs["value"][:, 0].tolist()
    run.metric = Score()
    return run


def run_overfit(run: TrainingRun, **options: Any) -> Trace:
    batch = first_batch(run, 2)
    return overfit(run, lambda batch: train_step(run, batch, group=1, update=True), batch, target=1.0,
                   report=lambda trace: None, **{"steps": 300, "rate": 0.02, "every": 10, **options})


def test_the_same_batch_at_a_constant_rate(tmp_path: Path) -> None:
    run = numbers_run(tmp_path)
    assert highest_rate(run) == 0.02
    rates = []
    step = run.optimizer.step
    run.optimizer.step = lambda: (rates.append(run.optimizer.get_lr()), step())
    trace = run_overfit(run)
    assert trace.is_learned
    assert trace.scores[-1][0] == len(trace.losses) < 300
    assert set(rates) == {0.02}
    assert trace.losses[-1] < 0.2 * trace.losses[0]
    assert trace.idle == []
    assert not trace.are_outputs_equal


def test_a_network_that_does_not_see_its_input(tmp_path: Path) -> None:
    run = numbers_run(tmp_path)
    run.network.forward = lambda images, batch=None: {"value": run.network.last(paddle.zeros([len(images), 5]))}
    trace = run_overfit(run, steps=20)
    assert trace.are_outputs_equal
    assert trace.idle == ["first.weight", "first.bias"]
    text = "\n".join(advice(trace))
    assert "gives the same for all samples" in text
    assert "No gradient reaches 2 parameters: first.weight, first.bias" in text


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([3.0, float("nan")], "not finite after 2 steps: lower the learning rate"),
        ([3.0, 9.0], "rose from 3 to 9: the learning rate (0.1) is too high"),
        ([3.0, 2.99, 2.98], "stayed where it was"),
        ([3.0, 2.0, 1.5, 1.0], "still falls"),
        ([3.0] + [0.1] * 20, "but acc stays low in evaluation mode"),
    ],
)
def test_advice(losses: list[float], expected: str) -> None:
    trace = Trace(0.1, "acc", 0.9, losses=losses, scores=[(1, 0.0)], gradient=1.0)
    hints = advice(trace)
    assert len(hints) == 1
    assert expected in hints[0]
