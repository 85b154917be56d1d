"""What memory is left, by made-up files of the system, and when a warning comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.data.worker_memory import Room, memory_left, memory_problem, needed_memory

MIB = 1 << 20


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal:       4096000 kB\nMemAvailable:   1024000 kB\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 1000 * MIB),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "5\n"},
         1000 * MIB),
        # Version 2: 512 - 300 MiB, and 100 MiB of what is used only cache files.
        ({"proc/self/cgroup": "0::/job/a\n", "sys/fs/cgroup/job/a/memory.max": f"{512 * MIB}\n",
          "sys/fs/cgroup/job/a/memory.current": f"{300 * MIB}\n",
          "sys/fs/cgroup/job/a/memory.stat": f"anon 7\ninactive_file {100 * MIB}\n"}, 312 * MIB),
        # The limit of a group above counts as well, and is the smaller one.
        ({"proc/self/cgroup": "0::/job/a\n", "sys/fs/cgroup/job/a/memory.max": f"{512 * MIB}\n",
          "sys/fs/cgroup/job/a/memory.current": "0\n", "sys/fs/cgroup/job/memory.max": f"{256 * MIB}\n",
          "sys/fs/cgroup/job/memory.current": f"{56 * MIB}\n"}, 200 * MIB),
        # Version 1, mounted as the root of a container although the process sees the path of the host.
        ({"proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
          "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{400 * MIB}\n",
          "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{100 * MIB}\n",
          "sys/fs/cgroup/memory/memory.stat": f"cache 1\ntotal_inactive_file {50 * MIB}\n"}, 350 * MIB),
        ({"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
          "sys/fs/cgroup/memory/memory.usage_in_bytes": "100\n"}, 1000 * MIB),
    ],
)
def test_the_smallest_limit_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    room = memory_left(system(tmp_path, {**MACHINE, **files}))
    assert room is not None
    assert room.size == expected
    assert ("container" in room.limit) == (expected != 1000 * MIB)


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert memory_left(tmp_path) is None
    assert memory_problem(100, 1 << 40, None) == ""


def test_the_estimate_is_above_what_was_measured_and_the_warning_tells_the_cure() -> None:
    # Private memory of a worker, measured (MiB): 27 with batches of 2 MiB, 62 with 8.4, 335 with 44.
    for batch, measured in ((2, 27), (8.4, 62), (44, 290)):
        assert needed_memory(1, int(batch * MIB)) - 3 * batch * MIB >= measured * MIB
    assert needed_memory(2, 10 * MIB) == 2 * (32 + 90) * MIB
    assert memory_problem(2, 10 * MIB, Room(244 * MIB, "x")) == ""
    problem = memory_problem(2, 10 * MIB, Room(243 * MIB, "memory.max of the container is 300 MiB"))
    assert "2 workers with batches of 10 MiB need about 244 MiB of memory, 243 MiB are free (memory.max" in problem
    assert "Lower loader.num_workers" in problem
