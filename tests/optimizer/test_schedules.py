"""Learning rates at given steps, computed by hand, and what holds for every schedule."""

from __future__ import annotations

import math
from typing import Any

import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.optimizer import build_schedule
from ppocr.registry import SCHEDULES


def rates(section: dict[str, Any], epochs: int, steps_per_epoch: int, count: int) -> list[float]:
    schedule = build_schedule(section, epochs=epochs, steps_per_epoch=steps_per_epoch)
    values = []
    for _ in range(count):
        values.append(schedule())
        schedule.step()
    return values


H = math.sqrt(0.5)

# section, epochs, steps per epoch, {step: rate}
BY_HAND: list[tuple[dict[str, Any], int, int, dict[int, float]]] = [
    ({"learning_rate": 0.5}, 2, 4, {0: 0.5, 7: 0.5, 8: 0.5, 100: 0.5}),
    ({"name": "Const", "learning_rate": 0.5, "warmup_epoch": 1}, 2, 4, {0: 0.0, 1: 0.125, 3: 0.375, 4: 0.5, 7: 0.5}),
    ({"name": "Const", "learning_rate": 0.4, "warmup_epoch": 0.5}, 2, 4, {0: 0.0, 1: 0.2, 2: 0.4}),
    ({"name": "Const", "learning_rate": 0.4, "warmup_steps": 4}, 2, 4, {0: 0.0, 1: 0.1, 4: 0.4}),
    ({"name": "Cosine", "learning_rate": 1.0}, 2, 4, {0: 1.0, 2: (1 + H) / 2, 4: 0.5, 6: (1 - H) / 2, 8: 0.0, 9: 0.0}),
    ({"name": "Cosine", "learning_rate": 1.0, "warmup_epoch": 1}, 3, 4,
     {0: 0.0, 2: 0.5, 4: 1.0, 6: (1 + H) / 2, 8: 0.5, 12: 0.0, 50: 0.0}),
    ({"name": "Cosine", "learning_rate": 1.0, "eta_min": 0.2}, 2, 4, {0: 1.0, 4: 0.6, 8: 0.2}),
    ({"name": "LinearWarmupCosine", "learning_rate": 1.0, "warmup_steps": 4, "start_lr": 0.2, "min_lr": 0.1}, 3, 4,
     {0: 0.2, 1: 0.4, 2: 0.6, 4: 1.0, 8: 0.55, 12: 0.1}),
    ({"name": "LinearWarmupCosine", "learning_rate": 1.0, "start_lr": 0.0}, 10, 1000, {2500: 0.5, 5000: 1.0}),
    ({"name": "LinearWarmupCosine", "learning_rate": 1.0, "warmup_epoch": 1, "start_lr": 0.0}, 3, 4, {2: 0.5, 4: 1.0}),
    ({"name": "Linear", "learning_rate": 1.0}, 2, 4, {0: 1.0, 2: 0.75, 7: 0.125, 8: 0.0, 9: 0.0}),
    ({"name": "Linear", "learning_rate": 1.0, "end_lr": 0.2, "power": 2.0, "warmup_steps": 2}, 3, 2,
     {1: 0.5, 2: 1.0, 3: 0.65, 4: 0.4, 5: 0.25, 6: 0.2}),
    ({"name": "Poly", "learning_rate": 1.0}, 2, 4, {0: 1.0, 4: 0.5**0.9, 8: 0.0}),
    ({"name": "DecayLearningRate", "learning_rate": 1.0, "factor": 0.5, "end_lr": 0.1}, 2, 4,
     {0: 1.0, 6: 0.1 + 0.9 * 0.5, 8: 0.1}),
    ({"name": "Piecewise", "decay_epochs": [1, 2], "values": [1.0, 0.5, 0.1]}, 3, 4,
     {0: 1.0, 3: 1.0, 4: 0.5, 7: 0.5, 8: 0.1, 20: 0.1}),
    ({"name": "Piecewise", "decay_epochs": [2], "values": ["1e-1", "1e-2"], "warmup_epoch": 1}, 3, 4,
     {0: 0.0, 2: 0.05, 4: 0.1, 7: 0.1, 8: 0.01}),
    ({"name": "Step", "learning_rate": 1.0, "step_size": 2, "gamma": 0.1}, 6, 2, {3: 1.0, 4: 0.1, 7: 0.1, 8: 0.01}),
    ({"name": "MultiStep", "learning_rate": 1.0, "milestones": [1, 3]}, 4, 2, {1: 1.0, 2: 0.1, 5: 0.1, 6: 0.01}),
    ({"name": "MultiStepDecay", "learning_rate": 1.0, "milestones": [1], "gamma": 0.5}, 4, 2, {1: 1.0, 2: 0.5}),
    # Initial 0.04, corner 1.0 at step 4 of 10, final 0.0004; straight lines.
    ({"name": "OneCycle", "max_lr": 1.0, "pct_start": 0.4, "anneal_strategy": "linear", "final_div_factor": 100}, 5, 2,
     {0: 0.04, 2: 0.52, 4: 1.0, 7: 0.5002, 10: 0.0004}),
    ({"name": "OneCycle", "max_lr": 1.0, "pct_start": 0.4}, 5, 2, {0: 0.04, 2: 0.52, 4: 1.0, 7: 0.500002, 10: 4e-6}),
    ({"name": "OneCycle", "max_lr": 1.0, "pct_start": 0.4, "anneal_strategy": "linear", "three_phase": True}, 5, 2,
     {0: 0.04, 4: 1.0, 6: 0.52, 8: 0.04, 9: 0.020002, 10: 4e-6}),
    # First cosine ends at step 4 of 8; then the second half of a cosine over all 8.
    ({"name": "TwoStepCosine", "learning_rate": 1.0, "first_epochs": 2}, 4, 2,
     {0: 1.0, 2: 0.5, 4: 0.5, 6: (1 - H) / 2, 8: 0.0}),
    ({"name": "TwoStepCosine", "learning_rate": 1.0}, 2, 4, {0: 1.0, 4: 0.5, 8: 0.0}),
    ({"name": "CyclicalCosine", "learning_rate": 1.0, "cycle": 2}, 4, 2, {0: 1.0, 2: 0.5, 4: 1.0, 6: 0.5, 8: 1.0}),
    ({"name": "CyclicalCosine", "learning_rate": 1.0, "cycle": 1, "warmup_epoch": 0.5, "eta_min": 0.5}, 4, 4,
     {0: 0.0, 1: 0.5, 2: 1.0, 4: 0.75, 6: 1.0}),
    ({"name": "ReduceOnPlateau", "learning_rate": 0.5, "warmup_steps": 2}, 2, 4, {0: 0.0, 1: 0.25, 2: 0.5, 7: 0.5}),
]


