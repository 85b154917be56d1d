from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.heads.db_head import binary_map
from ppocr.registry import HEADS

SECTIONS: list[dict[str, Any]] = [
    {"name": "DBHead", "k": 50}, {"name": "DBHead", "kernel_list": [7, 2, 2], "fix_nan": True},
    {"name": "PFHeadLocal", "mode": "large", "fix_nan": True}, {"name": "PFHeadLocal", "mode": "small"},
]


def build(section: dict[str, Any], channels: int = 16) -> Any:
    paddle.seed(0)
    return HEADS.build(section, task="det", in_channels=channels, num_classes=None)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_every_detection_head_is_covered() -> None:
    assert {section["name"] for section in SECTIONS} == {name for name, task, _ in HEADS.entries() if task == "det"}


@pytest.mark.parametrize("section", SECTIONS)
def test_shapes_and_gradient(section: dict[str, Any]) -> None:
    head = build(section)
    assert (head.output_name, head.dynamic_height) == ("maps", True)
    x = paddle.rand([2, 16, 4, 6])
    outputs = head(x)
    assert list(outputs["maps"].shape) == [2, 3, 16, 24]
    paddle.add_n([value.square().mean() for value in outputs.values()]).backward()
    silent = [name for name, value in head.named_parameters()
              if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
    assert silent == []
    head.eval()
    maps = head(x)["maps"].numpy()
    assert set(head(x)) == {"maps"}
    assert maps.shape == (2, 1, 16, 24)
    assert 0 < maps.min() <= maps.max() < 1


def test_binary_map() -> None:
    shrink, threshold = np.array([0.5, 0.52, 0.0, 1.0], np.float32), np.array([0.5, 0.5, 1.0, 0.0], np.float32)
    found = binary_map(paddle.to_tensor(shrink), paddle.to_tensor(threshold), 50).numpy()
    np.testing.assert_allclose(found, sigmoid(50 * (shrink - threshold)), atol=1e-6)
    assert found[1] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-5)  # One step of 1/k.


def test_maps_of_db_head() -> None:
    head = build({"name": "DBHead", "k": 10})
    x = paddle.rand([2, 16, 4, 6])
    shrink, threshold, binary = head(x)["maps"].numpy().transpose(1, 0, 2, 3)
    np.testing.assert_allclose(shrink, head.binarize(x).numpy()[:, 0], atol=1e-6)
    np.testing.assert_allclose(threshold, head.thresh(x).numpy()[:, 0], atol=1e-6)
    np.testing.assert_allclose(binary, sigmoid(10 * (shrink - threshold)), atol=1e-6)


def test_branch_on_one_pixel() -> None:
    head = build({"name": "DBHead"}, 4)
    head.eval()
    branch = head.binarize
    x = np.array([0.3, -0.2, 0.9, 0.4], np.float32)
    conv1, conv2, conv3 = (layer.weight.numpy() for layer in (branch.conv1, branch.conv2, branch.conv3))
    bias2, bias3 = branch.conv2.bias.numpy(), branch.conv3.bias.numpy()
    norm = lambda value: np.maximum(value / np.sqrt(1 + 1e-5) + 1e-4, 0)  # noqa: E731
    inner = norm(conv1[:, :, 1, 1] @ x)
    middle = norm(np.einsum("i,iohw->ohw", inner, conv2) + bias2[:, None, None])
    last = np.einsum("ihw,iokl->ohkwl", middle, conv3).reshape(1, 4, 4) + bias3[:, None, None]
    found = head(paddle.to_tensor(x.reshape(1, 4, 1, 1)))["maps"].numpy()[0]
    np.testing.assert_allclose(found, sigmoid(last), atol=1e-6)


@pytest.mark.parametrize(("mode", "inner"), [("large", 4), ("small", 2)])
def test_maps_of_the_refining_head(mode: str, inner: int) -> None:
    head = build({"name": "PFHeadLocal", "mode": mode})
    assert list(head.cbn_layer.last_3.conv.weight.shape) == [inner, 5, 3, 3]
    x = paddle.rand([2, 16, 4, 6])
    outputs = {key: value.numpy() for key, value in head(x).items()}
    shrink, threshold = head.binarize(x).numpy(), head.thresh(x).numpy()
    np.testing.assert_allclose(outputs["cbn_maps"], sigmoid(50 * (shrink - threshold)), atol=1e-5)
    np.testing.assert_array_equal(outputs["maps"][:, 2:], outputs["cbn_maps"])
    np.testing.assert_array_equal(outputs["maps"][:, :1], outputs["distance_maps"])
    np.testing.assert_allclose(outputs["maps"][:, 1:2], threshold, atol=1e-6)
    assert np.abs(outputs["distance_maps"] - shrink).max() > 1e-3

    head.eval()
    head.cbn_layer.last_1.weight.set_value(np.zeros((1, inner, 1, 1), np.float32))
    head.cbn_layer.last_1.bias.set_value(np.array([0.7], np.float32))
    shrink = head.binarize(x).numpy()
    np.testing.assert_allclose(head(x)["maps"].numpy(), 0.5 * (shrink + sigmoid(0.7)), atol=1e-6)


def test_refinement_sees_the_probability_and_the_features_beside_it() -> None:
    head = build({"name": "PFHeadLocal", "mode": "large"})
    head.eval()
    last_3 = np.zeros((4, 5, 3, 3), np.float32)
    last_3[0, 0, 1, 1] = 1  # The first input channel is the probability,
    last_3[1, 3, 1, 1] = 1  # the fourth is the third feature.
    head.cbn_layer.last_3.conv.weight.set_value(last_3)
    head.cbn_layer.last_1.weight.set_value(np.array([1, 2, 0, 0], np.float32).reshape(1, 4, 1, 1))
    head.cbn_layer.last_1.bias.set_value(np.zeros(1, np.float32))
    x = paddle.randn([1, 16, 3, 3])
    features = head.binarize.features(x).numpy()
    shrink = head.binarize(x).numpy()
    refined = sigmoid((shrink + 2 * features[:, 2:3].repeat(2, 2).repeat(2, 3)) / np.sqrt(1 + 1e-5))
    np.testing.assert_allclose(head(x)["maps"].numpy(), 0.5 * (shrink + refined), atol=1e-5)


def test_missing_numbers_become_zero_while_training() -> None:
    x = paddle.rand([2, 16, 2, 2])
    plain, fixed = build({"name": "DBHead"}), build({"name": "DBHead", "fix_nan": True})
    np.testing.assert_array_equal(fixed(x)["maps"].numpy(), plain(x)["maps"].numpy())
    x[0, 0, 0, 0] = float("nan")
    assert np.isfinite(fixed(x)["maps"].numpy()).all()


@pytest.mark.parametrize(("section", "channels", "words"), [
    ({"name": "DBHead", "kernel_list": [3, 2]}, 16, "kernel_list is"),
    ({"name": "DBHead", "kernel_list": []}, 16, "kernel_list is"),
    ({"name": "DBHead", "kernel_list": [4, 2, 2]}, 16, "kernel_list is"),
    ({"name": "PFHeadLocal", "kernel_list": [3, 3, 3]}, 16, "kernel_list is"),
    ({"name": "DBHead"}, 18, "multiple of 4"),
    ({"name": "PFHeadLocal", "mode": "huge"}, 16, "'large' or 'small'"),
    ({"name": "DBhead"}, 16, "did you mean 'DBHead'"),
])
def test_bad_sections(section: dict[str, Any], channels: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(section, channels)
