"""What the worker processes of a loader are at, so that one that dies or hangs is an error that names the sample."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ppocr.data.sample import Index
from ppocr.errors import DatasetError

Describe = Callable[[Index], str]
"""From an index to the place of the sample: label file, line and image."""

_SLOT = struct.Struct("=qqqqd")  # Epoch + 1 (0: at no sample), position, width, height, start in seconds.
_SHOWN = 4
_OVERSLEPT = 5.0
"""A watch that wakes so many seconds late was itself stopped, as by a debugger: it begins to wait anew."""


@dataclass(frozen=True)
class Doing:
    """The sample that a worker is at.

    Attributes:
        index: Which one.
        since: Since when, on the clock of `time.monotonic`, which all processes share.
    """

    index: Index
    since: float


class Board:
    """Memory shared with the worker processes, in which each notes the sample that it is at.

    A note costs less than a microsecond. Processes that are not forks of this one have no part in it: what is sent to
    them is a board of their own.

    Args:
        workers: Number of workers.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._memory = mmap.mmap(-1, max(1, workers) * _SLOT.size)

    def __reduce__(self) -> tuple[type[Board], tuple[int]]:
        return Board, (self.workers,)

    def note(self, worker: int, index: Index | None) -> None:
        """Write that a worker begins with a sample, or, with None, that it is at none."""
        if index is None:
            _SLOT.pack_into(self._memory, worker * _SLOT.size, 0, 0, 0, 0, 0.0)
        else:
            width, height = index.size or (0, 0)
            _SLOT.pack_into(self._memory, worker * _SLOT.size, index.epoch + 1, index.position, width, height,
                            time.monotonic())

    def read(self, worker: int) -> Doing | None:
        """Return what a worker is at; None if it is at no sample."""
        epoch, position, width, height, since = _SLOT.unpack_from(self._memory, worker * _SLOT.size)
        size = (width, height) if width else None
        return Doing(Index(epoch - 1, position, size), since) if epoch else None


class Watch:
    """Looks after the workers while the main process waits for a batch.

    Where no batch comes within the allowed time, or a worker is dead, the waiting ends with an exception: Paddle's
    loader by itself waits for ever for a worker that hangs, and takes five seconds to see that one died.

    Args:
        iterator: Paddle's iterator over the batches.
        board: What the workers are at.
        timeout: Seconds that a batch may take; 0 waits for ever.
    """

    def __init__(self, iterator: Any, board: Board, timeout: float) -> None:
        self._iterator = iterator
        self._board = board
        self._timeout = timeout
        self._workers: Sequence[Any] = list(getattr(iterator, "_workers", ()))
        self._waiting_since: float | None = None
        self._over = threading.Event()
        self._stuck: list[tuple[int, int, Doing]] | None = None
        self._thread = threading.Thread(target=self._look, name="loader-watch", daemon=True)
        self._thread.start()

    def batches(self) -> Iterator[Any]:
        """Yield the batches.

        Raises:
            SystemError: By Paddle: there will be no more batches. `error` tells why.
        """
        while True:
            self._waiting_since = time.monotonic()
            try:
                batch = next(self._iterator)
            except StopIteration:
                return
            finally:
                self._waiting_since = None
            yield batch

    def close(self) -> None:
        """End the watch."""
        self._over.set()

    def error(self, describe: Describe) -> DatasetError | None:
        """Return why there are no more batches; None if no worker is at fault."""
        if self._stuck is not None:
            return self._late(self._stuck, describe)
        dead = [(number, worker) for number, worker in enumerate(self._workers) if worker.exitcode]
        return self._dead(dead, describe) if dead else None

    def _look(self) -> None:
        interval = min(1.0, self._timeout / 4) if self._timeout else 1.0
        last = time.monotonic()
        while not self._over.wait(interval):
            now = time.monotonic()
            waiting_since = self._waiting_since
            if waiting_since is None:
                last = now
                continue
            if now - last > interval + _OVERSLEPT:
                self._waiting_since = now
            elif any(worker.exitcode for worker in self._workers):
                self._end_the_waiting()
                return
            elif self._timeout and now - waiting_since > self._timeout:
                at = [(number, self._board.read(number)) for number in range(len(self._workers))]
                self._stuck = [(number, self._workers[number].pid, doing) for number, doing in at if doing]
                for worker in self._workers:
                    worker.kill()
                self._end_the_waiting()
                return
            last = now

    def _end_the_waiting(self) -> None:
        # Paddle has no public way to do that. Where this one is missing, it sees by itself that a worker is dead.
        end = getattr(self._iterator, "_exit_thread_unexpectedly", None)
        if end is not None:
            end()

    def _late(self, stuck: list[tuple[int, int, Doing]], describe: Describe) -> DatasetError:
        now = time.monotonic()
        stuck.sort(key=lambda entry: entry[2].since)
        lines = [f"    worker {number} (pid {pid}), {now - doing.since:.0f} s at {describe(doing.index)}"
                 for number, pid, doing in stuck[:_SHOWN]]
        if not stuck:
            lines = ["    no worker is at a sample: a batch did not come through (shared memory?)"]
        return DatasetError(
            "\n".join([f"no batch came from the loader's {len(self._workers)} workers for {self._timeout:g} s",
                       *lines]),
            expected="a batch within loader.timeout seconds",
            cure="look at the first of these samples, and whether its storage answers; where samples take that "
            "long, raise loader.timeout (0 waits for ever)",
        )

    def _dead(self, dead: list[tuple[int, Any]], describe: Describe) -> DatasetError:
        lines = []
        for number, worker in dead[:_SHOWN]:
            doing = self._board.read(number)
            place = f"made {describe(doing.index)}" if doing else "put a batch together or handed it over"
            lines.append(f"worker {number} (pid {worker.pid}) {_ending(worker.exitcode)} while it {place}")
        more = f" (and {len(dead) - _SHOWN} more)" if len(dead) > _SHOWN else ""
        return DatasetError(
            "a worker process of the data loader died: " + "; ".join(lines) + more,
            expected="workers that live as long as the epoch", cure=_cure(dead[0][1].exitcode))


def _ending(exitcode: int) -> str:
    if exitcode > 0:
        return f"ended with exit code {exitcode}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"was killed by signal {-exitcode}"


def _cure(exitcode: int) -> str:
    if exitcode == -signal.SIGKILL:
        return ("look for memory: the system kills like this when it runs out (dmesg tells). Fewer loader.num_workers, "
                "smaller batches, or more memory for the container")
    if exitcode == -signal.SIGBUS:
        return "shared memory is full: fewer loader.num_workers, smaller batches, or loader.use_shared_memory: false"
    return ("look at that sample: a damaged file can crash a decoder. loader.num_workers: 0 shows the fault itself; "
            "for memory, fewer loader.num_workers or loader.use_shared_memory: false")


@contextlib.contextmanager
def child_signals_kept() -> Iterator[None]:
    """Leave the handling of SIGCHLD as it is while workers are started.

    Paddle's handler raises an exception wherever the main process is when a worker dies, so in the midst of an
    optimizer step. Without it that is seen when the next batch is asked for.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGCHLD) is not before:
            signal.signal(signal.SIGCHLD, before if before is not None else signal.SIG_DFL)
