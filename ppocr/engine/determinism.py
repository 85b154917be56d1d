"""Equal bits in equal runs: ``Global.deterministic``."""

from __future__ import annotations

import logging
import os

import paddle

from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")

GPU_FLAGS = {
    "FLAGS_cudnn_deterministic": True,  # Also kernels of Paddle's own that ask for it, such as flash attention.
    "FLAGS_cudnn_exhaustive_search": False,  # The fastest algorithm differs from run to run.
    "FLAGS_embedding_deterministic": 1,  # 1 sorts the sums of the embedding's gradient, 0 adds atomically.
    "FLAGS_use_autotune": False,
}
"""Settings of Paddle's GPU build."""

THREADS = "OMP_NUM_THREADS"


def make_deterministic(options: Section, device: str) -> None:
    """Choose the operators that ``Global.deterministic`` asks for, and tell on what the bits still depend.

    On CPU the operators are deterministic as they are, but sums are split by the number of threads. Order of the data,
    augmentation and initial weights follow from ``Global.seed`` in any case.

    Args:
        options: The section Global.
        device: ``"gpu"`` or ``"cpu"``.
    """
    if not options["deterministic"]:
        return
    place = where(options, "deterministic")
    if device == "gpu":
        missing = [flag for flag, value in GPU_FLAGS.items() if not _set(flag, value)]
        if missing:
            LOGGER.warning("%s: this Paddle has no %s; runs may differ.", place, ", ".join(missing))
        LOGGER.warning("%s: equal bits take the same GPU model and the same versions of driver, cuDNN and Paddle. "
                       "Backward passes that add atomically (such as interpolation and grid sampling) have no "
                       "deterministic form in Paddle.", place)
    elif not os.environ.get(THREADS):
        LOGGER.warning("%s: the bits depend on the number of threads, which follows from the cores that the process "
                       "may use. Set %s to pin it.", place, THREADS)


def _set(flag: str, value: bool | int) -> bool:
    """Set a flag of Paddle; return whether it exists in this build."""
    try:
        paddle.set_flags({flag: value})
    except ValueError:
        return False
    return True
