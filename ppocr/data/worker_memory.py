"""Whether the memory of this machine, or of this container, suffices for the worker processes of a loader."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_OWN = 32 << 20
_BATCHES_OWN = 6
_IN_FLIGHT = 3
_NO_LIMIT = 1 << 60
"""Control groups without a limit give a number above this."""


class Room(NamedTuple):
    """How much memory is left.

    Attributes:
        size: Bytes.
        limit: What sets the limit, for a message.
    """

    size: int
    limit: str


def needed_memory(workers: int, batch_size: int) -> int:
    """Return about how many bytes worker processes and the batches on their way take, besides what this one has.

    Measured on Linux with 2 workers, private memory after 20 batches: text words of 2 and 8 MiB a batch 27 and 62 MiB
    a worker, photos for detection of 44 MiB a batch 300 to 335 MiB. That is about 32 MiB and six batches each; a batch
    that is being made and two that are ready come on top.

    Args:
        workers: Number of workers.
        batch_size: Bytes of a batch.
    """
    return workers * (_OWN + (_BATCHES_OWN + _IN_FLIGHT) * batch_size)


def memory_left(root: Path = Path("/")) -> Room | None:
    """Return how much memory processes started now may take; None where the system does not tell.

    That is the smallest of what the machine has and what the control groups (version 1 or 2) of this process allow;
    memory that only caches files counts as free.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    rooms = [room for room in (_of_machine(root), *_of_groups(root)) if room is not None]
    return min(rooms, default=None)


def memory_problem(workers: int, batch_size: int, room: Room | None) -> str:
    """Tell in words that the workers need more than there is; empty if not, or where that is not known."""
    needed = needed_memory(workers, batch_size)
    if room is None or needed <= room.size:
        return ""
    return (f"{workers} workers with batches of {batch_size >> 20} MiB need about {needed >> 20} MiB of memory, "
            f"{room.size >> 20} MiB are free ({room.limit}); when it runs out, the system kills workers. Lower "
            "loader.num_workers or batch_size_per_card, or give more memory")


def _of_machine(root: Path) -> Room | None:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return Room(int(line.split()[1]) << 10, "MemAvailable of the machine")
    return None


def _of_groups(root: Path) -> list[Room | None]:
    rooms: list[Room | None] = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names, base = ("memory.max", "memory.current", "inactive_file"), root / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            base = root / "sys/fs/cgroup/memory"
        else:
            continue
        folder = base / path.strip().lstrip("/")
        # Inside a container the group may be mounted as the root; its limit may also be that of a group above.
        rooms += [_of_group(place, *names) for place in (folder, *folder.parents) if place.is_relative_to(base)]
    return rooms


def _of_group(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> Room | None:
    limit, usage = _number(folder / limit_name), _number(folder / usage_name)
    if limit is None or usage is None or limit >= _NO_LIMIT:
        return None
    cached = [int(line.split()[1]) for line in _lines(folder / "memory.stat") if line.startswith(f"{cache_name} ")]
    return Room(max(0, limit - usage + sum(cached)), f"{limit_name} of the container is {limit >> 20} MiB")


def _number(file: Path) -> int | None:
    """Return the number in a file; None where there is none, or the word ``max``."""
    text = "".join(_lines(file)).strip()
    return int(text) if text.isdecimal() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
