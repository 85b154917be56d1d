"""Paddle Inference as a backend. Paddle is imported when a backend is made, not when this module is imported."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.errors import DependencyError, InferenceError
from ppocr.infer.backend import default_threads
from ppocr.registry import BACKENDS

LOGGER = logging.getLogger("ppocr")

PADDLE_ERRORS = (RuntimeError, ValueError, OSError, SystemError, TypeError)
"""What Paddle raises, depending on where in it something fails."""


@BACKENDS.register("paddle")
class PaddleBackend:
    """Runs ``.json`` (Paddle 3) and ``.pdmodel`` programs with Paddle Inference.

    A predictor of Paddle must not be used by two threads at once, so each thread that calls `run` gets a clone of
    its own; the clones share the weights.

    Args:
        model_file: The program.
        params_file: Its weights (``.pdiparams``).
        use_gpu: True asks for a GPU (a warning and the CPU if there is none), None takes one if there is one.
        gpu_id: Which GPU.
        gpu_mem: Megabytes of GPU memory to reserve at the start.
        cpu_threads: Threads of one call on CPU; None takes the cores of this process, at most 4.
        enable_mkldnn: Use oneDNN on CPU; on by default.

    Raises:
        DependencyError: Paddle is not installed.
        InferenceError: The files cannot be loaded.
    """

    def __init__(
        self,
        model_file: Path,
        params_file: Path,
        use_gpu: bool | None = None,
        gpu_id: int = 0,
        gpu_mem: int = 500,
        cpu_threads: int | None = None,
        enable_mkldnn: bool | None = None,
    ) -> None:
        self.model_file = model_file
        self._inference = _paddle_inference()
        self.use_mkldnn = enable_mkldnn is not False
        config = self._inference.Config(str(model_file), str(params_file))
        config.disable_glog_info()
        if _choose_gpu(use_gpu):
            self.use_mkldnn = False
            config.enable_use_gpu(gpu_mem, gpu_id)
        else:
            config.disable_gpu()
            config.set_cpu_math_library_num_threads(cpu_threads or default_threads())
            if self.use_mkldnn:
                config.enable_mkldnn()
            else:
                config.disable_mkldnn()
        try:
            self._root = self._inference.create_predictor(config)
        except PADDLE_ERRORS as error:
            raise InferenceError(
                f"{model_file} cannot be loaded: {_last_line(error)}",
                expected="a model that this version of Paddle can read, and its weights, both complete",
                cure="export the model again with this version of Paddle, or copy both files again",
            ) from error
        self._lock = threading.Lock()
        self._threads = threading.local()

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the network."""
        return tuple(self._root.get_input_names())

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs in the order of the network, batch first.

        Raises:
            InferenceError: Paddle refuses the arrays.
        """
        predictor = self._predictor()
        try:
            for name, array in inputs.items():
                predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(array))
            predictor.run()
            return [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]
        except PADDLE_ERRORS as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            cure = "give images of the shape that the model was exported for (Model.inputs in inference.yml)"
            if self.use_mkldnn:
                cure += ", or, if the message speaks of oneDNN or attributes, set enable_mkldnn=False"
            raise InferenceError(f"{self.model_file} fails on {shapes}: {_last_line(error)}",
                                 expected="arrays that the model can take", cure=cure) from error

    def _predictor(self) -> Any:
        predictor = getattr(self._threads, "predictor", None)
        if predictor is None:
            with self._lock:
                predictor = self._root.clone()
            self._threads.predictor = predictor
        return predictor


def _paddle_inference() -> Any:
    try:
        from paddle import inference
    except ImportError as error:
        raise DependencyError(f"the backend 'paddle' needs PaddlePaddle: {error}", expected="the package paddlepaddle",
                              cure="pip install paddlepaddle (or paddlepaddle-gpu)") from error
    return inference


def _choose_gpu(use_gpu: bool | None) -> bool:
    import paddle

    if use_gpu is False:
        return False
    available = bool(paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count())
    if use_gpu and not available:
        LOGGER.warning("use_gpu is true, but this Paddle or this machine has no GPU; running on CPU.")
    return available


def _last_line(error: BaseException) -> str:
    """Return what Paddle says about an error, without the stack that it prints before."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or line.startswith("(")]
    return (telling or lines or [type(error).__name__])[-1][:500]
