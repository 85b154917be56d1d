"""The training loop: forward, loss, backward, step; over batches, epochs and ranks.

Everything else that happens in a run (logging, evaluation, checkpoints) is a hook in ``ppocr.engine``.
"""

from __future__ import annotations

import functools
import logging
import platform
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy
import paddle

from ppocr.config import Config, load_config
from ppocr.data.memory import keep_freed_memory
from ppocr.engine.builder import build_training
from ppocr.engine.consistency import check_images
from ppocr.engine.console import clock
from ppocr.engine.determinism import make_deterministic
from ppocr.engine.device import on_cpu, select_device, start_distributed, world
from ppocr.engine.interruption import stops_on_signals
from ppocr.engine.logger import start_logging
from ppocr.engine.memory_estimate import dry_run, memory_line
from ppocr.engine.monitoring.run_folder import run_folder
from ppocr.engine.ranks import cause_of, gather, wait_for_all
from ppocr.engine.run import BatchRecord, TrainingRun
from ppocr.engine.seeding import seed_everything
from ppocr.engine.stopping import agree_on_stop, is_time_to_agree
from ppocr.errors import ConfigError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")


def prepare(config_file: str, overrides: Sequence[str], *, name: str, has_run_folder: bool = False
            ) -> tuple[Config, str]:
    """Read the configuration, choose the device, start logging, seed; return configuration and device.

    The process keeps freed memory from here on, which makes a training step on CPU up to a third shorter.

    Args:
        config_file: YAML file.
        overrides: ``Key.sub=value`` options.
        name: Name of the command, which names its log file.
        has_run_folder: Whether the command works in the folder that ``Global.run_name`` asks for.
    """
    keep_freed_memory()
    config = load_config(config_file, overrides)
    options = config["Global"]
    rank, world_size = world()
    device = select_device(options["use_gpu"])
    start_distributed(device)
    if has_run_folder and options["run_name"]:
        folder = run_folder(options, config_file, overrides) if rank == 0 else ""
        options["save_model_dir"], options["run_name"] = gather(folder, world_size)[0], None
    _check(options)
    start_logging(options["save_model_dir"], rank=rank, level=options["log_level"], name=name)
    for note in config.notes:
        LOGGER.warning(note)
    make_deterministic(options, device)
    seed_everything(options["seed"])
    return config, device


