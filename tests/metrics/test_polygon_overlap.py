"""Common areas of polygons, by hand and pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from ppocr.metrics.polygon_overlap import Shaped, overlaps


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def test_by_hand() -> None:
    first = Shaped.of([box(0, 0, 10, 10), box(100, 0, 110, 10)])
    second = Shaped.of([box(5, 5, 15, 15), box(0, 0, 10, 20), box(10, 0, 20, 10)])
    np.testing.assert_array_equal(first.areas, [100, 100])
    np.testing.assert_allclose(overlaps(first, second, np.full((2, 3), 1.0)), [[25, 100, 0], [0, 0, 0]])
    # Pairs that cannot reach what matters are not computed.
    np.testing.assert_allclose(overlaps(first, second, np.full((2, 3), 25.5)), [[0, 100, 0], [0, 0, 0]])
    np.testing.assert_allclose(overlaps(first, second, np.full((2, 3), 100.0)), [[0, 100, 0], [0, 0, 0]])


def test_agrees_with_every_pair() -> None:
    rng = np.random.default_rng(0)

    def quads() -> list[np.ndarray]:
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(5, 30, (25, 1, 2))
        return list((corners + rng.normal(0, 3, (25, 4, 2)) + rng.uniform(0, 100, (25, 1, 2))).astype(np.float32))

    first, second = quads(), quads()
    shapes = [[shapely.make_valid(shapely.Polygon(quad)) for quad in side] for side in (first, second)]
    expected = np.array([[a.intersection(b).area for b in shapes[1]] for a in shapes[0]])
    everything = overlaps(Shaped.of(first), Shaped.of(second), np.full((25, 25), 1e-9))
    np.testing.assert_allclose(everything, expected, atol=1e-6)
    enough = np.full((25, 25), 200.0)
    found = overlaps(Shaped.of(first), Shaped.of(second), enough)
    np.testing.assert_allclose(found[expected >= 200], expected[expected >= 200])
    assert 0 < (found > 0).sum() < (expected > 0).sum()


def test_polygons_of_different_numbers_of_points() -> None:
    corner = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 5], [0, 5]], np.float32)
    shaped = Shaped.of([box(0, 0, 3, 3), corner[::-1], corner[:3]])
    np.testing.assert_allclose(shaped.areas, [9, 14, 4])
    # With the L: 3 x 2 and 2 x 1. With the triangle: 3 wide, 1.5 high at x = 3.
    np.testing.assert_allclose(overlaps(shaped, shaped, np.full((3, 3), 0.1))[0], [9, 8, 2.25])


@pytest.mark.parametrize("points", [
    np.zeros((0, 2)), np.zeros((1, 2)), np.ones((2, 2)), np.ones((4, 2)), np.array([[0, 0], [5, 5], [0, 0], [5, 5]]),
    np.array([[0, 0], [np.nan, 5], [5, 5]]), np.array([[0, 0], [np.inf, 0], [5, 5], [0, 5]]),
])
def test_what_has_no_area_overlaps_with_nothing(points: np.ndarray) -> None:
    shaped = Shaped.of([box(0, 0, 9, 9), points.astype(np.float32)])
    assert shaped.areas.tolist() == [81, 0]
    np.testing.assert_allclose(overlaps(shaped, shaped, np.full((2, 2), 1e-9)), [[81, 0], [0, 0]])


def test_outlines_that_cross_themselves_are_what_they_enclose() -> None:
    bow_tie = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], np.float32)  # two triangles of 25
    spike = np.array([[0, 0], [10, 0], [20, 0], [10, 0], [10, 10], [0, 10]], np.float32)  # a square and a line
    star = (10 * np.exp(2j * np.pi * np.arange(0, 10, 2) / 5 - 0.5j * np.pi)).view(float).reshape(-1, 2)
    shaped = Shaped.of([bow_tie, spike, star])
    assert shaped.areas[:2].tolist() == [50, 100]
    assert shaped.areas[2] > 50
    assert np.isfinite(overlaps(shaped, shaped, np.full((3, 3), 1e-9))).all()
    assert overlaps(shaped, Shaped.of([box(0, 0, 5, 10)]), np.full((3, 1), 1.0))[0, 0] == pytest.approx(25)


def test_nothing() -> None:
    some, none = Shaped.of([box(0, 0, 9, 9)]), Shaped.of([])
    assert len(none) == 0
    assert overlaps(some, none, np.zeros((1, 0))).shape == (1, 0)
    assert overlaps(none, some, np.zeros((0, 1))).shape == (0, 1)
