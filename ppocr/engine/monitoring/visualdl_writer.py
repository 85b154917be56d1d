"""The VisualDL board: ``visualdl --logdir <save_model_dir>/vdl``."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppocr.engine.monitoring.writer import Image, Start, Writer, require, rgb
from ppocr.fileio import atomic_write

FOLDER = "vdl"
PATTERN = "*vdlrecords*"

SIZE = struct.Struct("<Q")
"""What stands before each record of a file: its number of bytes."""


class VisualDLWriter(Writer):
    """Writes ``<save_model_dir>/vdl``.

    The board shows the newest file of a folder only. So a run that goes on appends to that file, after the records
    beyond its step were taken out, and a run that is new begins another.

    Raises:
        DependencyError: The package visualdl is not installed.
    """

    title = "VisualDL"

    def __init__(self) -> None:
        self._module = require("visualdl", "use_visualdl")
        self._writer: Any = None

    def open(self, start: Start) -> None:
        """Open the file."""
        folder = start.folder / FOLDER
        earlier = sorted(folder.glob(PATTERN))[-1:] if start.step else []
        for file in earlier:
            _cut(file, start.step)
        # It prints that the file exists.
        with contextlib.redirect_stdout(io.StringIO()):
            self._writer = self._module.LogWriter(logdir=str(folder), file_name=earlier[0].name if earlier else "")

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Write a number."""
        self._writer.add_scalar(_tag(name), value, step)

    def add_text(self, name: str, text: str, step: int) -> None:
        """Write a text, in one line as the board shows it."""
        self._writer.add_text(_tag(name), "; ".join(text.splitlines()), step)

    def add_image(self, name: str, image: Image, step: int) -> None:
        """Write a picture."""
        self._writer.add_image(_tag(name), rgb(image), step)

    def close(self, *, failed: bool = False) -> None:
        """Close the file."""
        self._writer.close()


def _tag(name: str) -> str:
    """Return a name without the sign that VisualDL refuses."""
    return name.replace("%", "")


def _cut(path: Path, step: int) -> None:
    """Leave out the records of later steps, and one that a killed run has left in part."""
    from visualdl.proto.record_pb2 import Record

    earlier = path.stat()
    with atomic_write(path) as file:
        for data in _records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if all(value.id <= step for value in record.values):
                file.write(SIZE.pack(len(data)) + data)
    os.utime(path, (earlier.st_atime, earlier.st_mtime))


def _records(content: bytes) -> Iterator[bytes]:
    position = 0
    while position + SIZE.size <= len(content):
        size, = SIZE.unpack_from(content, position)
        position += SIZE.size
        if position + size > len(content):
            return
        yield content[position:position + size]
        position += size
