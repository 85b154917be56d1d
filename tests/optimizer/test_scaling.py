"""Learning rates that follow the number of samples per optimizer step."""

from __future__ import annotations

import math
from typing import Any

import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.optimizer import build_optimizer, build_schedule


def rates(section: dict[str, Any], samples: int | None, count: int = 5) -> list[float]:
    schedule = build_schedule(section, epochs=2, steps_per_epoch=4, samples_per_step=samples)
    values = []
    for _ in range(count):
        values.append(schedule())
        schedule.step()
    return values


@pytest.mark.parametrize(
    ("scaling", "samples", "factor"),
    [("linear", 512, 2.0), ("linear", 64, 0.25), ("linear", 256, 1.0), ("sqrt", 512, math.sqrt(2)), ("sqrt", 64, 0.5),
     (None, 512, 1.0), ("linear", None, 1.0)],
)
@pytest.mark.parametrize(
    "curve",
    [{"learning_rate": 0.1}, {"name": "Cosine", "learning_rate": 0.1, "eta_min": 0.01, "warmup_epoch": 0.5},
     {"name": "LinearWarmupCosine", "learning_rate": 0.1, "start_lr": 0.02, "warmup_steps": 2},
     {"name": "OneCycle", "max_lr": 0.1}, {"name": "Piecewise", "decay_epochs": [1], "values": [0.1, 0.01]},
     {"name": "ReduceOnPlateau", "learning_rate": 0.1, "min_lr": 0.2}],
)
def test_the_whole_curve_is_multiplied(
    curve: dict[str, Any], scaling: str | None, samples: int | None, factor: float
) -> None:
    scaled = rates({**curve, "scaling": scaling, "base_batch_size": 256}, samples)
    assert scaled == pytest.approx([factor * rate for rate in rates(curve, samples)], rel=1e-12)


def test_the_rate_that_paddle_uses_and_the_report() -> None:
    model = paddle.nn.Linear(1, 1, bias_attr=False)
    section = {"name": "SGD", "lr": {"learning_rate": 0.1, "scaling": "linear", "base_batch_size": 32}}
    optimizer, _ = build_optimizer(section, model, epochs=1, steps_per_epoch=4, samples_per_step=128)
    assert optimizer.get_lr() == pytest.approx(0.4)
    before = float(model.weight)
    model(paddle.ones([1, 1])).sum().backward()
    optimizer.step()
    assert float(model.weight) == pytest.approx(before - 0.4, abs=1e-6)
    assert ("learning rate Const: rate 0.4 at the start, 0.4 at the end (4 steps); scaled by 4: linear, 128 samples "
            "per step, base_batch_size 32") in optimizer.optimizer_report


def test_without_scaling_the_report_is_silent() -> None:
    section = {"name": "SGD", "lr": {"learning_rate": 0.1, "base_batch_size": 32}}
    optimizer, _ = build_optimizer(section, paddle.nn.Linear(1, 1), epochs=1, steps_per_epoch=4, samples_per_step=128)
    assert "scaled" not in optimizer.optimizer_report


@pytest.mark.parametrize("section", [{"scaling": "linear"}, {"scaling": "sqrt", "base_batch_size": 0},
                                     {"base_batch_size": -1}])
def test_a_scaling_without_its_base_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="base_batch_size"):
        build_schedule({"learning_rate": 0.1, **section}, epochs=1, steps_per_epoch=1, samples_per_step=8)


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(ConfigError, match="scaling"):
        build_schedule({"learning_rate": 0.1, "scaling": "cubic", "base_batch_size": 8}, epochs=1, steps_per_epoch=1)
