"""Random generators that depend on nothing but the seed, the epoch and what they are used for.

No generator has a state that must be saved: a run that goes on in the middle of an epoch, or with another number of
worker processes, draws the same numbers.
"""

from __future__ import annotations

import numpy as np

SAMPLE = 0
"""Purpose: the augmentation of one sample. Its further samples take 1, 2, 3 … as purpose."""
ORDER = 1 << 30
"""Purpose: the order of the samples of an epoch."""
SUBSET = (1 << 30) + 1
"""Purpose: which lines of a label file take part in an epoch."""
REFILL = (1 << 30) + 2
"""Purpose: the sample that stands in for a batch without any usable one."""
EXTRA = (1 << 30) + 3
"""Purpose: which further samples an augmentation gets."""


def generator(seed: int, epoch: int, index: int = 0, purpose: int = SAMPLE) -> np.random.Generator:
    """Return a new generator for these numbers, each 0 or more; `seed` is taken modulo 2**32.

    The purpose is the last word because NumPy fills missing words with zeros: ``[seed, epoch]`` and
    ``[seed, epoch, 0]`` would give the same stream.
    """
    return np.random.default_rng([seed % (1 << 32), epoch, index, purpose])
