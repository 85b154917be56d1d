"""PP-LCNetV3 and its layer with branches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common import rep_layer
from ppocr.modeling.common.cpu_training import channel_affine
from ppocr.modeling.common.rep_layer import LearnableRepLayer
from ppocr.modeling.common.reparam import reparameterize
from ppocr.registry import BACKBONES
from tests.modeling.programs import program_difference, settle, silent_parameters

DET = {"name": "PPLCNetV3", "scale": 0.25, "conv_kxk_num": 2, "det": True}
REC = {"name": "PPLCNetV3", "scale": 0.25, "conv_kxk_num": 2}


def build(section: dict[str, Any], **others: Any) -> Any:
    paddle.seed(0)
    task = "det" if section.get("det") else "rec"
    return BACKBONES.build({**section, **others}, task=task, in_channels=3)


def images(*size: int) -> Any:
    paddle.seed(1)
    return paddle.rand([2, 3, *size])


@pytest.mark.parametrize(("scale", "channels"), [(0.25, [4, 6, 14, 120]), (0.75, [12, 18, 42, 360])])
def test_maps_of_a_detector(scale: float, channels: list[int]) -> None:
    backbone = build(DET, scale=scale)
    backbone.eval()
    with paddle.no_grad():
        maps = backbone(images(64, 96))
    assert [list(x.shape) for x in maps] == [
        [2, width, 64 // stride, 96 // stride] for width, stride in zip(channels, (4, 8, 16, 32), strict=True)]
    assert backbone.out_channels == channels


@pytest.mark.parametrize("width", [96, 320])
def test_map_of_a_recognizer(width: int) -> None:
    backbone = build(REC)
    backbone.eval()
    with paddle.no_grad():
        assert list(backbone(images(48, width)).shape) == [2, 128, 1, width // 8]
    backbone.train()
    for height in (32, 48, 64):
        assert list(backbone(images(height, width)).shape) == [2, 128, 1, width // 8]
    assert backbone.out_channels == 128
    assert build(REC, scale=0.95).out_channels == 480


def test_pooling_while_training_and_in_evaluation_is_the_same() -> None:
    backbone = build(REC)
    settle(backbone, images(48, 96))
    with paddle.no_grad():
        expected = backbone(images(48, 96)).numpy()
        backbone.training = True  # The backbone alone, whose pooling it decides.
        np.testing.assert_allclose(backbone(images(48, 96)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_low_images_give_one_row_in_evaluation_too() -> None:
    # Training mixes heights, and its time steps are counted in evaluation mode.
    backbone = build(REC)
    settle(backbone, images(32, 96))
    with paddle.no_grad():
        expected = backbone(images(32, 96)).numpy()
        backbone.training = True
        np.testing.assert_allclose(backbone(images(32, 96)).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert expected.shape[2:] == (1, 12)


def test_narrow_images_are_refused() -> None:
    with pytest.raises(ConfigError, match="one column") as narrow:
        build(REC)(images(48, 4))
    assert "RecResizeImg" in str(narrow.value)


@pytest.fixture
def double_precision() -> Iterator[None]:
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("section", "size"), [(DET, (64, 96)), (REC, (48, 96))])
def test_merging_keeps_the_output(section: dict[str, Any], size: tuple[int, int]) -> None:
    backbone = build(section, conv_kxk_num=4)
    settle(backbone, images(*size))
    merged = reparameterize(backbone)
    with paddle.no_grad():
        before, after = (model(images(*size)) for model in (backbone, merged))
    # In double precision, as rounding in 26 layers would hide a small mistake; for float32 see the single layers.
    for one, other in zip(*(maps if section is DET else [maps] for maps in (before, after)), strict=True):
        assert float((one - other).abs().max()) < 1e-6
        assert float(one.std()) > 0.1


@pytest.mark.parametrize("section", [DET, REC])
def test_names_in_the_merged_form(section: dict[str, Any]) -> None:
    merged, built = reparameterize(build(section)), build(section, reparameterized=True)
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in merged.state_dict().items()}
    stem = "blocks3.0.dw_conv."
    assert {name for name in merged.state_dict() if name.startswith(stem)} == {
        stem + name for name in ("reparam_conv.weight", "reparam_conv.bias", "lab.scale", "lab.bias", "act.lab.scale",
                                 "act.lab.bias")}


LAYERS: list[dict[str, Any]] = [
    {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8},
    {"in_channels": 8, "out_channels": 8, "kernel_size": 5, "groups": 8, "stride": 2},
    {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8, "stride": (2, 1)},
    {"in_channels": 8, "out_channels": 8, "kernel_size": 1},
    {"in_channels": 8, "out_channels": 12, "kernel_size": 1},
    {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 2},
]


def random_layer(options: dict[str, Any], **others: Any) -> LearnableRepLayer:
    paddle.seed(0)
    layer = LearnableRepLayer(branches=4, **options, **others)
    for name, value in layer.named_parameters():
        if "lab." in name:
            value.set_value(paddle.rand(value.shape) + 0.5)
        elif name.endswith(("bias", "_mean")):
            value.set_value(0.3 * paddle.randn(value.shape))
        elif name.endswith("_variance"):
            value.set_value(paddle.rand(value.shape) + 0.5)
    return layer


@pytest.mark.parametrize("options", LAYERS)
def test_merging_one_layer(options: dict[str, Any]) -> None:
    layer, x = random_layer(options), paddle.rand([2, 8, 9, 11])
    layer.eval()
    with paddle.no_grad():
        before = layer(x)
        layer.rep()
        np.testing.assert_allclose(layer(x).numpy(), before.numpy(), atol=1e-5)
        layer.rep()
    assert layer.is_repped


def test_one_layer_by_hand() -> None:
    layer = LearnableRepLayer(1, 1, 3, branches=2)
    layer.eval()
    layer.conv_kxk[0].conv.weight.set_value(paddle.full([1, 1, 3, 3], 0.5))
    layer.conv_kxk[1].conv.weight.set_value(paddle.zeros([1, 1, 3, 3]))
    layer.conv_kxk[1].bn.bias.set_value(paddle.full([1], -7.0))
    layer.conv_1x1.conv.weight.set_value(paddle.full([1, 1, 1, 1], 3.0))
    layer.identity._mean.set_value(paddle.full([1], 1.0))
    layer.lab.scale.set_value(paddle.full([1], 2.0))
    layer.lab.bias.set_value(paddle.full([1], -0.5))
    layer.act.lab.bias.set_value(paddle.full([1], 10.0))
    # In the middle of ones 0.5 * 9 - 7 + 3 + (1 - 1) = 0.5, at an edge 0.5 * 6 - 4 = -1, in a corner 0.5 * 4 - 4 = -2.
    sums = np.array([[-2, -1, -2], [-1, 0.5, -1], [-2, -1, -2]]) * 2 - 0.5
    expected = sums * np.clip(sums + 3, 0, 6) / 6 + 10
    np.testing.assert_allclose(layer(paddle.ones([1, 1, 3, 3])).numpy()[0, 0], expected, atol=1e-4)


def trained_by(layer: LearnableRepLayer) -> dict[str, np.ndarray[Any, Any]]:
    """Return gradients, output and state after two training steps."""
    paddle.seed(5)
    layer.train()
    x = paddle.randn([3, 8, 12, 14])
    x.stop_gradient = False
    for _ in range(2):
        out = layer(x)
        (out * paddle.randn(out.shape)).mean().backward()
    found = {f"gradient of {name}": value.grad.numpy() for name, value in layer.named_parameters()
             if value.grad is not None}
    return {**found, **{name: value.numpy() for name, value in layer.state_dict().items()},
            "gradient of the input": x.grad.numpy(), "output": out.numpy()}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("options", LAYERS)
def test_the_fast_way_on_cpu_trains_the_same(options: dict[str, Any], merged: bool,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    fast = trained_by(random_layer(options, reparameterized=merged))
    monkeypatch.setattr(rep_layer, "takes_cpu_forms", lambda layer, x: False)
    plain = trained_by(random_layer(options, reparameterized=merged))
    assert fast.keys() == plain.keys()
    for name, value in plain.items():
        np.testing.assert_allclose(fast[name], value, atol=1e-5, err_msg=name)


def test_frozen_statistics_stay() -> None:
    layer = random_layer(LAYERS[0])
    layer.train()
    for part in layer.sublayers():
        if isinstance(part, nn.BatchNorm2D):
            part.eval()
    before = {name: value.numpy() for name, value in layer.state_dict().items()}
    out = layer(paddle.rand([2, 8, 9, 11])).numpy()
    assert all(np.array_equal(before[name], value.numpy()) for name, value in layer.state_dict().items())
    layer.eval()
    layer.rep()
    np.testing.assert_allclose(layer(paddle.rand([2, 8, 9, 11])).shape, out.shape)


def test_affine_by_channel() -> None:
    x = paddle.arange(12, dtype="float32").reshape([1, 3, 2, 2])
    found = channel_affine(x, paddle.to_tensor([1.0, 2.0, 3.0]), paddle.to_tensor([5.0])).numpy()
    np.testing.assert_array_equal(found, x.numpy() * np.array([1, 2, 3]).reshape(1, 3, 1, 1) + 5)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("section", "size"), [(DET, (64, 64)), (REC, (48, 64))])
def test_gradient_reaches_every_parameter(section: dict[str, Any], size: tuple[int, int], merged: bool) -> None:
    assert silent_parameters(build(section, reparameterized=merged), images(*size)) == []


def test_layers_of_stride_two_have_no_activation() -> None:
    def silent(section: dict[str, Any]) -> set[str]:
        return {name for name, value in build(section).named_parameters()
                if value.stop_gradient and not name.endswith(("_mean", "_variance"))}

    assert silent(DET) == {f"blocks{stage}.0.dw_conv.act.lab.{name}" for stage in (3, 4, 5, 6)
                           for name in ("scale", "bias")}
    assert silent(REC) == set()
    strided = [layer for layer in build(DET).sublayers() if isinstance(layer, LearnableRepLayer) and not layer.active]
    assert [layer.training_only for layer in strided] == [("act",)] * 4
    x = paddle.rand([1, 16, 8, 8])
    strided[0].eval()
    with paddle.no_grad():
        np.testing.assert_array_equal(strided[0](x).numpy(), strided[0].lab(strided[0]._branches(x)).numpy())


@pytest.mark.parametrize("merged", [False, True])
def test_learning_rates(merged: bool) -> None:
    backbone = build(REC, lr_mult_list=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], lab_lr=0.5, reparameterized=merged)
    rates = {name: value.optimize_attr["learning_rate"] for name, value in backbone.named_parameters()
             if not value.stop_gradient and ".se." not in name}
    assert rates["conv1.conv.weight"] == rates["conv1.bn.bias"] == 0.1
    assert rates["blocks2.0.dw_conv.lab.scale"] == pytest.approx(0.1)
    assert rates["blocks6.3.pw_conv.act.lab.bias"] == pytest.approx(0.3)
    for stage in range(2, 7):
        rest = {rate for name, rate in rates.items() if name.startswith(f"blocks{stage}.") and ".lab." not in name}
        assert rest == {stage / 10}


@pytest.mark.parametrize(("section", "height", "sizes"), [(DET, None, [(64, 96), (96, 64)]),
                                                          (REC, 48, [(48, 96), (48, 320)])])
def test_program(section: dict[str, Any], height: int | None, sizes: list[tuple[int, int]], tmp_path: Path) -> None:
    backbone = build(section)
    settle(backbone, images(*sizes[0]))
    assert program_difference(reparameterize(backbone), tmp_path, height, sizes) < 1e-4


@pytest.mark.parametrize(("options", "words"), [
    ({"scale": 0.01}, "scale is 0.01"),
    ({"scale": -1}, "scale is -1"),
    ({"conv_kxk_num": 0}, "conv_kxk_num is 0"),
    ({"lr_mult_list": [1.0, 1.0]}, "six factors"),
    ({"det": True}, "det: false for model_type rec"),
    ({"scal": 1.0}, "did you mean 'scale'"),
])
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        BACKBONES.build({**REC, **options}, task="rec", in_channels=3)


def test_a_detector_must_say_so() -> None:
    with pytest.raises(ConfigError, match="det is false with model_type det"):
        BACKBONES.build(REC, task="det", in_channels=3)


def test_branches_of_several_settings_are_computed_one_by_one() -> None:
    layer, other = random_layer(LAYERS[0]), random_layer(LAYERS[0])
    layer.identity._momentum = 0.5
    for part in (layer, other):
        part.train()
    x = paddle.rand([2, 8, 9, 11])
    np.testing.assert_allclose(layer(x).numpy(), other(x).numpy(), atol=1e-5)
    batch_mean = x.mean([0, 2, 3])
    start = random_layer(LAYERS[0]).identity._mean
    np.testing.assert_allclose(layer.identity._mean.numpy(), (0.5 * start + 0.5 * batch_mean).numpy(), atol=1e-6)
    np.testing.assert_allclose(other.identity._mean.numpy(), (0.9 * start + 0.1 * batch_mean).numpy(), atol=1e-6)
    plain = F.conv2d(x, layer.conv_kxk[0].conv.weight, padding=1, groups=8).mean([0, 2, 3])
    start = random_layer(LAYERS[0]).conv_kxk[0].bn._mean
    np.testing.assert_allclose(other.conv_kxk[0].bn._mean.numpy(), (0.9 * start + 0.1 * plain).numpy(), atol=1e-5)
