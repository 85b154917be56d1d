"""RandAugment (Cubuk, Zoph, Shlens and Le, 2020): a few operations, drawn at random, of one common strength."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ppocr.cv import cv2
from ppocr.data import pixels
from ppocr.data.pixels import Image
from ppocr.data.sample import Sample
from ppocr.data.transforms.rec_aug import check_probability
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

Colour = tuple[int, int, int]
GREY: Colour = (128, 128, 128)


@TRANSFORMS.register()
class RandAugment:
    """With a given probability, apply `num_layers` of 14 operations: geometry, tone and colour.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same size and type).

    Args:
        prob: Probability of doing anything.
        num_layers: Number of operations in a row, 0 or more; one can come twice.
        magnitude: Their strength, 0 (none) to 10. At 10: shear 0.3, shift by 45 % of the side, rotation by 30
            degrees, colour, contrast, brightness and sharpness by 90 %, 4 bits per channel, solarisation of all.
        fillcolor: BGR of the area that geometry uncovers.

    Raises:
        ConfigError: A value outside its range.
    """

    def __init__(self, prob: float = 0.5, num_layers: int = 2, magnitude: float = 5, fillcolor: Colour = GREY) -> None:
        if num_layers < 0 or not 0 <= magnitude <= 10:
            raise ConfigError(f"RandAugment: num_layers {num_layers}, magnitude {magnitude}",
                              expected="num_layers of 0 or more and a magnitude from 0 to 10", cure="correct the value")
        self.prob = check_probability("RandAugment", "prob", prob)
        self.num_layers = num_layers
        self.strength = magnitude / 10
        self.fillcolor = fillcolor

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample, in some cases with an augmented image."""
        rng = sample["rng"]
        if rng.random() < self.prob:
            for index in rng.integers(0, len(OPERATIONS), size=self.num_layers):
                sign = 1.0 if rng.random() < 0.5 else -1.0
                sample["image"] = OPERATIONS[index](sample["image"], self.strength, sign, self.fillcolor)
        return sample


@TRANSFORMS.register()
class RawRandAugment(RandAugment):
    """`RandAugment` that always acts.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same size and type).

    Args:
        num_layers: See `RandAugment`, as the other arguments.
        magnitude: See there.
        fillcolor: See there.

    Raises:
        ConfigError: A value outside its range.
    """

    def __init__(self, num_layers: int = 2, magnitude: float = 5, fillcolor: Colour = GREY) -> None:
        super().__init__(1.0, num_layers, magnitude, fillcolor)


def shear_x(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Shift every row in proportion to its distance from the top."""
    return _affine(image, [[1, 0.3 * strength * sign, 0], [0, 1, 0]], fill)


def shear_y(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Shift every column in proportion to its distance from the left."""
    return _affine(image, [[1, 0, 0], [0.3 * strength * sign, 1, 0]], fill)


def translate_x(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Move left or right by up to 45 % of the width."""
    return _affine(image, [[1, 0, 0.45 * strength * sign * image.shape[1]], [0, 1, 0]], fill)


def translate_y(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Move up or down by up to 45 % of the height."""
    return _affine(image, [[1, 0, 0], [0, 1, 0.45 * strength * sign * image.shape[0]]], fill)


def rotate(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Rotate about the middle by up to 30 degrees."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 30 * strength * sign, 1.0)
    return _affine(image, matrix, fill)


def colour(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Scale the saturation by 0.1 to 1.9."""
    return pixels.adjust_hsv(image, 0, 1 + 0.9 * strength * sign, 1)


def posterize(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Keep the upper 8 to 4 bits of every value."""
    mask = 0xFF << round(4 * strength) & 0xFF
    return cv2.LUT(image, (np.arange(256) & mask).astype(np.uint8))


def solarize(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Invert the values from a threshold on, which falls from 256 to 0."""
    codes = np.arange(256)
    return cv2.LUT(image, np.where(codes >= 256 * (1 - strength), 255 - codes, codes).astype(np.uint8))


def contrast(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Scale the contrast by 0.1 to 1.9."""
    return pixels.contrast(image, 1 + 0.9 * strength * sign)


def sharpness(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Smooth or sharpen."""
    return pixels.sharpen(image, 1 + 0.9 * strength * sign)


def brightness(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Scale the brightness by 0.1 to 1.9."""
    return pixels.linear(image, 1 + 0.9 * strength * sign)


def autocontrast(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Stretch every channel to the full range; the strength plays no part."""
    low, high = image.min(axis=(0, 1)).astype(float), image.max(axis=(0, 1)).astype(float)
    gain = np.where(high > low, 255 / np.maximum(high - low, 1), 1.0)
    table = (np.arange(256)[:, None] - np.where(high > low, low, 0)) * gain
    return cv2.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8)[None])


def equalize(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Equalise the histogram of every channel; the strength plays no part."""
    return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])


def invert(image: Image, strength: float, sign: float, fill: Colour) -> Image:
    """Return the negative; the strength plays no part."""
    return pixels.invert(image)


OPERATIONS: tuple[Callable[[Image, float, float, Colour], Image], ...] = (
    shear_x, shear_y, translate_x, translate_y, rotate, colour, posterize, solarize, contrast, sharpness, brightness,
    autocontrast, equalize, invert,
)
"""Each takes the image, the strength 0..1, the sign -1 or 1, and the BGR of uncovered areas."""


def _affine(image: Image, matrix: Any, fill: Colour) -> Image:
    height, width = image.shape[:2]
    return cv2.warpAffine(image, np.asarray(matrix, np.float64), (width, height), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
