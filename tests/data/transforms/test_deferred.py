from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.data.transforms import deferred as module
from ppocr.data.transforms.deferred import (
    DeferredImage,
    crop_to_size,
    deferred,
    map_points,
    map_polygons,
    rendered,
    scaling,
    translation,
    warp,
)
from ppocr.errors import SampleError
from tests.data.transforms.scenes import as_polygons, draw, scene

RNG = np.random.default_rng(5)


def smooth(height: int, width: int) -> np.ndarray:
    """Return an image without fine detail, so that two ways of interpolating agree."""
    small = RNG.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 8)


def rotation(degrees: float, middle: tuple[float, float] = (0, 0), scale: float = 1.0) -> np.ndarray:
    return np.vstack([cv2.getRotationMatrix2D(middle, degrees, scale), [0, 0, 1]])


class TestMatrices:
    def test_scaling_keeps_the_outer_edges(self) -> None:
        # A picture 10 wide reaches from -0.5 to 9.5; three times as large, to 29.5.
        places = map_points(scaling(3, 0.5), np.array([[-0.5, -0.5], [9.5, 9.5]]))
        np.testing.assert_allclose(places, [[-0.5, -0.5], [29.5, 4.5]])

    def test_perspective_points(self) -> None:
        matrix = np.array([[1, 0, 0], [0, 1, 0], [0.01, 0, 1]])
        np.testing.assert_allclose(map_points(matrix, np.array([[100.0, 50.0]])), [[50, 25]])

    def test_polygons_of_different_length_stay_apart(self) -> None:
        polygons = as_polygons()
        moved = map_polygons(translation(3, -2), polygons)
        for before, after in zip(polygons, moved, strict=True):
            assert after.dtype == np.float32
            np.testing.assert_allclose(after, before + np.array([3, -2]))
        assert map_polygons(np.eye(3), []) == []

    @pytest.mark.parametrize(("matrix", "expected"), [
        (np.array([[-1.0, 0, 99], [0, 1, 0], [0, 0, 1]]), [[59, 10], [89, 10], [89, 30], [59, 30]]),
        (np.array([[1.0, 0, 0], [0, -1, 99], [0, 0, 1]]), [[10, 69], [40, 69], [40, 89], [10, 89]]),
    ])
    def test_mirrored_quads_begin_top_left(self, matrix: np.ndarray, expected: list[list[int]]) -> None:
        quad = np.array([[10, 10], [40, 10], [40, 30], [10, 30]], np.float32)
        np.testing.assert_array_equal(map_polygons(matrix, [quad])[0], expected)

    def test_mirrored_curved_line_keeps_its_upper_edge_first(self) -> None:
        line = np.array([[0, 5], [10, 0], [20, 5], [20, 9], [10, 4], [0, 9]], np.float32)
        mirror = np.array([[-1.0, 0, 20], [0, 1, 0], [0, 0, 1]])
        np.testing.assert_array_equal(map_polygons(mirror, [line])[0],
                                      [[0, 5], [10, 0], [20, 5], [20, 9], [10, 4], [0, 9]])


