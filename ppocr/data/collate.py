"""From samples to a batch of arrays, with every fault that happens on the way as part of the result."""

from __future__ import annotations

import pickle
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.data.dataset import SampleDataset
from ppocr.data.randomness import REFILL, SAMPLE, generator
from ppocr.data.sample import PRIVATE_KEYS, Failure, Index, Remark, Sample, SampleInfo
from ppocr.errors import DatasetError, PPOCRError, SampleError

IMAGE = "image"

_REFILL_TRIES = 20

Check = Callable[[Sample], None]
"""Looks at a finished sample and raises `SampleError` if it cannot be used after all."""


class SamplePlace(Exception):
    """Names the sample (and shows the traceback of the worker) in which an unexpected exception arose."""


@dataclass
class Fault:
    """An exception in the code of a dataset or transform, on its way to the main process."""

    place: str
    trace: str
    error: BaseException

    def portable(self) -> Fault:
        """Return a fault that can be sent to another process, whatever the exception holds."""
        try:
            pickle.loads(pickle.dumps(self.error))
        except Exception:  # noqa: BLE001 - the methods of an unknown exception class may raise anything
            return Fault(self.place, self.trace, RuntimeError(f"{type(self.error).__name__}: {self.error}"))
        return self

    def throw(self) -> None:
        """Raise the exception; errors addressed to the user name the sample, others have `SamplePlace` as cause."""
        if isinstance(self.error, PPOCRError):
            self.error.what = f"{self.place}: {self.error.what}"
            raise self.error
        raise self.error from SamplePlace(f"while the sample {self.place} was made:\n{self.trace}")


@dataclass
class Notes:
    """What a batch holds besides arrays.

    Args:
        info: The good samples, in the order of the arrays.
        lists: For each key whose values are lists, the list of these, in the order of the arrays.
        failed: The samples that could not be used.
        remarks: What is wrong with good samples.
        counts: Further numbers for the report.
        fault: An unexpected exception; the batch is then empty.
    """

    info: list[SampleInfo] = field(default_factory=list)
    lists: dict[str, list[list[Any]]] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    fault: Fault | None = None


class BatchMaker:
    """Makes batches; never raises, so that no worker process can die or hang of bad data.

    Args:
        dataset: The samples.
        check: A last check of each sample.
        refill: Give a batch without a usable sample one sample of others (training: the ranks exchange gradients in
            every step, so that none may be left out). Without, in evaluation, images of a batch may differ in size.
    """

    def __init__(self, dataset: SampleDataset, check: Check | None = None, *, refill: bool = False) -> None:
        self.dataset = dataset
        self.check = check
        self.refill = refill
        self._current: Index | None = None
        self._note: Callable[[Index | None], None] = _no_note

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, indices: Sequence[Index]) -> dict[str, Any]:
        """Return the arrays by key, and under ``notes`` the `Notes`."""
        try:
            return self._make(indices)
        except Exception as error:  # noqa: BLE001 - it is raised again in the main process
            place = "of the batch" if self._current is None else self.place(self._current)
            return {"notes": Notes(fault=Fault(place, traceback.format_exc(), error))}
        finally:
            self._note(None)

    def note_with(self, note: Callable[[Index | None], None]) -> None:
        """Tell `note` each sample before it is made, and None after each batch (in a worker process)."""
        self._note = note

    def place(self, index: Index) -> str:
        """Return where a sample comes from."""
        try:
            found = self.dataset.describe(index, generator(self.dataset.seed, index.epoch, index.position, SAMPLE))
        except Exception:  # noqa: BLE001 - the fault that is being reported may be in this very method
            return f"number {index.position} of epoch {index.epoch}"
        return str(found.info if isinstance(found, Failure) else found)

    def _make(self, indices: Sequence[Index]) -> dict[str, Any]:
        notes = Notes()
        samples = [sample for index in indices if (sample := self._sample(index, notes)) is not None]
        if not samples and self.refill:
            samples = self._stand_in(indices[0], notes)
        self._current = None
        self._note(None)
        for sample in samples:
            notes.info.append(sample["info"])
            notes.counts.update(sample.get("counts", {}))
            notes.remarks += [Remark(sample["info"], text) for text in sample.get("remarks", ())]
        batch = collate(samples, ragged=() if self.refill else (IMAGE,))
        notes.lists = {key: value for key, value in batch.items() if isinstance(value, list)}
        return {**{key: value for key, value in batch.items() if key not in notes.lists}, "notes": notes}

    def _sample(self, index: Index, notes: Notes) -> Sample | None:
        self._current = index
        self._note(index)
        sample = self.dataset[index]
        if isinstance(sample, Failure):
            notes.failed.append(sample)
            return None
        try:
            if self.check is not None:
                self.check(sample)
        except SampleError as error:
            notes.failed.append(Failure(sample["info"], error.kind, error.reason))
            return None
        return sample

    def _stand_in(self, index: Index, notes: Notes) -> list[Sample]:
        """Return one usable sample, chosen at random but always the same for `index`; none after 20 bad ones."""
        rng = generator(self.dataset.seed, index.epoch, index.position, REFILL)
        for _ in range(_REFILL_TRIES):
            sample = self._sample(index._replace(position=int(rng.integers(len(self.dataset)))), notes)
            if sample is not None:
                notes.counts["batches that were all bad and got another sample"] += 1
                return [sample]
        return []


