"""The curve of a learning-rate range test as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.engine.lr_range import RangeResult

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Blue, green and red, 0 to 255."""

WIDTH, HEIGHT = 960, 540
LEFT, RIGHT, TOP, BOTTOM = 80, 930, 60, 480
"""The frame of the curve in pixels."""

BLACK, GREY, LIGHT = (40, 40, 40), (190, 190, 190), (225, 225, 225)
BLUE, GREEN, ORANGE = (180, 100, 20), (60, 140, 40), (20, 110, 230)

MARGIN = 0.05
"""Share of the range of losses that is left free above and below."""


def draw_range_test(result: RangeResult) -> Picture:
    """Return the loss over the learning rate, which has a logarithmic axis.

    The single losses are grey, the smoothed one is blue; a line each marks where it falls fastest (green) and a tenth
    of the rate of its minimum (orange).

    Args:
        result: At least two finite losses.

    Returns:
        uint8 ``[540, 960, 3]``, BGR.
    """
    picture: Picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    smoothed = np.array(result.smoothed)
    lowest = min(float(smoothed.min()), *result.losses[:len(smoothed)])
    axes = _Axes(result.rates[0], result.rates[-1], lowest, _ceiling(smoothed))
    _grid(picture, axes)
    rates = result.rates[:len(smoothed)]
    _line(picture, axes, rates, result.losses[:len(smoothed)], GREY, 1)
    _line(picture, axes, rates, result.smoothed, BLUE, 2)
    for rate, colour, row, text in ((result.steepest, GREEN, 0, "steepest descent"),
                                    (result.tenth_of_minimum, ORANGE, 1, "minimum / 10")):
        if rate is not None:
            if axes.low <= math.log10(rate) <= axes.high:
                cv2.line(picture, (axes.x(rate), TOP), (axes.x(rate), BOTTOM), colour, 2)
            _text(picture, f"{text}: {rate:.2g}", (LEFT + 320 * row, TOP - 22), colour, 0.6)
    if result.suggestion is None:
        _text(picture, "no suggestion: the loss never falls", (LEFT, TOP - 22), BLACK, 0.6)
    _text(picture, "learning rate", ((LEFT + RIGHT) // 2 - 55, HEIGHT - 14), BLACK, 0.55)
    _text(picture, "loss", (14, TOP - 22), BLACK, 0.55)
    return picture


class _Axes:
    """From a learning rate and a loss to pixels.

    Args:
        first: First rate.
        last: Last rate.
        bottom: Smallest loss that is shown.
        top: Greatest loss that is shown; higher ones end at the frame.
    """

    def __init__(self, first: float, last: float, bottom: float, top: float) -> None:
        self.low, self.high = math.log10(first), max(math.log10(last), math.log10(first) + 1e-9)
        margin = MARGIN * max(top - bottom, 1e-9)
        self.bottom, self.top = bottom - margin, top + margin

    def x(self, rate: float) -> int:
        """Return the column of a rate."""
        return round(LEFT + (math.log10(rate) - self.low) / (self.high - self.low) * (RIGHT - LEFT))

    def y(self, loss: float) -> int:
        """Return the row of a loss, within the frame."""
        share = (loss - self.bottom) / (self.top - self.bottom)
        return round(BOTTOM - min(max(share, 0.0), 1.0) * (BOTTOM - TOP))


def _ceiling(smoothed: npt.NDArray[np.float64]) -> float:
    """Return the greatest loss to show: the end of a diverged test would press the rest of the curve flat."""
    before_minimum = float(smoothed[:int(np.argmin(smoothed)) + 1].max())
    low = float(smoothed.min())
    return min(float(smoothed.max()), low + 1.5 * max(before_minimum - low, 1e-6))


def _grid(picture: Picture, axes: _Axes) -> None:
    for exponent in range(math.floor(axes.low), math.ceil(axes.high) + 1):
        for digit in range(1, 10):
            place = exponent + math.log10(digit)
            if axes.low - 1e-9 <= place <= axes.high + 1e-9:
                x = axes.x(10.0**place)
                cv2.line(picture, (x, TOP if digit == 1 else BOTTOM - 5), (x, BOTTOM), LIGHT if digit == 1 else GREY, 1)
                if digit == 1:
                    _text(picture, f"1e{exponent}", (x - 20, BOTTOM + 22), BLACK, 0.5)
    for loss in np.linspace(axes.bottom, axes.top, 6)[1:-1]:
        cv2.line(picture, (LEFT, axes.y(loss)), (RIGHT, axes.y(loss)), LIGHT, 1)
        _text(picture, f"{loss:.3g}", (14, axes.y(loss) + 5), BLACK, 0.5)
    cv2.rectangle(picture, (LEFT, TOP), (RIGHT, BOTTOM), GREY, 1)


def _line(picture: Picture, axes: _Axes, rates: Sequence[float], losses: Sequence[float], colour: Colour,
          thickness: int) -> None:
    points = np.array([(axes.x(rate), axes.y(loss)) for rate, loss in zip(rates, losses, strict=True)], np.int32)
    cv2.polylines(picture, [points], False, colour, thickness, cv2.LINE_AA)


def _text(picture: Picture, text: str, place: tuple[int, int], colour: Colour, size: float) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
