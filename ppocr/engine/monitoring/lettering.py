"""Drawing texts of any script into pictures, with the fonts that are at hand."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ppocr.data.synth.cmap import covered_characters
from ppocr.data.synth.fonts import FONT_SUFFIXES, Font
from ppocr.engine.monitoring.writer import Image
from ppocr.errors import DatasetError, DependencyError
from ppocr.outlines import Colour

FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
                "/Library/Fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
"""Where systems keep fonts; those of Chinese, Japanese and Korean, for instance, do not come with Matplotlib."""

MOST_FONTS = 300
"""Of the system, that are looked at for a character that the first font lacks."""

BLACK: Colour = (0, 0, 0)


class Lettering:
    """Writes lines of text with DejaVu Sans, or with a font of the system that has the characters.

    A character that no font has is drawn as a box.

    Raises:
        DependencyError: Pillow or matplotlib (for its font) is missing.
    """

    def __init__(self) -> None:
        try:
            import matplotlib
            import PIL.Image
            import PIL.ImageDraw
            import PIL.ImageFont
        except ImportError as error:
            raise DependencyError(f"drawing needs Pillow and matplotlib: {error}", expected="both packages",
                                  cure="pip install Pillow matplotlib") from error
        self._image, self._draw = PIL.Image, PIL.ImageDraw
        first = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
        self._fonts = [Font(first, covered_characters(first))]
        self._more = _system_fonts()
        self._sized = functools.cache(lambda path, size: PIL.ImageFont.truetype(str(path), size))

    def write(self, image: Image, place: tuple[int, int], text: str, size: int, colour: Colour = BLACK) -> None:
        """Write a line into a picture; what does not fit is cut off.

        Args:
            image: uint8 ``[H, W, 3]``, blue, green, red; is changed.
            place: x and y of the line's upper left corner.
            text: The line.
            size: Height of the letters in pixels.
            colour: Blue, green and red.
        """
        x, y = place
        window = image[y:y + 2 * size, x:]
        if not window.size or not text:
            return
        canvas = self._image.fromarray(np.ascontiguousarray(window))
        self._draw.Draw(canvas).text((0, 0), text, fill=colour, font=self._sized(self._font_for(text), size))
        window[:] = np.asarray(canvas)

    def width(self, text: str, size: int) -> int:
        """Return the pixels that a line takes."""
        return math.ceil(self._sized(self._font_for(text), size).getlength(text))

    def _font_for(self, text: str) -> Path:
        """Return the first font that covers the text, else that which covers most of it."""
        wanted = {ord(char) for char in text if not char.isspace()}
        for font in self._fonts:
            if wanted <= font.characters:
                return font.path
        for font in self._more:  # Goes on where the last search ended.
            self._fonts.append(font)
            if wanted <= font.characters:
                return font.path
        return max(self._fonts, key=lambda font: len(wanted & font.characters)).path


def _system_fonts() -> Iterator[Font]:
    seen = 0
    for folder in FONT_FOLDERS:
        for path in sorted(Path(folder).expanduser().rglob("*")):
            if path.suffix.lower() not in FONT_SUFFIXES:
                continue
            seen += 1
            if seen > MOST_FONTS:
                return
            try:
                yield Font(path, covered_characters(path))
            except DatasetError:
                continue  # A font that cannot be read is no font for this.
