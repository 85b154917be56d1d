"""From a configuration with trained weights to readers and exported folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.config import Config
from ppocr.data.transforms.decode import decode_image
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.engine.builder import ModelParts, build_model_parts, load_trained, required_weights, section
from ppocr.engine.checkpoint import load_checkpoint_meta
from ppocr.errors import ConfigError, SampleError
from ppocr.export.description import (
    ModelIdentity,
    Provenance,
    require_section,
    resolved_operators,
    resolved_postprocess,
)
from ppocr.export.exporter import export_model
from ppocr.export.model_backend import ModelBackend
from ppocr.export.parity import TOLERANCE, check_parity
from ppocr.export.tasks import TASKS
from ppocr.infer.operators import Operator, build_operators
from ppocr.infer.reader import Image, LineReader, Reader, RegionReader
from ppocr.sections import where

BLANK_SIZE = (32, 100)
"""Height and width of the picture by which the transforms tell what they make of pictures."""


def export_from_config(
    config: Config, *, parity_images: Sequence[Image] = (), out_dir: str | Path | None = None,
    tolerance: float = TOLERANCE,
) -> Path:
    """Build the model of a configuration, load its weights, export it and compare the export with it.

    Args:
        config: The configuration; names the weights in ``Global.checkpoints`` or ``Global.pretrained_model``.
        parity_images: Pictures for the comparison, BGR uint8; some are rendered if there are none.
        out_dir: The folder; ``Global.save_inference_dir`` or ``<save_model_dir>/inference`` by default.
        tolerance: Largest difference of a probability that is taken for rounding.

    Raises:
        ExportError: The model cannot be exported, or the export differs from it.
        CheckpointError: No weights are named, or they do not fit.
        CharsetError: The weights were trained with another charset.
    """
    options = config["Global"]
    target = Path(out_dir or options["save_inference_dir"] or Path(options["save_model_dir"]) / "inference")
    weights = required_weights(config)
    parts = build_model_parts(config)
    report = load_trained(parts, weights)
    metrics = (load_checkpoint_meta(weights) or {}).get("metrics") or {}
    provenance = Provenance(Path(report.source).name, report.sha256, metrics)
    architecture = section(config, "Architecture")
    task = str(architecture["model_type"])
    operators = evaluation_operators(config, parts, task)
    pipeline = build_operators(operators, **parts.transform_context)
    identity = ModelIdentity(task, str(architecture.get("algorithm") or ""), str(options["model_name"] or ""))

    def check(folder: Path) -> None:
        check_parity(parts.model, folder, task=task, operators=pipeline, postprocess=parts.postprocess,
                     images=parity_images, tolerance=tolerance)

    return export_model(
        parts.model, target, input_spec=image_shape(pipeline), identity=identity, transforms=operators,
        postprocess=resolved_postprocess(section(config, "PostProcess"), parts.transform_context, task=task),
        charset=parts.charset if task in TASKS and TASKS[task].uses_charset else None, provenance=provenance,
        with_pir=options["export_with_pir"], check=check if task in TASKS else None,
    )


def reader_from_config(config: Config, task: str, batch_size: int) -> Reader[Any]:
    """Return a reader over the model in training form, with the transforms and the post-process of evaluation.

    Args:
        config: The configuration; names the weights.
        task: What the model must be for: a key of `TASKS`.
        batch_size: Most images in a batch.

    Raises:
        ConfigError: The model is of another type.
        CheckpointError: No weights are named, or they do not fit.
        CharsetError: The weights were trained with another charset.
    """
    architecture = section(config, "Architecture")
    if architecture["model_type"] != task:
        raise ConfigError(f"{where(architecture, 'model_type')} is {architecture['model_type']!r}: another kind of "
                          "model is needed", expected=task,
                          cure="give the configuration of such a model; tools/eval.py evaluates every type")
    weights = required_weights(config)
    parts = build_model_parts(config)
    load_trained(parts, weights)
    operators = build_operators(evaluation_operators(config, parts, task), **parts.transform_context)
    return TASKS[task].reader(ModelBackend(parts.model), operators, parts.postprocess, batch_size)


def line_reader_from_config(config: Config, batch_size: int) -> LineReader:
    """Return what reads text lines with the model in training form; see `reader_from_config`."""
    reader = reader_from_config(config, "rec", batch_size)
    assert isinstance(reader, LineReader)
    return reader


def detector_from_config(config: Config, batch_size: int = 1) -> RegionReader:
    """Return what finds text with the model in training form; see `reader_from_config`."""
    reader = reader_from_config(config, "det", batch_size)
    assert isinstance(reader, RegionReader)
    return reader


def evaluation_operators(config: Config, parts: ModelParts, task: str) -> list[Operator]:
    """Return the transforms of ``Eval`` that need no label, every argument written out.

    Raises:
        ConfigError: The configuration has none, or one that does not exist.
    """
    dataset = require_section(section(config, "Eval").get("dataset"), "Eval.dataset")
    entries = require_section(dataset.get("transforms"), "Eval.dataset.transforms")
    return resolved_operators(entries, parts.transform_context, task=task)


def image_shape(operators: Pipeline) -> tuple[int, int, int]:
    """Return channels, height and width that the transforms make of a picture.

    Raises:
        ConfigError: They do not make an image for the network of it.
    """
    try:
        made: Any = operators({"image": decode_image(np.full((*BLANK_SIZE, 3), 127, np.uint8))})["image"]
    except (SampleError, KeyError) as error:
        raise ConfigError(f"Eval.dataset.transforms fail on a blank picture: {error}",
                          expected="transforms that need nothing but the picture, besides the label encoder",
                          cure="give the transform's class needs_label = True if it is for evaluation only") from error
    if not isinstance(made, np.ndarray) or made.ndim != 3:
        raise ConfigError(f"Eval.dataset.transforms make {type(made).__name__} {getattr(made, 'shape', '')} of a "
                          "picture", expected="float32 [C, H, W]", cure="add a resize such as RecResizeImg")
    return int(made.shape[0]), int(made.shape[1]), int(made.shape[2])
