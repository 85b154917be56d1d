"""What all datasets have in common: from an index to a finished sample, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from ppocr.data.randomness import EXTRA, generator
from ppocr.data.sample import Failure, Index, Sample, SampleInfo
from ppocr.data.transforms.pipeline import DrawExtra, build_transforms
from ppocr.errors import ConfigError, SampleError

_TRIES_PER_EXTRA = 3


class SampleDataset:
    """Base of the datasets.

    A subclass implements ``__len__``, `describe` and `read_image`. The same `Index` always gives the same sample, in
    whichever process it is asked for.

    Args:
        transforms: List of ``{Name: arguments}``.
        seed: Seed of everything random.
        transform_context: Arguments for the transforms that take them, such as ``charset``.
        ext_op_transform_idx: Number of transforms that are applied to the further samples which an augmentation
            needs; None applies all that stand before it.

    Attributes:
        notes: What the user should know about the data, for the log.

    Raises:
        ConfigError: Wrong transforms.
    """

    needs_size = False
    """Whether each `Index` must carry a size, so that a sampler that gives one is required."""

    @property
    def heeds_size(self) -> bool:
        """Whether a size that an `Index` carries is heeded: by the dataset, or by a crop among the transforms."""
        return self.needs_size or any(getattr(step, "takes_size", False) for step in self.pipeline.transforms)

    def __init__(
        self,
        transforms: Any,
        seed: int,
        transform_context: Mapping[str, Any] | None = None,
        ext_op_transform_idx: int | None = None,
    ) -> None:
        self.seed = seed
        self.notes: list[str] = []
        self.pipeline = build_transforms(transforms, **(transform_context or {}))
        self.extra_stop = self._extra_stop(ext_op_transform_idx)

    def _extra_stop(self, given: int | None) -> int:
        """Return the number of transforms that a further sample goes through."""
        needed_at = self.pipeline.extra_at
        if needed_at is None:
            return 0
        if given is None:
            return needed_at
        if not 0 <= given <= needed_at:
            raise ConfigError(f"dataset.ext_op_transform_idx is {given}", expected=f"0 to {needed_at}: the transform "
                              f"that needs further samples is number {needed_at} of the list, from 0",
                              cure="correct the value, or remove it")
        return given

    def __len__(self) -> int:
        """Return the number of samples of an epoch; the same for every epoch."""
        raise NotImplementedError

    @property
    def num_distinct(self) -> int:
        """Number of different samples that the epochs are drawn from."""
        return len(self)

    def composition(self) -> list[str]:
        """Return what an epoch is made of, a text per source; empty where there is nothing to tell."""
        return []

    def prepare(self, epoch: int) -> None:
        """Prepare for an epoch, before worker processes are started. Only speed depends on it."""

    def describe(self, index: Index, rng: np.random.Generator) -> SampleInfo | Failure:
        """Return where the sample comes from and its label, without reading the image."""
        raise NotImplementedError

    def read_image(self, info: SampleInfo) -> bytes:
        """Return the encoded image.

        Raises:
            SampleError: ``"missing image"`` or ``"unreadable image"``.
        """
        raise NotImplementedError

    def __getitem__(self, index: Index) -> Sample | Failure:
        """Return the finished sample, or why there is none. Faults in the code of a transform are raised."""
        rng = generator(self.seed, index.epoch, index.position)
        info = self.describe(index, rng)
        if isinstance(info, Failure):
            return info
        try:
            return self.transform(self._start(info, index, rng), index)
        except SampleError as error:
            return Failure(info, error.kind, error.reason)

    def transform(self, sample: Sample, index: Index) -> Sample:
        """Run the transforms on a raw sample."""
        return self.pipeline(sample, self._extra_drawer(index))

    def _extra_drawer(self, index: Index) -> DrawExtra:
        return lambda number: ExtraSamples(self, index, number)

    def _start(self, info: SampleInfo, index: Index, rng: np.random.Generator) -> Sample:
        start = {"image": self.read_image(info), "label": info.label, "info": info, "rng": rng, "epoch": index.epoch}
        return start if index.size is None else {**start, "size": index.size}

    def partly_transformed(self, index: Index, rng: np.random.Generator) -> Sample:
        """Return a sample that went through the first `extra_stop` transforms.

        Raises:
            SampleError: It cannot be used.
        """
        info = self.describe(index, rng)
        if isinstance(info, Failure):
            raise SampleError(info.kind, info.reason)
        return self.pipeline(self._start(info, index, rng), stop=self.extra_stop)


class ExtraSamples(Sequence[Sample]):
    """Other samples, drawn and read when the first of them is looked at: an augmentation that does nothing reads none.

    Samples that cannot be used are passed over; when that happens too often, there are fewer than asked for.

    Args:
        dataset: Where they come from.
        index: The sample that they are for, which is not among them.
        number: How many.
    """

    def __init__(self, dataset: SampleDataset, index: Index, number: int) -> None:
        self._dataset = dataset
        self._index = index
        self._number = number
        self._samples: list[Sample] | None = None

    def _draw(self) -> list[Sample]:
        if self._samples is not None:
            return self._samples
        self._samples = []
        dataset, (epoch, position, _) = self._dataset, self._index
        others = len(dataset) - 1
        choose = generator(dataset.seed, epoch, position, EXTRA)
        for attempt in range(_TRIES_PER_EXTRA * self._number if others > 0 else 0):
            if len(self._samples) == self._number:
                break
            other = int(choose.integers(others))
            other += other >= position
            try:
                rng = generator(dataset.seed, epoch, position, attempt + 1)
                self._samples.append(dataset.partly_transformed(Index(epoch, other), rng))
            except SampleError:
                continue  # It is reported when its own turn comes.
        return self._samples

    def __len__(self) -> int:
        return len(self._draw())

    @overload
    def __getitem__(self, number: int) -> Sample: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Sample]: ...
    def __getitem__(self, number: int | slice) -> Sample | Sequence[Sample]:
        return self._draw()[number]
