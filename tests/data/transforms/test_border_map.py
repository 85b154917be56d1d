"""Borders of texts: by hand and against the plain definition, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from ppocr.data.transforms import border_map, build_transforms
from ppocr.data.transforms.border_map import MakeBorderMap
from ppocr.errors import ConfigError

RECTANGLE = np.array([[20, 30], [120, 30], [120, 70], [20, 70]], np.float32)
"""100 x 40: area 4000, perimeter 280, so the offset is 4000 * 0.84 / 280 = 12."""


def run(polygons: list[Any], ignored: list[bool] | None = None, size: tuple[int, int] = (100, 150),
        epoch: int | None = None, **arguments: Any) -> dict[str, Any]:
    """Return the sample after the transform; `size` is height and width."""
    sample = {"image": np.zeros((*size, 3), np.uint8), "polys": [np.array(polygon, np.float32) for polygon in polygons],
              "ignore_tags": ignored or [False] * len(polygons)}
    if epoch is not None:
        sample["epoch"] = epoch
    return MakeBorderMap(**arguments)(sample)


def slow_maps(polygons: list[Any], size: tuple[int, int], ratio: float = 0.4, low: float = 0.3,
              high: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Return the threshold map, and how many pixels each pixel is within a grown region (negative: beyond it)."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    best, depth = np.zeros(size), np.full(size, -np.inf)
    for polygon in polygons:
        points = np.asarray(polygon, np.float64)
        shape = shapely.Polygon(points)
        reach = shape.area * (1 - ratio**2) / shape.length
        nearest = np.full(size, np.inf)
        for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
            step = end - start
            square = step @ step
            place = ((x - start[0]) * step[0] + (y - start[1]) * step[1]) / square if square else np.zeros(size)
            place = np.clip(place, 0, 1)
            nearest = np.minimum(nearest, np.hypot(x - start[0] - place * step[0], y - start[1] - place * step[1]))
        best = np.maximum(best, 1 - np.clip(nearest / reach, 0, 1))
        inside = shapely.contains_xy(shape, x, y)
        depth = np.maximum(depth, reach + np.where(inside, nearest, -nearest))
    return low + (high - low) * best, depth


def check(polygons: list[Any], size: tuple[int, int], **arguments: Any) -> None:
    sample = run(polygons, size=size, **arguments)
    expected, depth = slow_maps(polygons, size, arguments.get("shrink_ratio", 0.4))
    np.testing.assert_allclose(sample["threshold_map"], expected, atol=1e-5)
    mask = sample["threshold_mask"]
    assert set(np.unique(mask)) <= {0, 1}
    # Where the offset is above a pixel, filled corners that were rounded lie within it.
    assert mask[depth > 1e-3].all()
    assert not mask[depth < -1e-3].any()


class TestByHand:
    def test_values_around_a_rectangle(self) -> None:
        sample = run([RECTANGLE])
        border = sample["threshold_map"]
        assert border.dtype == sample["threshold_mask"].dtype == np.float32
        for x, y, distance in [(20, 30, 0), (70, 30, 0), (70, 36, 6), (70, 24, 6), (70, 42, 12), (70, 50, 20),
                               (14, 50, 6), (17, 26, 5), (8, 50, 12), (7, 50, 13), (11, 21, 12.73), (32, 50, 12)]:
            expected = 0.7 - 0.4 * min(distance / 12, 1)
            assert border[y, x] == pytest.approx(expected, abs=1e-5), (x, y)
        assert border.min() == np.float32(0.3)
        assert border.max() == pytest.approx(0.7)

    def test_the_mask_is_the_region_grown_with_rounded_corners(self) -> None:
        mask = run([RECTANGLE])["threshold_mask"]
        assert mask[50, 9] == mask[50, 131] == mask[19, 70] == mask[81, 70] == 1
        assert mask[50, 7] == mask[50, 133] == mask[17, 70] == mask[83, 70] == 0
        assert mask[30:71, 20:121].all()  # the inside, whose middle is farther than 12 from the outline
        assert mask[22, 12] == 1  # 11.3 from the corner
        assert mask[21, 11] == 0  # 12.7 from it

    def test_thresholds(self) -> None:
        border = run([RECTANGLE], thresh_min=0.0, thresh_max=1.0)["threshold_map"]
        assert border[30, 70] == 1
        assert border[36, 70] == pytest.approx(0.5)
        assert border[50, 70] == 0

    def test_the_offset_shrinks_with_the_epoch(self) -> None:
        # Ratio 0.5: 4000 * 0.75 / 280 = 10.714.
        border = run([RECTANGLE], epoch=25, total_epoch=50)["threshold_map"]
        assert border[36, 70] == pytest.approx(0.7 - 0.4 * 6 / 10.714, abs=1e-4)
        assert run([RECTANGLE], epoch=25)["threshold_map"][36, 70] == pytest.approx(0.5)

    def test_ignored_regions_are_left_out(self) -> None:
        tags = [False, True]
        sample = run([RECTANGLE, RECTANGLE + np.float32([0, 20])], tags)
        np.testing.assert_array_equal(sample["threshold_map"], run([RECTANGLE])["threshold_map"])
        np.testing.assert_array_equal(sample["threshold_mask"], run([RECTANGLE])["threshold_mask"])
        assert sample["ignore_tags"] == [False, True]

    @pytest.mark.parametrize("polygons", [
        [], [RECTANGLE + 500], [RECTANGLE - 500], [[[20, 30]] * 4], [[[20, 30], [60, 30], [60, 30], [20, 30]]],
    ])
    def test_nothing_to_draw(self, polygons: list[Any]) -> None:
        assert (run(polygons)["threshold_map"] == np.float32(0.3)).all()

    def test_where_the_image_cuts_there_is_no_border(self) -> None:
        beyond = np.array([[-50, 30], [50, 30], [50, 70], [-50, 70]])
        sample = run([beyond])
        assert sample["threshold_map"][50, 0] == np.float32(0.3)
        assert sample["threshold_mask"][50, 0] == 1
        assert sample["threshold_map"][30, 0] == pytest.approx(0.7)


class TestAgainstThePlainDefinition:
    @pytest.mark.parametrize("window", [0, border_map.WINDOW, 10**9])
    @pytest.mark.parametrize("block", [50, border_map.BLOCK])
    def test_quads_in_and_beyond_the_image(self, window: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(border_map, "WINDOW", window)
        monkeypatch.setattr(border_map, "BLOCK", block)
        rng = np.random.default_rng(0)
        quads = [_quad(rng, 160) for _ in range(12)]
        check(quads, (120, 160))
        check(quads[:3], (160, 90), shrink_ratio=0.7)

    def test_polygons_of_many_points(self) -> None:
        rng = np.random.default_rng(1)
        polygons = []
        for _ in range(4):
            angles = np.linspace(0, rng.uniform(1, 4), 8)
            ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            radius = rng.uniform(20, 60)
            polygons.append(rng.uniform(30, 130, 2) + np.concatenate([ways * radius, ways[::-1] * (radius - 12)]))
        check([polygon.astype(np.float32) for polygon in polygons], (150, 170))

    def test_a_large_region(self) -> None:
        check([np.array([[-20, 10], [300, 60], [280, 390], [5, 200]], np.float32)], (300, 310))

    def test_repeated_points(self) -> None:
        check([RECTANGLE[[0, 0, 1, 2, 2, 2, 3]]], (100, 150))
        twice = run([RECTANGLE[[0, 0, 1, 2, 2, 2, 3]]])["threshold_map"]
        np.testing.assert_allclose(twice, run([RECTANGLE])["threshold_map"], atol=1e-6)

    def test_a_concave_corner(self) -> None:
        check([np.array([[20, 20], [120, 20], [120, 50], [60, 50], [60, 90], [20, 90]], np.float32)], (110, 150))


def _quad(rng: np.random.Generator, size: int) -> np.ndarray:
    half = np.array([rng.uniform(8, 50), rng.uniform(6, 20)])
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + rng.normal(0, 1.5, (4, 2))
    return (corners @ turn + rng.uniform(0, size, 2)).astype(np.float32)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"shrink_ratio": 1}, "shrink_ratio is 1"),
    ({"thresh_min": 0.7, "thresh_max": 0.3}, "thresh_min is 0.7, thresh_max is 0.3"),
    ({"thresh_max": 1.1}, "thresh_max is 1.1"),
    ({"total_epoch": -5}, "total_epoch is -5"),
    ({"min_text_size": 8}, "no argument 'min_text_size'"),
])
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_transforms([{"MakeBorderMap": arguments}], task="det")
    assert message in str(caught.value)
