"""Many pages: rows on the console, JSON lines in a file, a picture of each in a folder."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ppocr.cv import cv2
from ppocr.errors import ImageError, InferenceError, PPOCRError
from ppocr.fileio import atomic_write
from ppocr.infer.files import FAILED
from ppocr.infer.images import LoadedImage
from ppocr.infer.page import PageResult
from ppocr.infer.pages import PDF_DPI, load_pages
from ppocr.infer.reader import Image, RegionReader
from ppocr.infer.system import PageReader
from ppocr.results import Detection, rounded_points

Result = TypeVar("Result")

JPEG_SIDE = 65500
"""Longest side of a JPEG file."""

JPEG_QUALITY = 92


@dataclass(frozen=True)
class PageJob:
    """What a command over pages reads and where it writes.

    Attributes:
        sources: See `ppocr.infer.load_pages`.
        output: Also write an object for each page to this file.
        pictures: Also draw a picture of each page into this folder.
        font_path: Font of the pictures.
        page_num: Only so many pages from the beginning of each file; 0 for all.
        pdf_dpi: Pixels per inch at which pages of PDF files are drawn.
        ignore_orientation: Do not turn pictures as their EXIF data say.
    """

    sources: str | Path | Sequence[str | Path]
    output: str | Path | None = None
    pictures: str | Path | None = None
    font_path: str | Path | None = None
    page_num: int = 0
    pdf_dpi: int = PDF_DPI
    ignore_orientation: bool = False


def detect_pages(detector: RegionReader, job: PageJob) -> int:
    """Print ``name<TAB>[[[x, y], ...], ...]`` for each page; return the exit code of a command that does this.

    A page that cannot be read is told on stderr and does not stop the others; the exit code is then 1.

    Args:
        detector: What finds the regions.
        job: What is read and written; objects hold ``image``, ``page`` for a file of several, and what
            `Detection.to_dict` gives, or ``error``.

    Raises:
        InferenceError: A source names nothing, or a result cannot be written.
        DependencyError: There is a PDF file, and the package that reads them is missing.
    """

    def rows(page: LoadedImage, found: Detection) -> list[str]:
        return [f"{page.name}\t{json.dumps([rounded_points(polygon) for polygon in found.polygons])}"]

    def draw(found: Detection, image: Image) -> Image:
        return found.draw(image)

    return _process(detector.detect, rows, draw, job)


def read_pages(system: PageReader, job: PageJob, *, bare: bool = False) -> int:
    """Print ``name<TAB>text<TAB>score`` for each text of each page; return the exit code of a command that does this.

    A page that cannot be read is told on stderr and does not stop the others; the exit code is then 1. How many texts
    there were, and how many were left out, is told on stderr too.

    Args:
        system: What reads.
        bare: Print the texts alone, and before those of each page ``== name ==`` if there may be several pages.
        job: What is read and written; objects hold ``image``, ``page`` for a file of several, and what
            `PageResult.to_dict` gives, or ``error``.

    Raises:
        InferenceError: A source names nothing, or a result cannot be written.
        DependencyError: There is a PDF file, and the package that reads them is missing.
    """

    sums: Counter[str] = Counter()

    titled = isinstance(job.sources, (str, Path)) or len(job.sources) > 1 or Path(job.sources[0]).is_dir()

    def rows(page: LoadedImage, result: PageResult) -> list[str]:
        sums.update(pages=1, texts=len(result.lines), dropped=result.dropped, empty=int(not result.lines))
        if bare:
            title = [f"== {page.name} =="] if titled or page.page is not None else []
            return title + [line.text for line in result.lines]
        return [f"{page.name}\t{line.text}\t{line.score:.4f}" for line in result.lines]

    def draw(page: PageResult, image: Image) -> Image:
        return page.draw(image, job.font_path)

    code = _process(system.ocr, rows, draw, job)
    print(f"{sums['texts']} texts on {sums['pages']} pages; {sums['dropped']} left out, because their score is below "
          f"drop_score {system.drop_score:g}; {sums['empty']} pages without text", file=sys.stderr)
    return code


def _process(
    read: Callable[[Image], Result],
    rows: Callable[[LoadedImage, Result], Iterable[str]],
    draw: Callable[[Result, Image], Image],
    job: PageJob,
) -> int:
    """Print, write and draw what `read` makes of each page."""
    pages = load_pages(job.sources, page_num=job.page_num, pdf_dpi=job.pdf_dpi,
                       ignore_orientation=job.ignore_orientation)
    pictures = _Pictures(job.pictures) if job.pictures else None
    count = failed = 0
    with ExitStack() as stack:
        file = stack.enter_context(atomic_write(job.output, "w")) if job.output else None
        for page in pages:
            count += 1
            record: dict[str, Any] = {"image": str(page.path)} | ({} if page.page is None else {"page": page.page})
            pixels, result = page.pixels, _attempt(read, page)
            if pixels is None or isinstance(result, PPOCRError):
                failed += 1
                record["error"] = result.what
                print(f"{page.name}: {result.what}", file=sys.stderr)
            else:
                record |= result.to_dict()
                for row in rows(page, result):
                    print(row)
                if pictures is not None:
                    pictures.add(page, draw(result, pixels))
            if file is not None:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    if failed:
        print(f"{failed} of {count} pages could not be read", file=sys.stderr)
    return FAILED if failed else 0


def _attempt(read: Callable[[Image], Result], page: LoadedImage) -> Any:
    """Return the result for a page, or the error."""
    if page.pixels is None:
        return page.error or ImageError("no picture")
    try:
        return read(page.pixels)
    except PPOCRError as error:
        return error


class _Pictures:
    """A folder of pictures, each under the name of its page."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._used: set[str] = set()

    def add(self, page: LoadedImage, picture: Image) -> None:
        """Write the picture of a page; one of an equal name in this run is not written over."""
        # Not the bare name: the folder may be the one that the pages come from.
        stem = f"{page.path.stem}_result" if page.page is None else f"{page.path.stem}_{page.page}_result"
        name, number = stem, 1
        while name in self._used:
            number += 1
            name = f"{stem}-{number}"
        self._used.add(name)
        suffix, options = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        if max(picture.shape[:2]) > JPEG_SIDE:
            suffix, options = ".png", []
        _, data = cv2.imencode(suffix, picture, options)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / (name + suffix)).write_bytes(data.tobytes())
        except OSError as error:
            raise InferenceError(f"{self.folder / name}{suffix} cannot be written: {error.strerror or error}",
                                 expected="a folder that may be written to",
                                 cure="correct draw_img_save_dir") from None
