"""The data loader: batches of tensors, made in this process or in worker processes."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import sys
import weakref
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ppocr.cv import cv2
from ppocr.data.collate import BatchMaker, Check, Notes
from ppocr.data.dataset import SampleDataset
from ppocr.data.memory import keep_freed_memory
from ppocr.data.orphans import end_with_parent
from ppocr.data.report import BadSampleReport
from ppocr.data.sampler import EpochSampler, check_batch_size
from ppocr.data.worker_memory import memory_left, memory_problem
from ppocr.data.worker_watch import Board, Watch, child_signals_kept
from ppocr.errors import ConfigError, DatasetError
from ppocr.registry import DATASETS, SAMPLERS, check_arguments
from ppocr.sections import Section, where

logger = logging.getLogger("ppocr")

Batch = dict[str, Any]
Split = Literal["Train", "Eval"]

_PREFETCH = 2
_SHARED_MEMORY = "/dev/shm"
_FILLER = "filler"

NOT_READ = {"missing image", "unreadable image"}
"""Kinds of failures that a sample has whose file is gone or damaged."""
GONE = "look whether the disk or folder of the data is there, then continue from the last checkpoint, if there is one"


@dataclass(frozen=True)
class LoaderOptions:
    """The keys of a ``loader`` section.

    Args:
        batch_size_per_card: Samples per batch and process.
        shuffle: Draw a new order in every epoch; null does so for training.
        drop_last: Leave out the samples of an epoch that do not fill a batch (training only).
        num_workers: Number of worker processes; 0 reads in the process that trains.
        use_shared_memory: Workers hand batches over in shared memory.
        collate_fn: Only ``DictCollator``, which is what happens anyway.
        max_bad_ratio: Share of the different samples that training may lose before it stops; 10 are always allowed.
        timeout: Seconds that a batch may take; a worker that hangs is then an error that names its sample. 0 waits for
            ever. Without workers nothing is watched.
    """

    batch_size_per_card: int = 64
    shuffle: bool | None = None
    drop_last: bool = False
    num_workers: int = 2
    use_shared_memory: bool = True
    collate_fn: Literal["DictCollator"] | None = None
    max_bad_ratio: float = 0.01
    timeout: float = 600.0


def build_dataloader(
    split_section: Mapping[str, Any],
    *,
    split: Split,
    seed: int,
    rank: int = 0,
    world_size: int = 1,
    task: str | None = None,
    transform_context: Mapping[str, Any] | None = None,
    check: Check | None = None,
) -> DataLoader:
    """Build dataset, sampler and loader of a ``Train`` or ``Eval`` section.

    Training leaves bad samples out and stops when there are too many; evaluation hands each of them over under
    ``failed`` and never replaces one.

    Args:
        split_section: The section with ``dataset``, ``loader`` and, if wanted, ``sampler``.
        split: Which of the two it is.
        seed: Seed of order and augmentation.
        rank: Number of this process, from 0.
        world_size: Number of processes; each reads its own share.
        task: ``Architecture.model_type``, which datasets with several label formats ask for.
        transform_context: Arguments for transforms that take them: ``charset``, ``max_text_length``, ``label_list``.
        check: A last check of each finished sample, which raises `SampleError`.

    Raises:
        ConfigError: Wrong keys or values.
        DatasetError: The data cannot be used.
    """
    options = _options(split_section, split)
    if "dataset" not in split_section:
        raise ConfigError(f"{where(split_section)}: there is no section dataset", expected=f"{split}.dataset",
                          cure="add it, with data_dir and label_file_list")
    dataset = DATASETS.build(split_section["dataset"], seed=seed, task=task,
                             transform_context=dict(transform_context or {}))
    for note in dataset.notes:
        logger.warning("%s", note)
    for part in dataset.composition():
        logger.info("%s: %s", split, part)
    shuffle = options.shuffle if options.shuffle is not None else split == "Train"
    section = split_section.get("sampler") or Section({"name": "BatchSampler"}, path=f"{split}.sampler")
    sampler = SAMPLERS.build(
        section, data_source=dataset, batch_size=options.batch_size_per_card, seed=seed, run_seed=seed,
        shuffle=shuffle, drop_last=options.drop_last, rank=rank, world_size=world_size, exact=split == "Eval",
    )
    _check_sizes(dataset, sampler, section, split)
    if not len(sampler) and split == "Train":
        raise DatasetError(f"{split}: {len(dataset)} samples do not fill a single batch on {world_size} processes",
                           expected=f"at least {options.batch_size_per_card} samples per process with drop_last",
                           cure=f"lower {split}.loader.batch_size_per_card, or set drop_last: false")
    return DataLoader(dataset, sampler, options, split=split, check=check)


def _options(split_section: Mapping[str, Any], split: str) -> LoaderOptions:
    section = split_section.get("loader") or {}
    options = LoaderOptions(**check_arguments(LoaderOptions, section, kind="loader", name=f"of {split}", supplied={}))
    check_batch_size(where(section, "batch_size_per_card"), options.batch_size_per_card)
    if options.num_workers < 0:
        raise ConfigError(f"{where(section, 'num_workers')} is {options.num_workers}", expected="0 or more",
                          cure="correct the value")
    if not 0 <= options.max_bad_ratio <= 1:
        raise ConfigError(f"{where(section, 'max_bad_ratio')} is {options.max_bad_ratio}", expected="0 to 1",
                          cure="correct the value")
    if not 0 <= options.timeout < float("inf"):
        raise ConfigError(f"{where(section, 'timeout')} is {options.timeout}", expected="seconds, or 0 for no limit",
                          cure="correct the value")
    return options


def _check_sizes(dataset: SampleDataset, sampler: EpochSampler, section: Mapping[str, Any], split: str) -> None:
    """Refuse a dataset and a sampler that disagree on who chooses the image size."""
    gives_size = bool(sampler.sizes)
    if dataset.needs_size == gives_size or (gives_size and dataset.heeds_size):
        if gives_size:
            logger.info("%s: the sampler chooses the batch size; loader.batch_size_per_card has no effect", split)
        return
    if dataset.needs_size:
        raise ConfigError(f"{split}.dataset: {type(dataset).__name__} needs a sampler that chooses image sizes",
                          expected="sampler: {name: MultiScaleSampler, scales: [[320, 48]]}",
                          cure="add the sampler, or use SimpleDataSet with RecResizeImg")
    raise ConfigError(f"{where(section)}: {type(sampler).__name__} chooses image sizes, which "
                      f"{type(dataset).__name__} does not heed", expected="MultiScaleDataSet, or in detection the "
                      "transform EastRandomCropData", cure="change the dataset, or remove the sampler")


class DataLoader:
    """Iterating gives the batches of the current epoch.

    A batch holds a tensor ``[N, …]`` per key of the samples, ``info`` (list of `SampleInfo` of its N samples) and
    ``failed`` (list of `Failure`). Entries that are lists in the samples, such as polygons, are not stacked: the batch
    holds the list of the N lists. In evaluation a batch can consist of failures only; it then has no tensors.

    One iteration runs at a time: starting another ends the first, and leaving a loop early ends its workers.

    Args:
        dataset: The samples.
        sampler: The batches.
        options: See `LoaderOptions`.
        split: ``"Train"`` leaves bad samples out and stops when they are too many.
        check: A last check of each sample.

    Attributes:
        report: The bad samples so far.
    """

    def __init__(
        self,
        dataset: SampleDataset,
        sampler: EpochSampler,
        options: LoaderOptions,
        *,
        split: Split = "Train",
        check: Check | None = None,
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.options = options
        self.training = split == "Train"
        self.report = BadSampleReport()
        self._maker = BatchMaker(dataset, check, refill=self.training)
        self._running: weakref.ref[Generator[Batch, None, None]] | None = None
        self._shared_memory: bool | None = None
        self._is_usable = False
        self._workers = options.num_workers
        if self._workers and sys.platform in ("win32", "darwin"):
            logger.warning("num_workers is taken as 0: Paddle has no worker processes on this system")
            self._workers = 0

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return len(self.sampler)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the images of a batch; of one of the batches where they differ; None if unknown."""
        if self.sampler.sizes:
            width, height = self.sampler.sizes[0]
            return height, width
        for transform in reversed(self.dataset.pipeline.transforms):
            shape = getattr(transform, "image_shape", None)
            if isinstance(shape, (list, tuple)) and len(shape) == 3 and shape[0] in (1, 3):  # [C, H, W]
                return int(shape[1]), int(shape[2])
        return None

    @property
    def check(self) -> Check | None:
        """The last check of each sample."""
        return self._maker.check

    def set_check(self, check: Check | None) -> None:
        """Choose the last check of each sample, for the iterations that begin after this."""
        self._maker.check = check

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch, and the number of its first batches to leave out, for which nothing is read."""
        self.sampler.set_epoch(epoch, start_batch)

    def __iter__(self) -> Iterator[Batch]:
        """Start an iteration over the batches of the epoch that are left.

        Raises:
            DatasetError: Training loses too many samples, or a worker process died or hangs.
        """
        previous = self._running() if self._running is not None else None
        if previous is not None:
            previous.close()
        iteration = self._iterate()
        self._running = weakref.ref(iteration)
        return iteration

    def _iterate(self) -> Generator[Batch, None, None]:
        self.dataset.prepare(self.sampler.epoch)
        batches = self._from_workers() if self._workers else self._from_this_process()
        unread = others = 0
        with contextlib.closing(batches):
            for batch in batches:
                notes: Notes = batch.pop("notes")
                if notes.fault is not None:
                    notes.fault.throw()
                self._account(notes)
                of_batch = sum(failure.kind in NOT_READ for failure in notes.failed)
                unread, others = unread + of_batch, others + len(notes.info) + len(notes.failed) - of_batch
                batch.update(notes.lists)
                batch["info"], batch["failed"] = notes.info, notes.failed
                yield batch
        if unread and not others:
            raise self.report.error(f"no usable sample was found ({self.report.summary()}): no image can be read", GONE)

    def _account(self, notes: Notes) -> None:
        """Put the failures of a batch into the report and stop a training that cannot go on."""
        self.report.add(notes.failed)
        self.report.add_remarks(notes.remarks)
        self.report.events.update(notes.counts)
        if not self.training:
            return
        if self._is_usable and not notes.info and {failure.kind for failure in notes.failed} <= NOT_READ:
            raise self.report.error(f"the images can no longer be read: none of {len(notes.failed)} in a row", GONE)
        self._is_usable |= bool(notes.info)
        # A bad sample counts once, so the cap grows with the samples that the epochs so far can have drawn.
        drawn = min(self.dataset.num_distinct, (self.sampler.epoch + 1) * len(self.dataset))
        self.report.check(drawn, self.options.max_bad_ratio)
        if not notes.info:
            raise self.report.error(f"no usable sample was found ({self.report.summary()})",
                                    "correct the label files (in recognition perhaps the dictionary or "
                                    "Global.max_text_length)")

    def _from_this_process(self) -> Generator[Batch, None, None]:
        # Paddle's own loader hangs on an exception when it has no workers.
        import paddle

        for indices in self.sampler:
            batch = self._maker[indices]
            yield {key: value if key == "notes" else paddle.to_tensor(value) for key, value in batch.items()}

    def _from_workers(self) -> Generator[Batch, None, None]:
        from paddle.io import DataLoader as PaddleLoader

        board = Board(self._workers)
        loader = PaddleLoader(
            self._maker,
            batch_sampler=_OneItemBatches(self.sampler),
            collate_fn=_only_item,
            num_workers=self._workers,
            prefetch_factor=_PREFETCH,
            use_shared_memory=self._use_shared_memory(),
            worker_init_fn=functools.partial(_start_worker, self._maker, board, os.getpid()),
        )
        with _interrupts_held_back(), child_signals_kept():
            iterator = iter(loader)
        watch = Watch(iterator, board, self.options.timeout)
        try:
            for batch in watch.batches():
                batch.pop(_FILLER, None)
                yield batch
        except SystemError as error:
            raise watch.error(self._maker.place) or DatasetError(
                f"the worker processes of the data loader stopped ({str(error).strip().splitlines()[-1][:200]})",
                expected="workers that live as long as the epoch",
                cure="loader.num_workers: 0 shows the fault itself",
            ) from error
        finally:
            watch.close()
            _stop(iterator)

    def _use_shared_memory(self) -> bool:
        """Tell whether batches come in shared memory; the first time, look whether there is memory enough for them."""
        if self._shared_memory is None:
            size = self._batch_size()
            self._shared_memory = self.options.use_shared_memory
            reason = self._shared_memory_problem(size) if self._shared_memory else ""
            if reason:
                logger.warning("use_shared_memory is taken as false: %s", reason)
                self._shared_memory = False
            problem = memory_problem(self._workers, size, memory_left())
            if problem:
                logger.warning("%s: %s", "Train" if self.training else "Eval", problem)
        return self._shared_memory

    def _batch_size(self) -> int:
        """Return about how many bytes a batch has. Makes one sample to know that."""
        indices = next(iter(self.sampler), [])
        one = self._maker[indices[:1]] if indices else {}
        return sum(value.nbytes for key, value in one.items() if key != "notes") * len(indices)

    def _shared_memory_problem(self, size: int) -> str:
        """Tell why shared memory does not suffice for batches of `size` bytes; empty if it does."""
        try:
            status = os.statvfs(_SHARED_MEMORY)
        except OSError as error:
            return f"{_SHARED_MEMORY}: {error.strerror}"
        free = status.f_bavail * status.f_frsize
        needed = size * self._workers * (_PREFETCH + 1)
        if needed <= free:
            return ""
        return (f"{self._workers} workers need about {needed >> 20} MiB in {_SHARED_MEMORY}, {free >> 20} MiB are free "
                "(in a container: docker run --shm-size)")


class _OneItemBatches:
    """Hands every batch of a sampler to Paddle as a single item, so that a worker makes it as a whole."""

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[list[Any]]:
        for indices in self.sampler:
            yield [indices]


def _only_item(items: list[Batch]) -> Batch:
    """Prepare the one batch for its way to the main process (runs in the worker)."""
    batch, = items
    if batch["notes"].fault is not None:
        batch["notes"].fault = batch["notes"].fault.portable()
    # Paddle takes a batch without any array for the end of the data.
    return batch if len(batch) > 1 else {**batch, _FILLER: np.zeros(1, np.int64)}


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM away from the workers that are started meanwhile; this process receives them afterwards.

    Terminals and schedulers send them to all processes. Were a worker to end by one, training could take that for a
    dead worker before it hears of the signal itself. It ends the workers in any case.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(maker: BatchMaker, board: Board, parent: int, worker: int) -> None:
    end_with_parent(parent)
    maker.note_with(functools.partial(board.note, worker))
    cv2.setNumThreads(0)  # The workers are the parallelism.
    keep_freed_memory()


def _stop(iterator: Any) -> None:
    """End the worker processes, which otherwise live as long as the loader's objects.

    Paddle has no public way to do that; with a version whose iterator is built otherwise they end with the process.
    """
    shut_down = getattr(iterator, "_try_shutdown_all", None)
    if shut_down is not None:
        shut_down(timeout=5)
    for worker in getattr(iterator, "_workers", []):
        if worker.is_alive():
            worker.kill()  # SIGTERM is kept away from them.
