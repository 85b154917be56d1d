"""Training samples in memory-mapped files: what a frozen part of the network made of them, and their labels."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.data.dataset import SampleDataset
from ppocr.data.sample import Failure, Index, Sample, SampleInfo
from ppocr.errors import ConfigError, DatasetError, TrainingError

LOGGER = logging.getLogger("ppocr")

FEATURE = "feature_"
"""Keys of a sample that begin so are features, which are kept as float16 and given back as float32."""
SPARE = 1 << 28
"""Bytes of disk and memory that are left to others."""


@dataclass
class Entry:
    """What is kept of a good sample in memory: its place, what the report needs, and its entries that are lists."""

    info: SampleInfo
    counts: Mapping[str, int] = field(default_factory=Counter)
    remarks: tuple[str, ...] = ()
    lists: Mapping[str, list[Any]] = field(default_factory=dict)


class FeatureStore:
    """Samples of the first epochs of a data set, by epoch and position.

    The files are made when the first samples are put, in the size that all samples need.

    Args:
        folder: Where the files go; an earlier content is replaced.
        epochs: Number of epochs that are kept.
        length: Samples of an epoch.
    """

    def __init__(self, folder: Path, epochs: int, length: int) -> None:
        self.folder, self.epochs, self.length = folder, epochs, length
        self._entries: list[Entry | Failure | None] = [None] * (epochs * length)
        self._arrays: dict[str, npt.NDArray[Any]] = {}

    def row(self, epoch: int, position: int) -> int:
        """Return the number of the row of a sample; epochs after the kept ones use these again in turn."""
        return epoch % self.epochs * self.length + position

    def put_failures(self, epoch: int, failures: Mapping[int, Failure]) -> None:
        """Keep why the samples at some positions could not be used."""
        for position, failure in failures.items():
            self._entries[self.row(epoch, position)] = failure

    def put(self, epoch: int, positions: list[int], entries: list[Entry],
            arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep good samples.

        Args:
            epoch: Their epoch, below `epochs`.
            positions: Their positions in it.
            entries: One for each.
            arrays: Arrays by key, ``[N, ...]`` in that order.

        Raises:
            ConfigError: The files do not fit on the disk or into memory, or samples differ in shape.
            TrainingError: A feature is too large for float16.
        """
        stored = {key: _half(value) if key.startswith(FEATURE) else value for key, value in arrays.items()}
        if not self._arrays:
            self._allocate(stored)
        rows = [self.row(epoch, position) for position in positions]
        for key, values in stored.items():
            if key not in self._arrays or self._arrays[key].shape[1:] != values.shape[1:]:
                shape = list(self._arrays[key].shape[1:]) if key in self._arrays else "none"
                raise ConfigError(f"Global.cache_features: {key!r} has the shape {list(values.shape[1:])} in "
                                  f"{entries[0].info}, and {shape} in the first sample",
                                  expected="samples of one shape", cure="use transforms that give a fixed size, or set "
                                  "Global.cache_features=false")
            self._arrays[key][rows] = values
        for row, entry in zip(rows, entries, strict=True):
            self._entries[row] = entry

    def get(self, epoch: int, position: int) -> Sample | Failure:
        """Return a sample as a data set does: float32 features, arrays, lists and ``info``; or why there is none."""
        row = self.row(epoch, position)
        entry = self._entries[row]
        if entry is None:
            raise IndexError(f"sample {position} of epoch {epoch} is not kept")
        if isinstance(entry, Failure):
            return entry
        arrays = {key: np.array(array[row], np.float32 if key.startswith(FEATURE) else array.dtype)
                  for key, array in self._arrays.items()}
        return {**arrays, **entry.lists, "info": entry.info, "counts": entry.counts, "remarks": entry.remarks}

    def remove(self) -> None:
        """Delete the files."""
        self._arrays = {}
        shutil.rmtree(self.folder, ignore_errors=True)

    def _allocate(self, first: Mapping[str, npt.NDArray[Any]]) -> None:
        rows = self.epochs * self.length
        sizes = {key: rows * value[0].nbytes for key, value in first.items()}
        features = ", ".join(f"{list(value.shape[1:])}" for key, value in first.items() if key.startswith(FEATURE))
        of_features = sum(size for key, size in sizes.items() if key.startswith(FEATURE))
        self.remove()
        self.folder.mkdir(parents=True)
        LOGGER.info("Feature cache: %d samples x %d epochs, features %s as float16: %s, labels and others: %s; in %s",
                    self.length, self.epochs, features, mebibytes(of_features),
                    mebibytes(sum(sizes.values()) - of_features), self.folder)
        self._check_room(sum(sizes.values()))
        for number, (key, value) in enumerate(first.items()):
            path = self.folder / f"{number}.bin"
            _reserve(path, max(sizes[key], 1))
            self._arrays[key] = np.memmap(path, value.dtype, "r+", shape=(rows, *value.shape[1:]))

    def _check_room(self, needed: int) -> None:
        """Refuse what does not fit.

        Memory is checked too, although the files are on disk: reading them at random, epoch by epoch, is fast only
        while the system keeps them in memory.
        """
        rooms = {f"are free on the disk of {self.folder.parent}": shutil.disk_usage(self.folder).free,
                 "of memory are available": available_memory()}
        for what, room in rooms.items():
            if room is not None and needed + SPARE > room:
                raise ConfigError(
                    f"Global.cache_features needs {mebibytes(needed)}, and {mebibytes(room)} {what}",
                    expected=f"{mebibytes(SPARE)} more than it needs",
                    cure="lower Global.cache_augmentations, use fewer samples (ratio_list) or smaller images, choose "
                    "another Global.save_model_dir, or set Global.cache_features=false",
                )


