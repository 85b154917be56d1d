from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.necks.intra_cl import IntraCLBlock
from ppocr.registry import NECKS
from tests.modeling.sections import neck

IN = [2, 3, 4, 5]
SECTIONS = [
    neck("DBFPN", 8), neck("DBFPN", 8, use_asf=True),
    neck("RSEFPN", 64), neck("RSEFPN", 64, shortcut=False, intracl=True),
    neck("LKPAN", 8), neck("LKPAN", 8, mode="lite"), neck("LKPAN", 8, intracl=True),
]


def build(section: dict[str, Any], channels: Any = IN) -> Any:
    paddle.seed(0)
    return NECKS.build(section, task="det", in_channels=channels)


def maps(sides: tuple[int, ...] = (16, 8, 4, 2), channels: list[int] = IN, batch: int = 2) -> list[Any]:
    paddle.seed(1)
    return [paddle.randn([batch, width, side, 2 * side]) for width, side in zip(channels, sides, strict=True)]


def test_every_detection_neck_is_covered() -> None:
    here = {section["name"] for section in SECTIONS} | {"RepLKFPN", "RepLKPAN"}  # Those are in test_rep_lk.
    assert here == {name for name, task, _ in NECKS.entries() if task == "det"}


@pytest.mark.parametrize("section", SECTIONS)
def test_shape_and_gradient(section: dict[str, Any]) -> None:
    layer = build(section)
    if section.get("mode") == "lite":
        layer.eval()  # While training, its second batch norm takes away what the first one adds.
    out = layer(maps())
    assert list(out.shape) == [2, section["out_channels"], 16, 32]
    assert layer.out_channels == section["out_channels"]
    out.square().mean().backward()
    silent = [name for name, value in layer.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []


def centre_only(layer: Any) -> dict[str, Any]:
    """Empty every kernel but its centre, so that a constant map stays one; return the weights as matrices."""
    matrices = {}
    for name, value in layer.named_parameters():
        if value.ndim == 4:
            height, width = value.shape[2:]
            middle = value.numpy()[:, :, height // 2, width // 2].copy()
            kernel = np.zeros(value.shape, np.float32)
            kernel[:, :, height // 2, width // 2] = middle
            value.set_value(kernel)
            matrices[name] = middle
        else:
            matrices[name] = value.numpy()
    return matrices


def gated(x: Any, w: dict[str, Any], name: str) -> Any:
    x = w[f"{name}.in_conv.weight"] @ x
    inner = np.maximum(w[f"{name}.se_block.conv1.weight"] @ x + w[f"{name}.se_block.conv1.bias"], 0)
    gate = w[f"{name}.se_block.conv2.weight"] @ inner + w[f"{name}.se_block.conv2.bias"]
    return x + x * np.clip(0.2 * gate + 0.5, 0, 1)


def summed(c: list[Any]) -> list[Any]:
    return [sum(c[level:], np.zeros_like(c[0])) for level in range(4)]


def expected_db(c: list[Any], w: dict[str, Any]) -> Any:
    s = summed([w[f"in{level + 2}_conv.weight"] @ x for level, x in enumerate(c)])
    return np.concatenate([w[f"p{level}_conv.weight"] @ s[level - 2] for level in (5, 4, 3, 2)])


def expected_rse(c: list[Any], w: dict[str, Any]) -> Any:
    s = summed([gated(x, w, f"ins_conv.{level}") for level, x in enumerate(c)])
    return np.concatenate([gated(s[level], w, f"inp_conv.{level}") for level in (3, 2, 1, 0)])


def expected_pan(c: list[Any], w: dict[str, Any]) -> Any:
    s = summed([w[f"ins_conv.{level}.weight"] @ x for level, x in enumerate(c)])
    path = [w["inp_conv.0.weight"] @ s[0]]
    for level in (1, 2, 3):
        path.append(w[f"inp_conv.{level}.weight"] @ s[level] + w[f"pan_head_conv.{level - 1}.weight"] @ path[-1])
    return np.concatenate([w[f"pan_lat_conv.{level}.weight"] @ path[level] for level in (3, 2, 1, 0)])


@pytest.mark.parametrize(("section", "expected"), [
    (neck("DBFPN", 16), expected_db), (neck("RSEFPN", 16), expected_rse), (neck("LKPAN", 16), expected_pan),
])
def test_paths_on_constant_maps(section: dict[str, Any], expected: Any) -> None:
    layer = build(section)
    layer.eval()
    weights = centre_only(layer)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=width).astype(np.float32) for width in IN]
    given = [paddle.to_tensor(np.broadcast_to(value[None, :, None, None], (1, width, side, side)).copy())
             for value, width, side in zip(values, IN, (16, 8, 4, 2), strict=True)]
    found = layer(given).numpy()[0]
    np.testing.assert_allclose(found, np.broadcast_to(expected(values, weights)[:, None, None], found.shape), atol=1e-4)


def test_a_point_of_the_smallest_map_becomes_a_block() -> None:
    layer = build(neck("DBFPN", 4), [1, 1, 1, 1])
    layer.eval()
    for value in layer.parameters():
        kernel = np.zeros(value.shape, np.float32)
        kernel[..., value.shape[2] // 2, value.shape[3] // 2] = 0.25 if value.shape[1] == 4 else 1
        value.set_value(kernel)
    given = maps((16, 8, 4, 2), [1, 1, 1, 1], batch=1)
    point = np.zeros((1, 1, 2, 4), np.float32)
    point[0, 0, 1, 2] = 1
    found = layer([*(paddle.zeros_like(x) for x in given[:3]), paddle.to_tensor(point)]).numpy()
    block = np.zeros((16, 32), np.float32)
    block[8:16, 16:24] = 1
    np.testing.assert_allclose(found[0], np.stack([block] * 4), atol=1e-6)


def test_adaptive_fusion_weighs_each_scale_as_a_whole() -> None:
    plain, fused = build(neck("DBFPN", 8)), build(neck("DBFPN", 8, use_asf=True))
    state = fused.state_dict()
    plain.set_state_dict({key: state[key] for key in plain.state_dict()})
    ratio = (fused(maps()) / plain(maps())).numpy().reshape(2, 4, 2, 16, 32)
    np.testing.assert_allclose(ratio[:, :, 0], ratio[:, :, 1], atol=1e-3)  # Both channels of a scale alike.
    assert ratio.min() > 0
    assert ratio.max() <= 1
    assert ratio[:, 0].std() > 1e-3


def test_intra_cl_on_a_constant_map() -> None:
    paddle.seed(0)
    layer = IntraCLBlock(6)
    layer.eval()
    w = centre_only(layer)
    x = np.random.default_rng(0).normal(size=6).astype(np.float32)
    r = w["conv1x1_reduce_channel.weight"] @ x + w["conv1x1_reduce_channel.bias"]
    for size in (7, 5, 3):
        names = (f"c_layer_{size}x{size}", f"v_layer_{size}x1", f"q_layer_1x{size}")
        r = sum(w[f"{name}.weight"] @ r + w[f"{name}.bias"] for name in names)
    back = w["conv1x1_return_channel.weight"] @ r + w["conv1x1_return_channel.bias"]
    given = np.broadcast_to(x[None, :, None, None], (1, 6, 9, 9)).copy()
    expected = x + np.maximum(back / np.sqrt(1 + 1e-5), 0)
    np.testing.assert_allclose(layer(paddle.to_tensor(given)).numpy()[0, :, 4, 4], expected, atol=1e-5)


def test_tall_kernels_look_up_and_wide_ones_sideways() -> None:
    layer = IntraCLBlock(4)
    assert list(layer.v_layer_7x1.weight.shape[2:]) == [7, 1]
    assert list(layer.q_layer_1x7.weight.shape[2:]) == [1, 7]


@pytest.mark.parametrize(("section", "channels", "words"), [
    (neck("DBFPN", 8), 480, "four maps"),
    (neck("RSEFPN", 8), [8, 16, 32], "four maps"),
    (neck("LKPAN", 10), IN, "multiple of 4"),
    (neck("DBFPN", 0), IN, "multiple of 4"),
    (neck("LKPAN", 8, mode="small"), IN, "'large' or 'lite'"),
    ({"name": "DBFPN"}, IN, "needs the argument 'out_channels'"),
    (neck("DBFPM", 8), IN, "did you mean 'DBFPN'"),
])
def test_bad_sections(section: dict[str, Any], channels: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(section, channels)


@pytest.mark.parametrize("section", [neck("DBFPN", 8), neck("RSEFPN", 16), neck("LKPAN", 8)])
def test_sizes_that_do_not_halve_are_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="multiples of 32"):
        build(section)(maps((15, 8, 4, 2)))
