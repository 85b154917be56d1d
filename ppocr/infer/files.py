"""Many pictures of single text lines: rows on the console, JSON lines in a file, a sheet to look at."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from ppocr.fileio import atomic_write
from ppocr.infer.images import LoadedImage, list_images, load_images
from ppocr.infer.reader import DirectionReader, Image, LineReader
from ppocr.infer.visualize import MOST_ROWS, draw_sheet
from ppocr.results import Direction, TextLine

AT_ONCE = 64
"""Pictures that are held in memory at a time."""

FAILED = 1
"""Exit code when a file could not be read."""

Result = TypeVar("Result")


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

    def describe(line: TextLine) -> dict[str, Any]:
        return {"text": line.text, "score": line.score}

    return _process(reader.recognize, describe, sources, output=output, visualize=visualize, font_path=font_path,
                    ignore_orientation=ignore_orientation)


def classify_files(
    reader: DirectionReader,
    sources: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None = None,
    visualize: str | Path | None = None,
    font_path: str | Path | None = None,
    ignore_orientation: bool = False,
) -> int:
    """Print ``path<TAB>label<TAB>score`` for each picture; otherwise as `read_files`, with ``label`` for ``text``.

    Args:
        reader: What classifies.
        sources: See `ppocr.infer.images.list_images`.
        output: Also write an object for each picture to this file: ``image``, ``label`` and ``score``, or ``error``.
        visualize: Also draw the pictures with their labels on a sheet.
        font_path: Font of the sheet.
        ignore_orientation: Do not turn pictures as their EXIF data say.

    Raises:
        InferenceError: A source names nothing, or the network fails.
    """

    def describe(direction: Direction) -> dict[str, Any]:
        return {"label": direction.label, "score": direction.score}

    return _process(reader.classify, describe, sources, output=output, visualize=visualize, font_path=font_path,
                    ignore_orientation=ignore_orientation)


def _process(
    read: Callable[[Sequence[Image]], list[Result]],
    describe: Callable[[Result], dict[str, Any]],
    sources: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None,
    visualize: str | Path | None,
    font_path: str | Path | None,
    ignore_orientation: bool,
) -> int:
    """Print, write and draw what `read` makes of pictures; `describe` gives a name and a score by their names."""
    paths = list_images(sources)
    failed = 0
    shown: list[tuple[Image, TextLine]] = []
    with ExitStack() as stack:
        file = stack.enter_context(atomic_write(output, "w")) if output else None
        for image, result in _results(read, load_images(paths, ignore_orientation=ignore_orientation)):
            record: dict[str, Any] = {"image": image.name}
            if result is None or image.pixels is None:
                failed += 1
                record["error"] = image.error.what if image.error else ""
                print(f"{image.name}: {record['error']}", file=sys.stderr)
            else:
                described = describe(result)
                name, score = described.values()
                record |= described | {"score": round(score, 6)}
                print(f"{image.name}\t{name}\t{score:.4f}")
                if visualize and len(shown) <= MOST_ROWS:
                    shown.append((image.pixels, TextLine(name, score)))
            if file is not None:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    if visualize:
        draw_sheet([pixels for pixels, _ in shown], [line for _, line in shown], visualize, font_path)
    if failed:
        print(f"{failed} of {len(paths)} pictures could not be read", file=sys.stderr)
    return FAILED if failed else 0


def _results(
    read: Callable[[Sequence[Image]], list[Result]], images: Iterator[LoadedImage]
) -> Iterator[tuple[LoadedImage, Result | None]]:
    """Yield each picture with its result, in order; None for one that could not be read."""
    while loaded := list(islice(images, AT_ONCE)):
        results = iter(read([image.pixels for image in loaded if image.pixels is not None]))
        for image in loaded:
            yield image, next(results) if image.pixels is not None else None
