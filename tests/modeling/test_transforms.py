from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.modeling.common.thin_plate import ThinPlateSpline, border_points, spline_system
from ppocr.modeling.transforms.stn import corner_grid
from ppocr.modeling.transforms.tps import pixel_centres
from ppocr.registry import STNS


def numpy_spline(points: np.ndarray, places: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The spline by its textbook system, in double precision."""
    def radial(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
        return distance**2 * np.log(np.maximum(distance, 1e-12))

    count = len(points)
    affine = np.c_[np.ones(count), points]
    system = np.block([[radial(points, points), affine], [affine.T, np.zeros((3, 3))]])
    solution = np.linalg.solve(system, np.r_[places, np.zeros((3, 2))])
    return np.c_[radial(grid, points), np.ones(len(grid)), grid] @ solution


def bilinear(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sample image [H, W] at places [P, 2] in pixels, zero outside."""
    height, width = image.shape
    x, y = places.T
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    out = np.zeros(len(places))
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
            out[inside] += (weight * image[row.clip(0, height - 1), column.clip(0, width - 1)])[inside]
    return out


def test_border_points() -> None:
    expected = [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
    np.testing.assert_allclose(border_points(6, left=-1, right=1, top=-1, bottom=1), expected)


def test_spline_matches_numpy_and_meets_its_control_points() -> None:
    rng = np.random.default_rng(0)
    points = border_points(8, left=-1, right=1, top=-1, bottom=1)
    places, grid = points + rng.normal(scale=0.2, size=points.shape), rng.uniform(-1, 1, (30, 2))
    spline = ThinPlateSpline(points)
    found = spline(paddle.to_tensor(places[None].astype(np.float32)), paddle.to_tensor(grid.astype(np.float32)))
    np.testing.assert_allclose(found.numpy()[0], numpy_spline(points, places, grid), atol=2e-5)
    met = spline(paddle.to_tensor(places[None].astype(np.float32)), paddle.to_tensor(points.astype(np.float32)))
    np.testing.assert_allclose(met.numpy()[0], places, atol=2e-5)


def test_control_points_at_rest_move_nothing() -> None:
    points = border_points(20, left=-1, right=1, top=-1, bottom=1)
    grid = pixel_centres(32, 100)
    places = paddle.to_tensor(points[None].astype(np.float32))
    np.testing.assert_allclose(ThinPlateSpline(points)(places, grid).numpy()[0], grid.numpy(), atol=3e-5)
    assert not ThinPlateSpline(points).state_dict()


def test_spline_system_is_affine_for_affine_values() -> None:
    points = border_points(8, left=0, right=2, top=0, bottom=1)
    coefficients = spline_system(points) @ (3 + 2 * points[:, :1] - points[:, 1:])
    np.testing.assert_allclose(coefficients[:8], 0, atol=1e-9)
    np.testing.assert_allclose(coefficients[8:, 0], [3, 2, -1], atol=1e-9)


def test_pixel_centres_run_row_by_row() -> None:
    np.testing.assert_allclose(pixel_centres(2, 4).numpy()[:5],
                               [[-0.75, -0.5], [-0.25, -0.5], [0.25, -0.5], [0.75, -0.5], [-0.75, 0.5]])


def fix_points(layer: Any, points: np.ndarray) -> None:
    layer.weight.set_value(np.zeros(layer.weight.shape, np.float32))
    layer.bias.set_value(points.ravel().astype(np.float32))


def test_tps_samples_as_numpy_does() -> None:
    tps = STNS.build({"name": "TPS", "num_fiducial": 6}, task="rec", in_channels=1)
    tps.eval()
    points = border_points(6, left=-1, right=1, top=-1, bottom=1)
    places = points * 0.8 + np.array([[0, 0.1]] * 3 + [[0.05, 0]] * 3)
    fix_points(tps.loc_net.fc2, places)
    image = np.random.default_rng(0).uniform(size=(8, 12)).astype(np.float32)
    moved = numpy_spline(points, places, pixel_centres(8, 12).numpy().astype(float))
    expected = bilinear(image, (moved + 1) / 2 * [11, 7])
    found = tps(paddle.to_tensor(image[None, None])).numpy()
    assert found.shape == (1, 1, 8, 12)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-4)


def test_stn_at_rest_resizes_the_image() -> None:
    stn = STNS.build({"name": "STN_ON", "tps_outputsize": [8, 20], "num_control_points": 6}, task="rec", in_channels=1)
    stn.eval()
    fix_points(stn.stn_head.stn_fc2, border_points(6, left=0.05, right=0.95, top=0.05, bottom=0.95))
    image = np.random.default_rng(0).uniform(size=(16, 40)).astype(np.float32)
    found = stn(paddle.to_tensor(image[None, None])).numpy()
    assert found.shape == (1, 1, 8, 20)
    np.testing.assert_allclose(found.ravel(), bilinear(image, corner_grid(8, 20) * [39, 15]), atol=1e-4)


@pytest.mark.parametrize("activation", ["none", "sigmoid"])
def test_stn_starts_near_the_whole_image(activation: str) -> None:
    stn = STNS.build({"name": "STN_ON", "stn_activation": activation}, task="rec", in_channels=3)
    stn.eval()
    points = stn.stn_head(paddle.rand([2, 3, 32, 64])).numpy()
    expected = border_points(20, left=0.01, right=0.99, top=0.01, bottom=0.99)
    np.testing.assert_allclose(points, np.stack([expected, expected]), atol=1e-6)


def test_tps_starts_slanting_with_slow_localisation() -> None:
    section = {"name": "TPS", "num_fiducial": 6, "loc_lr": 0.25, "model_name": "large"}
    tps = STNS.build(section, task="rec", in_channels=3)
    tps.eval()
    points = tps.loc_net(paddle.rand([1, 3, 32, 64])).numpy()[0]
    np.testing.assert_allclose(points, [[-1, 0], [0, -0.5], [1, -1], [-1, 1], [0, 0.5], [1, 0]], atol=1e-6)
    rates = {name: value.optimize_attr["learning_rate"] for name, value in tps.named_parameters()}
    assert {name for name, rate in rates.items() if rate == 0.25} == {
        "loc_net.fc1.weight", "loc_net.fc1.bias", "loc_net.fc2.weight", "loc_net.fc2.bias"}


@pytest.mark.parametrize("section", [{"name": "TPS"}, {"name": "STN_ON"}])
def test_gradient_reaches_every_parameter(section: dict[str, Any]) -> None:
    paddle.seed(0)
    network = STNS.build(section, task="rec", in_channels=3)
    last = network.loc_net.fc2 if section["name"] == "TPS" else network.stn_head.stn_fc2
    # Zero weights, as training starts with, pass no gradient on.
    last.weight.set_value(np.random.default_rng(0).normal(scale=0.01, size=last.weight.shape).astype(np.float32))
    network(paddle.rand([4, 3, 32, 100])).square().mean().backward()
    silent = [name for name, value in network.named_parameters()
              if not value.stop_gradient and not np.any(value.grad.numpy())]
    assert silent == []


@pytest.mark.parametrize(("section", "words"), [
    ({"name": "TPS", "num_fiducial": 7}, "num_fiducial is 7"),
    ({"name": "TPS", "model_name": "huge"}, "'large' or 'small'"),
    ({"name": "STN_ON", "num_control_points": 2}, "num_control_points is 2"),
    ({"name": "STN_ON", "tps_inputsize": [30, 64]}, "multiples of 32"),
    ({"name": "STN_ON", "tps_outputsize": [32]}, "tps_outputsize"),
    ({"name": "STN_ON", "tps_outputsize": [1, 32]}, "at least 2 pixels"),
    ({"name": "STN_ON", "tps_margins": [0.05]}, "tps_margins"),
])
def test_bad_sections(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        STNS.build(section, task="rec", in_channels=3)
