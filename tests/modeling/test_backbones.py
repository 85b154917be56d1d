from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

import ppocr.modeling
from ppocr.errors import ConfigError
from ppocr.modeling.backbones.rec_mobilenet_v3 import text_line_strides
from ppocr.registry import BACKBONES

TINY_SVTR = {"name": "SVTRNet", "embed_dim": [16, 32, 32], "num_heads": [2, 4, 4], "depth": [1, 1, 1],
             "mixer": ["Local", "Conv", "Global"], "img_size": [32, 64], "out_char_num": 16, "out_channels": 24,
             "local_mixer": [[7, 11], [5, 5], [7, 11]]}

# section, image size, shape of the feature map
SHAPES: list[tuple[dict[str, Any], tuple[int, int], list[int]]] = [
    *[({"name": "MobileNetV3", "model_name": "large", "scale": 0.5}, (32, width), [480, 1, width // 4])
      for width in (32, 100, 160)],
    *[({"name": "MobileNetV3", "scale": scale}, (32, 64), [channels, 1, 16])
      for scale, channels in ((0.35, 200), (0.5, 288), (0.75, 432), (1.0, 576), (1.25, 720))],
    ({"name": "MobileNetV3", "scale": 0.35}, (48, 192), [200, 1, 48]),
    ({"name": "MobileNetV3", "scale": 0.5, "small_stride": [1, 2, 2, 2]}, (32, 64), [288, 1, 16]),
    ({"name": "MobileNetV3", "scale": 0.35, "disable_se": True}, (32, 64), [200, 1, 16]),
    ({"name": "MobileNetV3", "model_name": "large", "scale": 0.35, "large_stride": [2, 2, 2, 2]}, (64, 64),
     [336, 1, 8]),
    *[({"name": "ResNet", "layers": 18}, (32, width), [512, 1, width // 4]) for width in (32, 100)],
    ({"name": "ResNet", "layers": 50}, (32, 32), [2048, 1, 8]),
    *[({"name": "MobileNetV1Enhance", "scale": 0.5}, (32, width), [512, 1, width // 4]) for width in (32, 100, 320)],
    ({"name": "MobileNetV1Enhance", "scale": 0.25, "last_conv_stride": [1, 2], "last_pool_type": "avg",
      "last_pool_kernel_size": [2, 2]}, (48, 64), [256, 1, 8]),
    *[({"name": "VGG", "scale": 0.125}, (32, width), [64, 1, width // 4]) for width in (32, 100)],
    (TINY_SVTR, (32, 64), [24, 1, 16]),
    ({**TINY_SVTR, "prenorm": False, "patch_merging": "Pool", "sub_num": 3, "mixer": ["Conv"] * 3}, (32, 64),
     [24, 1, 16]),
    ({**TINY_SVTR, "last_stage": False}, (32, 64), [32, 2, 16]),
    ({**TINY_SVTR, "patch_merging": None, "embed_dim": [32, 32, 32], "last_stage": False, "sub_num": 4}, (32, 64),
     [32, 2, 4]),
]

WITH_TESTS_OF_THEIR_OWN = {"PPHGNetV2_B4", "PPHGNet_small", "PPLCNetV3", "PPLCNetV4", "RepSVTR", "SVTRv2"}


def build(section: dict[str, Any]) -> Any:
    paddle.seed(0)
    return BACKBONES.build(section, task="rec", in_channels=3)


def test_every_recognition_backbone_is_covered() -> None:
    here = {name for name, task, component in BACKBONES.entries()
            if task == "rec" and component.__module__.startswith(ppocr.modeling.__name__)}
    assert {section["name"] for section, *_ in SHAPES} | WITH_TESTS_OF_THEIR_OWN == here


@pytest.mark.parametrize(("section", "size", "expected"), SHAPES)
def test_output_shape(section: dict[str, Any], size: tuple[int, int], expected: list[int]) -> None:
    backbone = build(section)
    backbone.eval()
    with paddle.no_grad():
        features = backbone(paddle.rand([2, 3, *size]))
    assert list(features.shape) == [2, *expected]
    assert backbone.out_channels == expected[0]
    assert np.isfinite(features.numpy()).all()


@pytest.mark.parametrize("section", [
    {"name": "MobileNetV3", "scale": 0.35},
    {"name": "ResNet", "layers": 18},
    {"name": "MobileNetV1Enhance", "scale": 0.25},
    {"name": "VGG", "scale": 0.125},
    {**TINY_SVTR, "drop_path_rate": 0.0},
    {**TINY_SVTR, "drop_path_rate": 0.0, "prenorm": False, "patch_merging": "Pool"},
])
def test_gradient_reaches_every_parameter(section: dict[str, Any]) -> None:
    backbone = build(section)
    backbone.train()
    backbone(paddle.randn([4, 3, 32, 64])).square().mean().backward()
    silent = [name for name, value in backbone.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []


def test_strides_of_text_lines() -> None:
    assert text_line_strides("small", [1, 2, 2, 2]) == [(1, 1), (2, 1), 1, (2, 1), 1, 1, 1, 1, (2, 1), 1, 1]
    large = text_line_strides("large", [1, 2, 2, 2])
    assert [place for place, stride in enumerate(large) if stride == (2, 1)] == [1, 3, 12]
    assert large[0] == 1


def test_svtr_cuts_a_local_window_at_the_border() -> None:
    backbone = build(TINY_SVTR)
    mask = backbone.blocks1[0].mixer.mask.numpy()
    assert mask.shape == (8 * 16, 8 * 16)
    # The first token sees 4 rows and 6 columns; one in the middle all 7 and 11.
    assert (mask[0] == 0).sum() == 4 * 6
    assert (mask[4 * 16 + 8] == 0).sum() == 7 * 11
    assert np.isneginf(mask[0, 6])
    assert not any("mask" in name for name in backbone.state_dict())


def test_drop_path_grows_linearly() -> None:
    backbone = build({**TINY_SVTR, "drop_path_rate": 0.2})
    stages = (backbone.blocks1, backbone.blocks2, backbone.blocks3)
    assert [blocks[0].drop_path.rate for blocks in stages] == [0, 0.1, 0.2]


@pytest.mark.parametrize(("section", "words"), [
    ({"name": "MobileNetV3", "scale": 0.6}, "scale is 0.6"),
    ({"name": "MobileNetV3", "model_name": "medium"}, "'medium'"),
    ({"name": "MobileNetV3", "small_stride": [1, 2]}, "small_stride"),
    ({"name": "MobileNetV3", "scal": 0.5}, "did you mean 'scale'"),
    ({"name": "ResNet", "layers": 20}, "18 or 34 or 50"),
    ({"name": "MobileNetV1Enhance", "scale": 0.33}, "multiple of 1/32"),
    ({"name": "MobileNetV1Enhance", "last_conv_stride": [1]}, "last_conv_stride"),
    ({"name": "MobileNetV1Enhance", "last_pool_type": "mean"}, "'max' or 'avg'"),
    ({**TINY_SVTR, "mixer": ["Local"]}, "mixer"),
    ({**TINY_SVTR, "mixer": ["Locale"] * 3}, "Locale"),
    ({**TINY_SVTR, "num_heads": [3, 4, 4]}, "num_heads"),
    ({**TINY_SVTR, "patch_merging": None}, "patch_merging"),
    ({**TINY_SVTR, "img_size": [30, 64]}, "multiples of 16 and 4"),
    ({**TINY_SVTR, "depth": [1, 2]}, "a list of three"),
    ({**TINY_SVTR, "act": "nn.GELUU"}, "did you mean 'gelu'"),
    ({**TINY_SVTR, "use_lenhead": True}, "use_lenhead"),
    ({"name": "VGG", "scale": 0.01}, "scale is 0.01"),
    ({"name": "ResNett"}, "did you mean 'ResNet'"),
])
def test_bad_sections(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        build(section)


def test_svtr_refuses_other_image_sizes() -> None:
    with pytest.raises(ConfigError, match="32x100"):
        build(TINY_SVTR)(paddle.zeros([1, 3, 32, 100]))
