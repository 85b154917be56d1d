"""Rows of pixels within quads, against a test of every pixel."""

from __future__ import annotations

import numpy as np
import shapely

from ppocr.geometry import order_quads
from ppocr.postprocess.scanlines import spans_of_quads


def filled(quads: np.ndarray, width: int, height: int) -> list[np.ndarray]:
    """Return a mask for each quad, made of its spans."""
    spans = spans_of_quads(quads, width, height)
    masks = [np.zeros((height, width), bool) for _ in quads]
    for owner, row, first, last in zip(*spans, strict=True):
        assert 0 <= row < height
        assert 0 <= first <= last <= width
        masks[owner][row, first:last] = True
    return masks


def test_by_hand() -> None:
    square = np.array([[2, 1], [5, 1], [5, 3], [2, 3]], np.float32)
    diamond = np.array([[4, 0], [8, 4], [4, 8], [0, 4]], np.float32)
    spans = spans_of_quads(np.stack([square, diamond]), 20, 20)
    assert spans.owner.tolist() == [0] * 3 + [1] * 9
    assert spans.rows.tolist() == [1, 2, 3, *range(9)]
    assert spans.first.tolist() == [2, 2, 2, 4, 3, 2, 1, 0, 1, 2, 3, 4]
    assert spans.last.tolist() == [6, 6, 6, 5, 6, 7, 8, 9, 8, 7, 6, 5]


def test_agrees_with_a_test_of_every_pixel() -> None:
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, (60, 4)), axis=1)  # corners on an ellipse: convex
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=2) * rng.uniform(3, 40, (60, 1, 2))
    quads = order_quads(corners + rng.uniform(-10, 90, (60, 1, 2)))
    y, x = np.mgrid[:70, :80]
    for quad, mask in zip(quads, filled(quads, 80, 70), strict=True):
        shape = shapely.Polygon(quad.astype(np.float64))
        inside = shapely.contains_xy(shape, x, y)
        assert mask[inside].all()
        assert shapely.distance(shape, shapely.points(np.argwhere(mask & ~inside)[:, ::-1])).max(initial=0) < 0.05


def test_between_pixels_and_outside() -> None:
    between = np.array([[2.2, 1.2], [2.8, 1.2], [2.8, 1.8], [2.2, 1.8]])
    for quad in (between, between - 50, between + 50):
        spans = spans_of_quads(quad[None], 20, 20)
        assert (spans.last - spans.first).sum() == 0
    assert len(spans_of_quads(np.zeros((0, 4, 2)), 20, 20).rows) == 0
