"""Does an exported model read what the trained one reads? Compared on pictures, over widths and batch sizes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.cv import cv2
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import ExportError
from ppocr.export.model_backend import ModelBackend
from ppocr.infer.backend import FloatArray
from ppocr.infer.reader import Image, LineReader
from ppocr.infer.recognizer import TextRecognizer

LOGGER = logging.getLogger("ppocr")

TOLERANCE = 1e-4
"""Largest difference of a probability that is taken for rounding."""

BATCH_SIZES = (1, 3)
WIDTHS = (0.5, 1.5, 2.0)
"""Shares of the usual width that are tried as well where the exported width varies."""

RENDERED = ("a", "42", "Word", "Export 7", "a longer line of text", "the quick brown fox jumps over it")


@dataclass(frozen=True)
class Parity:
    """The outcome of a comparison.

    Attributes:
        max_difference: Largest absolute difference of a probability.
        texts: For each picture, what the trained and what the exported model read.
        batches: Number of batches that were compared.
    """

    max_difference: float
    texts: tuple[tuple[str, str], ...]
    batches: int

    def __str__(self) -> str:
        same = sum(trained == exported for trained, exported in self.texts)
        return (f"largest difference {self.max_difference:.1e} over {self.batches} batches, {same} of "
                f"{len(self.texts)} texts equal")


def check_parity(
    model: Any,
    folder: str | Path,
    *,
    operators: Pipeline,
    postprocess: Any,
    images: Sequence[Image] = (),
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare an exported folder with the model that it was made from, and raise if they differ.

    The trained model goes through the configuration's own transforms and decoder, the exported one through the
    public `TextRecognizer`, so that what ``inference.yml`` says is compared as well. On CPU the program is compared
    without oneDNN, which computes the same in another order; what oneDNN then changes is logged, as a warning if it
    changes a text.

    Args:
        model: The trained model.
        folder: The exported folder.
        operators: Transforms of evaluation, without those that read labels.
        postprocess: The decoder of evaluation.
        images: Pictures, BGR uint8 ``[H, W, 3]``; some are rendered if there are none.
        tolerance: Largest difference of a probability.

    Raises:
        ExportError: The difference is larger, or a text differs.
    """
    pictures = list(images) or rendered_lines()
    trained = LineReader(ModelBackend(model), operators, postprocess, max(BATCH_SIZES))
    exported = TextRecognizer(rec_model_dir=folder, rec_batch_num=max(BATCH_SIZES), enable_mkldnn=False)
    parity = _compare(trained, exported, pictures)
    for before, after in parity.texts[:len(RENDERED)]:
        LOGGER.info("  trained %r, exported %r", before, after)
    LOGGER.info("Exported against trained model: %s", parity)
    different = [f"{before!r} became {after!r}" for before, after in parity.texts if before != after]
    if different or not parity.max_difference <= tolerance:
        raise ExportError(
            f"the exported model differs from the trained one: {parity}"
            + (f"; {'; '.join(different[:5])}" if different else ""),
            expected=f"equal texts and probabilities within {tolerance:g}",
            cure="nothing was exported; report this with the configuration, or export with another version of Paddle",
        )
    _compare_as_deployed(trained, folder, pictures)
    return parity


def rendered_lines(texts: Sequence[str] = RENDERED) -> list[Image]:
    """Return pictures of dark text on a light, slightly noisy ground, uint8 ``[32, W, 3]``; the same at every call."""
    noise = np.random.default_rng(0)
    pictures = []
    for text in texts:
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 2)
        picture = np.asarray(noise.integers(200, 240, (32, width + 12, 3), np.uint8))
        pictures.append(cv2.putText(picture, text, (6, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (40, 30, 20), 2))
    return pictures


def _compare_as_deployed(trained: LineReader, folder: str | Path, pictures: Sequence[Image]) -> None:
    """Log what oneDNN, which predictors use on CPU by default, changes."""
    deployed = TextRecognizer(rec_model_dir=folder, rec_batch_num=max(BATCH_SIZES))
    if not getattr(deployed.backend, "use_mkldnn", False):
        return
    parity = _compare(trained, deployed, pictures)
    LOGGER.info("With oneDNN, as predictors run it: %s", parity)
    for before, after in parity.texts:
        if before != after:
            LOGGER.warning("oneDNN's rounding turns %r into %r; enable_mkldnn=False reads as evaluation does.", before,
                           after)


def _compare(trained: LineReader, exported: TextRecognizer, pictures: Sequence[Image]) -> Parity:
    texts = tuple((one.text, other.text) for one, other in
                  zip(trained.recognize(pictures), exported.recognize(pictures), strict=True))
    largest, batches = 0.0, 0
    groups: dict[tuple[int, ...], list[FloatArray]] = {}
    for picture in pictures:
        tensor = trained.preprocess(picture)
        other = exported.preprocess(picture)
        if tensor.shape != other.shape or not np.array_equal(tensor, other):
            raise ExportError("the exported folder prepares a picture otherwise than evaluation does",
                              expected="the same array", cure="report this with the configuration")
        groups.setdefault(tensor.shape, []).append(tensor)
    for tensors in groups.values():
        for batch in _batches(tensors, exported):
            difference = np.abs(trained.probabilities(batch) - exported.probabilities(batch)).max()
            # NaN compares as no difference at all, and would pass.
            largest = max(largest, float(difference)) if np.isfinite(difference) else float("inf")
            batches += 1
    return Parity(largest, texts, batches)


def _batches(tensors: Sequence[FloatArray], exported: TextRecognizer) -> list[list[FloatArray]]:
    """Return batches of several sizes, and of several widths where the exported model takes them."""
    batches = [list(tensors[start:start + size]) for size in BATCH_SIZES for start in range(0, len(tensors), size)]
    description = exported.folder.description
    if description is not None and description.input_shape is not None and description.input_shape[-1] == -1:
        width = tensors[0].shape[-1]
        wide = np.concatenate([tensors[0], tensors[-1]], axis=-1)
        batches += [[wide[..., :int(width * share)]] for share in WIDTHS]
    return batches
