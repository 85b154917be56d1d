"""From a configuration to the objects of a run: model, data, loss, optimizer, metric."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import paddle

import ppocr.postprocess
from ppocr.charset import Charset
from ppocr.config import Config
from ppocr.data.loader import DataLoader, build_dataloader
from ppocr.engine.bad_samples import BadSampleLog
from ppocr.engine.checkpoint import load_pretrained, named_weights, require_charset, resume, stored_charset
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.consistency import check_decoding, check_labels
from ppocr.engine.console import EvaluationLog, ProgressLog
from ppocr.engine.device import world
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.evaluator import evaluate
from ppocr.engine.feasibility import AlignmentCheck
from ppocr.engine.feature_cache import FeatureCaching
from ppocr.engine.freezing import freeze
from ppocr.engine.hooks import Hook, HookList
from ppocr.engine.precision import Precision
from ppocr.engine.ranks import average_statistics
from ppocr.engine.run import Progress, TrainingRun
from ppocr.engine.visualdl_log import VisualDLLog
from ppocr.errors import CheckpointError, ConfigError
from ppocr.losses import build_loss
from ppocr.metrics import build_metric
from ppocr.modeling import build_model
from ppocr.modeling.architecture import check_architecture
from ppocr.optimizer import build_optimizer
from ppocr.plugins import import_plugins
from ppocr.pretrained import configured_charset, read_pretrained
from ppocr.sections import Section, where
from ppocr.weights import LoadReport, load_into

LOGGER = logging.getLogger("ppocr")


@dataclass
class ModelParts:
    """The model and what belongs to it in training, evaluation and export alike.

    Attributes:
        charset: The characters that the model reads; for other tasks the default, unused.
        transform_context: What transforms ask for (see ppocr.registry).
    """

    model: Any
    postprocess: Any
    charset: Charset
    transform_context: dict[str, Any]


def build_model_parts(config: Config) -> ModelParts:
    """Build model, post-processing and charset; the head gets as many classes as the post-processing decodes.

    Raises:
        ConfigError: Unknown names or keys.
        CharsetError: The dictionary cannot be used.
    """
    options = config["Global"]
    import_plugins(options["plugins"], config.file.parent)
    check_architecture(section(config, "Architecture"))
    charset = configured_charset(options)
    context: dict[str, Any] = {"charset": charset, "max_text_length": options["max_text_length"]}
    if options["label_list"] is not None:
        context["label_list"] = options["label_list"]
    postprocess = ppocr.postprocess.build_postprocess(section(config, "PostProcess"), task=task_of(config), **context)
    model = build_model(section(config, "Architecture"), num_classes=postprocess.num_classes,
                        max_text_length=options["max_text_length"])
    return ModelParts(model, postprocess, charset, context)


def build_loader(config: Config, split: Literal["Train", "Eval"], parts: ModelParts) -> DataLoader:
    """Return the loader of ``Train`` or ``Eval``, for this rank's share of the data."""
    rank, world_size = world()
    loader = build_dataloader(
        section(config, split), split=split, seed=config["Global"]["seed"], rank=rank, world_size=world_size,
        task=task_of(config), transform_context=parts.transform_context,
    )
    check_labels(split, loader.dataset.pipeline, parts.postprocess)
    loader.set_check(AlignmentCheck.for_model(parts.model, parts.postprocess, loader.image_size))
    return loader


def build_evaluation(config: Config, parts: ModelParts) -> tuple[DataLoader, Any]:
    """Return the loader of the evaluation data and the metric."""
    metric = build_metric(section(config, "Metric"), task=task_of(config), charset=parts.charset)
    return build_loader(config, "Eval", parts), metric


def required_weights(config: Config) -> str:
    """Return the weights that ``Global.checkpoints`` or ``Global.pretrained_model`` names.

    Raises:
        CheckpointError: Neither is set.
    """
    named = named_weights(config["Global"])
    if named is None:
        raise CheckpointError("no weights are named: the model would be random",
                              expected="trained weights",
                              cure="add -o Global.pretrained_model=output/best_accuracy (or Global.checkpoints=...)")
    return named[1]


def load_trained(parts: ModelParts, path: str) -> LoadReport:
    """Load weights that must fill all of the model that prediction uses; log and return what was loaded.

    Args:
        parts: The model.
        path: A weights file, an exported folder or a published model (see ppocr.pretrained).

    Raises:
        CheckpointError: A tensor of the model is missing in the file, or has another shape.
        CharsetError: The checkpoint was trained with another charset.
    """
    pretrained = read_pretrained(path)
    stored = pretrained.charset or stored_charset(path, pretrained.weights.sha256)
    require_charset(path, stored, parts.charset)
    report = load_into(parts.model, pretrained.weights, minimum_share=1.0, dispensable=parts.model.training_only)
    LOGGER.info("%s: %s", path, report)
    return report


