"""Does an exported model find what the trained one finds? Compared on pictures, over sizes and batch sizes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import ExportError
from ppocr.export.model_backend import ModelBackend
from ppocr.export.tasks import TASKS, PredictionTask
from ppocr.infer.backend import FloatArray
from ppocr.infer.reader import Image, Reader

LOGGER = logging.getLogger("ppocr")

TOLERANCE = 1e-4
"""Largest difference of a probability that is taken for rounding."""

BATCH_SIZES = (1, 3)
SHARES = (0.5, 1.5, 2.0)
"""Shares of the usual size that are tried as well along the sides that vary."""

LARGEST_SIDE = 320
"""Where a whole picture varies in both sides, pieces of at most this size are compared: that takes seconds."""

MULTIPLE = 32
"""Pieces of pictures have sides of multiples of this, as the networks' strides demand."""

SHOWN = 6
"""So many results are logged."""


@dataclass(frozen=True)
class Parity:
    """The outcome of a comparison.

    Attributes:
        max_difference: Largest absolute difference of a probability.
        results: For each picture, in words, what the trained and what the exported model found, and whether that is
            the same.
        batches: Number of batches that were compared.
    """

    max_difference: float
    results: tuple[tuple[str, str, bool], ...]
    batches: int

    @property
    def different(self) -> list[str]:
        """The results that differ, in words."""
        return [f"{before} became {after}" for before, after, same in self.results if not same]

    def __str__(self) -> str:
        same = len(self.results) - len(self.different)
        return (f"largest difference {self.max_difference:.1e} over {self.batches} batches, {same} of "
                f"{len(self.results)} results equal")


def check_parity(
    model: Any,
    folder: str | Path,
    *,
    task: str,
    operators: Pipeline,
    postprocess: Any,
    images: Sequence[Image] = (),
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare an exported folder with the model that it was made from, and raise if they differ.

    The trained model goes through the configuration's own transforms and post-process, the exported one through the
    public predictor, so that what ``inference.yml`` says is compared as well. On CPU the program is compared without
    oneDNN, which computes the same in another order; what oneDNN then changes is logged, as a warning if it changes a
    result.

    Args:
        model: The trained model.
        folder: The exported folder.
        task: ``Architecture.model_type``, one of `TASKS`.
        operators: Transforms of evaluation, without those that read labels.
        postprocess: The post-process of evaluation.
        images: Pictures, BGR uint8 ``[H, W, 3]``; some are rendered if there are none.
        tolerance: Largest difference of a probability.

    Raises:
        ExportError: The difference is larger, or a result differs.
    """
    kind = TASKS[task]
    pictures = list(images) or kind.pictures()
    trained = kind.reader(ModelBackend(model), operators, postprocess, max(BATCH_SIZES))
    exported = kind.predictor(Path(folder), max(BATCH_SIZES), False)
    parity = _compare(kind, trained, exported, pictures)
    for before, after, _ in parity.results[:SHOWN]:
        LOGGER.info("  trained %s, exported %s", before, after)
    LOGGER.info("Exported against trained model: %s", parity)
    if parity.different or not parity.max_difference <= tolerance:
        raise ExportError(
            f"the exported model differs from the trained one: {parity}"
            + (f"; {'; '.join(parity.different[:5])}" if parity.different else ""),
            expected=f"equal results and probabilities within {tolerance:g}",
            cure="nothing was exported; report this with the configuration, or export with another version of Paddle",
        )
    _compare_as_deployed(kind, trained, Path(folder), pictures)
    return parity


def _compare_as_deployed(kind: PredictionTask, trained: Reader[Any], folder: Path, pictures: Sequence[Image]) -> None:
    """Log what oneDNN, which predictors use on CPU by default, changes."""
    deployed = kind.predictor(folder, max(BATCH_SIZES), None)
    if not getattr(deployed.backend, "use_mkldnn", False):
        return
    parity = _compare(kind, trained, deployed, pictures)
    LOGGER.info("With oneDNN, as predictors run it: %s", parity)
    for change in parity.different:
        LOGGER.warning("With oneDNN's rounding %s; enable_mkldnn=False gives what evaluation gives.", change)


def _compare(kind: PredictionTask, trained: Reader[Any], exported: Reader[Any], pictures: Sequence[Image]) -> Parity:
    pairs = zip(trained.read(pictures), exported.read(pictures), strict=True)
    results = tuple((kind.shown(one), kind.shown(other), kind.same(one, other)) for one, other in pairs)
    largest, batches = 0.0, 0
    groups: dict[tuple[int, ...], list[FloatArray]] = {}
    for picture in pictures:
        tensor = trained.preprocess(picture)
        other_tensor = exported.preprocess(picture)
        if tensor.shape != other_tensor.shape or not np.array_equal(tensor, other_tensor):
            raise ExportError("the exported folder prepares a picture otherwise than evaluation does",
                              expected="the same array", cure="report this with the configuration")
        groups.setdefault(tensor.shape, []).append(tensor)
    for tensors in groups.values():
        for batch in _batches(tensors, _varying_sides(exported)):
            difference = np.abs(trained.run(batch) - exported.run(batch)).max()
            # NaN compares as no difference at all, and would pass.
            largest = max(largest, float(difference)) if np.isfinite(difference) else float("inf")
            batches += 1
    return Parity(largest, results, batches)


def _varying_sides(exported: Any) -> tuple[bool, bool]:
    """Return whether the exported model takes images of other heights and of other widths."""
    description = exported.folder.description
    if description is None or description.input_shape is None:
        return False, False
    height, width = description.input_shape[-2:]
    return height == -1, width == -1


def _batches(tensors: Sequence[FloatArray], varying: tuple[bool, bool]) -> list[list[FloatArray]]:
    """Return batches of several sizes, and of several image sizes where the exported model takes them."""
    if all(varying):
        return _pieces(tensors[0])
    batches = [list(tensors[start:start + size]) for size in BATCH_SIZES for start in range(0, len(tensors), size)]
    if varying[1]:
        width = tensors[0].shape[-1]
        wide = np.concatenate([tensors[0], tensors[-1]], axis=-1)
        batches += [[wide[..., :int(width * share)]] for share in SHARES]
    return batches


def _pieces(tensor: FloatArray) -> list[list[FloatArray]]:
    """Return batches of pieces of one image, of several heights, widths and numbers."""
    height, width = (min(LARGEST_SIDE, side // MULTIPLE * MULTIPLE) for side in tensor.shape[1:])
    low, narrow = (max(MULTIPLE, side // 2 // MULTIPLE * MULTIPLE) for side in (height, width))
    piece, flat, upright = (tensor[:, :rows, :columns] for rows, columns in
                            ((height, width), (low, width), (height, narrow)))
    return [[piece], [flat] * max(BATCH_SIZES), [upright, upright[:, ::-1]]]
