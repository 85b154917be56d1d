"""How much memory a training uses."""

from __future__ import annotations

import os
from pathlib import Path

import paddle

MEBIBYTE = 2**20
PROCESSES = Path("/proc")


def memory_figures() -> dict[str, float]:
    """Return ``memory_mb`` of this process with its workers, and ``gpu_memory_mb`` where there is a GPU.

    The first counts pages that processes share, such as batches in shared memory, once for each. The second is the
    most that tensors took so far. What the system does not tell is left out.
    """
    figures = {}
    resident = resident_memory(os.getpid())
    if resident is not None:
        figures["memory_mb"] = round(resident / MEBIBYTE, 1)
    gpu = gpu_memory()
    if gpu is not None:
        figures["gpu_memory_mb"] = round(gpu / MEBIBYTE, 1)
    return figures


def resident_memory(process: int) -> int | None:
    """Return the bytes that a process and its children, of any depth, hold in memory; None without ``/proc``."""
    try:
        pages = int((PROCESSES / str(process) / "statm").read_text().split()[1])
        children = " ".join(path.read_text() for path in (PROCESSES / str(process) / "task").glob("*/children"))
    except (OSError, ValueError, IndexError):
        return None
    own = pages * os.sysconf("SC_PAGE_SIZE")
    return own + sum(resident_memory(int(child)) or 0 for child in children.split())


def gpu_memory() -> int | None:
    """Return the most bytes that tensors took on the GPU so far; None without one."""
    if not paddle.is_compiled_with_cuda() or not paddle.device.cuda.device_count():
        return None
    return int(paddle.device.cuda.max_memory_allocated())
