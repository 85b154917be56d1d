"""Worker processes that do not outlive the training they work for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Let the system end this process as soon as its parent ends, of whatever cause (Linux).

    A worker that waits for work waits for ever when the training was killed: its siblings hold the other ends of the
    pipes. It would keep its memory, and connections that other ranks take for signs of life.

    Args:
        parent: Process number of the parent, which may have ended by now.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):  # A system library without the call.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
