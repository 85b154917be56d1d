"""Whether a training network with imported weights computes what the exported model does."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from ppocr.data.transforms.pipeline import Pipeline
from ppocr.export.model_backend import ModelBackend
from ppocr.export.tasks import TASKS
from ppocr.infer.backend import FloatArray
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.opening import open_backend
from ppocr.infer.options import RuntimeOptions
from ppocr.infer.reader import Image, Prepared, Reader


@dataclass(frozen=True)
class Agreement:
    """How far a training network agrees with an exported one.

    Attributes:
        max_difference: Largest difference of a probability.
        exact_difference: The same with the training network computing in 64 bits, where it was asked for; else None.
        own_difference: Largest difference between the exported model and itself, computing in another order (with
            oneDNN and without): what rounding does to it.
        images: Number of pictures that were compared.
        beyond: Number of pictures on which the two differ by more than rounding and the tolerance explain.
        different: What the two made of pictures for which they disagree.
    """

    max_difference: float
    exact_difference: float | None
    own_difference: float
    images: int
    beyond: int
    different: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the two compute the same."""
        return not self.beyond and not self.different

    def __str__(self) -> str:
        same = self.images - len(self.different)
        exact = "" if self.exact_difference is None else f"; with 64 bits: {self.exact_difference:.1e}"
        return (f"largest difference {self.max_difference:.1e}{exact} (of the exported model from itself with another "
                f"rounding: {self.own_difference:.1e}), {same} of {self.images} results equal")


def compare(
    model: Any, folder: InferenceFolder, *, task: str, operators: Pipeline, postprocess: Any,
    images: Sequence[Image], tolerance: float,
) -> Agreement:
    """Run both on pictures, one by one.

    Where rounding makes more than the tolerance of a difference, the training network is computed again with 64 bits:
    means over large maps, for one, lose digits in 32.

    Args:
        model: The training network.
        folder: The exported model.
        task: ``Architecture.model_type``.
        operators: Transforms of evaluation, used for both.
        postprocess: The post-process of evaluation, used for both.
        images: BGR uint8 ``[H, W, 3]``.
        tolerance: Largest difference, beside the exported model's own on the same picture.
    """
    kind = TASKS[task]
    trained = kind.reader(ModelBackend(model), operators, postprocess, 1)
    exported, otherwise = (
        kind.reader(open_backend(folder, RuntimeOptions(enable_mkldnn=onednn)), operators, postprocess, 1)
        for onednn in (False, True)
    )
    largest = own = 0.0
    exact: float | None = None
    beyond = 0
    different = []
    for image in images:
        prepared = trained.prepare(image)
        reference = exported.run([prepared.tensor])
        outputs = trained.run([prepared.tensor])
        difference = _distance(outputs, reference)
        rounding = _distance(otherwise.run([prepared.tensor]), reference)
        largest, own = max(largest, difference), max(own, rounding)
        if not difference <= tolerance + rounding:
            precise = _distance(_in_double(model, prepared.tensor), reference)
            exact = max(exact or 0.0, precise)
            beyond += not precise <= tolerance + rounding
        one, other = (_result(trained, prepared, array) for array in (outputs, reference))
        if not kind.same(one, other):
            different.append(f"trained {kind.shown(one)}, exported {kind.shown(other)}")
    return Agreement(largest, exact, own, len(images), beyond, tuple(different))


def _in_double(model: Any, tensor: FloatArray) -> Any:
    """Return the output for one image, computed with 64 bits."""
    precise = copy.deepcopy(model)
    precise.to(dtype="float64")
    precise.eval()
    with paddle.no_grad():
        return precise(paddle.to_tensor(tensor[np.newaxis].astype(np.float64)))[model.output_name].numpy()


def _result(reader: Reader[Any], prepared: Prepared, outputs: FloatArray) -> Any:
    extras = {key: value[np.newaxis] for key, value in prepared.extras.items()}
    return reader.postprocess({reader.output: outputs, **extras})[0]


def _distance(one: FloatArray, other: FloatArray) -> float:
    difference = float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")
    # NaN compares as no difference at all, and would pass.
    return difference if np.isfinite(difference) else float("inf")
