"""A page and, beside it, what was read on it: each text in the place, size and direction of its region."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.crops import LONGEST_SIDE, TALL
from ppocr.cv import cv2
from ppocr.data.transforms.decode import decode_image
from ppocr.infer.fonts import pillow_and_font
from ppocr.outlines import Colour, draw_outlines

Image = npt.NDArray[Any]

COLOURS: tuple[Colour, ...] = (
    (40, 40, 220), (200, 90, 20), (40, 150, 30), (180, 40, 160), (20, 130, 230), (150, 140, 20), (60, 60, 140),
    (120, 30, 90),
)
"""Of the outlines, in turn, so that a region and its text are found in both halves."""

FILLED = 0.8
"""Share of a region's height that its letters take."""

SMALLEST_LETTERS = 6
"""Pixels; smaller letters could not be read."""

WHITE = 255


def draw_page(
    image: Image,
    boxes: Sequence[npt.NDArray[np.float32]],
    texts: Sequence[str],
    *,
    polygons: Sequence[npt.NDArray[np.float32]] | None = None,
    font_path: str | Path | None = None,
) -> Image:
    """Return a page with outlines on the left and the texts in their places on the right.

    Args:
        image: uint8 ``[H, W, 3]``, BGR (grey and BGRA are accepted).
        boxes: float32 ``[4, 2]`` each, clockwise from the top left corner.
        texts: The text of each.
        polygons: What is outlined; the boxes by default.
        font_path: Font for the texts; by default DejaVu Sans.

    Returns:
        uint8 ``[H, 2 W, 3]``, BGR.

    Raises:
        DependencyError: Pillow or matplotlib (for its font) is missing.
        InferenceError: The font cannot be used.
    """
    page = decode_image(image)
    write = _Writer(font_path)
    outlined = boxes if polygons is None else polygons
    colours = [COLOURS[index % len(COLOURS)] for index in range(len(outlined))]
    right = np.full_like(page, WHITE)
    for box, text in zip(boxes, texts, strict=True):
        _place(right, write, np.asarray(box, np.float32), text)
    return np.hstack([draw_outlines(page.copy(), outlined, colours), draw_outlines(right, outlined, colours)])


class _Writer:
    """Draws lines of text, fitted into rectangles."""

    def __init__(self, font_path: str | Path | None) -> None:
        self._image, self._draw, font = pillow_and_font(font_path, SMALLEST_LETTERS)
        self._sized = functools.cache(lambda size: font.font_variant(size=size))

    def __call__(self, text: str, width: int, height: int) -> Image:
        """Return a text in black on white, grey uint8 ``[height, width]``."""
        canvas = self._image.new("L", (width, height), WHITE)
        size = max(round(height * FILLED), SMALLEST_LETTERS)
        length = self._sized(size).getlength(text)
        if length > width:
            size = max(int(size * width / length), SMALLEST_LETTERS)
        self._draw.Draw(canvas).text((0, height / 2), text, fill=0, font=self._sized(size), anchor="lm")
        return np.asarray(canvas)


def _place(canvas: Image, write: _Writer, box: npt.NDArray[np.float32], text: str) -> None:
    """Write a text into a quad of the canvas."""
    window, origin = _window(canvas, box)
    if not text or not window.size:
        return
    sides = np.hypot(*(np.roll(box, -1, axis=0) - box).T)
    width, height = (min(max(round(float(pair.max())), 1), LONGEST_SIDE) for pair in (sides[[0, 2]], sides[[1, 3]]))
    if height >= TALL * width:  # The line runs downwards: see ppocr.crops.upright.
        drawn = np.ascontiguousarray(np.rot90(write(text, height, width), -1))
    else:
        drawn = write(text, width, height)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (box - origin).astype(np.float32))
    warped = cv2.warpPerspective(drawn, matrix, (window.shape[1], window.shape[0]), flags=cv2.INTER_AREA,
                                 borderMode=cv2.BORDER_CONSTANT, borderValue=WHITE)
    # What a neighbour has written there stays.
    np.minimum(window, warped[:, :, None], out=window)


def _window(canvas: Image, box: npt.NDArray[np.float32]) -> tuple[Image, npt.NDArray[np.float32]]:
    """Return the part of the canvas (a view) around a quad and its corner; empty if the quad lies outside."""
    size = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(box.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(box.max(axis=0)) + 1, 0, size).astype(int)
    return canvas[low[1]:high[1], low[0]:high[0]], low.astype(np.float32)
