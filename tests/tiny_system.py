"""A system that is easy to predict: dark rectangles are text, and the grey of a rectangle's centre is what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.infer import DirectionReader, LineReader, PageReader, RegionReader
from ppocr.infer.operators import build_operators, prediction_operators
from ppocr.postprocess import build_postprocess
from ppocr.results import TextLine
from tests.tiny_detector import OPERATORS, POSTPROCESS, DarkPixels, DarkTop

Array = npt.NDArray[Any]


class Centre:
    """A backend: the value in the middle of each image."""

    input_names = ("x",)

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        images = inputs["x"]
        return [images[:, 0, images.shape[2] // 2, images.shape[3] // 2]]


def decode(outputs: Mapping[str, Array]) -> list[TextLine]:
    """Return the grey value as text; darker is more certain."""
    greys = np.rint((np.asarray(outputs["probs"], np.float64) + 1) / 2 * 255)
    return [TextLine(f"{grey:.0f}", max(0.0, float(1 - grey / 200))) for grey in greys]


def detector(**changes: Any) -> RegionReader:
    """Return what finds dark rectangles; `changes` are arguments of the post-process."""
    return RegionReader(DarkPixels(), build_operators(prediction_operators(OPERATORS)),
                        build_postprocess({**POSTPROCESS, **changes}, task="det"))


def recognizer() -> LineReader:
    """Return what reads greys."""
    return LineReader(Centre(), build_operators([{"RecResizeImg": {"image_shape": [3, 8, 8], "padding": False}}]),
                      decode)


def classifier() -> DirectionReader:
    """Return what turns images with a dark top."""
    return DirectionReader(DarkTop(), build_operators([{"ClsResizeImg": {"image_shape": [3, 16, 32]}}]),
                           build_postprocess({"name": "ClsPostProcess", "label_list": ["0", "180"]}))


def system(**options: Any) -> PageReader:
    """Return a system of these parts; texts of a grey above 100 are dropped by default."""
    return PageReader(detector(), recognizer(), **options)
