"""What runs a network: arrays in, arrays out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ppocr.registry import BACKENDS

FloatArray = npt.NDArray[np.float32]

MOST_DEFAULT_THREADS = 4
"""Text lines are small: more threads than this do not make one of them faster."""


class Backend(Protocol):
    """A network that is ready to run; `run` may be called from several threads at once."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the network."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs in the order of the network, batch first.

        Args:
            inputs: An array for each input name, batch first.

        Raises:
            InferenceError: The network refuses the arrays.
        """


def build_backend(name: str, *, model_file: Path, params_file: Path, **context: Any) -> Backend:
    """Build a registered backend on the files of an exported model.

    Args:
        name: Name in the registry: ``"paddle"``, ``"onnxruntime"``, or that of a plugin.
        model_file: The program.
        params_file: Its weights; the same file where one holds both.
        context: Options, each used by the backends that know it: ``use_gpu``, ``gpu_id``, ``gpu_mem``,
            ``cpu_threads``, ``enable_mkldnn``.

    Raises:
        ConfigError: There is no such backend.
        DependencyError: Its package is missing.
        InferenceError: It cannot load the files.
    """
    backend: Backend = BACKENDS.build({"name": name}, model_file=model_file, params_file=params_file, **context)
    return backend


def default_threads() -> int:
    """Return how many threads one call takes where nothing is asked for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_DEFAULT_THREADS)
