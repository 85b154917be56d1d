"""ONNX Runtime as a backend. It is imported when a backend is made, not when this module is imported."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.errors import DependencyError, InferenceError
from ppocr.infer.backend import default_threads
from ppocr.registry import BACKENDS

LOGGER = logging.getLogger("ppocr")

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

ERRORS_ONLY = 3
"""ONNX Runtime's level of messages; it warns of weights without use in every converted model."""


@BACKENDS.register("onnxruntime")
class OnnxBackend:
    """Runs ``.onnx`` files with ONNX Runtime. A session may be used by several threads at once.

    Args:
        model_file: The file.
        use_gpu: True asks for a GPU (a warning and the CPU if there is none); otherwise the CPU is used.
        gpu_id: Which GPU.
        gpu_mem: Most megabytes of GPU memory that are reserved.
        cpu_threads: Threads of one call on CPU; None takes the cores of this process, at most 4.

    Raises:
        DependencyError: ONNX Runtime is not installed.
        InferenceError: The file cannot be loaded.
    """

    def __init__(
        self,
        model_file: Path,
        use_gpu: bool | None = None,
        gpu_id: int = 0,
        gpu_mem: int = 500,
        cpu_threads: int | None = None,
    ) -> None:
        self.model_file = model_file
        runtime = _onnxruntime()
        self._errors = _errors_of(runtime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = cpu_threads or default_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        # Detector and recognizer take turns: threads that spin while they wait take the processor from the other's.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(str(model_file), options,
                                                     providers=_providers(runtime, use_gpu, gpu_id, gpu_mem))
        except self._errors as error:
            raise InferenceError(f"{model_file} cannot be loaded: {_first_line(error)}",
                                 expected="a complete ONNX file that this version of ONNX Runtime can read",
                                 cure="copy or download the file again, or pip install --upgrade onnxruntime"
                                 ) from error
        self._inputs = {entry.name: tuple(entry.shape) for entry in self._session.get_inputs()}

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the network."""
        return tuple(self._inputs)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs in the order of the network, batch first.

        Raises:
            InferenceError: ONNX Runtime refuses the arrays.
        """
        try:
            outputs = self._session.run(None, {name: np.ascontiguousarray(array) for name, array in inputs.items()})
            return list(outputs)
        except self._errors as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            taken = ", ".join(f"{name} {[side if isinstance(side, int) else -1 for side in shape]}"
                              for name, shape in self._inputs.items())
            raise InferenceError(f"{self.model_file} fails on {shapes}: {_first_line(error)}",
                                 expected=f"{taken} (-1 varies)",
                                 cure="give images of the shape that the model was exported for") from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError(f"the backend 'onnxruntime', which runs ONNX files, needs ONNX Runtime: {error}",
                              expected="the package onnxruntime",
                              cure="pip install onnxruntime (or onnxruntime-gpu)") from error
    return onnxruntime


def _errors_of(runtime: Any) -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises; its own errors have no common base."""
    state = runtime.capi.onnxruntime_pybind11_state
    own = [value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception)]
    return (*own, RuntimeError, ValueError, TypeError, OSError)


def _providers(runtime: Any, use_gpu: bool | None, gpu_id: int, gpu_mem: int) -> list[Any]:
    """Return what runs the network. CUDA is tried only if it is asked for: its libraries take seconds to fail."""
    if not use_gpu:
        return [CPU]
    if CUDA not in runtime.get_available_providers():
        LOGGER.warning("use_gpu is true, but this ONNX Runtime has no CUDA; running on CPU "
                       "(pip install onnxruntime-gpu in place of onnxruntime).")
        return [CPU]
    return [(CUDA, {"device_id": gpu_id, "gpu_mem_limit": gpu_mem << 20}), CPU]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:500]
