"""The random states of Python, NumPy and Paddle: set from a seed, taken down as plain values, put back."""

from __future__ import annotations

import logging
import random
from typing import Any

import numpy as np
import paddle

LOGGER = logging.getLogger("ppocr")


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and Paddle's global generators. Data have generators of their own (see ppocr.data)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    paddle.seed(seed)


def random_states() -> dict[str, Any]:
    """Return the global random states as plain JSON values."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, next_gauss = random.getstate()
    return {
        "python": [version, list(internal), next_gauss],
        "numpy": [str(name), np.asarray(keys).tolist(), int(position), int(has_gauss), float(gauss)],
        "paddle": [_plain(state) for state in paddle.get_rng_state()],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Put the states of `random_states` back."""
    version, internal, next_gauss = states["python"]
    random.setstate((version, tuple(internal), next_gauss))
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, np.asarray(keys, dtype=np.uint32), position, has_gauss, gauss))
    current = paddle.get_rng_state()
    if len(current) != len(states["paddle"]):
        LOGGER.warning("The checkpoint holds the random states of %d devices, this run has %d: dropout differs from "
                       "here on.", len(states["paddle"]), len(current))
        return
    restored = []
    for template, saved in zip(current, states["paddle"], strict=True):
        state_class: Any = type(template)
        generator = state_class.__new__(state_class)
        generator.__setstate__(tuple(saved))
        restored.append(generator)
    paddle.set_rng_state(restored)


def _plain(state: Any) -> list[Any]:
    return [list(item) if isinstance(item, (list, tuple)) else item for item in state.__getstate__()]
