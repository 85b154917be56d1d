"""Reading many picture files: lines on the console, JSON lines in a file, a sheet to look at."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from ppocr.fileio import atomic_write
from ppocr.infer.images import LoadedImage, list_images, load_images
from ppocr.infer.reader import Image, LineReader
from ppocr.infer.visualize import MOST_ROWS, draw_sheet
from ppocr.results import TextLine

AT_ONCE = 64
"""Pictures that are held in memory at a time."""

FAILED = 1
"""Exit code when a file could not be read."""


def read_files(
    reader: LineReader,
    sources: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None = None,
    visualize: str | Path | None = None,
    font_path: str | Path | None = None,
    ignore_orientation: bool = False,
) -> int:
    """Print ``path<TAB>text<TAB>score`` for each picture; return the exit code of a command that does this.

    A picture that cannot be read is told on stderr and does not stop the others; the exit code is then 1.

    Args:
        reader: What reads.
        sources: See `ppocr.infer.images.list_images`.
        output: Also write an object for each picture to this file: ``image``, ``text`` and ``score``, or ``error``.
        visualize: Also draw the pictures with their texts on a sheet.
        font_path: Font of the sheet.
        ignore_orientation: Do not turn pictures as their EXIF data say.

    Raises:
        InferenceError: A source names nothing, or the network fails.
    """
    paths = list_images(sources)
    failed = 0
    shown: list[tuple[Image, TextLine]] = []
    with ExitStack() as stack:
        file = stack.enter_context(atomic_write(output, "w")) if output else None
        for image, line in _results(reader, load_images(paths, ignore_orientation=ignore_orientation)):
            if line is None or image.pixels is None:
                failed += 1
                record: dict[str, Any] = {"image": str(image.path), "error": image.error.what if image.error else ""}
                print(f"{image.path}: {record['error']}", file=sys.stderr)
            else:
                record = {"image": str(image.path), "text": line.text, "score": round(line.score, 6)}
                print(f"{image.path}\t{line.text}\t{line.score:.4f}")
                if visualize and len(shown) <= MOST_ROWS:
                    shown.append((image.pixels, line))
            if file is not None:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    if visualize:
        draw_sheet([pixels for pixels, _ in shown], [line for _, line in shown], visualize, font_path)
    if failed:
        print(f"{failed} of {len(paths)} pictures could not be read", file=sys.stderr)
    return FAILED if failed else 0


def _results(reader: LineReader, images: Iterator[LoadedImage]) -> Iterator[tuple[LoadedImage, TextLine | None]]:
    """Yield each picture with its line, in order; None for one that could not be read."""
    while loaded := list(islice(images, AT_ONCE)):
        good = [image.pixels for image in loaded if image.pixels is not None]
        lines = iter(reader.recognize(good))
        for image in loaded:
            yield image, next(lines) if image.pixels is not None else None
