"""Where the words of a page go: blocks of lines of words, each block turned and seen at an angle as a whole.

A plan holds places and texts but no colours; the same plan can be made again without painting, for its labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Rng
from ppocr.data.synth.compose import Quad, corners
from ppocr.data.synth.corpus import Corpus
from ppocr.data.synth.fonts import Font
from ppocr.data.synth.layout import TextLayer, lay_out
from ppocr.data.synth.placing import Quads, Taken, separated
from ppocr.errors import DatasetError

DRAWN_SIZES = (20, 28, 40, 56, 80, 112, 160, 224)
"""Pixels per em in which glyphs are drawn; the warp brings them to the size that is wanted, which is smaller. Few
sizes, so that the kept glyphs serve all pages."""

SMALLEST, LARGEST = 0.044, 0.15
"""Text sizes in em, as shares of the shorter side of the page."""

GAP = 0.1
"""Least distance between two words in em."""

EDGE = 2.0
"""Least distance of the words from the edge of the page in pixels."""

FULL = 6
"""A page is full when so many blocks found no place."""

MOST_TURN = 0.6
"""Radians; words that are turned farther can no longer be told from those that run downwards."""


@dataclass(frozen=True, eq=False)
class PlacedWord:
    """A word on a page.

    Args:
        text: What it says.
        mask: uint8 ``[h, w]``, coverage of its ink, without a margin.
        quad: Where the corners of the mask go, outer edges of pixels of the page.
    """

    text: str
    mask: npt.NDArray[np.uint8]
    quad: Quad


@dataclass(frozen=True, eq=False)
class Block:
    """Words that belong together and look alike.

    Args:
        words: In reading order.
        em: Size of the text in pixels.
        outline: Quad around all of them with a margin.
        on_panel: Whether the outline is filled with a colour of its own.
    """

    words: tuple[PlacedWord, ...]
    em: float
    outline: Quad
    on_panel: bool


@dataclass(frozen=True)
class _Shape:
    """What a kind of block is like: the most lines, words per line, sizes within 0..1, and how far it turns."""

    lines: int
    words: int
    sizes: tuple[float, float]
    turn: float


_SHAPES = (_Shape(6, 6, (0.0, 0.4), 0.6), _Shape(3, 3, (0.2, 1.0), 1.0), _Shape(1, 1, (0.0, 1.0), 2.5))
_SHARES = (0.35, 0.35, 0.30)
_FREE_TRIES = 8


class PagePlanner:
    """Plans pages.

    Args:
        width: Of the page in pixels.
        height: Of the page in pixels.
        difficulty: 0 (straight) to 1; how far blocks and words are turned and bent.
        corpus: Source of the texts.
        fonts: Fonts to draw with.
    """

    TRIES = 100

    def __init__(self, width: int, height: int, difficulty: float, corpus: Corpus, fonts: Sequence[Font]) -> None:
        self.size = np.array([width, height], np.float64)
        self.difficulty = difficulty
        self.corpus = corpus
        self.fonts = fonts

    def plan(self, taken: Taken, rng: Rng) -> list[Block]:
        """Return the blocks of one page, one or more, and add their outlines to `taken`.

        Raises:
            DatasetError: No text fits on the page.
        """
        blocks: list[Block] = []
        wanted, failed = int(rng.integers(2, 16)), 0
        while len(blocks) < wanted and failed < (FULL if blocks else self.TRIES):
            block = self._block(taken, rng)
            if block is not None:
                blocks.append(block)
            else:
                failed += 1
        if not blocks:
            raise DatasetError(f"no text fits on a page of {self.size[0]:.0f} x {self.size[1]:.0f} pixels",
                               expected="room for a text at the smallest size",
                               cure="make the pages wider (--width) or the texts shorter (--max_length)")
        return blocks

    def _block(self, taken: Taken, rng: Rng) -> Block | None:
        shape = _SHAPES[int(rng.choice(len(_SHAPES), p=_SHARES))]
        low, high = shape.sizes
        em = float(self.size.min() * SMALLEST * (LARGEST / SMALLEST) ** rng.uniform(low, high))
        words, flat = self._set(shape, em, rng)
        margin = em * rng.uniform(0.2, 0.7)
        extent = flat.reshape(-1, 2).max(axis=0) + margin
        outline = corners(*extent + margin) - np.float32(margin)
        bent = self._bend(np.concatenate([outline[None], flat]), em, shape.turn, rng)
        room = self.size - 2 * EDGE - np.ptp(bent[0], axis=0)
        on_panel = bool(rng.random() < 0.3)
        if room.min() < 0:
            return None
        for _ in range(_FREE_TRIES):
            placed = bent + (EDGE + rng.uniform(0, 1, 2) * room - bent[0].min(axis=0)).astype(np.float32)
            if taken.is_free(placed[0], GAP * em):
                taken.add(placed[0])
                return Block(tuple(PlacedWord(text, layer.mask, quad) for (text, layer), quad
                                   in zip(words, placed[1:], strict=True)), em, placed[0], on_panel)
        return None

    def _set(self, shape: _Shape, em: float, rng: Rng) -> tuple[list[tuple[str, TextLayer]], Quads]:
        """Set the words of a block in lines; returns the words and their quads ``[N, 4, 2]``, from 0 on."""
        font = self.fonts[int(rng.integers(0, len(self.fonts)))]
        drawn = next((size for size in DRAWN_SIZES if size >= em), DRAWN_SIZES[-1])
        scale = em / drawn
        spacing = float(rng.uniform(0, 0.12) if rng.random() < 0.15 else rng.uniform(-0.01, 0.02))
        # Words whose letters stand apart stand farther apart themselves.
        between = rng.uniform(0.28, 0.6) if rng.random() < 0.75 else rng.uniform(0.6, 2.5)
        gap = em * (between + 2 * max(spacing, 0.0))
        pitch = em * rng.uniform(1.2, 1.9)
        align = rng.choice((0.0, 0.5, 1.0), p=(0.6, 0.3, 0.1))
        widest = self.size[0] * rng.uniform(0.3, 0.85)
        rows = max(1, min(int(rng.integers(1, shape.lines + 1)), int(0.6 * self.size[1] / pitch)))
        words: list[tuple[str, TextLayer]] = []
        quads: list[Quad] = []
        lines: list[tuple[int, float]] = []
        for row in range(rows):
            x, start = 0.0, len(words)
            for _ in range(int(rng.integers(1, shape.words + 1))):
                text, layer = self._word(font, drawn, spacing, rng)
                width, height = layer.mask.shape[1] * scale, layer.mask.shape[0] * scale
                if x > 0 and x + width > widest:
                    break
                top = row * pitch - layer.baseline * scale
                words.append((text, layer))
                quads.append(corners(width, height) + np.array([x, top], np.float32))
                x += width + gap
            lines.append((len(words) - start, x - gap))
        longest = max(width for _, width in lines)
        shifts = np.repeat([align * (longest - width) for _, width in lines], [count for count, _ in lines])
        flat = np.stack(quads)
        flat[:, :, 0] += shifts[:, None].astype(np.float32)
        flat = self._jolt(flat, em, rng)
        return words, flat - flat.reshape(-1, 2).min(axis=0)

    def _word(self, font: Font, size: int, spacing: float, rng: Rng) -> tuple[str, TextLayer]:
        """Return a word that is at least as wide as high; readers take narrower boxes for vertical text."""
        narrow: tuple[str, TextLayer] | None = None
        for _ in range(self.TRIES):
            text = self.corpus.word(rng)
            able = [font] if font.covers(text) else [other for other in self.fonts if other.covers(text)]
            if not able:
                continue
            chosen = able[0] if len(able) == 1 else able[int(rng.integers(0, len(able)))]
            layer = lay_out(text, chosen.path, size, spacing)
            if layer.mask.shape[1] >= layer.mask.shape[0]:
                return text, layer
            narrow = text, layer
        if narrow is None:
            raise DatasetError("no font covers a whole text of the corpus",
                               expected="fonts with all the characters that occur in one text",
                               cure="add a font that covers them, or make the texts shorter")
        return narrow

    def _jolt(self, flat: Quads, em: float, rng: Rng) -> Quads:
        """Turn, shift and bend some words a little on their own, as far as their neighbours leave room."""
        result = flat.copy()
        for index in np.flatnonzero(rng.random(len(flat)) < 0.5 * self.difficulty):
            centre = flat[index].mean(axis=0)
            moved = (flat[index] - centre) @ _rotation(rng.normal(0, 0.12 * self.difficulty)) + centre
            moved = (moved + rng.normal(0, 0.05 * em, 2) + rng.normal(0, 0.04 * em, (4, 2))).astype(np.float32)
            if all(separated(moved, other, GAP * em) for other in np.delete(result, index, axis=0)):
                result[index] = moved
        return result

    def _bend(self, quads: Quads, em: float, turn: float, rng: Rng) -> Quads:
        """Slant, turn and foreshorten a block as a whole; its first quad is its outline."""
        outline = quads[0].astype(np.float64)
        width, height = np.ptp(outline, axis=0)
        target = outline.copy()
        target[:, 0] -= target[:, 1] * rng.normal(0, 0.15 * self.difficulty)
        target += rng.normal(0, 0.06 * self.difficulty, (4, 2)) * min(width, height)
        # A block that fills the page has no room to turn.
        steepest = turn * self.difficulty * min(1.0, 0.5 * self.size.min() / max(width, height))
        angle = np.clip(rng.normal(0, 0.5) * steepest, -MOST_TURN, MOST_TURN)
        target = (target - target.mean(axis=0)) @ _rotation(angle)
        matrix = cv2.getPerspectiveTransform(quads[0], target.astype(np.float32))
        bent = cv2.perspectiveTransform(quads.reshape(1, -1, 2), matrix)
        return np.asarray(bent, np.float32).reshape(-1, 4, 2)


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    """Return the matrix that turns row vectors by `angle` radians, clockwise as one sees them."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
