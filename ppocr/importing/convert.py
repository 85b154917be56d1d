"""From an exported model to a checkpoint of the training network that a configuration describes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr.config import Config
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.engine.builder import ModelParts, build_model_parts, task_of
from ppocr.errors import CheckpointError
from ppocr.export.from_config import evaluation_operators, image_shape
from ppocr.export.tasks import TASKS
from ppocr.fileio import sha256
from ppocr.importing.checkpoint import write_imported
from ppocr.importing.norms import restore_norms
from ppocr.importing.onnx_weights import read_onnx
from ppocr.importing.parity import Agreement, compare
from ppocr.importing.structure import match_layers
from ppocr.infer.folder import ONNXRUNTIME, InferenceFolder
from ppocr.infer.operators import build_operators
from ppocr.infer.reader import Image
from ppocr.pretrained import structured_weights
from ppocr.pretrained.sources import exported_folder
from ppocr.weights import LoadReport, Weights, load_into

LOGGER = logging.getLogger("ppocr")

TOLERANCE = 1e-4
"""Largest difference of a probability by which the training network may differ from the exported one."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        checkpoint: The weights file that was written.
        load: Which tensors of the training network the exported model filled.
        agreement: Training network against exported model.
    """

    checkpoint: Path
    load: LoadReport
    agreement: Agreement


def import_model(
    config: Config, source: str | Path, prefix: str | Path, *, images: Sequence[Image] = (),
    tolerance: float = TOLERANCE,
) -> ImportReport:
    """Make a training checkpoint of an exported model.

    Args:
        config: Describes the training network. Where the model's folder tells its characters, they take the place of
            the configuration's dictionary.
        source: The exported folder, or the name of a published model.
        prefix: Path of the checkpoint without suffix.
        images: Pictures on which the two are compared, BGR uint8; some are rendered if there are none.
        tolerance: Largest difference of a probability, beside that by which the exported model differs from itself
            when it computes in another order.

    Raises:
        CheckpointError: The model is of another kind or another network, or the two compute something else.
        DependencyError: A package that reads the model is missing.
    """
    folder = _open(source)
    task = task_of(config)
    _require_task(folder, task)
    if folder.description is not None and folder.description.charset is not None:
        config["Global"].update(character_dict_path=str(folder.path), use_space_char=False)  # They hold it, or not.
    parts = build_model_parts(config)
    pipeline = build_operators(evaluation_operators(config, parts, task), **parts.transform_context)
    pictures = list(images) or TASKS[task].pictures()
    report, digest = _fill(parts, folder, pipeline, pictures)
    agreement = compare(parts.model, folder, task=task, operators=pipeline, postprocess=parts.postprocess,
                        images=pictures, tolerance=tolerance)
    LOGGER.info("Training network against exported model: %s", agreement)
    if not agreement.holds:
        raise CheckpointError(
            f"{folder.path}: the training network computes something else than the exported model: {agreement}"
            + "".join(f"; {text}" for text in agreement.different[:3]),
            expected=f"equal results and probabilities within {tolerance:g}",
            cure="correct the section Architecture: activations and strides have no weights by which a misfit shows",
        )
    state = parts.model.state_dict()
    loaded = {name: tensor for name, tensor in state.items() if name not in report.missing}
    origin = {"model": str(source), "sha256": digest, "max_difference": agreement.max_difference,
              "exact_difference": agreement.exact_difference, "images": agreement.images}
    checkpoint = write_imported(Path(prefix), loaded, parts.charset if TASKS[task].uses_charset else None, origin)
    return ImportReport(checkpoint, report, agreement)


def _open(source: str | Path) -> InferenceFolder:
    folder = exported_folder(source)
    if folder is None:
        raise CheckpointError(f"{source} is no exported model", expected="the folder of an exported model, or the name "
                              "of a published one (ppocr models lists them)", cure="correct --model")
    return folder


def _require_task(folder: InferenceFolder, task: str) -> None:
    given = folder.description.model_type if folder.description else ""
    if task not in TASKS or given not in ("", task):
        raise CheckpointError(f"{folder.path} holds a model of type {given!r}, the configuration is for {task!r}",
                              expected=f"a model and a configuration of one type, {', '.join(TASKS)}",
                              cure="give the configuration of this model")


def _fill(parts: ModelParts, folder: InferenceFolder, operators: Pipeline,
          pictures: Sequence[Image]) -> tuple[LoadReport, str]:
    """Load everything that the exported model has into the training network; return the report and the file's digest.

    Nothing may be left over, and only what training alone uses may be missing.
    """
    folded: tuple[str, ...] = ()
    if folder.backend == ONNXRUNTIME:
        matched = match_layers(parts.model, read_onnx(folder.model_file), image_shape(operators))
        weights, folded = Weights(matched.arrays, folder.model_file, sha256(folder.model_file)), tuple(matched.folded)
        LOGGER.info("An ONNX model has no names of a training network: its %d tensors were given their places by kind, "
                    "shape and order.", len(weights))
    else:
        weights = structured_weights(folder)
    report = load_into(parts.model, weights, strict=True, dispensable=parts.model.training_only)
    LOGGER.info("%s: %s", folder.path, report)
    if report.missing:
        LOGGER.info("What prediction does not use is in no export; it starts from random numbers.")
    if folded:
        restore_norms(parts.model, folded, [_tensor(operators, picture) for picture in pictures])
        LOGGER.info("The export holds %s within the layers before; mean and variance were measured on %d pictures.",
                    ", ".join(folded), len(pictures))
    return report, weights.sha256


def _tensor(operators: Pipeline, picture: Image) -> Any:
    return operators({"image": picture})["image"]
