from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.crops import crop_quad, text_crop, upright
from ppocr.cv import cv2


def box(x: float, y: float, width: float, height: float) -> Any:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def noise(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> Any:
    return cv2.resize(noise(height // 8, width // 8), (width, height), interpolation=cv2.INTER_CUBIC)


class TestQuads:
    @pytest.mark.parametrize("place", [(10, 5, 20, 8), (0, 0, 90, 60), (80, 50, 10, 10), (0, 59, 90, 1), (3, 4, 1, 1)])
    def test_upright_rectangle_is_a_slice(self, place: tuple[int, int, int, int]) -> None:
        image = noise(60, 90)
        x, y, width, height = place
        np.testing.assert_array_equal(crop_quad(image, box(*place)), image[y:y + height, x:x + width])

    def test_sizes_are_rounded_or_cut_off(self) -> None:
        image = noise(60, 90)
        assert crop_quad(image, box(10, 5, 20.9, 8.6)).shape == (9, 21, 3)
        assert crop_quad(image, box(10, 5, 20.9, 8.6), whole_pixels=True).shape == (8, 20, 3)
        assert text_crop(image, box(10, 5, 8.6, 20.9), whole_pixels=True).shape == (8, 20, 3)

    def test_whole_pixels_change_the_interpolation_by_one_step_at_most(self) -> None:
        image = smooth(400, 600)
        quad = np.array([[301, 203], [395, 241], [380, 275], [286, 237]], np.float32)
        one, other = (crop_quad(image, quad, whole_pixels=whole).astype(int) for whole in (True, False))
        assert one.shape == (37, 101, 3)
        assert abs(one - other).max() <= 2

    def test_grey(self) -> None:
        image = noise(60, 90)[:, :, 0]
        np.testing.assert_array_equal(crop_quad(image, box(10, 5, 20, 8)), image[5:13, 10:30])

    def test_rotated_rectangle_is_put_upright(self) -> None:
        page = np.zeros((200, 200, 3), np.uint8)
        pattern = smooth(40, 120)
        turn = cv2.getRotationMatrix2D((60, 20), 30, 1.0)
        turn[:, 2] += [40, 80]
        cv2.warpAffine(pattern, turn, (200, 200), dst=page, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT)
        corners = np.hstack([box(0, 0, 120, 40), np.ones((4, 1))]) @ turn.T
        crop = crop_quad(page, corners)
        assert crop.shape == (40, 120, 3)
        difference = cv2.absdiff(crop, pattern)[3:-3, 3:-3]
        assert difference.mean() < 2

    def test_perspective(self) -> None:
        """The longer of two opposite sides counts, and straight lines of the plane stay straight."""
        quad = np.array([[10, 10], [110, 20], [110, 60], [10, 70]], np.float32)
        page = np.zeros((90, 130, 3), np.uint8)
        to_page = cv2.getPerspectiveTransform(box(0, 0, 100, 60), quad)
        pattern = smooth(64, 104)[:60, :100]
        cv2.warpPerspective(pattern, to_page, (130, 90), dst=page, flags=cv2.INTER_CUBIC,
                            borderMode=cv2.BORDER_TRANSPARENT)
        crop = crop_quad(page, quad)
        assert crop.shape == (60, 100, 3)
        assert cv2.absdiff(crop, pattern)[4:-4, 4:-4].mean() < 6

    def test_only_the_surroundings_are_looked_at(self) -> None:
        """The same as a warp of the whole picture, to the last bit."""
        image = noise(300, 400)
        quad = np.array([[120.3, 80.2], [210.7, 101.9], [203.1, 133.3], [112.8, 111.6]], np.float32)
        target = box(0, 0, 93, 32)
        whole = cv2.warpPerspective(image, cv2.getPerspectiveTransform(quad, target), (93, 32), flags=cv2.INTER_CUBIC,
                                    borderMode=cv2.BORDER_REPLICATE)
        crop = crop_quad(image, quad)
        assert crop.shape == (32, 93, 3)
        # The corners are stored in single precision relative to another origin.
        assert np.percentile(cv2.absdiff(crop, whole), 99) <= 8

    def test_outside_the_picture_its_edge_goes_on(self) -> None:
        image = noise(40, 60)
        crop = crop_quad(image, box(-10, 5, 20, 8))
        np.testing.assert_array_equal(crop[:, 10:], image[5:13, :10])
        np.testing.assert_array_equal(crop[:, :10], np.repeat(image[5:13, :1], 10, axis=1))
        assert (crop_quad(image, box(-500, -500, 9, 7)) == image[0, 0]).all()

    @pytest.mark.parametrize(("width", "height"), [(40000, 50), (50, 40000)])
    def test_picture_beyond_the_16_bits_of_opencv(self, width: int, height: int) -> None:
        image = np.zeros((height, width, 3), np.uint8)
        image[-20:, -20:] = 200
        assert (crop_quad(image, box(width - 20, height - 20, 20, 20)) == 200).all()
        whole = crop_quad(image, box(0, 0, width, height))
        assert max(whole.shape) == 32766
        assert (whole[-5:, -5:] == 200).all()


class TestDegenerate:
    @pytest.mark.parametrize(("place", "size"), [
        ((10, 5, 20, 0), (1, 20)), ((10, 5, 0, 20), (20, 1)), ((10, 5, 0, 0), (1, 1)), ((10, 5, 0.2, 0.3), (1, 1)),
    ])
    def test_without_area(self, place: tuple[float, ...], size: tuple[int, int]) -> None:
        image = noise(60, 90)
        crop = crop_quad(image, box(*place))  # type: ignore[arg-type]
        assert crop.shape[:2] == size
        np.testing.assert_array_equal(crop[0, 0], image[5, 10])

    def test_triangle_bow_tie_and_wrong_direction(self) -> None:
        """They become the smallest rectangle around them, and no text comes out mirrored."""
        image = noise(60, 90)
        expected = image[5:25, 10:50]
        triangle = np.array([[10, 5], [10, 5], [50, 25], [10, 25]], np.float32)
        assert sorted(crop_quad(image, triangle).shape[:2]) == sorted(
            round(side) for side in cv2.minAreaRect(triangle)[1])
        for points in (box(10, 5, 40, 20)[[0, 2, 1, 3]], box(10, 5, 40, 20)[::-1]):
            np.testing.assert_array_equal(crop_quad(image, points), expected)

    def test_polygon(self) -> None:
        image = noise(60, 90)
        hexagon = np.array([[10, 5], [30, 5], [50, 5], [50, 25], [30, 25], [10, 25]], np.float32)
        np.testing.assert_array_equal(crop_quad(image, hexagon), image[5:25, 10:50])

    def test_one_pixel(self) -> None:
        image = np.full((1, 1, 3), 7, np.uint8)
        assert (crop_quad(image, box(0, 0, 1, 1)) == 7).all()
        assert (crop_quad(image, box(0, 0, 30, 10)) == 7).all()


class TestUpright:
    @pytest.mark.parametrize(("height", "width", "turned"), [(30, 20, True), (29, 20, False), (20, 30, False)])
    def test_from_one_and_a_half(self, height: int, width: int, turned: bool) -> None:
        crop = noise(height, width)
        assert (upright(crop).shape[:2] == (width, height)) is turned
        if not turned:
            assert upright(crop) is crop

    def test_direction(self) -> None:
        """What runs downwards then runs to the right: the top of the crop becomes its left."""
        crop = noise(40, 10)
        np.testing.assert_array_equal(upright(crop)[:, 0], crop[0, ::-1])
        assert upright(crop).flags.c_contiguous

    def test_both_steps(self) -> None:
        image = noise(60, 90)
        np.testing.assert_array_equal(text_crop(image, box(10, 5, 10, 40)), np.rot90(image[5:45, 10:20]))