@pytest.mark.parametrize(("section", "epochs", "per_epoch", "expected"), BY_HAND)
def test_values(section: dict[str, Any], epochs: int, per_epoch: int, expected: dict[int, float]) -> None:
    values = rates(section, epochs, per_epoch, max(expected) + 1)
    assert {step: values[step] for step in expected} == pytest.approx(expected, abs=1e-12)


def test_every_schedule_has_values_by_hand() -> None:
    assert {section.get("name", "Const") for section, *_ in BY_HAND} == set(SCHEDULES.names())


@pytest.mark.parametrize(("section", "epochs", "per_epoch"), [entry[:3] for entry in BY_HAND])
class TestResume:
    def test_continues_exactly(self, section: dict[str, Any], epochs: int, per_epoch: int) -> None:
        total = epochs * per_epoch
        values = rates(section, epochs, per_epoch, total)
        first = build_schedule(section, epochs=epochs, steps_per_epoch=per_epoch)
        for _ in range(3):
            first.step()
        second = build_schedule(section, epochs=epochs, steps_per_epoch=per_epoch)
        second.set_state_dict(first.state_dict())
        assert second.steps_done == 3
        continued = []
        for _ in range(3, total):
            continued.append(second())
            second.step()
        assert continued == values[3:]

    def test_more_epochs_follow_the_longer_curve(self, section: dict[str, Any], epochs: int, per_epoch: int) -> None:
        short = build_schedule(section, epochs=epochs, steps_per_epoch=per_epoch)
        for _ in range(epochs * per_epoch):
            short.step()
        longer = build_schedule(section, epochs=2 * epochs, steps_per_epoch=per_epoch)
        longer.set_state_dict(short.state_dict())
        assert longer() == rates(section, 2 * epochs, per_epoch, epochs * per_epoch + 1)[-1]
        assert longer() > 0.0


class TestReduceOnPlateau:
    def schedule(self, **arguments: Any) -> Any:
        section = {"name": "ReduceOnPlateau", "learning_rate": 1.0, "factor": 0.1, "patience": 1, **arguments}
        return build_schedule(section, epochs=10, steps_per_epoch=10)

    @staticmethod
    def evaluate(schedule: Any, values: list[float]) -> list[float]:
        found = []
        for value in values:
            schedule.on_eval(value)
            found.append(schedule())
        return found

    def test_falls_after_more_than_patience_evaluations_without_improvement(self) -> None:
        values = [0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7, 0.1]
        assert self.evaluate(self.schedule(), values) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])

    def test_lower_is_better(self) -> None:
        assert self.evaluate(self.schedule(mode="min", patience=0), [3.0, 2.0, 2.0]) == pytest.approx([1, 1, 0.1])

    def test_cooldown(self) -> None:
        values = self.evaluate(self.schedule(patience=0, cooldown=2), [0.5] * 6)
        assert values == pytest.approx([1, 0.1, 0.1, 0.1, 0.01, 0.01])

    @pytest.mark.parametrize(("mode", "second", "falls"), [("rel", 11.5, False), ("rel", 10.9, True),
                                                           ("abs", 10.2, False), ("abs", 10.05, True)])
    def test_threshold(self, mode: str, second: float, falls: bool) -> None:
        schedule = self.schedule(patience=0, threshold=0.1, threshold_mode=mode)
        assert self.evaluate(schedule, [10.0, second])[-1] == pytest.approx(0.1 if falls else 1.0)

    def test_floor(self) -> None:
        assert self.evaluate(self.schedule(patience=0, min_lr=0.05), [0.5] * 4)[-1] == pytest.approx(0.05)

    def test_nan_is_no_improvement(self) -> None:
        assert self.evaluate(self.schedule(patience=0), [math.nan, 0.5, math.nan]) == pytest.approx([0.1, 0.1, 0.01])

    def test_resume_keeps_rate_best_and_counters(self) -> None:
        first = self.schedule()
        self.evaluate(first, [0.5, 0.4, 0.4, 0.4])
        second = self.schedule()
        second.set_state_dict(first.state_dict())
        assert second() == pytest.approx(0.1)
        assert self.evaluate(second, [0.45]) == pytest.approx([0.01])


