"""From a configuration to the objects of a run: model, data, loss, optimizer, metric."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import paddle

import ppocr.postprocess
from ppocr.charset import Charset
from ppocr.config import Config
from ppocr.data.loader import DataLoader, build_dataloader
from ppocr.engine.bad_samples import BadSampleLog
from ppocr.engine.checkpoint import load_start, named_weights, require_charset, stored_charset
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.consistency import check_decoding, check_labels
from ppocr.engine.console import EvaluationLog, ProgressLog
from ppocr.engine.device import world
from ppocr.engine.early_stopping import BestWeights, EarlyStopping
from ppocr.engine.evaluation_hook import PeriodicEvaluation
from ppocr.engine.evaluator import evaluate
from ppocr.engine.feasibility import AlignmentCheck
from ppocr.engine.feature_cache import FeatureCaching
from ppocr.engine.freezing import freeze
from ppocr.engine.guards.debugging import NumericsCheck
from ppocr.engine.guards.finite import FiniteGuard
from ppocr.engine.hooks import Hook, HookList
from ppocr.engine.monitoring.monitor import monitor
from ppocr.engine.precision import Precision
from ppocr.engine.profiling import ProfilerWindow
from ppocr.engine.ranks import averaged_statistics, check_others, data_parallel
from ppocr.engine.run import Progress, TrainingRun
from ppocr.engine.run_summary import RunSummary
from ppocr.engine.unfreezing import Unfreezing, everything_trainable
from ppocr.engine.weight_average import WeightAverage, evaluated_weights
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
    accumulation = accumulation_steps(options)
    precision = Precision(options, device)
    unfreezing = Unfreezing.from_options(options, freezing)
    with everything_trainable(unfreezing):
        optimizer, schedule = build_optimizer(
            section(config, "Optimizer"), network, epochs=options["epoch_num"],
            steps_per_epoch=-(-len(train_loader) // accumulation),
            samples_per_step=train_loader.sampler.batch_size * world_size * accumulation)
        network, optimizer = precision.decorate(network, optimizer)
        average = WeightAverage.from_options(options, network)
        # What is frozen at first has no gradient, for which the ranks must not wait.
        model = data_parallel(network, world_size,
                              find_unused=options["find_unused_parameters"] or unfreezing is not None)

    def is_left() -> bool:
        check_others()
        return world_size == 1 and run.stop is not None and run.stop.interrupted

    def run_evaluation() -> dict[str, float]:
        with averaged_statistics(network, world_size), evaluated_weights(average):
            return evaluate(network, eval_loader, parts.postprocess, metric, autocast=precision.autocast,
                            is_stopped=is_left)

    run = TrainingRun(
        config=config, network=network, model=model, charset=parts.charset, loss=loss, optimizer=optimizer,
        schedule=schedule, postprocess=parts.postprocess, metric=metric, train_loader=train_loader,
        evaluate=run_evaluation, precision=precision, hooks=HookList(_hooks(options, rank, unfreezing, average)),
        progress=Progress(), rank=rank, world_size=world_size, average=average,
    )
    reports = {"bad_samples.txt": train_loader.report, "bad_eval_samples.txt": eval_loader.report}
    run.hooks.hooks.append(BadSampleLog(reports, options["save_model_dir"]))
    caching = FeatureCaching.from_options(options, network, freezing, train_loader, world_size)
    if caching is not None:
        run.hooks.hooks.insert(0, caching)
    monitor(run, eval_loader)
    load_start(run, task_of(config))
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


def _hooks(options: Section, rank: int, unfreezing: Hook | None, average: Hook | None) -> list[Hook]:
    # Evaluation comes before checkpointing, so that a checkpoint at the end of an epoch holds its result; it follows
    # the average, which it uses, and checkpointing follows what counts evaluations.
    hooks: list[Hook | None] = [
        NumericsCheck() if options["check_numerics"] else None,
        FiniteGuard.from_options(options),  # No other sees, or saves, what it has not looked at.
        ProgressLog(options["print_batch_step"], options["log_smooth_window"]),
        EvaluationLog(),
        unfreezing,
        average,
        PeriodicEvaluation.from_options(options),
        EarlyStopping.from_options(options),
        Checkpointing.from_options(options),
        ProfilerWindow.from_options(options, rank),
        BestWeights(options["save_model_dir"]),
    ]
    hooks.append(RunSummary(options["save_model_dir"]))  # The last, so that it knows what the others have done.
    return [hook for hook in hooks if hook is not None]


def _synchronize_batch_norm(model: Any, options: Section, device: str, world_size: int) -> Any:
    if not options["use_sync_bn"]:
        return model
    if device == "cpu":
        LOGGER.warning("Global.use_sync_bn is true, but Paddle has synchronized batch norm on GPU only; left out.")
        return model
    return paddle.nn.SyncBatchNorm.convert_sync_batchnorm(model) if world_size > 1 else model
