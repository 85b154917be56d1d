"""What a camera, a scanner and storage do to a picture. Sizes and the place of the text stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ppocr.cv import cv2
from ppocr.data import pixels
from ppocr.data.pixels import Image, Rng

Step = Callable[[Image, float, Rng, float], Image]
"""Takes the image, the difficulty, the source of choices, and the rows of the text."""


def degrade(image: Image, difficulty: float, rng: Rng, rows: float | None = None) -> Image:
    """Spoil a picture, in the order in which it happens to a real one: light, lens, sensor, storage.

    Args:
        image: uint8 ``[H, W, 3]``.
        difficulty: 0 (nothing happens) to 1; probabilities and strengths grow with it.
        rng: Source of all choices.
        rows: Height in pixels of the text whose legibility limits the blur; by default that of the image.

    Returns:
        uint8 ``[H, W, 3]``.
    """
    steps: tuple[tuple[float, Step], ...] = (
        (0.5, shade),
        (0.5, fade),
        (0.6, defocus),
        (0.3, shake),
        (0.5, go_far),
        (0.9, grain),
        (0.7, compress),
    )
    rows = image.shape[0] if rows is None else rows
    for (share, step), chance in zip(steps, rng.random(len(steps)), strict=True):
        if chance < share * min(1.0, 2 * difficulty):
            image = step(image, difficulty, rng, rows)
    return image


def shade(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Darken one side behind a soft edge, or let the light fall off across the picture."""
    height, width = image.shape[:2]
    angle, sharpness = rng.uniform(0, 2 * np.pi), rng.uniform(1, 8)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.cos(angle)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.sin(angle)
    edge = (x + y - rng.uniform(-0.5, 0.5)) * sharpness
    depth = rng.uniform(0.1, 0.3 + 0.4 * difficulty)
    light = (1 - depth / (1 + np.exp(-edge))).astype(np.float32)
    return cv2.multiply(image, cv2.merge([light] * 3), dtype=cv2.CV_8U)


def fade(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Lower the contrast, change brightness and gamma."""
    image = pixels.contrast(image, float(rng.uniform(1 - 0.5 * difficulty, 1.1)))
    image = pixels.linear(image, 1.0, float(rng.normal(0, 25 * difficulty)))
    return pixels.gamma(image, float(np.exp(rng.normal(0, 0.3 * difficulty))))


def defocus(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Blur with a Gaussian of at most 1.8 pixels for text of 48 rows, in proportion for others."""
    largest = (0.5 + 1.3 * difficulty) * rows / 48
    return pixels.gaussian_blur(image, max(0.2, float(rng.uniform(0.2, 1) * largest)))


def shake(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Blur along a line of up to 7 pixels for text of 48 rows, in proportion for others."""
    length = 2 + (1 + 4 * difficulty) * rng.random() * rows / 48
    return pixels.motion_blur(image, round(length), float(rng.uniform(-90, 90)))


def go_far(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Lower the resolution, leaving no fewer than 14 rows of text."""
    factor = 1 + (0.6 + 1.6 * difficulty) * rng.random()
    return pixels.lower_resolution(image, max(1.0, min(factor, rows / 14)))


def grain(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Add noise with a standard deviation of at most 3 to 21 grey levels, in colour or not."""
    sigma = rng.uniform(0.5, 3 + 18 * difficulty)
    return pixels.gaussian_noise(image, float(sigma), rng, per_channel=bool(rng.random() < 0.6))


def compress(image: Image, difficulty: float, rng: Rng, rows: float) -> Image:
    """Compress as JPEG with a quality of 20 to 90."""
    return pixels.jpeg(image, int(rng.integers(round(70 - 50 * difficulty), 91)))