def test_other_schedules_do_not_mind_evaluations() -> None:
    schedule = build_schedule({"name": "Cosine", "learning_rate": 1.0}, epochs=2, steps_per_epoch=2)
    schedule.step()
    before = schedule()
    schedule.on_eval(0.1)
    assert schedule() == before


def test_state_is_made_of_plain_values() -> None:
    assert build_schedule({"learning_rate": 1.0}, epochs=1, steps_per_epoch=1).state_dict() == {"step": 0}


def test_optimizer_state_of_paddle_carries_the_schedule() -> None:
    section = {"name": "Linear", "learning_rate": 1.0}
    model = paddle.nn.Linear(1, 1)
    first = build_schedule(section, epochs=1, steps_per_epoch=4)
    optimizer = paddle.optimizer.SGD(first, parameters=model.parameters())
    first.step()
    second = build_schedule(section, epochs=1, steps_per_epoch=4)
    other = paddle.optimizer.SGD(second, parameters=model.parameters())
    other.set_state_dict(optimizer.state_dict())
    assert other.get_lr() == second() == 0.75


def test_description_warns_of_a_warm_up_that_fills_the_training() -> None:
    section = {"name": "Cosine", "learning_rate": 1.0, "warmup_epoch": 5}
    assert "not reached" in build_schedule(section, epochs=5, steps_per_epoch=2).curve.describe()
    assert "not reached" not in build_schedule(section, epochs=6, steps_per_epoch=2).curve.describe()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "Cosin"}, "did you mean 'Cosine'"),
        ({"name": "Cosine", "learning_ratee": 1.0}, "did you mean 'learning_rate'"),
        ({"name": "Cosine", "warmup_epochs": 1}, "did you mean 'warmup_epoch'"),
        ({"name": "OneCycle", "learning_rate": 1.0}, "no argument 'learning_rate'"),
        ({"learning_rate": "fast"}, "wrong type"),
        ({"learning_rate": -1.0}, "the learning rate is -1"),
        ({"learning_rate": ".nan"}, "wrong type"),
        ({"learning_rate": "nan"}, "the learning rate is nan"),
        ({"learning_rate": 1.0, "warmup_epoch": -1}, "warm-up has -4 steps"),
        ({"learning_rate": 1.0, "warmup_epoch": 1, "warmup_steps": 1}, "both warmup_epoch and warmup_steps"),
        ({"name": "Piecewise", "decay_epochs": [1], "values": [1.0]}, "1 values for 1 decay_epochs"),
        ({"name": "Piecewise", "decay_epochs": [3, 1], "values": [1, 2, 3]}, "ascending"),
        ({"name": "Piecewise", "values": [1.0]}, "needs the argument 'decay_epochs'"),
        ({"name": "Step"}, "needs the argument 'step_size'"),
        ({"name": "Step", "step_size": 0}, "step_size is 0"),
        ({"name": "CyclicalCosine", "cycle": 0}, "cycle is 0"),
        ({"name": "MultiStep", "milestones": [2, 1]}, "ascending"),
        ({"name": "OneCycle", "pct_start": 0.6, "three_phase": True}, "pct_start 0.6"),
        ({"name": "OneCycle", "anneal_strategy": "cosine"}, "'cos' or 'linear'"),
        ({"name": "ReduceOnPlateau", "factor": 2}, "factor 2"),
    ],
)
def test_mistakes(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_schedule(section, epochs=4, steps_per_epoch=4)


@pytest.mark.parametrize(("epochs", "per_epoch"), [(0, 1), (1, 0)])
def test_training_without_steps_is_an_error(epochs: int, per_epoch: int) -> None:
    with pytest.raises(ConfigError, match=f"{epochs} epochs of {per_epoch} optimizer steps"):
        build_schedule({"learning_rate": 1.0}, epochs=epochs, steps_per_epoch=per_epoch)


def test_a_schedule_without_warm_up_does_not_speak_of_one() -> None:
    section = {"name": "Cosine", "learning_rate": 0.1}
    assert build_schedule(section, epochs=5, steps_per_epoch=2).curve.describe() == \
        "Cosine: rate 0.1 at the start, 0 at the end (10 steps)"
    warmed = build_schedule({**section, "warmup_steps": 1}, epochs=5, steps_per_epoch=2).curve.describe()
    assert "after 1 warm-up step, " in warmed
