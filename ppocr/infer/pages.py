"""Pages of pictures and documents, one after the other: the memory that is needed does not grow with their number."""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ppocr.data.transforms.decode import IMAGE_SUFFIXES, decode_image
from ppocr.errors import DependencyError, ImageError, InferenceError
from ppocr.infer.images import LoadedImage, list_images, load_image, read_bytes

LOGGER = logging.getLogger("ppocr")

PDF_SUFFIX = ".pdf"
TIFF_SUFFIXES = (".tif", ".tiff")
PAGE_SUFFIXES = (*IMAGE_SUFFIXES, PDF_SUFFIX)
"""Endings, in lower case, by which pictures and documents are found in a folder."""

PDF_DPI = 200
"""Pixels per inch at which pages of PDF files are drawn; a letter of 10 points is then 28 pixels high."""

POINTS_PER_INCH = 72
LONGEST_SIDE = 10000
"""Pixels; larger pages, such as posters, are drawn at fewer dots per inch."""

# PDFium must not be called by two threads at once. Reentrant, because the pages of a forgotten iterator are closed by
# the garbage collector, which may run while this very thread draws a page of another file.
_PDFIUM = threading.RLock()


def load_pages(
    sources: str | Path | Sequence[str | Path],
    *,
    page_num: int = 0,
    pdf_dpi: int = PDF_DPI,
    ignore_orientation: bool = False,
) -> Iterator[LoadedImage]:
    """Yield every page of pictures, multi-page TIFF files and PDF documents as it is read.

    A page that cannot be read is yielded with the error and does not stop the others.

    Args:
        sources: What `ppocr.infer.images.list_images` takes, and PDF files.
        page_num: Only so many pages from the beginning of each file; 0 for all.
        pdf_dpi: Pixels per inch at which pages of PDF files are drawn.
        ignore_orientation: Do not turn pictures as their EXIF data say.

    Raises:
        InferenceError: A source names nothing, or a wrong argument.
        DependencyError: There is a PDF file, and the package that reads them is missing.
    """
    if page_num < 0:
        raise InferenceError(f"page_num is {page_num}", expected="a number of pages, or 0 for all",
                             cure="correct the value")
    if pdf_dpi < 1:
        raise InferenceError(f"pdf_dpi is {pdf_dpi}", expected="pixels per inch, such as 200", cure="correct the value")
    paths = list_images(sources, PAGE_SUFFIXES)
    if any(path.suffix.lower() == PDF_SUFFIX for path in paths):
        _pdfium()
    return (page for path in paths for page in islice(
        _pages(path, pdf_dpi=pdf_dpi, ignore_orientation=ignore_orientation), page_num or None))


def _pages(path: Path, *, pdf_dpi: int, ignore_orientation: bool) -> Iterator[LoadedImage]:
    if path.suffix.lower() == PDF_SUFFIX:
        yield from _pdf_pages(path, pdf_dpi)
        return
    data = read_bytes(path)
    if isinstance(data, LoadedImage):
        yield data
    elif path.suffix.lower() in TIFF_SUFFIXES and len(places := tiff_pages(data)) > 1:
        for number, place in enumerate(places, 1):
            yield _tiff_page(path, data, place, number, ignore_orientation)
    else:
        yield load_image(path, data, ignore_orientation=ignore_orientation)


def tiff_pages(data: bytes) -> list[int]:
    """Return where in a TIFF file the directory of each page lies; those up to the damage if it is damaged."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return []
    found: dict[int, None] = {}
    entry_count, entry_size, link = ("Q", 20, "Q") if _is_big_tiff(data, order) else ("H", 12, "I")
    try:
        position, = struct.unpack_from(order + link, data, _first_link(data, order))
        while position and position not in found:
            entries, = struct.unpack_from(order + entry_count, data, position)
            after = position + struct.calcsize(entry_count) + entries * entry_size
            following, = struct.unpack_from(order + link, data, after)
            found[position] = None
            position = following
    except struct.error:
        pass  # It points beyond the end of the file.
    return list(found)


def _is_big_tiff(data: bytes, order: str) -> bool:
    version, = struct.unpack_from(order + "H", data, 2)
    return version == 43


def _first_link(data: bytes, order: str) -> int:
    """Return where a TIFF file says where its first directory is."""
    return 8 if _is_big_tiff(data, order) else 4


def _tiff_page(path: Path, data: bytes, place: int, number: int, ignore_orientation: bool) -> LoadedImage:
    """Read a page as if it were the only one.

    OpenCV walks from page to page and stops at one that is damaged; with the link to the first page bent to this one,
    each is read by itself.
    """
    order = "<" if data[:1] == b"I" else ">"
    single = bytearray(data)
    struct.pack_into(order + ("Q" if _is_big_tiff(data, order) else "I"), single, _first_link(data, order), place)
    page = load_image(path, bytes(single), ignore_orientation=ignore_orientation)
    error = page.error and ImageError(f"page {number}: {page.error.what}", expected=page.error.expected,
                                      cure=page.error.cure)
    return LoadedImage(path, page.pixels, error, number)


def _pdf_pages(path: Path, dpi: int) -> Iterator[LoadedImage]:
    pdfium = _pdfium()
    try:
        with _PDFIUM:
            document = pdfium.PdfDocument(path)
            count = len(document)
    except (OSError, pdfium.PdfiumError) as error:
        yield LoadedImage(path, error=ImageError(
            f"not a readable PDF file: {error}", expected="a complete PDF file without a password",
            cure="copy or download the file again, or remove its password"))
        return
    try:
        for number in range(1, count + 1):
            yield _pdf_page(path, document, number, dpi)
    finally:
        with _PDFIUM:
            document.close()


def _pdf_page(path: Path, document: Any, number: int, dpi: int) -> LoadedImage:
    pdfium = _pdfium()
    scale = dpi / POINTS_PER_INCH
    try:
        with _PDFIUM:
            page = document[number - 1]
            try:
                longest = max(page.get_size()) * scale
                if longest > LONGEST_SIDE:
                    LOGGER.warning("%s, page %d: %.0f pixels at %d dots per inch are too many; it is drawn with %d.",
                                   path, number, longest, dpi, LONGEST_SIDE)
                    scale *= LONGEST_SIDE / longest
                pixels = decode_image(page.render(scale=scale).to_numpy()).copy()
            finally:
                page.close()
    except (pdfium.PdfiumError, ValueError, ImageError) as error:
        return LoadedImage(path, page=number, error=ImageError(
            f"page {number} cannot be drawn: {error}", expected="a complete PDF file",
            cure="copy or download the file again"))
    return LoadedImage(path, pixels, page=number)


def _pdfium() -> Any:
    try:
        import pypdfium2
    except ImportError as error:
        raise DependencyError(f"reading PDF files needs pypdfium2: {error}", expected="the package pypdfium2",
                              cure="pip install pypdfium2, or convert the pages to pictures") from error
    return pypdfium2
