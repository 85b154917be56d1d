"""Colours in which text can be told from what it stands on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ppocr.data.pixels import Rng
from ppocr.data.synth import background
from ppocr.data.synth.background import Colour
from ppocr.data.synth.compose import Style


def pick_style(behind: Colour, difficulty: float, height: float, rng: Rng) -> Style:
    """Choose how to paint a text.

    Args:
        behind: Mean colour of what the text will stand on.
        difficulty: 0 to 1; lowers the contrast, and makes outlines and shadows more frequent.
        height: Of the text in pixels; shadows fall farther from larger letters.
        rng: Source of all choices.
    """
    contrast = 125 - 70 * difficulty
    ink = contrasting(behind, contrast, rng)
    outline = contrasting(ink, contrast, rng) if rng.random() < 0.3 * difficulty else None
    shadow = None
    if outline is None and rng.random() < 0.5 * difficulty:
        # Darker than the background behind light ink, brighter behind dark ink.
        shadow = np.clip(behind + (60 if luminance(ink) < luminance(behind) else -60), 0, 255)
    reach = max(1, round(height / 24))
    dx, dy = rng.integers(-reach, reach + 1, 2)
    return Style(ink, outline, shadow, (int(dx), int(dy)), float(rng.uniform(1 - 0.2 * difficulty, 1)))


def luminance(colour: npt.NDArray[np.floating]) -> float:
    """Return the perceived brightness of a BGR colour, 0..255 (ITU-R BT.601)."""
    return float(colour @ np.array([0.114, 0.587, 0.299]))


def contrasting(other: Colour, contrast: float, rng: Rng) -> Colour:
    """Return a colour whose luminance differs from that of `other` by `contrast` or more."""
    for _ in range(20):
        colour = background.random_colour(rng)
        if abs(luminance(colour) - luminance(other)) >= contrast:
            return colour
    return np.full(3, 0.0 if luminance(other) > 127 else 255.0)
