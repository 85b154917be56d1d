"""The log of a command: lines on the console and in a file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

FORMAT = "[%(asctime)s] %(message)s"
WARNING_FORMAT = "[%(asctime)s] %(levelname)s: %(message)s"
DATE_FORMAT = "%Y/%m/%d %H:%M:%S"


class _LevelFormatter(logging.Formatter):
    """Shows the level only where it matters, so that ordinary lines stay short."""

    def __init__(self) -> None:
        super().__init__(FORMAT, DATE_FORMAT)
        self._warning = logging.Formatter(WARNING_FORMAT, DATE_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        return self._warning.format(record) if record.levelno >= logging.WARNING else super().format(record)


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """Lines on the standard output.

    Attributes:
        around: Makes the context in which a line is written; what else stands in the terminal makes room in it.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.around: Callable[[], AbstractContextManager[Any]] = nullcontext

    def emit(self, record: logging.LogRecord) -> None:
        with self.around():
            super().emit(record)


def console() -> Console | None:
    """Return the console of `start_logging`; None where this process has none."""
    handlers = logging.getLogger("ppocr").handlers
    return next((handler for handler in handlers if isinstance(handler, Console)), None)


def start_logging(folder: str | Path | None, *, rank: int = 0, level: str = "INFO", name: str = "train") -> None:
    """Send the ``ppocr`` logger to the console (rank 0 only) and to a file in `folder`.

    Args:
        folder: Where ``<name>.log`` is appended to; other ranks write ``<name>.rank<N>.log``. None writes no file.
        rank: Rank of this process.
        level: Smallest level that is logged.
        name: Stem of the log file.
    """
    logger = logging.getLogger("ppocr")
    stop_logging()
    logger.setLevel(level)
    logger.propagate = False
    # Paddle tells on the root logger, in a format of its own, what the lines about the optimizer say as well.
    logging.getLogger().setLevel(logging.WARNING)
    handlers: list[logging.Handler] = [Console()] if rank == 0 else []
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        file = Path(folder) / (f"{name}.log" if rank == 0 else f"{name}.rank{rank}.log")
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_LevelFormatter())
        logger.addHandler(handler)


def stop_logging() -> None:
    """Close and remove the handlers of `start_logging`."""
    logger = logging.getLogger("ppocr")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
