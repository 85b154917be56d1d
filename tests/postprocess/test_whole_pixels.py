"""Boxes in whole pixels, as published predictors compute them: by hand, and where fractions are cut off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.errors import ConfigError
from ppocr.postprocess import build_postprocess
from ppocr.results import Detection


def detect(probability: np.ndarray, size: tuple[int, int], **arguments: Any) -> Detection:
    """Return the regions of one map of a picture of `size` (height and width)."""
    (height, width), shape = probability.shape, size
    post = build_postprocess({"name": "DBPostProcess", "whole_pixels": True, **arguments}, task="det")
    ratios = [height / shape[0], width / shape[1]]
    (found,) = post({"maps": probability[None, None], "shape": np.array([[*shape, *ratios]], np.float64)})
    return found


def with_box(value: float = 0.9) -> np.ndarray:
    """Return a map of 100 x 200 with a region of x 10 to 29 and y 20 to 27."""
    probability = np.zeros((100, 200), np.float32)
    probability[20:28, 10:30] = value
    return probability


def test_by_hand() -> None:
    """The rectangle of 19 x 7 grows by 19 * 7 * 1.5 / 52 = 3.84, to x 6.16 to 32.84 and y 16.16 to 30.84, rounded."""
    found = detect(with_box(), (100, 200), unclip_ratio=1.5)
    assert found.boxes.tolist() == [[[6, 16], [33, 16], [33, 31], [6, 31]]]
    assert found.scores == pytest.approx(0.9)
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_halves_are_rounded_to_even_numbers() -> None:
    """In a picture of 1.5 times the size 33 becomes 49.5, hence 50, and 31 becomes 46.5, hence 46."""
    probability = np.zeros((128, 256), np.float32)
    probability[:100, :200] = with_box()
    found = detect(probability, (192, 384), unclip_ratio=1.5)
    assert found.boxes.tolist() == [[[9, 24], [50, 24], [50, 46], [9, 46]]]


def test_without_it_nothing_is_rounded() -> None:
    found = detect(with_box(), (100, 200), unclip_ratio=1.5, whole_pixels=False)
    np.testing.assert_allclose(found.boxes, [[[6.163, 16.163], [32.837, 16.163], [32.837, 30.837], [6.163, 30.837]]],
                               atol=1e-3)


def test_boxes_end_at_the_border_of_the_picture() -> None:
    probability = np.zeros((100, 200), np.float32)
    probability[0:8, 180:200] = 0.9
    found = detect(probability, (100, 200), unclip_ratio=1.5)
    assert found.boxes.tolist() == [[[176, 0], [199, 0], [199, 11], [176, 11]]]


def test_fractions_of_a_turned_rectangle_are_cut_off_before_it_grows() -> None:
    """The corners of the exact box are as far from the result as the cut-off fractions and the rounding allow."""
    probability = np.zeros((100, 200), np.float32)
    rows, columns = np.mgrid[:100, :200]
    along = (columns - 100) * np.cos(0.3) + (rows - 50) * np.sin(0.3)
    across = (rows - 50) * np.cos(0.3) - (columns - 100) * np.sin(0.3)
    probability[(abs(along) < 40) & (abs(across) < 8)] = 0.9
    boxes = [detect(probability, (100, 200), unclip_ratio=1.5, whole_pixels=whole).boxes[0] for whole in (True, False)]
    np.testing.assert_array_equal(boxes[0], np.round(boxes[0]))
    apart = np.hypot(*(boxes[0] - boxes[1]).T)
    assert 0.3 < apart.max() < 3


def test_holes_count_as_regions() -> None:
    """The outline of a hole of 8 x 8 runs on the ring: 36 of its 100 pixels are 0.9, the others 0.2."""
    probability = np.zeros((100, 200), np.float32)
    probability[20:60, 20:60] = 0.9
    probability[36:44, 36:44] = 0.2
    for box_thresh, numbers in ((0.45, (2, 1)), (0.46, (1, 1))):
        for whole, number in zip((True, False), numbers, strict=True):
            assert len(detect(probability, (100, 200), box_thresh=box_thresh, whole_pixels=whole).boxes) == number


def test_texts_of_up_to_three_pixels_in_the_picture_are_dropped() -> None:
    """The box of 27 x 15 has a height of 3 in a picture of a fifth of the size, and of 4 in one of a quarter."""
    assert len(detect(with_box(), (20, 40), unclip_ratio=1.5).boxes) == 0
    assert len(detect(with_box(), (25, 50), unclip_ratio=1.5).boxes) == 1


def test_small_or_uncertain_regions_are_dropped() -> None:
    probability = np.zeros((100, 200), np.float32)
    probability[20:23, 10:60] = 0.9  # 2 pixels from the first to the last row.
    assert len(detect(probability, (100, 200)).boxes) == 0
    assert len(detect(with_box(0.59), (100, 200), box_thresh=0.6).boxes) == 0
    assert len(detect(with_box(0.59), (100, 200), box_thresh=0.6, score_mode="slow").boxes) == 0
    assert len(detect(with_box(0.61), (100, 200), box_thresh=0.6, score_mode="slow").boxes) == 1


def test_polygons_are_refused() -> None:
    with pytest.raises(ConfigError, match="whole_pixels is True"):
        build_postprocess({"name": "DBPostProcess", "whole_pixels": True, "box_type": "poly"}, task="det")
