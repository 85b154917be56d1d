"""Render a word as a crop such as a text detector would cut out of a photograph or a scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Image, Rng
from ppocr.data.synth import background
from ppocr.data.synth.background import ImageCrops
from ppocr.data.synth.compose import Quad, corners, paint
from ppocr.data.synth.degrade import degrade
from ppocr.data.synth.fonts import Font, find_fonts
from ppocr.data.synth.layout import TextLayer, lay_out
from ppocr.data.synth.styles import pick_style
from ppocr.errors import DatasetError

MIN_HEIGHT = 12
"""Rows below which letters are no longer told apart."""

CAP_HEIGHT, DESCENT = 0.72, 0.21
"""Extent of capitals above and of tails below the baseline, in em, as in most Latin fonts."""


class WordRenderer:
    """Draws words with random fonts, colours, backgrounds, slight slants, and the faults of a camera.

    Args:
        height: Height of the images in pixels, 12 or more; the width follows from the text.
        difficulty: 0 (clean print) to 1 (at times hard to read for a human).
        fonts: The fonts; by default those of `find_fonts()`.
        photos: Source of backgrounds, of which every second image then takes one; the others are made up.

    Raises:
        DatasetError: A value outside its range, or no font.
    """

    def __init__(
        self,
        height: int = 48,
        difficulty: float = 0.3,
        fonts: Sequence[Font] | None = None,
        photos: ImageCrops | None = None,
    ) -> None:
        if height < MIN_HEIGHT or not 0 <= difficulty <= 1:
            raise DatasetError(f"words of {height} pixels height and difficulty {difficulty}",
                               expected=f"a height of {MIN_HEIGHT} or more, a difficulty from 0 to 1",
                               cure="correct --height and --difficulty")
        self.height = height
        self.difficulty = difficulty
        self.fonts = list(find_fonts() if fonts is None else fonts)
        self.photos = photos
        if not self.fonts:
            raise DatasetError("there is no font to draw with", expected="one font or more", cure="correct --fonts")

    def can_draw(self, text: str) -> bool:
        """Tell whether one of the fonts has all the characters of `text`."""
        return any(font.covers(text) for font in self.fonts)

    def render(self, text: str, rng: Rng) -> tuple[Image, Quad]:
        """Draw one word or line.

        Args:
            text: At least one visible character; all of them in one of the fonts (see `can_draw`).
            rng: Source of all choices; the same state gives the same pixels.

        Returns:
            The image, uint8 ``[height, W, 3]``, BGR; and the place of the ink, float32 ``[4, 2]``, x and y in pixels,
            clockwise from the top left.

        Raises:
            DatasetError: No font covers the text, or it leaves no ink.
        """
        layer = self._draw(text, rng)
        mask, ink = _with_line_space(layer, self._em, rng)
        line, size = self._place(mask.shape[1], mask.shape[0], rng)
        canvas = background.pick(*size, rng, self.photos)
        style = pick_style(canvas.reshape(-1, 3).mean(axis=0), self.difficulty, self.height, rng)
        image = paint(canvas, mask, line, style)
        to_image = cv2.getPerspectiveTransform(corners(mask.shape[1], mask.shape[0]), line)
        quad = cv2.perspectiveTransform(ink[None], to_image)[0]
        return degrade(image, self.difficulty, rng), np.asarray(quad, np.float32)

    @property
    def _em(self) -> int:
        # One size for all words, so that the kept glyphs serve all of them; the final scale comes with the warp.
        return max(10, round(0.95 * self.height))

    def _draw(self, text: str, rng: Rng) -> TextLayer:
        fonts = [font for font in self.fonts if font.covers(text)]
        if not fonts:
            raise DatasetError(f"no font has all the characters of {text!r}", expected="one font for a whole text",
                               cure="add a font that covers it, or remove the text")
        font = fonts[int(rng.integers(0, len(fonts)))]
        spacing = rng.uniform(0.0, 0.12) if rng.random() < 0.3 else rng.uniform(-0.01, 0.02)
        return lay_out(text, font.path, self._em, float(spacing))

    def _place(self, width: int, height: int, rng: Rng) -> tuple[Quad, tuple[int, int]]:
        """Return where the corners of a mask of this size go, and the width and height of the picture."""
        stretched = width * np.exp(rng.normal(0, 0.10))
        line = corners(stretched, height).astype(np.float64)
        strength = self.difficulty
        line[:, 0] -= line[:, 1] * rng.normal(0, 0.15 * strength)  # Slant.
        line += rng.normal(0, 0.08 * strength * height, (4, 2))  # Perspective.
        # Long lines turn less: the ends would otherwise rise above the whole height of the line.
        steepest = np.arctan(0.5 * strength * height / max(stretched, height))
        angle = rng.normal(0, 0.6) * steepest
        line = line @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        left, right, top, bottom = rng.uniform(0.02, 0.12 + 0.2 * strength, 4) * height
        line += np.array([left, top]) - line.min(axis=0)
        extent = line.max(axis=0) + np.array([right, bottom])
        scale = self.height / extent[1]
        return (line * scale).astype(np.float32), (max(1, round(extent[0] * scale)), self.height)


def _with_line_space(layer: TextLayer, em: int, rng: Rng) -> tuple[npt.NDArray[np.uint8], Quad]:
    """Extend the mask by some of the space that capitals and tails would take, and return it with the ink's corners.

    Some detectors box the ink and others the line, so that the letters of "nose" fill the height or half of it.
    """
    height, width = layer.mask.shape
    share = rng.uniform(0, 1)
    above = max(0, round(share * (CAP_HEIGHT * em - layer.baseline)))
    below = max(0, round(share * (DESCENT * em - (height - layer.baseline))))
    mask = cv2.copyMakeBorder(layer.mask, above, below, 0, 0, cv2.BORDER_CONSTANT, value=0)
    ink = corners(width, height) + np.array([0, above], np.float32)
    return np.asarray(mask, np.uint8), np.asarray(ink, np.float32)