class TestWarp:
    @pytest.mark.parametrize("scale", [0.7, 1.0, 2.5])
    def test_is_that_of_opencv(self, scale: float) -> None:
        image = RNG.integers(0, 256, (90, 120, 3), np.uint8)
        matrix = translation(7, -5) @ rotation(17, (60, 45), scale)
        expected = cv2.warpAffine(image, matrix[:2], (100, 80), flags=cv2.INTER_LINEAR)
        result = warp(image, matrix, (100, 80))
        assert result.dtype == np.uint8
        assert np.abs(result.astype(int) - expected).max() <= 1

    def test_perspective(self) -> None:
        image = RNG.integers(0, 256, (90, 120, 3), np.uint8)
        matrix = rotation(5, (60, 45))
        matrix[2, 0] = 0.002
        expected = cv2.warpPerspective(image, matrix, (100, 80), flags=cv2.INTER_LINEAR)
        assert np.abs(warp(image, matrix, (100, 80)).astype(int) - expected).max() <= 1

    @pytest.mark.parametrize("scale", [0.5, 0.25])
    def test_halving_averages(self, scale: float) -> None:
        image = RNG.integers(0, 256, (64, 96, 3), np.uint8)
        block = round(1 / scale)
        expected = image.reshape(64 // block, block, 96 // block, block, 3).mean(axis=(1, 3))
        result = warp(image, scaling(scale, scale), (96 // block, 64 // block))
        assert np.abs(result - expected).max() <= 2  # rounded once per halving

    def test_shrinking_does_not_alias(self) -> None:
        stripes = np.zeros((300, 301, 3), np.uint8)
        stripes[:, ::2] = 255
        result = warp(stripes, rotation(30, (30, 30)) @ scaling(0.23, 0.23), (60, 60))[15:30, 15:30]
        assert abs(float(result.mean()) - 127.5) < 6
        assert result.std() < 20

    def test_enlarging_keeps_the_rim(self) -> None:
        result = warp(np.full((10, 10, 3), 200, np.uint8), scaling(3, 3), (30, 30))
        assert (result == 200).all()

    def test_a_strongly_shrunk_odd_size_keeps_the_rim(self) -> None:
        result = warp(np.full((101, 203, 3), 200, np.uint8), scaling(40 / 203, 20 / 101), (40, 20))
        assert (result == 200).all()

    def test_uncovered_places_are_filled(self) -> None:
        image = np.full((20, 20, 3), 255, np.uint8)
        result = warp(image, translation(5, 0), (20, 20), fill=(10, 20, 30))
        assert (result[:, :5] == (10, 20, 30)).all()
        assert (result[:, 5:] == 255).all()
        assert (warp(image, translation(100, 0), (20, 20), fill=(10, 20, 30)) == (10, 20, 30)).all()

    def test_only_what_is_seen_is_touched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = []
        convert = cv2.cvtColor

        def watch(image: np.ndarray, code: int, **options: Any) -> np.ndarray:
            sizes.append(image.shape[:2])
            return convert(image, code, **options)

        monkeypatch.setattr(module.cv2, "cvtColor", watch)
        warp(np.zeros((2000, 3000, 3), np.uint8), translation(-1000, -900), (50, 40))
        assert max(sizes[0]) < 70

    def test_one_pixel(self) -> None:
        image = np.full((1, 1, 3), 90, np.uint8)
        assert (warp(image, scaling(5, 4), (5, 4)) == 90).all()
        assert warp(image, rotation(10), (1, 1)).shape == (1, 1, 3)

    def test_too_large(self) -> None:
        with pytest.raises(SampleError, match="image too large: an augmentation makes it 60000 x 150 pixels"):
            warp(np.zeros((50, 20000, 3), np.uint8), scaling(3, 3), (60000, 150))

        with pytest.raises(SampleError, match="image too large: .* 20000 x 9000"):
            warp(np.zeros((50, 20000, 3), np.uint8), np.eye(3), (20000, 9000))

    def test_long_source(self) -> None:
        image = np.zeros((2, 40000, 3), np.uint8)
        image[:, 39990:] = 255
        assert (warp(image, translation(-39995, 0), (4, 2)) == 255).all()


class TestDeferredImage:
    def test_looks_like_an_array(self) -> None:
        assert DeferredImage(np.zeros((5, 9, 3), np.uint8), (30, 20)).shape == (20, 30, 3)

    def test_nothing_changed(self) -> None:
        image = np.zeros((5, 9, 3), np.uint8)
        assert rendered(deferred(image)) is image
        assert deferred(deferred(image)).pixels is image
        assert rendered(image) is image

    def test_steps_are_one(self) -> None:
        image = smooth(120, 160)
        matrices = rotation(10, (80, 60)), scaling(1.5, 1.5)
        once = deferred(image).then(matrices[0], (160, 120)).then(matrices[1], (240, 180)).render()
        twice = warp(warp(image, matrices[0], (160, 120)), matrices[1], (240, 180))
        assert np.abs(once.astype(int) - twice)[30:150, 40:200].max() <= 2

    def test_what_left_the_picture_can_come_back(self) -> None:
        image = RNG.integers(0, 256, (20, 20, 3), np.uint8)
        back = deferred(image).then(translation(15, 0), (20, 20)).then(translation(-15, 0), (20, 20))
        np.testing.assert_array_equal(back.render(), image)


def crop(image: Any, window: tuple[int, ...], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    result = np.full((size[1], size[0], 3), 77, np.uint8)
    return result, crop_to_size(image, window, result)


class TestCrop:
    @pytest.mark.parametrize(("angle", "scale", "window", "size"), [
        (0, 1, (10, 20, 210, 220), (200, 200)), (8, 1.7, (50, 60, 450, 360), (320, 240)),
        (-10, 0.4, (0, 0, 400, 300), (100, 75)), (5, 1, (0, 0, 400, 300), (120, 90)),
    ])
    def test_of_an_array_and_of_a_deferred_picture_are_equal(
        self, angle: float, scale: float, window: tuple[int, ...], size: tuple[int, int]
    ) -> None:
        picture = deferred(smooth(300, 400)).then(rotation(angle, (200, 150), scale), (500, 400))
        late, matrix = crop(picture, window, size)
        early, same = crop(picture.render(), window, size)
        np.testing.assert_array_equal(matrix, same)
        assert late.shape == early.shape == (size[1], size[0], 3)
        difference = np.abs(late.astype(int) - early)
        assert difference.mean() < 1
        assert np.quantile(difference, 0.99) < 12  # the edges of the source are smoothed twice in one of them

    def test_matrix_leads_from_the_picture_to_the_crop(self) -> None:
        _, matrix = crop(np.zeros((100, 100, 3), np.uint8), (20, 30, 60, 50), (80, 40))
        corners = map_points(matrix, np.array([[19.5, 29.5], [59.5, 49.5]]))
        np.testing.assert_allclose(corners, [[-0.5, -0.5], [79.5, 39.5]])

    def test_strong_shrinking_of_an_array_averages(self) -> None:
        noise = RNG.integers(0, 256, (400, 400, 3), np.uint8)
        assert crop(noise, (0, 0, 400, 400), (50, 50))[0].std() < 20  # 74 without averaging

    @pytest.mark.parametrize("size", [(40, 20), (80, 50), (20, 10), (33, 44)])
    @pytest.mark.parametrize("late", [False, True])
    def test_goes_into_part_of_an_array(self, size: tuple[int, int], late: bool) -> None:
        image: Any = np.full((60, 100, 3), 200, np.uint8)
        canvas = np.zeros((100, 100, 3), np.uint8)
        crop_to_size(deferred(image) if late else image, (10, 20, 50, 40), canvas[5:5 + size[1], 7:7 + size[0]])
        assert (canvas[5:5 + size[1], 7:7 + size[0]] == 200).all()
        assert canvas.sum() == size[0] * size[1] * 600

    def test_colours_stay_with_polygons(self) -> None:
        sample = scene()
        part, matrix = crop(sample["image"], (10, 10, 230, 150), (440, 280))
        again = draw(map_polygons(matrix, sample["polys"]), (440, 280))
        assert (np.abs(part.astype(int) - again).max(axis=2) > 128).mean() < 0.02
