"""Ctrl-C and SIGTERM end a run after the current step, with a checkpoint."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ppocr.engine.run import TrainingRun
from ppocr.engine.stopping import Stop

LOGGER = logging.getLogger("ppocr")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What a terminal, a scheduler, ``docker stop`` and the launcher of several processes send to end a program."""


@contextmanager
def stops_on_signals(run: TrainingRun) -> Iterator[None]:
    """Turn the first signal within the block into a request to stop; a second Ctrl-C ends the run at once.

    The exit code of an interrupted training is 128 plus the signal's number, as in a shell: 130 for Ctrl-C, 143 for
    SIGTERM. Outside of the main thread nothing is done: Python lets no other one have signals.
    """
    def receive(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and run.stop is not None and run.stop.interrupted:
            raise KeyboardInterrupt
        name = signal.Signals(number).name
        LOGGER.warning("%s received: the run ends after this step, with a checkpoint%s", name,
                       " (Ctrl-C once more ends it now, without one)" if number == signal.SIGINT else "")
        run.request_stop(Stop(name, exit_code=128 + number, interrupted=True))

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
