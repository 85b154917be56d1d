"""Which samples make up which batch, on each rank and in each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized

import numpy as np

from ppocr.charset import IntArray
from ppocr.data.randomness import ORDER, generator
from ppocr.data.sample import Index
from ppocr.errors import ConfigError
from ppocr.registry import SAMPLERS


class EpochSampler:
    """Base of the batch samplers: iterating gives the batches of the current epoch from `start_batch` on.

    ``len()`` is the number of batches of a whole epoch on this rank, the same for every epoch.
    """

    batch_size: int
    """Samples of a batch; of one at the first size where they differ."""

    sizes: Sequence[tuple[int, int]] = ()
    """Widths and heights to which the dataset brings the images, one of which each `Index` carries; empty if none."""

    def __init__(self) -> None:
        self.epoch = 0
        self.start_batch = 0

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch, and how many of its first batches to leave out (nothing is read for them)."""
        self.epoch = epoch
        self.start_batch = start_batch

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[Index]]:
        """Return an iterator over the batches that are left of the epoch."""
        raise NotImplementedError


def shareable(order: IntArray, world_size: int, *, exact: bool = False, cut_to: int | None = None) -> IntArray:
    """Return the samples of an epoch, cut or repeated so that `world_size` ranks can share them.

    Rank r takes every `world_size`-th of them from number r on, so that the batches of all ranks together are those of
    a single process with the sum of their batch sizes.

    Args:
        order: The samples of the epoch in order, the same on each rank.
        world_size: Number of ranks.
        exact: Every sample on exactly one rank (evaluation), so that ranks may differ by one sample. Otherwise every
            rank gets equally many, because their gradients are exchanged step by step.
        cut_to: Cut the number per rank to a multiple of this; None repeats the first samples of the order until all
            ranks have equally many.
    """
    if not exact and cut_to is not None:
        order = order[:len(order) // (cut_to * world_size) * cut_to * world_size]
    elif not exact:
        order = np.resize(order, -(-len(order) // world_size) * world_size)
    return order


def check_batch_size(name: str, size: int) -> int:
    """Return `size` if it is above 0.

    Raises:
        ConfigError: It is not.
    """
    if size < 1:
        raise ConfigError(f"{name} is {size}", expected="1 or more", cure="correct the value")
    return size


@SAMPLERS.register()
class BatchSampler(EpochSampler):
    """Batches of equal size, in an order that depends on seed and epoch only.

    Args:
        data_source: The dataset; only its length is used.
        batch_size: Samples per batch and rank.
        seed: Seed of the order.
        shuffle: Draw a new order for every epoch.
        drop_last: Leave out the samples that do not fill a batch on every rank.
        rank: Number of this process.
        world_size: Number of processes.
        exact: Give every sample to exactly one rank, for evaluation. `drop_last` then has no effect.

    Raises:
        ConfigError: A batch size below 1.
    """

    def __init__(
        self,
        data_source: Sized,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        exact: bool = False,
    ) -> None:
        super().__init__()
        self.batch_size = check_batch_size("loader.batch_size_per_card", batch_size)
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last and not exact
        self.rank = rank
        self.world_size = world_size
        self.exact = exact
        self._samples = len(data_source)
        self._share = len(self._of_rank(np.arange(self._samples)))

    def _of_rank(self, order: IntArray) -> IntArray:
        cut_to = self.batch_size if self.drop_last else None
        return shareable(order, self.world_size, exact=self.exact, cut_to=cut_to)[self.rank::self.world_size]

    def __len__(self) -> int:
        return -(-self._share // self.batch_size)

    def __iter__(self) -> Iterator[list[Index]]:
        epoch = self.epoch
        order: IntArray = np.arange(self._samples)
        if self.shuffle:
            order = generator(self.seed, epoch, purpose=ORDER).permutation(self._samples)
        share = self._of_rank(order)
        for start in range(self.start_batch * self.batch_size, len(share), self.batch_size):
            yield [Index(epoch, index) for index in share[start:start + self.batch_size].tolist()]
