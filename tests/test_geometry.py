"""Polygons: areas, order, offsets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ppocr.geometry import (
    bounds,
    clip_points,
    clockwise,
    is_simple,
    offset,
    order_quads,
    perimeter,
    signed_area,
    smallest_rectangle,
)

RECTANGLE = np.array([[2, 3], [12, 3], [12, 7], [2, 7]], np.float32)
L_SHAPE = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 5], [0, 5]], np.float32)


class TestArea:
    def test_a_clockwise_polygon_has_a_positive_area(self) -> None:
        assert signed_area(RECTANGLE) == 40
        assert signed_area(RECTANGLE[::-1]) == -40
        assert signed_area(L_SHAPE) == 4 * 2 + 2 * 3

    def test_far_from_the_origin_nothing_is_lost(self) -> None:
        assert signed_area(RECTANGLE + 10_000) == 40

    def test_perimeter(self) -> None:
        assert perimeter(RECTANGLE) == 28
        assert perimeter(L_SHAPE) == 18
        assert perimeter(np.array([[0, 0], [3, 4]])) == 10


class TestSimple:
    @pytest.mark.parametrize(("polygon", "expected"), [
        (RECTANGLE, True), (RECTANGLE[::-1], True), (L_SHAPE, True),
        (RECTANGLE[[0, 2, 1, 3]], False),  # a bow tie
        (RECTANGLE[[0, 1, 0, 1]], False),  # there and back
        (RECTANGLE[[0, 0, 0, 0]], False),
    ])
    def test_crossing_and_flat_outlines_are_not(self, polygon: np.ndarray, expected: bool) -> None:
        assert is_simple(polygon) is expected


class TestOrder:
    @pytest.mark.parametrize("shift", range(4))
    @pytest.mark.parametrize("direction", [1, -1])
    def test_a_quad_from_any_start_in_any_direction(self, shift: int, direction: int) -> None:
        given = np.roll(RECTANGLE, shift, axis=0)[::direction]
        np.testing.assert_array_equal(clockwise(given), RECTANGLE)
        np.testing.assert_array_equal(order_quads(given[None])[0], RECTANGLE)

    def test_a_polygon_keeps_its_first_point(self) -> None:
        start = np.roll(L_SHAPE, 2, axis=0)
        np.testing.assert_array_equal(clockwise(start), start)
        turned = clockwise(start[::-1])
        np.testing.assert_array_equal(turned[0], start[-1])
        assert signed_area(turned) == signed_area(L_SHAPE)

    def test_no_quads(self) -> None:
        assert order_quads(np.zeros((0, 4, 2))).shape == (0, 4, 2)

    def test_smallest_rectangle_of_a_turned_one(self) -> None:
        cosine, sine = math.cos(0.3), math.sin(0.3)
        turned = RECTANGLE @ np.array([[cosine, sine], [-sine, cosine]], np.float32) + 20
        quad, side = smallest_rectangle(np.vstack([turned, turned.mean(axis=0)]))
        assert side == pytest.approx(4, abs=1e-3)
        np.testing.assert_allclose(quad, clockwise(turned), atol=1e-3)


class TestOffset:
    def test_a_rectangle_shrinks_on_all_sides(self) -> None:
        pieces = offset(RECTANGLE, -1)
        assert len(pieces) == 1
        np.testing.assert_allclose(clockwise(pieces[0]), [[3, 4], [11, 4], [11, 6], [3, 6]], atol=0.01)

    def test_a_grown_rectangle_has_round_corners(self) -> None:
        piece, = offset(RECTANGLE[::-1], 2)
        assert signed_area(piece) == pytest.approx(40 + 28 * 2 + math.pi * 4, rel=0.04)
        np.testing.assert_allclose([piece.min(axis=0), piece.max(axis=0)], [[0, 1], [14, 9]], atol=0.26)

    def test_nothing_is_left(self) -> None:
        assert offset(RECTANGLE, -2.5) == []
        assert offset(RECTANGLE[[0, 0, 0, 0]], 1) == []

    def test_a_narrow_place_is_cut_through(self) -> None:
        dumbbell = np.array([[0, 0], [10, 0], [10, 4], [20, 4], [20, 0], [30, 0], [30, 10], [20, 10], [20, 6], [10, 6],
                             [10, 10], [0, 10]], np.float32)
        assert len(offset(dumbbell, -2)) == 2


def test_points_are_clipped_to_the_pixels() -> None:
    np.testing.assert_array_equal(clip_points(np.array([[-3, 5], [40, 40], [7.5, 0]]), 20, 10),
                                  [[0, 5], [19, 9], [7.5, 0]])


def test_bounds() -> None:
    np.testing.assert_array_equal(bounds([RECTANGLE, L_SHAPE]), [[2, 3, 12, 7], [0, 0, 4, 5]])
    assert bounds([]).shape == (0, 4)
