"""A sheet with pictures of words and what was read in them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ppocr.errors import InferenceError
from ppocr.fileio import atomic_write
from ppocr.infer.fonts import pillow_and_font
from ppocr.infer.reader import Image
from ppocr.results import TextLine

LOGGER = logging.getLogger("ppocr")

ROW, MARGIN = 40, 8
PICTURE_WIDTH, TEXT_WIDTH = 320, 420
MOST_ROWS = 200
DOUBTFUL = 0.5
"""Scores below this are drawn in red."""


def draw_sheet(
    pictures: Sequence[Image], lines: Sequence[TextLine], path: str | Path, font_path: str | Path | None = None
) -> None:
    """Draw each picture with its text and score beside it, and write the sheet as an image file.

    Args:
        pictures: uint8 ``[H, W, 3]``, BGR.
        lines: What was read in each.
        path: The file; its suffix gives the format.
        font_path: Font for the texts; by default DejaVu Sans, which has Latin, Greek, Cyrillic and Arabic letters.

    Raises:
        DependencyError: Pillow or matplotlib (for its font) is missing.
        InferenceError: The font or the file's format cannot be used.
    """
    image_module, draw_module, font = pillow_and_font(font_path, ROW // 2)
    shown = min(len(lines), MOST_ROWS)
    if shown < len(lines):
        LOGGER.warning("The sheet shows the first %d pictures only.", shown)
    size = PICTURE_WIDTH + TEXT_WIDTH + 3 * MARGIN, max(shown, 1) * (ROW + MARGIN) + MARGIN
    sheet = image_module.new("RGB", size, "white")
    draw = draw_module.Draw(sheet)
    for row, (pixels, line) in enumerate(zip(pictures[:shown], lines, strict=False)):
        top = MARGIN + row * (ROW + MARGIN)
        picture = image_module.fromarray(pixels[:, :, ::-1].copy())
        scale = min(ROW / picture.height, PICTURE_WIDTH / picture.width)
        fitted = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
        sheet.paste(fitted, (MARGIN, top + (ROW - fitted.height) // 2))
        colour = "black" if line.score >= DOUBTFUL else "red"
        draw.text((PICTURE_WIDTH + 2 * MARGIN, top + ROW // 2), f"{line.score:.2f}  {line.text}", fill=colour,
                  font=font, anchor="lm")
    suffix = Path(path).suffix.lower()
    formats = image_module.registered_extensions()
    if suffix not in formats:
        raise InferenceError(f"{path}: {suffix or 'a file without a suffix'} is no picture format",
                             expected="a name such as sheet.png", cure="correct the name")
    with atomic_write(path) as file:
        sheet.save(file, format=formats[suffix])
