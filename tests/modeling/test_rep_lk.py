"""The necks of PP-OCRv6, their kernels with dilated branches, and auxiliary heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.common.dilated_reparam import BRANCHES, DilatedReparamBlock
from ppocr.modeling.common.reparam import fold_norm, reparameterize
from ppocr.modeling.necks.rep_lk_pan import RepLargeConv
from ppocr.registry import HEADS, NECKS
from tests.modeling.programs import settle
from tests.modeling.sections import neck

IN = [2, 3, 4, 5]
SECTIONS = [neck("RepLKFPN", 16, dilated_kernel_size=5), neck("RepLKFPN", 64, shortcut=False, intracl=True),
            neck("RepLKPAN", 16, mode="large"), neck("RepLKPAN", 64, intracl=True)]


def build(section: dict[str, Any], channels: Any = IN) -> Any:
    paddle.seed(0)
    return NECKS.build(section, task="det", in_channels=channels)


def maps(*sides: int) -> list[Any]:
    paddle.seed(1)
    return [paddle.randn([2, width, side, 2 * side]) for width, side in zip(IN, sides or (16, 8, 4, 2), strict=True)]


def head(**options: Any) -> Any:
    paddle.seed(0)
    return HEADS.build({"name": "DBHead", **options}, task="det", in_channels=16, num_classes=None)


@pytest.mark.parametrize("kernel", [5, 7, 9])
def test_merging_a_dilated_block(kernel: int) -> None:
    paddle.seed(0)
    block, x = DilatedReparamBlock(6, kernel), paddle.randn([2, 6, 13, 12])
    settle(block, x)
    with paddle.no_grad():
        before = block(x).numpy()
        block.rep()
        after = block(x).numpy()
        block.rep()
    assert before.std() > 0.5
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert {name: list(value.shape) for name, value in block.state_dict().items()} == {
        "reparam_conv.weight": [6, 1, kernel, kernel], "reparam_conv.bias": [6]}
    built = DilatedReparamBlock(6, kernel, reparameterized=True)
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in block.state_dict().items()}


def test_where_the_taps_of_dilated_branches_go() -> None:
    block = DilatedReparamBlock(1, 5)
    block.eval()
    for name, value in block.named_parameters():
        if value.ndim == 4:
            value.set_value(paddle.full(value.shape, {"lk_origin": 100, "dil_conv_k3_1": 10, "dil_conv_k3_2": 1}[
                name.split(".")[0]], "float32"))
    with paddle.no_grad():
        block.rep()
    # The plain 3x3 lies in the middle, the one of dilation 2 on every second tap.
    expected = np.full((5, 5), 100.0)
    expected[1:4, 1:4] += 10
    expected[::2, ::2] += 1
    np.testing.assert_allclose(block.reparam_conv.weight.numpy()[0, 0], expected / np.sqrt(1 + 1e-5), rtol=1e-6)
    assert all(dilation * (size - 1) + 1 <= kernel for kernel, rows in BRANCHES.items() for size, dilation in rows)


@pytest.mark.parametrize("section", SECTIONS)
def test_what_training_and_evaluation_get(section: dict[str, Any]) -> None:
    layer, out = build(section), section["out_channels"]
    found = layer(maps())
    assert layer.out_channels == out
    assert {name: list(x.shape) for name, x in found.items()} == {
        "fuse": [2, out, 16, 32], "aux_p2": [2, out, 16, 32], "aux_p3": [2, out, 8, 16], "aux_p4": [2, out, 4, 8]}
    paddle.add_n([(x * paddle.randn(x.shape)).mean() for x in found.values()]).backward()
    silent = [name for name, value in layer.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []
    layer.eval()
    assert list(layer(maps()).shape) == [2, out, 16, 32]


@pytest.mark.parametrize("section", SECTIONS)
def test_merging_a_neck(section: dict[str, Any]) -> None:
    layer = build(section)
    settle(layer, maps())
    merged = reparameterize(layer)
    with paddle.no_grad():
        before, after = layer(maps()).numpy(), merged(maps()).numpy()
    assert before.std() > 0.1
    np.testing.assert_allclose(after, before, atol=1e-5 * max(1, np.abs(before).max()))
    built = build({**section, "reparameterized": True})
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in merged.state_dict().items()}
    assert built(maps())["fuse"].shape == [2, section["out_channels"], 16, 32]  # The merged form trains as well.


def constant(values: list[Any]) -> list[Any]:
    """Return maps of one value, large enough that the middle of the smallest sees no border."""
    return [paddle.to_tensor(np.broadcast_to(value[None, :, None, None], (1, len(value), side, side)).copy())
            for value, side in zip(values, (128, 64, 32, 16), strict=True)]


def summed(values: list[Any]) -> list[Any]:
    return [np.sum(values[level:], axis=0) for level in range(4)]


def gated(x: Any, gate: Any) -> Any:
    w = {name: value.numpy() for name, value in gate.named_parameters()}
    inner = np.maximum(w["conv1.weight"][:, :, 0, 0] @ x + w["conv1.bias"], 0)
    return x * np.clip(0.2 * (w["conv2.weight"][:, :, 0, 0] @ inner + w["conv2.bias"]) + 0.5, 0, 1)


def whole(conv: Any) -> Any:
    """Return the kernel of a 1x1 convolution as a matrix."""
    return conv.weight.numpy()[:, :, 0, 0]


def dilated(block: Any, x: Any) -> Any:
    """Return what a merged block makes of a constant."""
    return block.reparam_conv.weight.numpy().sum(axis=(1, 2, 3)) * x + block.reparam_conv.bias.numpy()


def test_paths_of_the_pyramid_on_constant_maps() -> None:
    layer = build(neck("RepLKFPN", 16, dilated_kernel_size=7))
    settle(layer, maps(16, 8, 4, 2))
    layer = reparameterize(layer)
    values = [np.random.default_rng(level).normal(size=width).astype(np.float32) for level, width in enumerate(IN)]
    laterals = [whole(layer.ins_conv[level].in_conv) @ x for level, x in enumerate(values)]
    laterals = [x + gated(x, layer.ins_conv[level].se_block) for level, x in enumerate(laterals)]
    scales = []
    for level, x in enumerate(summed(laterals)):
        # The gates see the mean over the whole map, where borders differ: what the layer itself has there is taken.
        inner = layer.inp_conv_pw[level](layer.inp_conv_dw[level](constant([x] * 4)[level]))
        middle = whole(layer.inp_conv_pw[level]) @ dilated(layer.inp_conv_dw[level], x)
        side = inner.shape[2] // 2
        np.testing.assert_allclose(inner.numpy()[0, :, side, side], middle, atol=1e-4)
        factor = gated(inner.numpy().mean(axis=(0, 2, 3)), layer.inp_conv_se[level])
        scales.append(middle * (1 + factor / inner.numpy().mean(axis=(0, 2, 3))))
    found = layer(constant(values)).numpy()[0, :, 64, 64]
    np.testing.assert_allclose(found, np.concatenate(scales[::-1]), atol=1e-3)


def test_paths_of_the_aggregation_on_constant_maps() -> None:
    layer = build(neck("RepLKPAN", 16))
    settle(layer, maps(16, 8, 4, 2))
    for level in range(3):  # A stride of 2 needs its centre tap only, so that borders do not spread.
        kernel = np.zeros([4, 4, 3, 3], np.float32)
        kernel[:, :, 1, 1] = whole(layer.pan_head_conv[level])
        layer.pan_head_conv[level].weight.set_value(kernel)
    convolutions = {name: part for name, part in layer.named_sublayers() if isinstance(part, RepLargeConv)}
    for part in convolutions.values():  # The centre tap of the large kernel only, for the same reason.
        for conv in part.dw.sublayers():
            if isinstance(conv, paddle.nn.Conv2D):
                size = conv.weight.shape[-1] // 2
                kernel = np.zeros(conv.weight.shape, np.float32)
                kernel[:, :, size, size] = conv.weight.numpy()[:, :, size, size]
                conv.weight.set_value(kernel)

    def large(name: str, x: Any) -> Any:
        part = convolutions[name]
        taps = [fold_norm(part.dw.lk_origin, part.dw.origin_bn)]
        taps += [fold_norm(*part.dw._branch(*row)) for row in BRANCHES[9]]
        x = sum(weight.numpy().sum(axis=(1, 2, 3)) * x + bias.numpy() for weight, bias in taps)
        weight, bias = fold_norm(part.pw, part.bn)
        return weight.numpy()[:, :, 0, 0] @ x + bias.numpy()

    values = [np.random.default_rng(level).normal(size=width).astype(np.float32) for level, width in enumerate(IN)]
    down = summed([whole(layer.ins_conv[level]) @ x for level, x in enumerate(values)])
    path = [large("inp_conv.0", down[0])]
    for level in (1, 2, 3):
        head_tap = layer.pan_head_conv[level - 1].weight.numpy()[:, :, 1, 1]
        path.append(large(f"inp_conv.{level}", down[level]) + head_tap @ path[-1])
    expected = np.concatenate([large(f"pan_lat_conv.{level}", path[level]) for level in (3, 2, 1, 0)])
    found = layer(constant(values)).numpy()[0]
    np.testing.assert_allclose(found, np.broadcast_to(expected[:, None, None], found.shape), atol=1e-3)


def test_auxiliary_heads_read_the_inner_maps_in_the_size_of_the_joined_one() -> None:
    layer, db = build(neck("RepLKFPN", 16)), head(aux_in_channels=16, k=10)
    found = layer(maps())
    outputs = {name: x.numpy() for name, x in db(found).items()}
    assert {name: x.shape for name, x in outputs.items()} == dict.fromkeys(
        ("maps", "aux_maps_p4", "aux_maps_p3", "aux_maps_p2"), (2, 3, 64, 128))
    np.testing.assert_allclose(outputs["aux_maps_p2"][:, :1], db.aux_binarize_p2(found["aux_p2"]).numpy(), atol=1e-5)
    x = np.zeros((1, 16, 2, 2), np.float32)
    x[..., 1] = 1
    given = {"fuse": paddle.zeros([1, 16, 8, 8]), "aux_p4": paddle.to_tensor(x), "aux_p3": paddle.zeros([1, 16, 4, 4]),
             "aux_p2": paddle.zeros([1, 16, 8, 8])}
    # Bilinear: pixel i of 8 lies at (i + 0.5) / 4 - 0.5 of 2.
    row = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1).astype(np.float32)
    enlarged = paddle.to_tensor(np.broadcast_to(row, (1, 16, 8, 8)).copy())
    threshold = db.aux_thresh_p4(enlarged).numpy()
    np.testing.assert_allclose(db(given)["aux_maps_p4"].numpy()[:, 1:2], threshold, atol=1e-5)
    shrink, threshold, binary = outputs["aux_maps_p3"].transpose(1, 0, 2, 3)
    np.testing.assert_allclose(binary, 1 / (1 + np.exp(-10 * (shrink - threshold))), atol=1e-5)


def test_auxiliary_heads_belong_to_training() -> None:
    db = head(aux_in_channels=16)
    assert db.training_only == ("thresh", *(f"aux_{part}_{level}" for level in ("p4", "p3", "p2")
                                            for part in ("binarize", "thresh")))
    assert set(head().training_only) == {"thresh"}
    layer = build(neck("RepLKFPN", 16))
    outputs = head()(layer(maps()))  # A head without auxiliary ones takes the joined map.
    assert set(outputs) == {"maps"}
    layer.eval()
    db.eval()
    assert {name: list(x.shape) for name, x in db(layer(maps())).items()} == {"maps": [2, 1, 64, 128]}


def test_a_head_without_batch_norms_gives_the_same() -> None:
    plain, merged = head(), head(reparameterized=True)
    settle(plain, paddle.randn([4, 16, 8, 8]))
    branch = plain.binarize
    weight, bias = fold_norm(branch.conv1, branch.conv_bn1)
    scale = (branch.conv_bn2.weight / paddle.sqrt(branch.conv_bn2._variance + 1e-5)).reshape([1, -1, 1, 1])
    state = plain.state_dict()
    state.update({
        "binarize.conv1.weight": weight, "binarize.conv1.bias": bias,
        "binarize.conv2.weight": branch.conv2.weight * scale,
        "binarize.conv2.bias": (branch.conv2.bias - branch.conv_bn2._mean) * scale.flatten() + branch.conv_bn2.bias,
    })
    names = set(merged.state_dict())
    assert {name for name in names if name.startswith("binarize")} == {
        f"binarize.conv{number}.{kind}" for number in (1, 2, 3) for kind in ("weight", "bias")}
    merged.set_state_dict({name: state[name] for name in names})
    merged.eval()
    x = paddle.randn([2, 16, 6, 5])
    np.testing.assert_allclose(merged(x)["maps"].numpy(), plain(x)["maps"].numpy(), atol=1e-6)
    merged.train()
    assert list(merged(x)["maps"].shape) == [2, 3, 24, 20]


@pytest.mark.parametrize(("options", "given", "words"), [
    ({"aux_in_channels": 18}, maps, "aux_in_channels is 18"),
    ({"aux_in_channels": -4}, maps, "aux_in_channels is -4"),
    ({"aux_in_channels": 32}, maps, "expected: 16, Architecture.Neck.out_channels"),
    ({"aux_in_channels": 16}, None, "hands over no inner maps"),
])
def test_auxiliary_heads_that_cannot_be(options: dict[str, Any], given: Any, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        db = head(**options)
        db(paddle.rand([1, 16, 4, 4]) if given is None else build(neck("RepLKFPN", 16))(maps()))
    assert words in str(error.value)


def test_a_frozen_neck_has_no_maps_for_auxiliary_heads() -> None:
    frozen, db = build(neck("RepLKFPN", 16)), head(aux_in_channels=16)
    frozen.eval()
    with pytest.raises(ConfigError, match=r"do not freeze all of it"):
        db(frozen(maps()))


@pytest.mark.parametrize(("section", "channels", "words"), [
    (neck("RepLKFPN", 16, dilated_kernel_size=6), IN, "dilated_kernel_size"),
    (neck("RepLKFPN", 10), IN, "multiple of 4"),
    (neck("RepLKPAN", 16), [8, 16, 32], "four maps"),
    (neck("RepLKPAN", 16, mode="lite"), IN, "'large'"),
    (neck("RepLKPAM", 16), IN, "did you mean 'RepLKPAN'"),
])
def test_bad_sections(section: dict[str, Any], channels: Any, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(section, channels)
    assert words in str(error.value)
