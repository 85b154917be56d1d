"""A line of text as a coverage mask: glyphs from FreeType, placed along a baseline.

Glyphs are rendered once per font and size and kept; a line is then a few array copies. Pairs are not kerned: Pillow
reports a 64th of the kerning with its basic layout, and none for fonts that keep it in GPOS. The mask knows nothing of
colours, backgrounds or the picture it will become part of.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, features

from ppocr.errors import DatasetError

MAX_GLYPHS = 20_000
"""Glyphs that are kept; at 48 pixels some 30 MB."""


@dataclass(frozen=True)
class TextLayer:
    """A drawn line.

    Attributes:
        mask: uint8 ``[H, W]``, 255 where the ink covers a pixel fully, cropped to the ink.
        boxes: float32 ``[N, 4]``, left, top, right, bottom of the ink of each character in pixels of the mask, in the
            order of the text; empty boxes for spaces. ``[0, 4]`` for text that was shaped as a whole.
        baseline: Rows from the top of the mask to the baseline.
    """

    mask: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    baseline: int


@dataclass(frozen=True)
class _Glyph:
    mask: npt.NDArray[np.uint8]
    left: int
    top: int
    advance: float


def lay_out(text: str, font: Path, size: int, spacing: float = 0.0) -> TextLayer:
    """Draw one line of text.

    Args:
        text: At least one character that leaves ink.
        font: A font file that covers the text.
        size: Pixels per em.
        spacing: Extra space after each character, in em; negative values tighten.

    Raises:
        DatasetError: The text leaves no ink, or needs shaping (Arabic, Devanagari, combining marks …) and Pillow was
            built without Raqm.
    """
    if needs_shaping(text):
        return _shaped(text, font, size)
    glyphs = [_glyph(font, size, char) for char in text]
    pen, lefts = 0.0, []
    for glyph in glyphs:
        lefts.append(round(pen) + glyph.left)
        pen += glyph.advance + spacing * size
    inked = [index for index, glyph in enumerate(glyphs) if glyph.mask.size]
    if not inked:
        raise _no_ink(text, font)
    left = min(lefts[index] for index in inked)
    right = max(lefts[index] + glyphs[index].mask.shape[1] for index in inked)
    top = min(glyphs[index].top for index in inked)
    bottom = max(glyphs[index].top + glyphs[index].mask.shape[0] for index in inked)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    boxes = np.zeros((len(text), 4), np.float32)
    for index in inked:
        glyph, x, y = glyphs[index], lefts[index] - left, glyphs[index].top - top
        height, width = glyph.mask.shape
        window = mask[y:y + height, x:x + width]
        np.maximum(window, glyph.mask, out=window)
        boxes[index] = x, y, x + width, y + height
    return TextLayer(mask, boxes, -top)


def needs_shaping(text: str) -> bool:
    """Tell whether the glyphs of `text` depend on their neighbours or run from right to left."""
    return any(unicodedata.bidirectional(char) in ("R", "AL") or unicodedata.combining(char)
               or unicodedata.category(char) in ("Mn", "Mc") for char in text)


@functools.lru_cache(maxsize=1024)
def _open(font: Path, size: int, engine: ImageFont.Layout = ImageFont.Layout.BASIC) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(font), size, layout_engine=engine)
    except OSError as error:
        raise DatasetError(f"font {font} cannot be opened: {error}", expected="a font that FreeType reads",
                           cure="remove the file from the fonts folder") from None


@functools.lru_cache(maxsize=MAX_GLYPHS)
def _glyph(font: Path, size: int, char: str) -> _Glyph:
    opened = _open(font, size)
    mask, left, top = _draw(opened, char)
    return _Glyph(mask, left, top, opened.getlength(char))


def _shaped(text: str, font: Path, size: int) -> TextLayer:
    if not features.check("raqm"):
        raise DatasetError(f"{text!r} needs glyph shaping", expected="Pillow with Raqm (libraqm)",
                           cure="install a Pillow wheel from PyPI (Linux, macOS), or libraqm and fribidi")
    mask, _, top = _draw(_open(font, size, ImageFont.Layout.RAQM), text)
    if not mask.size:
        raise _no_ink(text, font)
    return TextLayer(mask, np.zeros((0, 4), np.float32), -top)


def _draw(font: ImageFont.FreeTypeFont, text: str) -> tuple[npt.NDArray[np.uint8], int, int]:
    """Return the mask cropped to its ink, and where its top left corner lies from the pen on the baseline."""
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text, anchor="ls"))
    # One pixel more on each side: the box of some fonts is smaller than their anti-aliased ink.
    left, top, right, bottom = left - 1, top - 1, right + 1, bottom + 1
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font, anchor="ls")
    pixels = np.asarray(image)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return np.zeros((0, 0), np.uint8), 0, 0
    cropped = pixels[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].copy()
    return cropped, left + int(columns[0]), top + int(rows[0])


def _no_ink(text: str, font: Path) -> DatasetError:
    return DatasetError(f"the text {text!r} leaves no ink with the font {font.name}",
                        expected="a text with at least one visible character", cure="remove it from the word list")
