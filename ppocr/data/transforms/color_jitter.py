"""Random brightness, contrast, saturation and hue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.sample import Sample
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

Amount = float | tuple[float, float]

LUMINANCE = (0.114, 0.587, 0.299)
"""Weights of blue, green and red (ITU-R BT.601)."""


@TRANSFORMS.register()
class ColorJitter:
    """Change brightness, contrast, saturation and hue by random amounts, in random order.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same size and type).

    The operations are those of Pillow and torchvision: brightness mixes the picture with black, contrast with the mean
    luminance of the whole picture, saturation with its own luminance, all by a factor of which 1 changes nothing and
    which may be above 1; hue turns the colour circle. Values are rounded and cut off after each of them.

    Args:
        brightness: The factor is drawn from 1 - v to 1 + v, not below 0; or from the two numbers given.
        contrast: The same.
        saturation: The same.
        hue: The turn is drawn from -v to v, or from the two numbers given, within -0.5 to 0.5 circles.

    Raises:
        ConfigError: A value outside its range.
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0.0,
        contrast: float | tuple[float, float] = 0.0,
        saturation: float | tuple[float, float] = 0.0,
        hue: float | tuple[float, float] = 0.0,
    ) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _interval("hue", hue, 0.0, -0.5, 0.5)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with other colours."""
        rng = sample["rng"]
        operations: list[tuple[tuple[float, float], float, Callable[[Image, float], Image]]] = [
            (self.brightness, 1.0, adjust_brightness), (self.contrast, 1.0, adjust_contrast),
            (self.saturation, 1.0, adjust_saturation), (self.hue, 0.0, turn_hue),
        ]
        for number in rng.permutation(len(operations)):
            interval, neutral, operation = operations[number]
            if interval != (neutral, neutral):
                sample["image"] = operation(sample["image"], float(rng.uniform(*interval)))
        return sample


def adjust_brightness(image: Image, factor: float) -> Image:
    """Scale all values."""
    return _linear(image, np.eye(3) * factor)


def adjust_contrast(image: Image, factor: float) -> Image:
    """Scale the distance of all values from the mean luminance, which is rounded as Pillow does."""
    mean = int(cv2.mean(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[0] + 0.5)
    return _linear(image, np.eye(3) * factor, mean * (1 - factor))


def adjust_saturation(image: Image, factor: float) -> Image:
    """Scale the distance of all values from the luminance of their pixel."""
    return _linear(image, np.eye(3) * factor + (1 - factor) * np.tile(LUMINANCE, (3, 1)))


def turn_hue(image: Image, turn: float) -> Image:
    """Move the hue along the colour circle, in steps of 1/256 circle as Pillow does."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
    hue = cv2.extractChannel(hsv, 0)
    cv2.insertChannel(hue + np.uint8(round(turn * 255) % 256), hsv, 0)  # uint8 wraps around, and so does the circle
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)


def _linear(image: Image, matrix: Any, offset: float = 0.0) -> Image:
    """Multiply every pixel by a 3 x 3 matrix and add an offset; rounded and cut off at 0 and 255."""
    return cv2.transform(image, np.column_stack([matrix, np.full(3, offset)]).astype(np.float32))


def _factors(key: str, value: Amount) -> tuple[float, float]:
    low, high = _interval(key, value, 1.0, 0.0, float("inf"))
    return low, high


def _interval(key: str, value: Amount, neutral: float, lowest: float, highest: float) -> tuple[float, float]:
    """Return the interval to draw from.

    Raises:
        ConfigError: There is none.
    """
    if isinstance(value, (int, float)):
        low, high = neutral - value, neutral + value
        low = max(low, lowest) if neutral else low
    else:
        low, high = value
    if not lowest <= low <= high <= highest:
        expected = "a number from 0 to 0.5, or two from -0.5 to 0.5" if key == "hue" else "0 or more, or two numbers"
        raise ConfigError(f"ColorJitter: {key} is {value!r}", expected=expected, cure="correct the value")
    return float(low), float(high)
