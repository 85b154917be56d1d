"""Training data for direction classifiers, from pictures of upright text."""

from __future__ import annotations

import dataclasses

import numpy as np

from ppocr.data.sample import Sample
from ppocr.data.transforms.rec_aug import check_probability
from ppocr.registry import TRANSFORMS

UPRIGHT, TURNED = "0", "180"


@TRANSFORMS.register()
class TurnText:
    """Turn some pictures upside down and label each with its direction, so that recognition data can be used.

    Required keys: image (decoded, ``[H, W, C]``), rng, info. Modified keys: image, label (``"0"`` or ``"180"``), info
    (its label, which the metric compares with). The same sample of the same epoch is always turned alike, so that an
    evaluation is the same each time.

    Args:
        prob: Probability that a picture is turned.
    """

    needs_label = True
    """Prediction takes pictures as they are."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = check_probability("TurnText", "prob", prob)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample, turned or not, with its direction for a label."""
        is_turned = sample["rng"].random() < self.prob
        if is_turned:
            sample["image"] = np.ascontiguousarray(sample["image"][::-1, ::-1])
        sample["label"] = TURNED if is_turned else UPRIGHT
        sample["info"] = dataclasses.replace(sample["info"], label=sample["label"])
        return sample
