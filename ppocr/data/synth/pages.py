"""Render pages: many words on one picture, with the place of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ppocr.cv import cv2
from ppocr.data.pixels import Image, Rng
from ppocr.data.synth import background
from ppocr.data.synth.background import ImageCrops
from ppocr.data.synth.clutter import Shape, draw_shapes, fill_quad, place_shapes
from ppocr.data.synth.compose import Quad, paint
from ppocr.data.synth.corpus import Corpus
from ppocr.data.synth.degrade import degrade
from ppocr.data.synth.fonts import Font
from ppocr.data.synth.page_layout import SMALLEST, Block, PagePlanner
from ppocr.data.synth.placing import Taken
from ppocr.data.synth.styles import pick_style
from ppocr.errors import DatasetError

MIN_SIDE = 160
"""Shortest side of a page in pixels; on smaller ones the smallest letters would have fewer than five rows."""


@dataclass(frozen=True, eq=False)
class PageWord:
    """A word of a page: its text, and the corners of its ink.

    The corners are float32 ``[4, 2]``, x and y in pixels, clockwise from the top left as the word is read; ``(0, 0)``
    is the centre of the first pixel, as everywhere outside the renderer.
    """

    text: str
    quad: Quad


@dataclass(frozen=True, eq=False)
class PagePlan:
    """What stands where on a page."""

    blocks: tuple[Block, ...]
    shapes: tuple[Shape, ...]

    @property
    def words(self) -> list[PageWord]:
        """All words, block by block in reading order."""
        return [PageWord(word.text, word.quad - np.float32(0.5)) for block in self.blocks for word in block.words]


class PageRenderer:
    """Draws pages with words of several sizes, in blocks and alone, straight and turned, and with things between them.

    Args:
        corpus: Source of the texts.
        fonts: Fonts to draw with.
        width: Of the pages in pixels, 160 or more.
        height: Of the pages in pixels, 160 or more.
        difficulty: 0 (clean print, straight) to 1 (at times hard to read for a human).
        empty: Share of pages without text.
        photos: Source of backgrounds, of which every second page then takes one; the others are made up.

    Raises:
        DatasetError: A value outside its range, or no font.
    """

    def __init__(
        self,
        corpus: Corpus,
        fonts: Sequence[Font],
        width: int = 640,
        height: int = 480,
        difficulty: float = 0.3,
        empty: float = 0.05,
        photos: ImageCrops | None = None,
    ) -> None:
        if min(width, height) < MIN_SIDE or not 0 <= difficulty <= 1 or not 0 <= empty <= 1:
            raise DatasetError(
                f"pages of {width} x {height} pixels, difficulty {difficulty}, a share of {empty} empty",
                expected=f"sides of {MIN_SIDE} or more, a difficulty and a share from 0 to 1",
                cure="correct --width, --height, --difficulty or --empty")
        if not fonts:
            raise DatasetError("there is no font to draw with", expected="one font or more", cure="correct --fonts")
        self.width, self.height = width, height
        self.difficulty = difficulty
        self.empty = empty
        self.photos = photos
        self._planner = PagePlanner(width, height, difficulty, corpus, fonts)

    def plan(self, rng: Rng) -> PagePlan:
        """Decide what stands where, as the generator says.

        Raises:
            DatasetError: No font covers the texts, or they do not fit on the page.
        """
        taken = Taken()
        blocks = [] if rng.random() < self.empty else self._planner.plan(taken, rng)
        return PagePlan(tuple(blocks), tuple(place_shapes(self.width, self.height, taken, rng)))

    def paint(self, plan: PagePlan, rng: Rng) -> Image:
        """Return the picture of a plan, uint8 ``[height, width, 3]``, BGR; all choices come from the generator."""
        canvas = background.pick(self.width, self.height, rng, self.photos)
        canvas = draw_shapes(canvas, plan.shapes, rng)
        for block in plan.blocks:
            if block.on_panel:
                fill_quad(canvas, block.outline, background.random_colour(rng).tolist())
        for block in plan.blocks:
            self._write(canvas, block, rng)
        smallest = min((block.em for block in plan.blocks), default=SMALLEST * min(self.width, self.height))
        return degrade(canvas, self.difficulty, rng, smallest)

    def _write(self, canvas: Image, block: Block, rng: Rng) -> None:
        """Paint the words of a block on the canvas, in place and all in one style."""
        behind = np.array(cv2.mean(_window(canvas, block.outline, 0)[0])[:3])
        style = pick_style(behind, self.difficulty, block.em, rng)
        if block.em < 24 and style.outline is not None:
            style = replace(style, outline=None)  # A line around letters this small would fill their holes.
        reach = 3 + max(abs(shift) for shift in style.shadow_shift)
        for word in block.words:
            window, origin = _window(canvas, word.quad, reach)
            window[:] = paint(window, word.mask, word.quad - origin, style)


def _window(canvas: Image, quad: Quad, reach: int) -> tuple[Image, Quad]:
    """Return a view of the pixels around a quad, and where it begins (float32, x and y)."""
    left, top = np.maximum(0, np.floor(quad.min(axis=0)).astype(int) - reach)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int) + reach
    return canvas[top:bottom, left:right], np.array([left, top], np.float32)
