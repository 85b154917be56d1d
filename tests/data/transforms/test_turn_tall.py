"""Word pictures stand as the crops of prediction do."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr.crops import text_crop
from ppocr.data.transforms.turn_tall import TurnTallText


@pytest.mark.parametrize(("height", "width", "turned"), [(3, 2, True), (29, 20, False), (4, 9, False), (1, 1, False)])
def test_only_tall_pictures_are_turned(height: int, width: int, turned: bool) -> None:
    picture = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    made = TurnTallText()({"image": picture})["image"]
    assert made.flags.c_contiguous
    np.testing.assert_array_equal(made, np.rot90(picture) if turned else picture)


def test_the_top_of_the_picture_becomes_its_left_as_in_prediction() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    crop = text_crop(photo, np.array([[10, 5], [30, 5], [30, 75], [10, 75]], np.float32))
    np.testing.assert_array_equal(TurnTallText()({"image": photo[5:75, 10:30]})["image"], crop)
    np.testing.assert_array_equal(crop[-1, 0], photo[5, 10])
