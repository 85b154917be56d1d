"""PP-HGNet small and PP-HGNetV2 B4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.backbones import pphgnet_small, pphgnet_v2
from ppocr.registry import BACKBONES
from tests.modeling.programs import program_difference, settle, silent_parameters

SMALL, B4 = {"name": "PPHGNet_small"}, {"name": "PPHGNetV2_B4"}
CASES: dict[str, tuple[str, dict[str, Any], list[int]]] = {
    "small det": ("det", {**SMALL, "det": True}, [256, 512, 768, 1024]),
    "small rec": ("rec", SMALL, [1024]),
    "B4 det": ("det", {**B4, "det": True}, [128, 512, 1024, 2048]),
    "B4 rec": ("rec", {**B4, "text_rec": True}, [2048]),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, bool, list[int]]:
    """Return each network, built once, whether it serves a detector, and its channels."""
    task, section, channels = CASES[request.param]
    paddle.seed(0)
    return BACKBONES.build(section, task=task, in_channels=3), task == "det", channels


def test_shapes(case: tuple[Any, bool, list[int]]) -> None:
    backbone, det, channels = case
    backbone.eval()
    with paddle.no_grad():
        maps = backbone(paddle.rand([1, 3, 64, 32] if det else [1, 3, 48, 64]))
    if det:
        assert [list(x.shape) for x in maps] == [
            [1, width, 64 // stride, 32 // stride] for width, stride in zip(channels, (4, 8, 16, 32), strict=True)]
        assert backbone.out_channels == channels
    else:
        assert list(maps.shape) == [1, channels[0], 1, 8]
        assert backbone.out_channels == channels[0]


def test_a_training_step(case: tuple[Any, bool, list[int]]) -> None:
    backbone, det, _ = case
    assert silent_parameters(backbone, paddle.rand([2, 3, 64, 64] if det else [2, 3, 48, 32])) == []
    idle = {name for name, value in backbone.named_parameters()
            if value.stop_gradient and not name.endswith(("_mean", "_variance"))}
    assert idle == {name for name in ("last_conv.weight", "fc.weight", "fc.bias") if name in backbone.state_dict()}
    assert {name.split(".")[0] for name in idle} <= set(getattr(backbone, "training_only", ()))
    backbone.clear_gradients()


def test_only_published_recognizers_have_the_classifier(case: tuple[Any, bool, list[int]]) -> None:
    backbone, det, channels = case
    carried = {name for name in backbone.state_dict() if name.startswith(("last_conv", "fc"))}
    if channels[-1] < 2048:
        assert carried == set()
    else:
        assert carried == {"last_conv.weight"} | (set() if det else {"fc.weight", "fc.bias"})


class Thin:
    """The networks with few channels: they have every kind of layer and are saved quickly."""

    STAGES = [(8, 4, 8, 1), (8, 4, 16, 2)]

    @classmethod
    def patch(cls, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pphgnet_small, "STEM", (8, 8, 8))
        monkeypatch.setattr(pphgnet_small, "STAGES", [
            pphgnet_small.Stage(*row) for row in (*cls.STAGES, (16, 4, 16, 1), (16, 4, 16, 1))])
        monkeypatch.setattr(pphgnet_v2, "STEM", (8, 8))
        monkeypatch.setattr(pphgnet_v2, "STAGES", [
            pphgnet_v2.Stage(*row) for row in ((*cls.STAGES[0], False, 3), (*cls.STAGES[1], True, 5),
                                               (16, 4, 16, 1, True, 5), (16, 4, 16, 1, True, 5))])


@pytest.mark.parametrize("name", CASES)
def test_program(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Thin.patch(monkeypatch)
    task, section, _ = CASES[name]
    backbone = BACKBONES.build(section, task=task, in_channels=3)
    settle(backbone, paddle.rand([2, 3, 48, 64]))
    height, sizes = (None, [(64, 96), (96, 64)]) if task == "det" else (48, [(48, 64), (48, 320)])
    assert program_difference(backbone, tmp_path, height, sizes) < 1e-4


def test_kernels_of_two_look_down_and_right() -> None:
    paddle.seed(0)
    stem = pphgnet_v2.HGStem(1, 2, 3, 1)
    stem.eval()
    stem.stem1.forward = lambda x: x  # type: ignore[method-assign]
    x = paddle.rand([1, 2, 4, 5])
    weight = stem.stem2a.conv.weight.numpy()
    seen: list[Any] = []
    stem.stem2b.forward = lambda x: seen.append(x) or paddle.zeros([1, 2, 4, 5])  # type: ignore[method-assign,func-returns-value]
    stem.stem3.forward = lambda x: x  # type: ignore[method-assign]
    stem.stem4.forward = lambda x: x  # type: ignore[method-assign]
    out = stem(x).numpy()
    grown = np.pad(x.numpy()[0], ((0, 0), (0, 1), (0, 1)))
    windows = np.stack([grown[:, i : i + 4, j : j + 5] for i in (0, 1) for j in (0, 1)])
    np.testing.assert_array_equal(out[0, :2], windows.max(0))
    convolved = np.einsum("tchw,ct->hw", windows, weight[0].reshape(2, 4))
    np.testing.assert_allclose(seen[0].numpy()[0, 0, :4, :5], np.maximum(convolved / np.sqrt(1 + 1e-5), 0), atol=1e-5)


def test_a_block_puts_all_maps_together() -> None:
    paddle.seed(0)
    block = pphgnet_small.HGBlock(4, 4, 4, residual=True)
    block.eval()
    x = paddle.rand([1, 4, 3, 3])
    aggregate = np.zeros((4, 28, 1, 1), np.float32)
    # Output 0 is input 0, output 1 the first convolution's map 0, output 2 the last one's map 3, output 3 nothing.
    aggregate[0, 0] = aggregate[1, 4] = aggregate[2, 27] = 1
    block.aggregation_conv.conv.weight.set_value(aggregate)
    block.att.conv.weight.set_value(paddle.zeros([4, 4, 1, 1]))
    block.att.conv.bias.set_value(paddle.to_tensor([0.0, 0.0, 0.0, 0.0]))
    maps = [x]
    for layer in block.layers:
        maps.append(layer(maps[-1]))
    expected = paddle.stack([x[:, 0], maps[1][:, 0], maps[6][:, 3], 0 * x[:, 0]], axis=1) * 0.5 + x
    np.testing.assert_allclose(block(x).numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(("task", "section", "words"), [
    ("det", SMALL, "det is false with model_type det"),
    ("rec", {**SMALL, "det": True}, "det is true with model_type rec"),
    ("det", {**B4, "det": True, "text_rec": True}, "text_rec is true with model_type det"),
    ("rec", B4, "text_rec is false with model_type rec"),
    ("rec", {**B4, "text_recc": True}, "did you mean 'text_rec'"),
])
def test_bad_sections(task: str, section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        BACKBONES.build(section, task=task, in_channels=3)


@pytest.mark.parametrize("flag", [False, True])
def test_without_a_task_exactly_one_flag(flag: bool) -> None:
    with pytest.raises(ConfigError, match="both"):
        pphgnet_v2.PPHGNetV2B4(det=flag, text_rec=flag)
