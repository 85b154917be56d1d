"""What rendered text stands on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Image, Rng
from ppocr.data.transforms.decode import IMAGE_SUFFIXES, decode_image
from ppocr.errors import DatasetError, ImageError

Colour = npt.NDArray[np.float64]
"""BGR, 0..255, ``[3]``."""


def random_colour(rng: Rng) -> Colour:
    """Return a colour: greys, pale and dark tones are common, loud ones rare. BGR 0..255, ``[3]``."""
    luminance = rng.uniform(0, 255)
    saturation = rng.beta(1.2, 4)
    tint = rng.uniform(-1, 1, 3)
    colour: Colour = np.clip(luminance + 200 * saturation * (tint - tint.mean()), 0, 255)
    return colour


def flat(width: int, height: int, rng: Rng) -> Image:
    """Return one colour, uint8 ``[height, width, 3]``."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.rint(random_colour(rng)).astype(np.uint8)
    return image


def gradient(width: int, height: int, rng: Rng) -> Image:
    """Return a change between two similar colours in a random direction, uint8 ``[height, width, 3]``."""
    first = random_colour(rng)
    second = np.clip(first + rng.normal(0, 30, 3) + rng.normal(0, 25), 0, 255)
    # Four corner colours along the direction, interpolated by the resize.
    angle = rng.uniform(0, 2 * np.pi)
    corners = np.array([[-np.cos(angle) - np.sin(angle), np.cos(angle) - np.sin(angle)],
                        [-np.cos(angle) + np.sin(angle), np.cos(angle) + np.sin(angle)]])
    share = (corners / np.abs(corners).max() + 1)[..., None] / 2
    small = (first * (1 - share) + second * share).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).round().astype(np.uint8)


def texture(width: int, height: int, rng: Rng) -> Image:
    """Return blotches of coarse and fine noise around a colour, as of paper, plaster or cloth."""
    base = random_colour(rng)
    coarse = rng.normal(0, rng.uniform(4, 16), (height // 12 + 2, width // 12 + 2, 1)).astype(np.float32)
    tone = rng.normal(0, rng.uniform(0, 5), (*coarse.shape[:2], 3)).astype(np.float32)
    blotches = cv2.resize(base.astype(np.float32) + coarse + tone, (width, height), interpolation=cv2.INTER_CUBIC)
    fine = rng.standard_normal((height, width, 1), dtype=np.float32) * rng.uniform(1, 6)
    return np.clip(np.rint(blotches + fine), 0, 255).astype(np.uint8)


def pick(width: int, height: int, rng: Rng, photos: ImageCrops | None = None) -> Image:
    """Return one of the above, or every second time a part of a photograph where there are any."""
    if photos is not None and rng.random() < 0.5:
        return photos(width, height, rng)
    makers: tuple[Callable[[int, int, Rng], Image], ...] = (flat, gradient, texture)
    return makers[int(rng.integers(0, len(makers)))](width, height, rng)


class ImageCrops:
    """Random parts of the images of a folder.

    Args:
        folder: Searched with its subfolders for picture files. They should hold no text.

    Raises:
        DatasetError: The folder does not exist or holds no image.
    """

    def __init__(self, folder: str | Path) -> None:
        self.paths: Sequence[Path] = sorted(
            path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        if not self.paths:
            raise DatasetError(f"the backgrounds folder {folder} holds no image",
                               expected="files " + ", ".join(IMAGE_SUFFIXES), cure="correct --backgrounds")

    def __call__(self, width: int, height: int, rng: Rng) -> Image:
        """Return a part of one of the images, at most four times as large as asked for, scaled to the size."""
        image = _read(self.paths[int(rng.integers(0, len(self.paths)))])
        largest = min(image.shape[1] / width, image.shape[0] / height)
        scale = largest if largest < 1 else float(rng.uniform(1, min(4.0, largest)))
        part_width, part_height = max(1, int(width * scale)), max(1, int(height * scale))
        left = int(rng.integers(0, image.shape[1] - part_width + 1))
        top = int(rng.integers(0, image.shape[0] - part_height + 1))
        part = image[top:top + part_height, left:left + part_width]
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)


@functools.lru_cache(maxsize=64)
def _read(path: Path) -> Image:
    try:
        return decode_image(path.read_bytes())
    except (OSError, ImageError) as error:
        reason = error.what if isinstance(error, ImageError) else error.strerror
        raise DatasetError(f"the background image {path} cannot be read: {reason}", expected="a complete image file",
                           cure="remove it from the folder") from None
