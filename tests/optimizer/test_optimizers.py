"""Steps of the optimizers against their formulas in NumPy; weight decay and clipping by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.regularizer import L2Decay

from ppocr.errors import ConfigError, TrainingError
from ppocr.optimizer import build_optimizer
from ppocr.optimizer.decay import L2, SelectiveDecay
from ppocr.registry import OPTIMIZERS

LR = 0.1
START = np.array([[1.0, -2.0], [3.0, 0.5]])
TARGET = np.array([[0.5, 0.5], [-1.0, 0.25]])


class Quadratic(paddle.nn.Layer):
    """Half the squared distance of a weight and a bias from a target; the gradient is the difference."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = self.create_parameter([2, 2])
        self.norm_scale = self.create_parameter([2])
        self.weight.set_value(START.astype(np.float32))
        self.norm_scale.set_value(np.array([2.0, -1.0], np.float32))

    def forward(self) -> Any:
        weight = ((self.weight - paddle.to_tensor(TARGET.astype(np.float32))) ** 2).sum()
        return (weight + ((self.norm_scale - 1.0) ** 2).sum()) / 2


def build(section: dict[str, Any], model: Any, **lr: Any) -> tuple[Any, Any]:
    section = {"lr": {"learning_rate": LR, **lr}, **section}
    return build_optimizer(section, model, epochs=10, steps_per_epoch=10)


def train(section: dict[str, Any], steps: int, model: Quadratic | None = None) -> Quadratic:
    model = model or Quadratic()
    optimizer, schedule = build(section, model)
    for _ in range(steps):
        model().backward()
        optimizer.step()
        optimizer.clear_grad()
        schedule.step()
    return model


State = dict[str, Any]
Update = Callable[[np.ndarray, np.ndarray, State], np.ndarray]


