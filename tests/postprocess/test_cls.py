"""Results of the direction classifier."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr.errors import ConfigError, InferenceError
from ppocr.postprocess import build_postprocess
from ppocr.results import Direction

PROBS = np.array([[0.9, 0.1], [0.25, 0.75]])


def test_names_and_scores() -> None:
    decoder = build_postprocess({"name": "ClsPostProcess"}, label_list=["0", "180"])
    assert decoder.num_classes == 2
    assert decoder({"probs": PROBS}) == [Direction("0", 0.9), Direction("180", 0.75)]


def test_list_of_the_section_wins_and_numbers_become_names() -> None:
    decoder = build_postprocess({"name": "ClsPostProcess", "label_list": [0, 90]}, label_list=["0", "180"])
    assert [line.label for line in decoder({"probs": PROBS})] == ["0", "90"]


def test_without_names_the_number_is_the_name() -> None:
    decoder = build_postprocess({"name": "ClsPostProcess"}, label_list=None)
    assert decoder.num_classes is None
    assert [line.label for line in decoder({"probs": PROBS})] == ["0", "1"]


def test_unusable_outputs() -> None:
    decoder = build_postprocess({"name": "ClsPostProcess"}, label_list=["0", "90", "180"])
    with pytest.raises(ConfigError, match="gives 2 classes, label_list names 3: 0, 90, 180"):
        decoder({"probs": PROBS})
    with pytest.raises(InferenceError, match="but no 'probs'"):
        decoder({})
    with pytest.raises(InferenceError, match="not a number"):
        decoder({"probs": np.full((1, 3), np.nan)})


def test_mistake_in_the_section() -> None:
    with pytest.raises(ConfigError, match="did you mean 'label_list'"):
        build_postprocess({"name": "ClsPostProcess", "labels_list": ["0"]})
