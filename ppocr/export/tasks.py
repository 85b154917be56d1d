"""How exports of each kind of model are read and compared with the model that they were made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.cv import cv2
from ppocr.infer.classifier import TextClassifier
from ppocr.infer.detector import TextDetector
from ppocr.infer.reader import DirectionReader, Image, LineReader, Reader, RegionReader
from ppocr.infer.recognizer import TextRecognizer
from ppocr.results import Detection, Direction, TextLine

RENDERED = ("a", "42", "Word", "Export 7", "a longer line of text", "the quick brown fox jumps over it")

PAGE_SIZE = (224, 416)
"""Height and width of the rendered picture for detectors."""

SAME_PLACE = 1.0
"""Pixels by which the corner of a region may differ: a probability next to the threshold moves an outline by one."""


@dataclass(frozen=True)
class PredictionTask:
    """What prediction is for a model type.

    Attributes:
        reader: Makes a reader of a backend, transforms, post-process and batch size.
        predictor: Opens an exported folder: folder, batch size, ``enable_mkldnn`` (None takes the default).
        pictures: Some pictures of the kind, for a comparison.
        same: Whether two results say the same.
        shown: A result in a few words.
        uses_charset: Whether the results consist of characters.
    """

    reader: Callable[[Any, Any, Any, int], Reader[Any]]
    predictor: Callable[[Path, int, bool | None], Reader[Any]]
    pictures: Callable[[], list[Image]]
    same: Callable[[Any, Any], bool]
    shown: Callable[[Any], str]
    uses_charset: bool = False


def rendered_lines(texts: Sequence[str] = RENDERED) -> list[Image]:
    """Return pictures of dark text on a light, slightly noisy ground, uint8 ``[32, W, 3]``; the same at every call."""
    noise = np.random.default_rng(0)
    pictures = []
    for text in texts:
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 2)
        picture = np.asarray(noise.integers(200, 240, (32, width + 12, 3), np.uint8))
        pictures.append(cv2.putText(picture, text, (6, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (40, 30, 20), 2))
    return pictures


def rendered_pages() -> list[Image]:
    """Return a page with the lines of `rendered_lines` and one without text, uint8; the same at every call."""
    height, width = PAGE_SIZE
    page = np.full((height, width, 3), 235, np.uint8)
    for row, line in enumerate(rendered_lines()):
        cut = line[:, :width - 20]
        page[10 + 35 * row:42 + 35 * row, 10:10 + cut.shape[1]] = cut
    return [page, np.full((height, height, 3), 128, np.uint8)]


def _same_regions(one: Detection, other: Detection) -> bool:
    return len(one) == len(other) and all(
        len(first) == len(second) and float(np.abs(first - second).max()) <= SAME_PLACE
        for first, second in zip(one.polygons, other.polygons, strict=True))


def _same_text(one: TextLine, other: TextLine) -> bool:
    return one.text == other.text


def _same_label(one: Direction, other: Direction) -> bool:
    return one.label == other.label


TASKS: dict[str, PredictionTask] = {
    "rec": PredictionTask(
        LineReader, lambda folder, batch, onednn: TextRecognizer(rec_model_dir=folder, rec_batch_num=batch,
                                                                 enable_mkldnn=onednn),
        rendered_lines, _same_text, lambda line: repr(line.text), uses_charset=True),
    "cls": PredictionTask(
        DirectionReader, lambda folder, batch, onednn: TextClassifier(cls_model_dir=folder, cls_batch_num=batch,
                                                                      enable_mkldnn=onednn),
        rendered_lines, _same_label, lambda direction: direction.label),
    "det": PredictionTask(
        RegionReader, lambda folder, batch, onednn: TextDetector(det_model_dir=folder, max_batch_size=batch,
                                                                 enable_mkldnn=onednn),
        rendered_pages, _same_regions, lambda found: f"{len(found)} regions"),
}
"""By ``Architecture.model_type``. Models of other types (of plugins) are exported without a comparison."""
