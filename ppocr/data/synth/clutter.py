"""What stands on a page besides text, so that a detector learns to leave it alone: bars, discs, frames, stripes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ppocr.cv import cv2
from ppocr.data.pixels import Image, Rng
from ppocr.data.synth.compose import Quad, corners
from ppocr.data.synth.placing import Taken
from ppocr.data.synth.styles import contrasting

Kind = Literal["bar", "disc", "frame", "stripes"]
KINDS: tuple[Kind, ...] = ("bar", "disc", "frame", "stripes")

CONTRAST = 25.0
"""Least difference in luminance from what a shape stands on."""

SUBPIXEL_BITS = 4
"""OpenCV draws at sixteenths of a pixel."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A thing that is no text.

    Args:
        kind: What it is.
        quad: Its outline, outer edges of pixels.
    """

    kind: Kind
    quad: Quad


def place_shapes(width: int, height: int, taken: Taken, rng: Rng) -> list[Shape]:
    """Return up to eleven shapes in places that are not taken; they may overlap each other and the edge of the page."""
    shapes = []
    side = min(width, height)
    for _ in range(int(rng.integers(0, 12))):
        kind = KINDS[int(rng.integers(0, len(KINDS)))]
        length, thickness = side * rng.uniform(0.05, 0.4), side * rng.uniform(0.02, 0.2)
        if kind == "bar":
            thickness = side * rng.uniform(0.003, 0.02)
        quad = corners(length, thickness)
        angle = rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        quad = (quad - quad.mean(axis=0)) @ turn + rng.uniform(0, 1, 2) * (width, height)
        if taken.is_free(quad.astype(np.float32), 0.01 * side):
            shapes.append(Shape(kind, quad.astype(np.float32)))
    return shapes


def draw_shapes(canvas: Image, shapes: Sequence[Shape], rng: Rng) -> Image:
    """Return the canvas with the shapes drawn on it."""
    canvas = canvas.copy()
    for shape in shapes:
        colour = contrasting(np.array(cv2.mean(canvas)[:3]), CONTRAST, rng).tolist()
        if shape.kind == "bar":
            fill_quad(canvas, shape.quad, colour)
        elif shape.kind == "disc":
            _ellipse(canvas, shape.quad, colour, rng)
        elif shape.kind == "frame":
            thickness = int(rng.integers(1, 4))
            cv2.polylines(canvas, [_fixed(shape.quad)], True, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        elif shape.kind == "stripes":
            _stripes(canvas, shape.quad, colour, rng)
    return canvas


def fill_quad(canvas: Image, quad: Quad, colour: list[float]) -> None:
    """Fill a convex quad (outer edges of pixels) with a BGR colour, in place."""
    cv2.fillConvexPoly(canvas, _fixed(quad), colour, cv2.LINE_AA, SUBPIXEL_BITS)


def _ellipse(canvas: Image, quad: Quad, colour: list[float], rng: Rng) -> None:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    centre, right, down = quad.mean(axis=0), (quad[1] - quad[0]) / 2, (quad[3] - quad[0]) / 2
    points = centre + np.cos(angles)[:, None] * right + np.sin(angles)[:, None] * down
    if rng.random() < 0.5:
        cv2.fillConvexPoly(canvas, _fixed(points), colour, cv2.LINE_AA, SUBPIXEL_BITS)
    else:
        cv2.polylines(canvas, [_fixed(points)], True, colour, int(rng.integers(1, 5)), cv2.LINE_AA, SUBPIXEL_BITS)


def _stripes(canvas: Image, quad: Quad, colour: list[float], rng: Rng) -> None:
    """Draw stripes of random widths across the quad, like those of a bar code."""
    count = int(rng.integers(4, 30))
    edges = np.cumsum(rng.uniform(0.5, 2, 2 * count))
    for start, end in (edges / edges[-1]).reshape(-1, 2):
        # Along the upper edge forwards and along the lower one back.
        shares = np.array([start, end, end, start])[:, None]
        stripe = quad[[0, 0, 3, 3]] + shares * (quad[[1, 1, 2, 2]] - quad[[0, 0, 3, 3]])
        fill_quad(canvas, stripe.astype(np.float32), colour)


def _fixed(points: Quad) -> Quad:
    """Return outer edges as the fixed point numbers that OpenCV draws, which counts from the middle of a pixel."""
    return np.rint((np.asarray(points) - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