class WrappedDataset(SampleDataset):
    """Base of data sets that stand for another one, with its length, seed and transforms.

    Args:
        inner: The other one.
    """

    def __init__(self, inner: SampleDataset) -> None:
        super().__init__([], inner.seed)
        self.inner = inner
        self.pipeline, self.extra_stop = inner.pipeline, inner.extra_stop

    def __len__(self) -> int:
        return len(self.inner)

    @property
    def num_distinct(self) -> int:
        """Number of different samples."""
        return self.inner.num_distinct

    def describe(self, index: Index, rng: np.random.Generator) -> SampleInfo | Failure:
        """Return where a sample comes from."""
        return self.inner.describe(index, rng)


class StoredDataset(WrappedDataset):
    """A data set whose samples are those of a store.

    Args:
        inner: The data set that the store was filled from.
        store: The store.
    """

    def __init__(self, inner: SampleDataset, store: FeatureStore) -> None:
        super().__init__(inner)
        self.store = store

    def __getitem__(self, index: Index) -> Sample | Failure:
        """Return the stored sample."""
        return self.store.get(index.epoch, index.position)


def available_memory() -> int | None:
    """Return how many bytes of memory can be used without swapping, or None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def mebibytes(size: int) -> str:
    """Return a size in words."""
    return f"{size / (1 << 20):,.1f} MiB"


def _reserve(path: Path, size: int) -> None:
    """Make a file whose blocks exist: a full disk is then an error here, and not the end of the process later.

    Raises:
        DatasetError: There is no room.
    """
    try:
        with open(path, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
    except OSError as error:
        raise DatasetError(f"the feature cache {path} of {mebibytes(size)} cannot be made: {error.strerror}",
                           expected="room on the disk", cure="free some, or choose another Global.save_model_dir"
                           ) from None


def _half(values: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    largest = float(np.abs(values).max()) if values.size else 0.0
    if not largest <= float(np.finfo(np.float16).max):  # Also where it is not a number.
        raise TrainingError(f"a feature of the frozen part is {largest:g}, too large for the float16 of the cache",
                            expected="at most 65504", cure="set Global.cache_features=false")
    return values.astype(np.float16)