def _no_note(index: Index | None) -> None:
    """Nobody wants to know."""


def collate(samples: Sequence[Sample], *, ragged: Collection[str] = ()) -> dict[str, npt.NDArray[Any] | list[Any]]:
    """Stack the entries of samples along a new first axis; of entries that are lists, return the list of them.

    Integers become int64, floating-point numbers float32; truth values and arrays of other types stay, and so does what
    is in lists, which may differ in length. No samples give an empty batch.

    Args:
        samples: The samples.
        ragged: Entries whose arrays may differ in shape; the batch then holds the list of them.

    Raises:
        DatasetError: An entry is neither number, array nor list, or shapes or keys differ.
    """
    if not samples:
        return {}
    keys = [key for key in samples[0] if key not in PRIVATE_KEYS]
    return {key: _collate_key(key, samples, may_differ=key in ragged) for key in keys}


def _collate_key(key: str, samples: Sequence[Mapping[str, Any]], *, may_differ: bool) -> npt.NDArray[Any] | list[Any]:
    missing = next((sample for sample in samples if key not in sample), None)
    if missing is not None:
        raise DatasetError(f"{missing.get('info', 'a sample')}: the sample has no {key!r}, others of its batch have",
                           expected="the same keys in every sample", cure="correct the transform that makes the key")
    values = [sample[key] for sample in samples]
    first = values[0]
    if all(isinstance(value, list) for value in values):
        return values
    unfit = next((value for value in values if not isinstance(value, (np.ndarray, np.generic, int, float))), None)
    if unfit is not None:
        raise DatasetError(f"{key!r} of the samples is {type(unfit).__name__}, which no batch can hold",
                           expected="a number, an array, or a list in every sample",
                           cure="leave it out with KeepKeys, or add a transform that makes numbers of it (for texts a "
                           "label encoder)")
    shapes = [np.shape(value) for value in values]
    odd = next((position for position, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None and may_differ:
        return values
    if odd is not None:
        raise DatasetError(f"{samples[odd].get('info', 'a sample')}: {key!r} has the shape {list(shapes[odd])}, the "
                           f"first of the batch has {list(shapes[0])}", expected="one shape per batch",
                           cure="use transforms that give a fixed shape, or loader.batch_size_per_card: 1")
    if isinstance(first, np.ndarray):
        array = np.stack(values)
        return array.astype(np.float32) if array.dtype == np.float64 else array
    array = np.array(values)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    return array.astype(np.float32) if array.dtype.kind == "f" else array
