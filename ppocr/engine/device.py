"""Choosing where to compute, and saying so."""

from __future__ import annotations

import os

import paddle

from ppocr.engine.ranks import connect
from ppocr.errors import DependencyError


def select_device(use_gpu: bool | None) -> str:
    """Set Paddle's device and return its name, ``"gpu"`` or ``"cpu"``.

    Args:
        use_gpu: True asks for a GPU, None takes one if there is one, False takes the CPU.

    Raises:
        DependencyError: A GPU is asked for and there is none. A training that was meant for a GPU would take days on
            a CPU, so this is not decided silently.
    """
    if use_gpu is not False:
        reason = _why_no_gpu()
        if not reason:
            paddle.set_device(f"gpu:{paddle.distributed.ParallelEnv().device_id}")
            return "gpu"
        if use_gpu:
            raise DependencyError(f"Global.use_gpu is true, but {reason}", expected="a GPU that Paddle can use",
                                  cure="add -o Global.use_gpu=false to run on CPU (null takes a GPU only if there "
                                  "is one)")
    paddle.set_device("cpu")
    return "cpu"


def _why_no_gpu() -> str:
    if not paddle.is_compiled_with_cuda():
        return "this is the CPU build of Paddle (install paddlepaddle-gpu to use one)"
    try:
        count = paddle.device.cuda.device_count()
    except (RuntimeError, OSError) as error:
        return f"CUDA cannot be used: {error}"
    return "" if count else "Paddle finds no GPU (see nvidia-smi and CUDA_VISIBLE_DEVICES)"


def on_cpu() -> bool:
    """Tell whether this process computes on the CPU."""
    return str(paddle.get_device()) == "cpu"


def world() -> tuple[int, int]:
    """Return ``(rank, world_size)`` of this process as the launcher set them; ``(0, 1)`` without a launcher."""
    return paddle.distributed.get_rank(), paddle.distributed.get_world_size()


def start_distributed(device: str) -> None:
    """Join the group of processes that the launcher started; does nothing for a single process.

    Raises:
        DependencyError: The group cannot be formed.
    """
    world_size = world()[1]
    if world_size == 1:
        return
    if device == "cpu":
        # A Paddle that knows GPUs would take NCCL, which needs them.
        os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo")
    try:
        paddle.distributed.init_parallel_env()
    except (RuntimeError, ValueError, OSError) as error:
        raise DependencyError(f"the processes cannot find each other: {error}",
                              expected=f"{world_size} processes started by paddle.distributed.launch on {device}",
                              cure="check the launcher's --gpus, --nnodes, --master and --rank, that the ports are "
                              "open and, on GPU, NCCL (docs/distributed.md)") from error
    connect()