def sgd(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    return w - LR * g


def momentum(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    s["v"] = 0.8 * s.get("v", 0) + g
    return w - LR * s["v"]


def nesterov(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    s["v"] = 0.8 * s.get("v", 0) + g
    return w - LR * (g + 0.8 * s["v"])


def adam_direction(g: np.ndarray, s: State, epsilon: float) -> np.ndarray:
    s["t"] = s.get("t", 0) + 1
    s["m"] = 0.8 * s.get("m", 0) + 0.2 * g
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
    return s["m"] / (1 - 0.8 ** s["t"]) / (np.sqrt(s["v"] / (1 - 0.9 ** s["t"])) + epsilon)


def adam(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    return w - LR * adam_direction(g, s, 1e-8)


def adamw(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    return w * (1 - LR * 0.05) - LR * adam_direction(g, s, 1e-8)


def adamw_default(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    return w * (1 - LR * 0.01) - LR * adam_direction(g, s, 1e-8)


def lamb(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    update = adam_direction(g, s, 1e-6) + 0.05 * w
    return w - LR * np.linalg.norm(w) / np.linalg.norm(update) * update


def rmsprop(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    s["r"] = 0.9 * s.get("r", 0) + 0.1 * g**2
    s["v"] = 0.5 * s.get("v", 0) + LR * g / np.sqrt(s["r"] + 1e-6)
    return w - s["v"]


def adadelta(w: np.ndarray, g: np.ndarray, s: State) -> np.ndarray:
    s["g"] = 0.9 * s.get("g", 0) + 0.1 * g**2
    update = np.sqrt((s.get("u", 0) + 1e-4) / (s["g"] + 1e-4)) * g
    s["u"] = 0.9 * s.get("u", 0) + 0.1 * update**2
    return w - LR * update


BETAS = {"beta1": 0.8, "beta2": 0.9}
FORMULAS: list[tuple[dict[str, Any], Update]] = [
    ({"name": "SGD"}, sgd),
    ({"name": "Momentum", "momentum": 0.8}, momentum),
    ({"name": "Momentum", "momentum": 0.8, "use_nesterov": True}, nesterov),
    ({"name": "Adam", **BETAS}, adam),
    ({"name": "AdamW", "weight_decay": 0.05, **BETAS}, adamw),
    ({"name": "AdamW", "regularizer": {"name": "L2", "factor": 0.05}, **BETAS}, adamw),
    ({"name": "AdamW", **BETAS}, adamw_default),
    ({"name": "AdamW", "weight_decay": 0, **BETAS}, adam),
    ({"name": "Lamb", "weight_decay": 0.05, **BETAS}, lamb),
    ({"name": "RMSProp", "rho": 0.9, "momentum": 0.5}, rmsprop),
    ({"name": "Adadelta", "rho": 0.9, "epsilon": "1e-4"}, adadelta),
]


@pytest.mark.parametrize(("section", "update"), FORMULAS)
def test_first_steps_follow_the_formula(section: dict[str, Any], update: Update) -> None:
    weight, state = START.copy(), {}
    for _ in range(3):
        weight = update(weight, weight - TARGET, state)
    np.testing.assert_allclose(train(section, 3).weight.numpy(), weight, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_lowers_a_quadratic(name: str) -> None:
    before, after = Quadratic(), train({"name": name}, 20)
    assert float(after()) < float(before())


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_schedule_drives_every_optimizer(name: str) -> None:
    model = Quadratic()
    optimizer, schedule = build({"name": name}, model, name="Linear", warmup_steps=2)
    model().backward()
    optimizer.step()
    assert optimizer.get_lr() == 0.0
    np.testing.assert_array_equal(model.weight.numpy(), START.astype(np.float32))
    schedule.step()
    assert optimizer.get_lr() == pytest.approx(LR / 2)
    optimizer.step()
    assert (model.weight.numpy() != START).all()


COUPLED = ["SGD", "Momentum", "Adam", "RMSProp", "Adadelta"]


class TestWeightDecay:
    """With a learning rate of 0.1, SGD moves a weight by -0.1 (gradient + decay)."""

    BASE = sgd(START, START - TARGET, {})

    @pytest.mark.parametrize(
        ("section", "extra"),
        [
            ({"regularizer": {"name": "L2", "factor": "1e-1"}}, 0.1 * START),
            ({"regularizer": {"name": "L2Decay", "factor": 0.1}}, 0.1 * START),
            ({"weight_decay": 0.1}, 0.1 * START),
            ({"regularizer": {"name": "L1", "factor": 0.1}}, 0.1 * np.sign(START)),
            ({"regularizer": {"name": "L1Decay", "factor": 0.1}}, 0.1 * np.sign(START)),
            ({"regularizer": {"name": "L2", "factor": 0}}, 0 * START),
            ({"regularizer": None}, 0 * START),
        ],
    )
    @pytest.mark.parametrize("exempt", [{}, {"one_dim_param_no_weight_decay": True}])
    def test_values(self, section: dict[str, Any], extra: np.ndarray, exempt: dict[str, Any]) -> None:
        model = train({"name": "SGD", **section, **exempt}, 1)
        np.testing.assert_allclose(model.weight.numpy(), self.BASE - LR * extra, rtol=1e-6)

    @pytest.mark.parametrize("name", OPTIMIZERS.names())
    @pytest.mark.parametrize(
        "exempt",
        [
            {"no_weight_decay_name": "pos_embed norm"},
            {"no_weight_decay_name": ["norm"]},
            {"one_dim_param_no_weight_decay": True},
        ],
    )
    def test_exempt_parameters_move_as_without_decay(self, name: str, exempt: dict[str, Any]) -> None:
        # Adadelta starts with steps that do not depend on the size of the gradient; a large epsilon changes that.
        section = {"name": name, "epsilon": 0.1} if name == "Adadelta" else {"name": name}
        with_decay = train({**section, "weight_decay": 0.5, **exempt}, 5)
        without = train({**section, "weight_decay": 0.0}, 5)
        np.testing.assert_array_equal(with_decay.norm_scale.numpy(), without.norm_scale.numpy())
        assert (with_decay.weight.numpy() != without.weight.numpy()).any()
        everywhere = train({**section, "weight_decay": 0.5}, 5)
        assert (everywhere.norm_scale.numpy() != without.norm_scale.numpy()).any()
        np.testing.assert_array_equal(with_decay.weight.numpy(), everywhere.weight.numpy())

    @pytest.mark.parametrize("name", OPTIMIZERS.names())
    @pytest.mark.parametrize("exempt", [{}, {"no_weight_decay_name": "nothing_like_it"},
                                        {"one_dim_param_no_weight_decay": True}])
    def test_own_regularizer_takes_the_place_of_the_decay(self, name: str, exempt: dict[str, Any]) -> None:
        model = Quadratic()
        model.weight.regularizer = L2Decay(0.0)
        train({"name": name, "weight_decay": 0.5, **exempt}, 3, model)
        without = train({"name": name, "weight_decay": 0.0}, 3)
        np.testing.assert_allclose(model.weight.numpy(), without.weight.numpy(), rtol=1e-6)

    @pytest.mark.parametrize("name", COUPLED)
    def test_own_factor_is_used(self, name: str) -> None:
        model = Quadratic()
        model.weight.regularizer = L2Decay(0.25)
        train({"name": name, "weight_decay": 0.5, "one_dim_param_no_weight_decay": True}, 2, model)
        expected = train({"name": name, "weight_decay": 0.25}, 2)
        np.testing.assert_allclose(model.weight.numpy(), expected.weight.numpy(), rtol=1e-6)

    @pytest.mark.parametrize("name", OPTIMIZERS.names())
    def test_frozen_parameters_do_not_move(self, name: str) -> None:
        model = Quadratic()
        model.weight.stop_gradient = True
        optimizer, _ = build({"name": name, "weight_decay": 0.5}, model)
        for _ in range(2):
            model().backward()
            optimizer.step()
        np.testing.assert_array_equal(model.weight.numpy(), START.astype(np.float32))
        assert "1 parameters (2 values)" in optimizer.optimizer_report

    def test_model_is_left_as_it_was(self) -> None:
        model = Quadratic()
        build({"name": "SGD", "weight_decay": 0.5, "one_dim_param_no_weight_decay": True}, model)
        assert model.norm_scale.regularizer is None

    def test_unknown_parameter_is_not_decayed_silently(self) -> None:
        with pytest.raises(TrainingError, match="unknown parameter"):
            SelectiveDecay(L2(0.1), {"other": True})(Quadratic().weight, None, None)

    def test_report(self) -> None:
        section = {"name": "Adam", "regularizer": {"name": "L2", "factor": "1e-5"}, "clip_norm_global": 5.0,
                   "no_weight_decay_name": "norm typo"}
        model = Quadratic()
        model.weight.regularizer = L2Decay(0.0)
        optimizer, _ = build(section, model, name="Cosine", warmup_epoch=2)
        assert optimizer.optimizer_report.splitlines() == [
            "optimizer Adam: 2 parameters (6 values), weight decay L2 1e-05, gradient clipping clip_norm_global 5",
            "learning rate Cosine: rate 0 at the start, 0.1 after 20 warm-up steps, 0 at the end (100 steps)",
            "not under the optimizer's weight decay (has a regularizer of its own): 1: weight",
            "not under the optimizer's weight decay (name contains 'norm'): 1: norm_scale",
            "no_weight_decay_name 'typo' matches no parameter",
        ]

    @pytest.mark.parametrize(("section", "text"), [({"name": "Adam"}, "decay none"), ({"name": "AdamW"}, "L2 0.01")])
    def test_report_of_the_default(self, section: dict[str, Any], text: str) -> None:
        assert text in build(section, Quadratic())[0].optimizer_report


class TestClipping:
    """Gradients: weight [[0.5, -2.5], [4, 0.25]], norm_scale [1, -2]."""

    GRADIENT = START - TARGET
    SCALE_GRADIENT = np.array([1.0, -2.0])
    GLOBAL = np.sqrt((GRADIENT**2).sum() + 5.0)

    @pytest.mark.parametrize(
        ("clip", "weight", "scale"),
        [
            ({}, GRADIENT, SCALE_GRADIENT),
            ({"clip_norm": 1.0}, GRADIENT / np.linalg.norm(GRADIENT), SCALE_GRADIENT / np.sqrt(5.0)),
            ({"clip_norm": 3.0}, GRADIENT * 3.0 / np.linalg.norm(GRADIENT), SCALE_GRADIENT),
            ({"clip_norm_global": 1.0}, GRADIENT / GLOBAL, SCALE_GRADIENT / GLOBAL),
            ({"clip_norm_global": 100.0}, GRADIENT, SCALE_GRADIENT),
            ({"clip_value": 1.5}, [[0.5, -1.5], [1.5, 0.25]], [1.0, -1.5]),
        ],
    )
    def test_values(self, clip: dict[str, Any], weight: np.ndarray, scale: np.ndarray) -> None:
        model = train({"name": "SGD", **clip}, 1)
        np.testing.assert_allclose(model.weight.numpy(), START - LR * np.asarray(weight), rtol=1e-5)
        np.testing.assert_allclose(model.norm_scale.numpy(), [2, -1] - LR * np.asarray(scale), rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_rate_factor_of_a_layer_is_respected(name: str) -> None:
    class Half(Quadratic):
        def __init__(self) -> None:
            super().__init__()
            self.weight.optimize_attr["learning_rate"] = 0.0

    model = train({"name": name, "weight_decay": 0.0}, 2, Half())
    np.testing.assert_array_equal(model.weight.numpy(), START.astype(np.float32))
    assert (model.norm_scale.numpy() != [2, -1]).all()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "Adan"}, "did you mean"),
        ({"name": "Adam", "beta_1": 0.9}, "did you mean 'beta1'"),
        ({"name": "Adam", "weight_deacy": 0.0}, "did you mean 'weight_decay'"),
        ({"name": "Adam", "momentum": 0.9}, "no argument 'momentum'"),
        ({"name": "Adam", "beta1": "high"}, "wrong type"),
        ({"name": "Adam", "lr": None}, "wrong type"),
        ({"name": "Adam", "clip_norm": 1.0, "clip_value": 1.0}, "clip_norm and clip_value"),
        ({"name": "Adam", "clip_norm_global": 0.0}, "clip_norm_global is 0"),
        ({"name": "Adam", "regularizer": {"name": "L3"}}, "no regularizer named 'L3'"),
        ({"name": "Adam", "regularizer": {"factor": 1.0}}, "does not name its regularizer"),
        ({"name": "Adam", "regularizer": {"name": "L2", "coeff": 1.0}}, "no argument 'coeff'"),
        ({"name": "Adam", "weight_decay": -1.0}, "the weight decay is -1"),
        ({"name": "Adam", "weight_decay": 1.0, "regularizer": {"name": "L2"}}, "both regularizer and weight_decay"),
        ({"name": "AdamW", "regularizer": {"name": "L1", "factor": 1.0}}, "AdamW has no L1"),
        ({"name": "Lamb", "regularizer": {"name": "L1", "factor": 1.0}}, "Lamb has no L1"),
    ],
)
def test_mistakes(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(section, Quadratic())


def test_missing_schedule_is_named() -> None:
    with pytest.raises(ConfigError, match="needs the argument 'lr'"):
        build_optimizer({"name": "Adam"}, Quadratic(), epochs=1, steps_per_epoch=1)


def test_model_without_trainable_parameters_is_an_error() -> None:
    model = Quadratic()
    for parameter in model.parameters():
        parameter.stop_gradient = True
    with pytest.raises(ConfigError, match="no trainable parameter"):
        build({"name": "Adam"}, model)


def test_section_is_left_as_it_was() -> None:
    section = {"name": "Adam", "lr": {"learning_rate": 1.0}, "regularizer": {"name": "L2", "factor": "1e-6"}}
    build_optimizer(section, Quadratic(), epochs=1, steps_per_epoch=1)
    assert section == {"name": "Adam", "lr": {"learning_rate": 1.0}, "regularizer": {"name": "L2", "factor": "1e-6"}}
