"""Upright text becomes data for a direction classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.data.sample import SampleInfo
from ppocr.data.transforms.turn_text import TurnText
from ppocr.errors import ConfigError

PICTURE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def sample(seed: int) -> dict[str, Any]:
    return {"image": PICTURE.copy(), "label": "Word", "rng": np.random.default_rng(seed),
            "info": SampleInfo("train.txt", 3, "word.png", "Word")}


def test_a_turned_picture_is_labelled_so() -> None:
    made = TurnText(prob=1.0)(sample(0))
    np.testing.assert_array_equal(made["image"][0, 0], PICTURE[1, 3])
    np.testing.assert_array_equal(made["image"], PICTURE[::-1, ::-1])
    assert made["image"].flags.c_contiguous
    assert made["label"] == made["info"].label == "180"
    assert made["info"].line == 3


def test_an_upright_one_stays() -> None:
    made = TurnText(prob=0.0)(sample(0))
    np.testing.assert_array_equal(made["image"], PICTURE)
    assert made["label"] == made["info"].label == "0"


def test_half_are_turned_and_always_the_same() -> None:
    turned = [TurnText()(sample(seed))["label"] for seed in range(400)]
    assert 160 < turned.count("180") < 240
    assert turned == [TurnText()(sample(seed))["label"] for seed in range(400)]


def test_a_probability_is_needed() -> None:
    with pytest.raises(ConfigError, match="TurnText: prob"):
        TurnText(prob=1.5)