def build_training(config: Config, device: str) -> TrainingRun:
    """Build everything that training needs, load weights or resume, and connect the hooks.

    Args:
        config: The configuration.
        device: ``"gpu"`` or ``"cpu"``, for mixed precision.

    Raises:
        PPOCRError: With the place in the configuration that cannot be used.
    """
    options = config["Global"]
    rank, world_size = world()
    parts = build_model_parts(config)
    network = _synchronize_batch_norm(parts.model, options, device, world_size)
    freezing = freeze(network, options["freeze"], where(options, "freeze"))
    loss = build_loss(section(config, "Loss"), charset=parts.charset)
    check_decoding(config, loss, parts.postprocess)
    train_loader = build_loader(config, "Train", parts)
    eval_loader, metric = build_evaluation(config, parts)
    steps_per_epoch = -(-len(train_loader) // accumulation_steps(options))
    optimizer, schedule = build_optimizer(section(config, "Optimizer"), network, epochs=options["epoch_num"],
                                          steps_per_epoch=steps_per_epoch)
    precision = Precision(options, device)
    network, optimizer = precision.decorate(network, optimizer)
    model = _data_parallel(network, options, world_size)

    def run_evaluation() -> dict[str, float]:
        average_statistics(network, world_size)
        stopped = None if world_size > 1 else lambda: run.stop is not None and run.stop.interrupted
        return evaluate(network, eval_loader, parts.postprocess, metric, autocast=precision.autocast,
                        is_stopped=stopped)

    run = TrainingRun(
        config=config, network=network, model=model, charset=parts.charset, loss=loss, optimizer=optimizer,
        schedule=schedule, postprocess=parts.postprocess, metric=metric, train_loader=train_loader,
        evaluate=run_evaluation, precision=precision, hooks=HookList(_hooks(options, rank)), progress=Progress(),
        rank=rank, world_size=world_size,
    )
    reports = {"bad_samples.txt": train_loader.report, "bad_eval_samples.txt": eval_loader.report}
    run.hooks.hooks.append(BadSampleLog(reports, options["save_model_dir"]))
    caching = FeatureCaching.from_options(options, network, freezing, train_loader, world_size)
    if caching is not None:
        run.hooks.hooks.insert(0, caching)
    key, path = named_weights(options) or ("", "")
    if key == "checkpoints":
        resume(run, path)
    elif key:
        load_pretrained(network, path, parts.charset, options["min_load_share"],
                        dictionary=options["pretrained_dict_path"], use_space=options["pretrained_use_space_char"],
                        task=task_of(config))
    else:
        LOGGER.info("Training from random weights (neither Global.pretrained_model nor Global.checkpoints is set).")
        if options["pretrained_dict_path"]:
            LOGGER.warning("%s has no effect without Global.pretrained_model.", where(options, "pretrained_dict_path"))
    return run


def section(config: Config, name: str) -> Section:
    """Return a top-level section.

    Raises:
        ConfigError: It is missing.
    """
    value = config.get(name)
    if not isinstance(value, Section):
        raise ConfigError(f"{config.file}: the section {name} is missing", expected=f"{name}: a mapping",
                          cure=f"add the section {name}")
    return value


def task_of(config: Config) -> str:
    """Return ``Architecture.model_type``."""
    return str(section(config, "Architecture")["model_type"])


def accumulation_steps(options: Section) -> int:
    """Return ``Global.accumulation_steps``.

    Raises:
        ConfigError: It is smaller than 1.
    """
    steps = int(options["accumulation_steps"])
    if steps < 1:
        raise ConfigError(f"{where(options, 'accumulation_steps')} is {steps}", expected="a number of at least 1",
                          cure="set how many batches make one optimizer step")
    return steps


def _hooks(options: Section, rank: int) -> list[Hook]:
    # Evaluation comes before checkpointing, so that a checkpoint at the end of an epoch holds its result.
    hooks: list[Hook] = [
        ProgressLog(options["print_batch_step"], options["log_smooth_window"]),
        EvaluationLog(),
        PeriodicEvaluation.from_options(options),
        Checkpointing(options["save_model_dir"], options["save_epoch_step"]),
    ]
    if options["use_visualdl"] and rank == 0:
        hooks.append(VisualDLLog(Path(options["save_model_dir"]), options["print_batch_step"]))
    return hooks


def _synchronize_batch_norm(model: Any, options: Section, device: str, world_size: int) -> Any:
    if not options["use_sync_bn"]:
        return model
    if device == "cpu":
        LOGGER.warning("Global.use_sync_bn is true, but Paddle has synchronized batch norm on GPU only; left out.")
        return model
    return paddle.nn.SyncBatchNorm.convert_sync_batchnorm(model) if world_size > 1 else model


def _data_parallel(network: Any, options: Section, world_size: int) -> Any:
    if world_size == 1:
        return network
    return paddle.DataParallel(network, find_unused_parameters=options["find_unused_parameters"])
