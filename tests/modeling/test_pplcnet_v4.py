"""PP-LCNetV4 for detection and for text lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.backbones.pplcnet_v4 import (
    BranchingStem,
    FoldingConv,
    LCNetV4Block,
    PPLCNetV4Det,
    PPLCNetV4Rec,
    RepDepthwise,
)
from ppocr.modeling.common.reparam import reparameterize
from ppocr.registry import BACKBONES
from tests.modeling.programs import program_difference, settle, silent_parameters

DET = {"name": "PPLCNetV4", "det": True, "model_size": "tiny"}
REC = {"name": "PPLCNetV4", "model_size": "tiny"}
BOTH = [(DET, (64, 96)), (REC, (48, 96))]


def build(section: dict[str, Any], **others: Any) -> Any:
    paddle.seed(0)
    task = "det" if section.get("det") else "rec"
    return BACKBONES.build({**section, **others}, task=task, in_channels=3)


def images(*size: int) -> Any:
    paddle.seed(1)
    return paddle.rand([2, 3, *size])


def randomized(layer: Any) -> Any:
    """Give every batch norm weights and statistics of all kinds, and switch to evaluation."""
    draw = np.random.default_rng(0)
    for name, value in layer.named_parameters():
        if name.endswith("_variance") or ("bn" in name and name.endswith("weight")):
            value.set_value(draw.uniform(0.5, 1.5, value.shape).astype(np.float32))
        elif name.endswith(("_mean", "bias")):
            value.set_value(draw.normal(0, 0.3, value.shape).astype(np.float32))
    layer.eval()
    return layer


@pytest.mark.parametrize(("size", "channels"), [
    ("tiny", [32, 48, 64, 160]), ("small", [48, 96, 192, 384]), ("medium", [128, 256, 512, 896]),
])
def test_maps_of_a_detector(size: str, channels: list[int]) -> None:
    backbone = build(DET, model_size=size)
    assert isinstance(backbone, PPLCNetV4Det)
    assert backbone.out_channels == channels
    backbone.eval()
    with paddle.no_grad():
        maps = backbone(images(32, 64))
    assert [list(x.shape) for x in maps] == [
        [2, width, 32 // stride, 64 // stride] for width, stride in zip(channels, (4, 8, 16, 32), strict=True)]


@pytest.mark.parametrize(("size", "channels"), [("tiny", 160), ("small", 384), ("medium", 768)])
def test_map_of_a_recognizer(size: str, channels: int) -> None:
    backbone = build(REC, model_size=size)
    assert isinstance(backbone, PPLCNetV4Rec)
    assert backbone.out_channels == channels
    backbone.eval()
    with paddle.no_grad():
        assert list(backbone(images(48, 64)).shape) == [2, channels, 1, 8]


def test_training_takes_lines_of_several_heights() -> None:
    backbone = build(REC)
    backbone.train()
    for height in (32, 48, 64):
        assert list(backbone(images(height, 96)).shape) == [2, 160, 1, 12]


def test_a_block_starts_as_its_token_mixer() -> None:
    paddle.seed(0)
    block = LCNetV4Block(8, 8, 1, True, False)
    x = paddle.randn([2, 8, 6, 7])
    np.testing.assert_array_equal(block(x).numpy(), block.token_mixer(x).numpy())
    for strided in (LCNetV4Block(8, 8, 2, False, False), LCNetV4Block(8, 12, 1, False, False),
                    LCNetV4Block(8, 8, (2, 1), False, False)):
        assert not strided.keeps
        assert not hasattr(strided.token_mixer, "rep_dw")
        assert float(strided(x).abs().mean()) > 0.1


def test_the_branches_of_a_token_mixer_by_hand() -> None:
    layer = RepDepthwise(1, False)
    layer.eval()
    layer.conv.conv.weight.set_value(paddle.full([1, 1, 3, 3], 0.5))
    layer.conv.bn.bias.set_value(paddle.full([1], -2.0))
    layer.conv1.weight.set_value(paddle.full([1, 1, 1, 1], 3.0))
    layer.bn._mean.set_value(paddle.full([1], 1.0))
    layer.bn.weight.set_value(paddle.full([1], 2.0))
    # In the middle of ones 2 * (0.5 * 9 - 2 + 3 + 1 - 1) = 11, at an edge 0.5 * 6, in a corner 0.5 * 4 instead.
    expected = [[6, 8, 6], [8, 11, 8], [6, 8, 6]]
    np.testing.assert_allclose(layer(paddle.ones([1, 1, 3, 3])).numpy()[0, 0], expected, atol=1e-3)
    with paddle.no_grad():
        layer.rep()
    np.testing.assert_allclose(layer(paddle.ones([1, 1, 3, 3])).numpy()[0, 0], expected, atol=1e-3)


LAYERS = [
    lambda: RepDepthwise(8, False),
    lambda: FoldingConv(8, 12, 1, act="gelu"),
    lambda: FoldingConv(8, 12, 2, act="relu"),
    lambda: FoldingConv(8, 8, 3, stride=(2, 1), groups=8),
]


@pytest.mark.parametrize("make", LAYERS)
def test_merging_one_layer(make: Any) -> None:
    paddle.seed(0)
    layer, x = randomized(make()), paddle.randn([2, 8, 9, 11])
    with paddle.no_grad():
        before = layer(x).numpy()
        layer.rep()
        after = layer(x).numpy()
        layer.rep()
    assert before.std() > 0.1
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert set(layer.state_dict()) == {"reparam_conv.weight", "reparam_conv.bias"}


@pytest.mark.parametrize(("section", "size"), BOTH)
def test_merging_keeps_the_output(section: dict[str, Any], size: tuple[int, int]) -> None:
    backbone = build(section)
    settle(backbone, images(4 * size[0], 4 * size[1]))
    merged = reparameterize(backbone)
    with paddle.no_grad():
        before, after = (model(images(*size)) for model in (backbone, merged))
    for one, other in zip(*(maps if isinstance(maps, list) else [maps] for maps in (before, after)), strict=True):
        assert float(one.std()) > 0.1
        # Rounding adds up over the layers; each alone keeps within 1e-5.
        assert np.abs(one.numpy() - other.numpy()).max() <= 1e-5 * max(1.0, float(one.abs().max()))
    built = build(section, reparameterized=True)
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in merged.state_dict().items()}
    assert not [name for name in merged.state_dict() if "bn." in name]


def test_the_stem_pads_below_and_to_the_right() -> None:
    paddle.seed(0)
    stem = BranchingStem(1, 2, 1, False)
    stem.eval()
    x = paddle.rand([1, 1, 8, 8])
    first = stem.stem1(x).numpy()[0]
    padded = np.pad(first, ((0, 0), (0, 1), (0, 1)))
    pooled = np.maximum.reduce([padded[:, :-1, :-1], padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, 1:, 1:]])
    np.testing.assert_array_equal(stem.pool(stem.stem1(x)).numpy()[0], pooled)
    weight = stem.stem2a.conv.weight.numpy()[0]
    convolved = sum(weight[c, i, j] * padded[c, i:i + 4, j:j + 4] for c in (0, 1) for i in (0, 1) for j in (0, 1))
    np.testing.assert_allclose(stem.stem2a(stem.stem1(x)).numpy()[0, 0],
                               np.maximum(convolved / np.sqrt(1 + 1e-5), 0), atol=1e-6)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("section", "size"), BOTH)
def test_gradient_reaches_every_parameter(section: dict[str, Any], size: tuple[int, int], merged: bool) -> None:
    backbone = build(section)
    settle(backbone, images(*size))  # Blocks start silent, which lets no gradient through.
    assert silent_parameters(reparameterize(backbone) if merged else backbone, images(*size)) == []


def test_program_of_a_recognizer(tmp_path: Path) -> None:
    backbone = build(REC)  # That of a detector is in test_det_export.
    settle(backbone, images(48, 320))
    assert program_difference(reparameterize(backbone), tmp_path, 48, [(48, 96), (48, 160)]) < 1e-5


@pytest.mark.parametrize(("section", "task", "words"), [
    ({**REC, "model_size": "large"}, "rec", "'tiny' or 'small' or 'medium'"),
    (DET, "rec", "det: false for model_type rec"),
    (REC, "det", "det: true for model_type det"),
    ({**REC, "model_siz": "tiny"}, "rec", "did you mean 'model_size'"),
])
def test_bad_options(section: dict[str, Any], task: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        BACKBONES.build(section, task=task, in_channels=3)
    assert words in str(error.value)