def _check(options: Section) -> None:
    """Check what the run needs before anything is built.

    Raises:
        ConfigError: The seed is out of range, or the output folder cannot be written to.
    """
    if not 0 <= options["seed"] < 2**32:
        raise ConfigError(f"{where(options, 'seed')} is {options['seed']}", expected="0 to 4294967295",
                          cure="choose another seed")
    folder = Path(options["save_model_dir"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"{where(options, 'save_model_dir')}: {folder} cannot be written to: {error.strerror}",
                          expected="a folder in which files can be made", cure="choose another folder, or free space") \
            from None


def start_training(config: Config, device: str) -> TrainingRun:
    """Build the run, save the effective configuration beside it, and say what will happen."""
    run = build_training(config, device)
    options = config["Global"]
    if run.rank and run.checkpoint is None:
        # Every rank built the same initial weights; from here on their dropout differs.
        seed_everything(options["seed"] + run.rank)
    if run.rank == 0:
        path = Path(options["save_model_dir"]) / "config.yml"
        config.save(path, python=platform.python_version(), paddle=paddle.__version__, numpy=numpy.__version__)
        LOGGER.info("Effective configuration: %s", path)
    if config.defaulted:
        LOGGER.info("Set by default: %s", ", ".join(key for key in config.defaulted if not key.startswith("Global.")))
    LOGGER.info(run.optimizer.optimizer_report)
    LOGGER.info(memory_line(run))
    LOGGER.info("%d epochs of %d batches on %s, %d process%s", run.epochs, run.batches_per_epoch, device,
                run.world_size, "" if run.world_size == 1 else "es")
    return run


def measure(config: Config, device: str) -> None:
    """Build the run and train a few batches to see what they take; nothing is saved."""
    run = build_training(config, device)
    LOGGER.info(memory_line(run))
    dry_run(run, functools.partial(train_step, run, group=1, update=True))


def train(run: TrainingRun) -> None:
    """Train from where the run stands to its last epoch, or to where something asks it to stop."""
    if run.progress.epoch >= run.epochs:
        LOGGER.warning("Nothing is left to train: %d epochs are done and Global.epoch_num is %d. Set it higher to go "
                       "on.", run.progress.epoch, run.epochs)
    started = time.perf_counter()
    run.model.train()
    with stops_on_signals(run):
        try:
            run.hooks.before_train(run)
            while run.progress.epoch < run.epochs and not agree_on_stop(run):
                run.hooks.before_epoch(run)
                if not train_epoch(run):
                    break
                run.progress.epoch, run.progress.batch = run.progress.epoch + 1, 0
                run.hooks.after_epoch(run)
            run.hooks.after_train(run)
            wait_for_all()  # The launcher ends all when one ends with an exit code: none may before rank 0 has saved.
        except BaseException as error:
            cause = cause_of(error)  # Of several ranks, one may have failed in consequence of another.
            run.hooks.on_exception(run, cause)
            if cause is error:
                raise
            raise cause from error
    LOGGER.info("Training %s after %s.", f"stopped ({run.stop.reason})" if run.stop else "finished",
                clock(time.perf_counter() - started))


def train_epoch(run: TrainingRun) -> bool:
    """Train on the batches of the current epoch that are not done yet; return False if the run stopped before its end.

    A run stops after an optimizer step only, so that no gradient of an accumulated step is lost.
    """
    run.train_loader.set_epoch(run.progress.epoch, start_batch=run.progress.batch)
    waiting_since = time.perf_counter()
    for batch in run.train_loader:
        started = time.perf_counter()
        group, is_last = accumulation_group(run.progress.batch, run.batches_per_epoch, run.accumulation)
        rate = float(run.schedule.get_lr())
        losses, outputs = train_step(run, batch, group=group, update=is_last)
        finished = time.perf_counter()
        run.progress.batch += 1
        run.progress.step += is_last
        if losses:
            run.last = BatchRecord(losses, outputs, batch, started - waiting_since, finished - started,
                                   len(batch["info"]), is_last, rate)
            run.hooks.after_step(run)
        is_end = run.progress.batch >= run.batches_per_epoch
        if is_last and not is_end and is_time_to_agree(run) and agree_on_stop(run):
            return False
        waiting_since = time.perf_counter()
    return True


def accumulation_group(batch: int, batches: int, steps: int) -> tuple[int, bool]:
    """Return how many batches share the optimizer step of batch number `batch`, and whether it is the last of them.

    Args:
        batch: Index of the batch in the epoch.
        batches: Number of batches in the epoch; the last group holds what is left over.
        steps: ``Global.accumulation_steps``.
    """
    start = batch - batch % steps
    size = min(steps, batches - start)
    return size, batch == start + size - 1


def train_step(
    run: TrainingRun, batch: dict[str, Any], *, group: int, update: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Forward, loss and backward of one batch, and the optimizer step if it is due.

    Args:
        run: The run.
        batch: One batch; a batch without a usable sample adds nothing to the gradient.
        group: Number of batches whose gradients are averaged in this step.
        update: Whether the step is due after this batch.

    Returns:
        The losses (detached) and the outputs of the model; both empty when the batch was.
    """
    losses: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    if batch["info"]:
        inputs = batch[run.input_key]
        if run.input_key == "image":
            check_images(inputs, run.network)
        with gradient_exchange(run, update):
            with run.precision.autocast():
                outputs = run.model(inputs, batch)
            # Losses are computed in float32 whatever the model's precision: CTC and Dice overflow in float16.
            losses = run.loss({key: _float32(value) for key, value in outputs.items()}, batch)
            divisor = group / usable_share(batch)
            run.precision.backward(losses["loss"] / divisor if divisor != 1 else losses["loss"])
    if update:
        run.hooks.before_update(run)
        run.precision.step(run.optimizer)
        run.optimizer.clear_grad(set_to_zero=False)
        run.schedule.step()
    return {name: value.detach() for name, value in losses.items()}, outputs


def usable_share(batch: dict[str, Any]) -> float:
    """Return the share of the samples of a batch that could be used, by which its mean gradient counts.

    A sample that cannot be used counts as one without a gradient. So it makes no difference whether its batch is
    trained as a whole, in accumulated parts, or in shares of several ranks of which it is in one.
    """
    usable = len(batch["info"])
    return usable / (usable + len(batch.get("failed", ())))


def gradient_exchange(run: TrainingRun, update: bool) -> AbstractContextManager[Any]:
    """Return the context of a backward pass: ranks exchange gradients only with the batch that ends a group."""
    if run.world_size == 1:
        return nullcontext()
    if not update:
        return run.model.no_sync()  # type: ignore[no-any-return]
    if on_cpu():
        wait_for_all()  # Reading a batch may take one rank longer than the exchange of the others has patience for.
    return nullcontext()


def _float32(value: Any) -> Any:
    is_half = isinstance(value, paddle.Tensor) and value.dtype in (paddle.float16, paddle.bfloat16)
    return value.astype("float32") if is_half else value
