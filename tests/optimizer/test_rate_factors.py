"""Factors of the learning rate: the update itself is scaled, in every optimizer; and what is told and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.name_patterns import close_patterns, covers, parameters_with_names
from ppocr.optimizer import build_optimizer
from ppocr.registry import OPTIMIZERS
from ppocr.sections import Section

RATE = 0.01


class Part(paddle.nn.Layer):
    """A weight that starts at 1, 2, 3, with the gradient 0.5, -1, 2 at the first step."""

    def __init__(self, own: float = 1.0) -> None:
        super().__init__()
        self.weight = self.create_parameter([3], attr=paddle.ParamAttr(learning_rate=own))
        self.weight.set_value(np.array([1.0, 2.0, 3.0], np.float32))

    def forward(self) -> Any:
        return (self.weight * paddle.to_tensor([0.5, -1.0, 2.0])).sum()


class Model(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = Part(), Part(own=0.5), Part()

    def forward(self) -> Any:
        return self.backbone() + self.neck() + self.head()


def updates(name: str, factors: dict[str, float] | None, steps: int = 2, rate: float = RATE,
            **arguments: Any) -> dict[str, Any]:
    """Return how far each part has moved."""
    model = Model()
    section = {"name": name, "lr": {"learning_rate": rate}, "lr_factors": factors, **arguments}
    optimizer, schedule = build_optimizer(section, model, epochs=1, steps_per_epoch=steps)
    for _ in range(steps):
        model().backward()
        optimizer.step()
        optimizer.clear_grad()
        schedule.step()
    return {part: getattr(model, part).weight.numpy() - [1.0, 2.0, 3.0] for part in ("backbone", "neck", "head")}


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_the_update_is_scaled(name: str) -> None:
    # One step: the later ones of optimizers with decay or norms depend on the weights, which differ by then.
    moved = updates(name, {"backbone.*": 0.1}, steps=1, rate=1.0)
    assert np.all(moved["head"] != 0)
    np.testing.assert_allclose(moved["backbone"], 0.1 * moved["head"], rtol=5e-3)
    np.testing.assert_allclose(moved["neck"], 0.5 * moved["head"], rtol=5e-3)


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Adam"])
def test_with_constant_gradients_all_updates_are_scaled(name: str) -> None:
    moved = updates(name, {"neck": 0.2, "*": 3.0}, steps=4)
    np.testing.assert_allclose(moved["neck"], 0.2 * 0.5 / 3.0 * moved["head"], rtol=1e-3)
    np.testing.assert_allclose(moved["backbone"], moved["head"], rtol=1e-6)
    expected = {"SGD": 4 * 3 * RATE, "Momentum": 3 * RATE * (1 + 1.9 + 2.71 + 3.439)}
    if name in expected:
        np.testing.assert_allclose(moved["head"], -expected[name] * np.array([0.5, -1, 2]), rtol=1e-4)


def test_the_decay_of_adamw_is_scaled_too() -> None:
    moved = updates("AdamW", {"head": 0.1}, steps=1, weight_decay=0.5)
    weight = np.array([1.0, 2.0, 3.0])
    for part, rate in (("backbone", RATE), ("head", 0.1 * RATE)):
        np.testing.assert_allclose(moved[part], -rate * (0.5 * weight + np.array([1, -1, 1])), rtol=5e-3)


def test_the_first_pattern_counts_and_the_report_tells() -> None:
    model = Model()
    factors = {"head.weight": 2.0, "?e*": 0.5}
    optimizer, _ = build_optimizer({"name": "SGD", "lr": {}, "lr_factors": factors}, model, epochs=1,
                                   steps_per_epoch=1)
    assert [part.weight.optimize_attr["learning_rate"] for part in (model.backbone, model.neck, model.head)] == \
        [1.0, 0.25, 2.0]
    assert optimizer.optimizer_report.splitlines()[-4:] == [
        "learning-rate factor 2 for 'head.weight': 1 parameter (3 values)",
        "learning-rate factor 0.5 for '?e*': 1 parameter (3 values)",
        "learning-rate factor 1 (no pattern of lr_factors): 1 parameter (3 values)",
        "learning-rate factor 0.5 of the layers' own, besides these: 1 parameter (3 values)",
    ]


def test_a_second_optimizer_of_a_model_does_not_multiply_again() -> None:
    model = Model()
    for _ in range(2):
        build_optimizer({"name": "SGD", "lr": {}, "lr_factors": {"neck": 0.1}}, model, epochs=1, steps_per_epoch=1)
    assert model.neck.weight.optimize_attr["learning_rate"] == pytest.approx(0.05)
    build_optimizer({"name": "SGD", "lr": {}}, model, epochs=1, steps_per_epoch=1)
    assert model.neck.weight.optimize_attr["learning_rate"] == 0.5


@pytest.mark.parametrize(("factors", "message"), [
    ({"backbon.*": 0.1}, r"'backbon.\*' covers no parameter \(did you mean 'backbone.\*' or"),
    ({"*": 0.1, "head.*": 1}, r"every parameter that 'head.\*' covers is covered by an earlier pattern"),
    ({"neck": 1.0}, "'neck' covers 1 parameters, none of which is trained"),
    ({"head": 0.0}, r"Optimizer.lr_factors \(a.yml:3\): the factor of 'head' is 0"),
    ({"head": -1.0}, "the factor of 'head' is -1"),
])
def test_wrong_patterns(factors: dict[str, float], message: str) -> None:
    model = Model()
    model.neck.weight.stop_gradient = True
    section = Section({"name": "SGD", "lr": {}, "lr_factors": factors}, path="Optimizer")
    section.origins = {"lr_factors": "a.yml:3"}
    with pytest.raises(ConfigError, match=message):
        build_optimizer(section, model, epochs=1, steps_per_epoch=1)


@pytest.mark.parametrize(("pattern", "name", "expected"), [
    ("backbone.*", "backbone.a.b.weight", True), ("backbone", "backbone.a.weight", True),
    ("backbone", "backbone2.weight", False), ("*.bn", "a.b.bn.weight", True), ("*.bn", "a.bn1.weight", False),
    ("backbone.*", "neck.backbone.weight", False), ("*.bias", "a.bias", True), ("Head.*", "head.a", False),
])
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert covers(pattern, name) is expected


def test_names_of_one_parameter() -> None:
    lstm = paddle.nn.LSTM(2, 3)
    named = {name: parameter for names, parameter in parameters_with_names(lstm) for name in names}
    assert named["0.cell.weight_ih"] is named["weight_ih_l0"]
    assert len(parameters_with_names(lstm)) == 4


def test_hints() -> None:
    assert "'head.*'" in close_patterns("hed.*", Model())
    assert "'head'" in close_patterns("heda.some.where", Model())
    assert close_patterns("zzz", Model()) == ""
