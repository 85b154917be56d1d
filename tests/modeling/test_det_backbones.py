from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

import ppocr.modeling
from ppocr.errors import ConfigError
from ppocr.modeling.common.resnet import DeformableConv
from ppocr.registry import BACKBONES

# section, channels of the four maps
CHANNELS: list[tuple[dict[str, Any], list[int]]] = [
    ({"name": "MobileNetV3", "scale": 0.5}, [16, 24, 56, 480]),
    ({"name": "MobileNetV3", "scale": 0.5, "disable_se": True}, [16, 24, 56, 480]),
    ({"name": "MobileNetV3", "model_name": "small", "scale": 0.35}, [8, 8, 16, 200]),
    ({"name": "MobileNetV3", "model_name": "small", "scale": 1.0}, [16, 24, 48, 576]),
    ({"name": "ResNet_vd", "layers": 18}, [64, 128, 256, 512]),
    ({"name": "ResNet_vd", "layers": 50, "dcn_stage": [False, False, False, True]}, [256, 512, 1024, 2048]),
    ({"name": "ResNet", "layers": 18, "dcn_stage": [False, True, True, True]}, [64, 128, 256, 512]),
    ({"name": "ResNet", "layers": 50}, [256, 512, 1024, 2048]),
    ({"name": "PPLCNetV4", "model_size": "tiny", "det": True}, [32, 48, 64, 160]),
]

WITH_TESTS_OF_THEIR_OWN = {"PPHGNetV2_B4", "PPHGNet_small", "PPLCNetV3", "RepSVTR_det"}


def build(section: dict[str, Any]) -> Any:
    paddle.seed(0)
    return BACKBONES.build(section, task="det", in_channels=3)


def test_every_detection_backbone_is_covered() -> None:
    here = {name for name, task, component in BACKBONES.entries()
            if task == "det" and component.__module__.startswith(ppocr.modeling.__name__)}
    assert {section["name"] for section, _ in CHANNELS} | WITH_TESTS_OF_THEIR_OWN == here


@pytest.mark.parametrize(("section", "channels"), CHANNELS)
def test_four_maps(section: dict[str, Any], channels: list[int]) -> None:
    backbone = build(section)
    backbone.eval()
    with paddle.no_grad():
        maps = backbone(paddle.rand([2, 3, 64, 96]))
    assert [list(x.shape) for x in maps] == [
        [2, width, 64 // stride, 96 // stride] for width, stride in zip(channels, (4, 8, 16, 32), strict=True)]
    assert backbone.out_channels == channels
    assert all(np.isfinite(x.numpy()).all() for x in maps)


@pytest.mark.parametrize("section", [
    {"name": "MobileNetV3", "model_name": "small", "scale": 0.35},
    {"name": "ResNet_vd", "layers": 18},
    {"name": "ResNet", "layers": 18, "dcn_stage": [False, True, True, True]},
])
def test_gradient_reaches_every_parameter(section: dict[str, Any]) -> None:
    backbone = build(section)
    backbone.train()
    for name, value in backbone.named_parameters():
        if name.endswith("conv_offset.weight"):  # It starts at zero, which passes no gradient on.
            value.set_value(np.random.default_rng(0).normal(scale=0.01, size=value.shape).astype(np.float32))
    paddle.add_n([x.square().mean() for x in backbone(paddle.randn([2, 3, 64, 64]))]).backward()
    silent = [name for name, value in backbone.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []


@pytest.mark.parametrize("name", ["ResNet", "ResNet_vd"])
def test_chosen_maps(name: str) -> None:
    backbone = build({"name": name, "layers": 18, "out_indices": [1, 3]})
    assert backbone.out_channels == [128, 512]
    assert [x.shape[2] for x in backbone(paddle.zeros([1, 3, 64, 64]))] == [8, 2]


def test_names_of_blocks_in_deep_networks() -> None:
    names = {key.split(".")[0] for key in build({"name": "ResNet", "layers": 101}).state_dict()}
    assert {"res3d", "res4a", "res4b1", "res4b22", "res5c"} <= names
    assert not {"res4b", "res4b23", "res3b1"} & names


def test_deformable_convolution_starts_as_the_plain_one_at_half_weight() -> None:
    paddle.seed(1)
    layer = DeformableConv(4, 6, 2)
    x = paddle.randn([2, 4, 9, 11])
    plain = F.conv2d(x, layer.conv_dcn.weight, stride=2, padding=1)
    np.testing.assert_allclose(layer(x).numpy(), 0.5 * plain.numpy(), atol=1e-5)


def test_deformable_convolution_looks_elsewhere() -> None:
    layer = DeformableConv(2, 2, 1)
    weight = np.zeros((2, 2, 3, 3), np.float32)
    weight[0, :, 1, 1] = 1
    layer.conv_dcn.weight.set_value(weight)
    # Offsets are (down, right) for each of nine taps, first of one group of channels, then of the other. The centre
    # tap of the first group looks one row down, that of the second two columns to the right.
    bias = np.zeros(54, np.float32)
    bias[2 * 4] = 1
    bias[18 + 2 * 4 + 1] = 2
    layer.conv_offset.bias.set_value(bias)
    x = np.random.default_rng(0).normal(size=(1, 2, 6, 7)).astype(np.float32)
    expected = 0.5 * (x[0, 0, 1:, :-2] + x[0, 1, :-1, 2:])
    np.testing.assert_allclose(layer(paddle.to_tensor(x)).numpy()[0, 0, :-1, :-2], expected, atol=1e-5)


@pytest.mark.parametrize(("section", "words"), [
    ({"name": "MobileNetV3", "scale": 0.6}, "scale is 0.6"),
    ({"name": "MobileNetV3", "small_stride": [1, 2, 2, 2]}, "no argument 'small_stride'"),
    ({"name": "ResNet_vd", "layers": 20}, "18 or 34 or 50"),
    ({"name": "ResNet", "layers": 200}, "101 or 152"),
    ({"name": "ResNet", "dcn_stage": [True]}, "dcn_stage is"),
    ({"name": "ResNet_vd", "out_indices": [3, 1]}, "out_indices is"),
    ({"name": "ResNet_vd", "out_indices": [1, 4]}, "out_indices is"),
    ({"name": "ResNet_vd", "out_indices": []}, "out_indices is"),
    ({"name": "SVTRNet"}, "model_type rec"),
])
def test_bad_sections(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(section)
