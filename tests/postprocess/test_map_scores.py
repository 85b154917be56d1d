"""Means within rectangles and polygons, against the plain definition."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.postprocess.map_scores import Rectangles, mean_in_polygon, mean_in_rectangles


def rectangles(rows: list[tuple[float, float, float, float, float]]) -> Rectangles:
    """Return rectangles of ``(x, y, width, height, degrees)``."""
    values = np.array(rows, np.float64).reshape(-1, 5)
    angles = np.deg2rad(values[:, 4])
    return Rectangles(values[:, :2], values[:, 2:4], np.stack([np.cos(angles), np.sin(angles)], axis=1))


def slow_mean(values: np.ndarray, x: float, y: float, width: float, height: float, degrees: float) -> float:
    angle = np.deg2rad(degrees)
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    first = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    second = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    inside = (np.abs(first) <= width / 2 + 0.01) & (np.abs(second) <= height / 2 + 0.01)
    return float(values[inside].mean()) if inside.any() else 0.0


def test_by_hand() -> None:
    values = np.arange(30, dtype=np.float32).reshape(5, 6) / 30
    found = mean_in_rectangles(values, rectangles([(2, 1, 2, 2, 0), (2, 1, 2, 2, 90), (2.5, 2, 0.5, 0.5, 0),
                                                   (0, 0, 2, 2, 0), (3, 2, 100, 100, 20), (-9, -9, 4, 4, 0)]))
    around = np.mean([1, 2, 3, 7, 8, 9, 13, 14, 15]) / 30
    corner = np.mean([0, 1, 6, 7]) / 30
    np.testing.assert_allclose(found, [around, around, 0, corner, 14.5 / 30, 0], atol=1e-6)


def test_agrees_with_a_test_of_every_pixel() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((90, 120), dtype=np.float32)
    rows = [(rng.uniform(-5, 125), rng.uniform(-5, 95), rng.uniform(2, 60), rng.uniform(2, 25), angle)
            for angle in [*rng.uniform(-180, 180, 80), 0, 90, -90, 180, 45, 1e-5, 90 - 1e-5]]
    expected = [slow_mean(values, *row) for row in rows]
    np.testing.assert_allclose(mean_in_rectangles(values, rectangles(rows)), expected, atol=2e-6)


def test_smallest_rectangles_have_their_outermost_pixels_inside() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        mask = np.zeros((80, 80), np.uint8)
        box = cv2.boxPoints(((40, 40), (rng.uniform(10, 50), rng.uniform(5, 20)), rng.uniform(-90, 90)))
        cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], 1)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        found = Rectangles.around(contours)
        outline = np.zeros((80, 80), np.float32)
        outline[contours[0][:, 0, 1], contours[0][:, 0, 0]] = 1
        center, size, way = found.centers[0], found.sizes[0], found.ways[0]
        pixels = slow_mean(np.ones((80, 80), np.float32), *center, *size, np.rad2deg(np.arctan2(way[1], way[0])))
        assert pixels == 1
        assert slow_mean(outline, *center, *size, np.rad2deg(np.arctan2(way[1], way[0]))) == pytest.approx(
            float(mean_in_rectangles(outline, found)[0]), abs=1e-6)


def test_rectangles_are_those_of_opencv() -> None:
    rng = np.random.default_rng(2)
    contours = [rng.integers(0, 100, (12, 1, 2)).astype(np.int32) for _ in range(20)]
    found = Rectangles.around(contours)
    assert len(found) == 20
    for contour, corners, area, length in zip(contours, found.corners(), found.areas, found.perimeters, strict=True):
        expected = cv2.boxPoints(cv2.minAreaRect(contour))
        order = [int(np.linalg.norm(corners - point, axis=1).argmin()) for point in expected]
        np.testing.assert_allclose(corners[order], expected, atol=1e-3)
        assert sorted(order) == [0, 1, 2, 3]
        assert cv2.contourArea(corners, True) == pytest.approx(area, rel=1e-4)  # positive: clockwise
        assert cv2.arcLength(corners, True) == pytest.approx(length, rel=1e-4)
    grown = found.grown(np.full(20, 3.0))
    np.testing.assert_allclose(grown.sizes, found.sizes + 6)
    assert len(Rectangles.around([])) == 0


def test_mean_in_polygon() -> None:
    values = np.zeros((20, 20), np.float32)
    values[5:10, 5:10] = 0.5
    square = np.array([[[5, 5]], [[9, 5]], [[9, 9]], [[5, 9]]], np.int32)
    assert mean_in_polygon(values, square) == pytest.approx(0.5)
    wider = np.array([[[5, 5]], [[14, 5]], [[14, 9]], [[5, 9]]], np.int32)
    assert mean_in_polygon(values, wider) == pytest.approx(0.25)
    triangle = np.array([[[0, 0]], [[19, 0]], [[0, 19]]], np.int32)
    rows, columns = np.mgrid[:20, :20]
    assert mean_in_polygon(values, triangle) == pytest.approx(float(values[rows + columns <= 19].mean()))


def test_polygon_partly_or_wholly_beside_the_map() -> None:
    values = np.arange(30, dtype=np.float32).reshape(5, 6) / 30
    square = np.array([[[-2, -3]], [[1, -3]], [[1, 1]], [[-2, 1]]], np.int32)
    assert mean_in_polygon(values, square) == pytest.approx(np.mean([0, 1, 6, 7]) / 30)
    assert mean_in_polygon(values, square + np.array([5, 6], np.int32)) == pytest.approx(np.mean(values[3:5, 3:6]))
    for far in (50, -50):
        assert mean_in_polygon(values, square + np.array([far, 6], np.int32)) == 0
