from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling import build_model
from tests.modeling.sections import ATTENTION, CTC, LARGE, RESHAPE, SMALL, STN, SVTR, TPS, rec, rnn

LIGHT = rec(SMALL, rnn(8), CTC)
SHALLOW = {**SVTR, "depth": [1, 1, 1], "mixer": ["Local", "Local", "Global"]}
# section, classes, image size, shape that the export leaves open
FAMILIES: dict[str, tuple[dict[str, Any], tuple[int, int], list[int]]] = {
    "CRNN": (LIGHT, (32, 100), [-1, 3, 32, -1]),
    "SVTR": (rec(SHALLOW, RESHAPE, CTC, Transform=STN), (64, 256), [-1, 3, 64, 256]),
    "RARE": (rec(SMALL, rnn(8), ATTENTION, Transform=TPS), (32, 100), [-1, 3, 32, 100]),
    "CLS": ({"model_type": "cls", "Backbone": SMALL, "Head": {"name": "ClsHead", "class_dim": 11}}, (48, 64),
            [-1, 3, 48, 64]),
}


def build(section: dict[str, Any], **context: Any) -> Any:
    paddle.seed(0)
    return build_model(section, **{"num_classes": 11, "max_text_length": 4, **context})


class Probabilities(paddle.nn.Layer):
    """What an export keeps of a model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Any) -> Any:
        return self.model(images)["probs"]


@pytest.mark.parametrize("name", FAMILIES)
def test_saved_model_equals_the_layers(name: str, tmp_path: Path) -> None:
    section, (height, width), shape = FAMILIES[name]
    model = build(section)
    model.eval()
    images = paddle.rand([2, 3, height, width])
    with paddle.no_grad():
        expected = model(images)["probs"].numpy()
    spec = [paddle.static.InputSpec(shape, "float32", "images")]
    static = paddle.jit.to_static(Probabilities(model), input_spec=spec, full_graph=True)
    paddle.jit.save(static, str(tmp_path / "model"))
    found = paddle.jit.load(str(tmp_path / "model"))(images).numpy()
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("name", FAMILIES)
def test_gradient_reaches_every_parameter(name: str) -> None:
    section, (height, width), _ = FAMILIES[name]
    model = build(section)
    model.train()
    for transform_end in ("loc_net.fc2.weight", "stn_head.stn_fc2.weight"):
        for key, value in model.named_parameters():
            if key.endswith(transform_end):  # It starts at zero, which passes no gradient on.
                value.set_value(np.random.default_rng(0).normal(scale=0.01, size=value.shape).astype(np.float32))
    outputs = model(paddle.rand([4, 3, height, width]), {"label": paddle.randint(1, 11, [4, 6])})
    outputs["logits"].square().mean().backward()
    silent = [key for key, value in model.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []


def test_two_models_in_one_process_and_a_section_that_stays() -> None:
    section = rec({"name": "ResNet", "layers": 18}, rnn(8), ATTENTION, Transform=TPS)
    before = copy.deepcopy(section)
    first, second = build(section), build(section)
    assert section == before
    assert first.state_dict().keys() == second.state_dict().keys()
    names = [value.name for model in (first, second) for value in model.parameters()]
    assert len(names) == len(set(names))


def test_same_seed_same_start() -> None:
    first, second = build(LIGHT).state_dict(), build(LIGHT).state_dict()
    for key, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[key].numpy())


@pytest.mark.parametrize(("section", "size", "steps"), [
    (LIGHT, (32, 100), 25),
    (LIGHT, (32, 320), 80),
    (rec(LARGE, RESHAPE, CTC), (32, 64), 16),
    (rec(SHALLOW, RESHAPE, CTC, Transform=STN), (64, 256), 25),
    (rec(SMALL, rnn(8), ATTENTION), (32, 100), None),
    (FAMILIES["CLS"][0], (48, 64), None),
])
def test_time_steps(section: dict[str, Any], size: tuple[int, int], steps: int | None) -> None:
    assert build(section).time_steps(*size) == steps


def test_time_steps_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(LIGHT)
    model.train()
    model.backbone.conv1.bn.eval()
    modes = [layer.training for layer in model.sublayers(include_self=True)]
    state = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    random = [generator.__getstate__() for generator in paddle.get_rng_state()]
    assert model.time_steps(32, 100) == 25
    assert [layer.training for layer in model.sublayers(include_self=True)] == modes
    assert [generator.__getstate__() for generator in paddle.get_rng_state()] == random
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key])
    monkeypatch.setattr(type(model), "forward", None)  # The second answer is remembered.
    assert model.time_steps(32, 100) == 25


def test_time_steps_restore_modes_after_a_failure() -> None:
    model = build(LIGHT)
    with pytest.raises(ConfigError, match="height 1"):
        model.time_steps(128, 100)
    assert model.training


def test_all_features_while_training() -> None:
    model = build({**LIGHT, "return_all_feats": True})
    outputs = model(paddle.rand([2, 3, 32, 64]))
    assert {key: list(value.shape) for key, value in outputs.items()} == {
        "backbone_out": [2, 200, 1, 16], "neck_out": [2, 16, 16], "logits": [2, 16, 11]}
    model.eval()
    assert set(model(paddle.rand([2, 3, 32, 64]))) == {"probs"}


def test_grey_images() -> None:
    model = build({**LIGHT, "in_channels": 1, "algorithm": "CRNN", "Transform": None})
    assert model.backbone.conv1.conv.weight.shape[1] == 1
    assert model.time_steps(32, 64) == 16


@pytest.mark.parametrize(("section", "words"), [
    ({**LIGHT, "Bakbone": {}}, "did you mean 'Backbone'"),
    ({**LIGHT, "Head": None}, "has no Head"),
    ({"model_type": "rec", "Head": CTC}, "has no Backbone"),
    ({**LIGHT, "in_channels": "three"}, "in_channels: 'three' has the wrong type"),
    ({**LIGHT, "in_channels": 0}, "in_channels is 0"),
    ({**LIGHT, "return_all_feats": "perhaps"}, "return_all_feats: 'perhaps' has the wrong type"),
    ({**LIGHT, "Backbone": {"name": "MobileNetV4"}}, "did you mean 'MobileNetV3'"),
    ({**LIGHT, "Backbone": {"scale": 0.5}}, "does not name its backbone"),
    ({**LIGHT, "Backbone": "MobileNetV3"}, "backbone section is 'MobileNetV3'"),
    ({**LIGHT, "Head": {"name": "ClsHead", "class_dim": 2}}, "exists for model_type cls"),
    ({"name": "DistillationModel", "Models": {}}, "distillation, which is not available yet"),
    ({"name": "DistillationModel"}, "DistillationModel"),
])
def test_bad_sections(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(section)
