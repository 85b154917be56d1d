"""Pixel operations on uint8 colour images, shared by the augmentation of crops and the rendering of words.

Every function takes a uint8 image ``[H, W, 3]`` in BGR order (at least 1 x 1), leaves it as it is and returns a new
uint8 one; sizes stay unless the docstring says otherwise. Nothing here draws random numbers except from the generator
that is passed in. The arithmetic stays in 8 and 16 bit integers, where OpenCV is several times faster than NumPy is
in floating point.
"""

from __future__ import annotations

import functools
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2

Image = npt.NDArray[Any]
"""A uint8 image ``[H, W, 3]``, BGR. (OpenCV's stubs know no element types, hence the ``Any``.)"""

Rng = np.random.Generator


def gaussian_noise(image: Image, sigma: float, rng: Rng, *, per_channel: bool = True) -> Image:
    """Add independent normal noise of standard deviation `sigma` (grey levels), cut off at 2.9 sigma.

    One random byte per value is mapped through the 256 quantiles of the normal distribution: exact independence at a
    tenth of the cost of drawing normals.

    Args:
        image: The image.
        sigma: Standard deviation in grey levels, 0 or more.
        rng: Source of the noise.
        per_channel: Draw for every channel (colour noise of a sensor), not once per pixel (luminance grain).
    """
    height, width, channels = image.shape
    values = height * width * (channels if per_channel else 1)
    codes = np.frombuffer(rng.bytes(values), dtype=np.uint8).reshape(height, -1)
    noise = cv2.LUT(codes, np.rint(_normal_quantiles() * sigma).astype(np.int16))
    if per_channel:
        noise = noise.reshape(image.shape)
    else:
        noise = cv2.merge([noise] * channels)
    return cv2.add(image, noise, dtype=cv2.CV_8U)


@functools.cache
def _normal_quantiles() -> npt.NDArray[np.float64]:
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((code + 0.5) / 256) for code in range(256)])
    quantiles /= quantiles.std()
    quantiles.setflags(write=False)
    return quantiles


def invert(image: Image) -> Image:
    """Return the negative, ``255 - image``."""
    return cv2.bitwise_not(image)


def gaussian_blur(image: Image, sigma: float, *, kernel: int = 0) -> Image:
    """Blur with a Gaussian of standard deviation `sigma` pixels; `kernel` is its odd size, 0 to derive it."""
    return cv2.GaussianBlur(image, (kernel, kernel), sigma)


def motion_blur(image: Image, length: int, angle: float) -> Image:
    """Blur along a line of `length` pixels (1 leaves the image as it is) at `angle` degrees, counter-clockwise."""
    if length < 2:
        return image
    size = length | 1
    centre = size // 2
    kernel = np.zeros((size, size), np.float32)
    radians = np.deg2rad(angle)
    offset = np.array([np.cos(radians), -np.sin(radians)]) * (length - 1) / 2
    start, end = np.rint(centre - offset).astype(int), np.rint(centre + offset).astype(int)
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def lower_resolution(image: Image, factor: float) -> Image:
    """Shrink by `factor` (1 or more) and enlarge to the old size, as a picture taken from farther away."""
    height, width = image.shape[:2]
    small = max(1, round(width / factor)), max(1, round(height / factor))
    if small == (width, height):
        return image
    return cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height),
                      interpolation=cv2.INTER_LINEAR)


def jpeg(image: Image, quality: int) -> Image:
    """Pass the image through JPEG compression of the given quality, 1 to 100."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "what OpenCV has just encoded, it decodes"
    return decoded


def linear(image: Image, gain: float, offset: float = 0.0) -> Image:
    """Return ``gain * image + offset``, rounded and clipped to 0..255."""
    return cv2.LUT(image, _clip(np.arange(256) * gain + offset))


def gamma(image: Image, exponent: float) -> Image:
    """Return ``255 * (image / 255) ** exponent``; below 1 brightens, above 1 darkens."""
    return cv2.LUT(image, _clip(255 * (np.arange(256) / 255) ** exponent))


def contrast(image: Image, gain: float) -> Image:
    """Scale the distance of every value from the mean luminance of the image by `gain`."""
    mean = float(cv2.mean(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[0])
    return linear(image, gain, mean * (1 - gain))


def adjust_hsv(image: Image, hue: float, saturation: float, value: float) -> Image:
    """Turn the hue by `hue` degrees and scale saturation and value by the given factors."""
    codes = np.arange(256)
    table = np.empty((1, 256, 3), np.uint8)
    table[0, :, 0] = (codes + round(hue / 2)) % 180  # OpenCV stores half degrees in 8 bits.
    table[0, :, 1] = _clip(codes * saturation)
    table[0, :, 2] = _clip(codes * value)
    return cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), table), cv2.COLOR_HSV2BGR)


def shift(image: Image, dx: int, dy: int) -> Image:
    """Move the content by whole pixels, right and down for positive values; the border is repeated into the gap."""
    height, width = image.shape[:2]
    dx, dy = max(-width, min(width, dx)), max(-height, min(height, dy))
    wide = cv2.copyMakeBorder(image, max(dy, 0), max(-dy, 0), max(dx, 0), max(-dx, 0), cv2.BORDER_REPLICATE)
    top, left = max(-dy, 0), max(-dx, 0)
    return np.ascontiguousarray(wide[top:top + height, left:left + width])


def sharpen(image: Image, factor: float) -> Image:
    """Blend with a smoothed copy: 0 gives the smoothed one, 1 the image, more sharpens it."""
    smooth = cv2.filter2D(image, -1, np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13)
    return cv2.addWeighted(image, factor, smooth, 1 - factor, 0)


def _clip(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
