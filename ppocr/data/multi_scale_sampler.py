"""Batches whose image size changes from batch to batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.charset import IntArray
from ppocr.data.randomness import ORDER, generator
from ppocr.data.sample import Index
from ppocr.data.sampler import EpochSampler, check_batch_size, shareable
from ppocr.errors import ConfigError
from ppocr.registry import SAMPLERS

_RATIO_JITTER = 0.1


@SAMPLERS.register()
class MultiScaleSampler(EpochSampler):
    """Each batch has one of several image sizes; both are drawn anew for every epoch.

    Every epoch consists of the same sizes of batches in another order, so that its length, and with it the
    learning-rate schedule, is known beforehand. All ranks have the same size and number of samples in the same step,
    and their batches together are those of a single process with the sum of their batch sizes, with `fix_bs`: without
    it, rounding the batch sizes can make a difference.

    Args:
        data_source: The dataset. If it has ``aspect_ratios(epoch)`` and that is not None, images of similar aspect
            ratio come into one batch, whose width fits the widest of them.
        scales: ``[width, height]`` of each size.
        first_bs: Batch size at the first of the scales.
        fix_bs: Take `first_bs` for all scales; otherwise as many as have the same number of pixels together.
        divided_factor: Width and height are rounded to multiples of these.
        is_training: Draw sizes and order; otherwise all images get the first size, in the order of the data.
        max_w: Largest width in pixels of a batch whose width is fitted.
        seed: Seed; null takes Global.seed.
        shuffle: Draw a new order of the samples for every epoch.
        drop_last: Leave out the last batch if it is not full.
        rank: Number of this process.
        world_size: Number of processes.
        exact: Give every sample to exactly one rank, for evaluation.
        run_seed: Global.seed.

    Raises:
        ConfigError: No scales, or numbers below 1.
    """

    def __init__(
        self,
        data_source: Any,
        scales: list[tuple[int, int]],
        first_bs: int = 128,
        fix_bs: bool = True,
        divided_factor: tuple[int, int] = (8, 16),
        is_training: bool = True,
        max_w: float = 480.0,
        seed: int | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        exact: bool = False,
        run_seed: int = 0,
    ) -> None:
        super().__init__()
        check_batch_size("sampler.first_bs", first_bs)
        if not scales or min(map(min, scales)) < 1 or min(divided_factor) < 1 or max_w < 1:
            given = f"scales {scales}, divided_factor {list(divided_factor)}, max_w {max_w}"
            raise ConfigError(f"MultiScaleSampler: {given}",
                              expected="scales: [[width, height], ...], all numbers above 0", cure="correct them")
        self.dataset = data_source
        self.batch_size = first_bs
        self.factors = divided_factor
        self.max_width = int(max_w) // divided_factor[0] * divided_factor[0] or divided_factor[0]
        self.seed = run_seed if seed is None else seed
        self.is_training = is_training
        self.shuffle = shuffle and is_training
        self.drop_last = drop_last and not exact
        self.rank, self.world_size, self.exact = rank, world_size, exact
        self.sizes = [(_to_multiple(width, divided_factor[0]), _to_multiple(height, divided_factor[1]))
                      for width, height in (scales if is_training else scales[:1])]
        pixels = self.sizes[0][0] * self.sizes[0][1] * first_bs
        batch_sizes = [first_bs if fix_bs else max(1, pixels // (width * height)) for width, height in self.sizes]
        self._plan = self._make_plan(batch_sizes)

    def _make_plan(self, batch_sizes: list[int]) -> list[tuple[tuple[int, int], int]]:
        """Return image size and number of samples of every batch of an epoch, in no particular order."""
        left = len(self._shareable(np.arange(len(self.dataset)))[self.rank::self.world_size])
        plan = []
        position = 0
        while left:
            size, number = self.sizes[position % len(self.sizes)], batch_sizes[position % len(self.sizes)]
            if number > left and self.drop_last:
                break
            plan.append((size, min(number, left)))
            left -= min(number, left)
            position += 1
        return plan

    def _shareable(self, order: IntArray) -> IntArray:
        return shareable(order, self.world_size, exact=self.exact, cut_to=1 if self.drop_last else None)

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[list[Index]]:
        epoch = self.epoch
        rng = generator(self.seed, epoch, purpose=ORDER)
        # Drawn before anything that may depend on the rank: the order, then the plan, whose length differs between
        # ranks where each sample goes to exactly one of them.
        order = rng.permutation(len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))
        plan = [self._plan[i] for i in rng.permutation(len(self._plan))] if self.is_training else self._plan
        order = self._shareable(order)
        ratios = getattr(self.dataset, "aspect_ratios", lambda _: None)(epoch)
        batches = self._split(order, plan) if ratios is None else self._by_ratio(order, plan, ratios, rng)
        for size, indices in batches[self.start_batch:]:
            yield [Index(epoch, index, size) for index in indices.tolist()]

    def _split(
        self, order: IntArray, plan: list[tuple[tuple[int, int], int]]
    ) -> list[tuple[tuple[int, int], IntArray]]:
        share = order[self.rank::self.world_size]
        ends = np.cumsum([number for _, number in plan])
        return [(size, share[end - number:end]) for (size, number), end in zip(plan, ends, strict=True)]

    def _by_ratio(
        self,
        order: IntArray,
        plan: list[tuple[tuple[int, int], int]],
        ratios: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> list[tuple[tuple[int, int], IntArray]]:
        """Put similar aspect ratios together; the width of a batch is that of its widest image, up to `max_w`.

        On whichever rank: all go through the same order, so that none waits for another with wider images.
        """
        # The jitter changes the neighbours from epoch to epoch.
        jitter = rng.uniform(1 - _RATIO_JITTER, 1 + _RATIO_JITTER, len(ratios)) if self.is_training else 1.0
        order = order[np.argsort((ratios * jitter)[order], kind="stable")]
        batches = []
        start = 0
        for (_, height), indices in self._split(order, plan):
            end = start + len(indices) * self.world_size
            width = -(-int(np.ceil(ratios[order[start:end]].max() * height)) // self.factors[0]) * self.factors[0]
            batches.append(((min(width, self.max_width), height), indices))
            start = end
        positions = rng.permutation(len(batches)) if self.is_training else range(len(batches))
        return [batches[position] for position in positions]


def _to_multiple(value: int, factor: int) -> int:
    """Return the multiple of `factor`, above 0, that is closest to `value`."""
    return max(1, round(value / factor)) * factor
