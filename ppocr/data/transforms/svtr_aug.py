"""Augmentation of scene text crops as in ABINet (Fang et al., CVPR 2021) and SVTR (Du et al., IJCAI 2022)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data import pixels
from ppocr.data.pixels import Image, Rng
from ppocr.data.sample import Sample
from ppocr.data.transforms.rec_aug import check_probability
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

Operation = Callable[[Image, Rng], Image]

MAX_DEGREES = 45.0
"""Largest rotation; the distribution is a symmetric beta, so that half of the angles are below 8 degrees."""

SCALE = (0.5, 2.0)
SHEAR = (45.0, 15.0)
"""Largest shear along x and along y, in degrees."""

DISTORTION = 0.5
"""Largest movement of a corner towards the middle, as a share of half the side."""

MAX_VARIANCE = 20
MAX_MOTION = 6
MAX_PYRAMID = 4
"""Largest power of two by which the resolution is lowered, as far as 16 pixels of height remain."""


@TRANSFORMS.register("SVTRRecAug", "ParseQRecAug")
class SVTRRecAug:
    """Geometry (rotation, shear, perspective), deterioration (noise, motion blur, low resolution) and colour.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same type; geometry changes H and W,
    so that nothing is cut off).

    Args:
        aug_type: Geometry with 0: one of the three operations; 1: one to three of them in random order.
        geometry_p: Probability of geometry.
        deterioration_p: Probability of deterioration, which is all three operations in random order.
        colorjitter_p: Probability of a change of brightness, contrast, saturation (0.5 to 1.5) and hue (36 degrees).

    Raises:
        ConfigError: A probability outside 0..1 or an unknown type.
    """

    def __init__(
        self,
        aug_type: int = 0,
        geometry_p: float = 0.5,
        deterioration_p: float = 0.25,
        colorjitter_p: float = 0.25,
    ) -> None:
        name = type(self).__name__
        if aug_type not in (0, 1):
            raise ConfigError(f"{name}: aug_type is {aug_type!r}", expected="0 or 1", cure="correct the value")
        self.aug_type = aug_type
        self.geometry_p = check_probability(name, "geometry_p", geometry_p)
        self.deterioration_p = check_probability(name, "deterioration_p", deterioration_p)
        self.colorjitter_p = check_probability(name, "colorjitter_p", colorjitter_p)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with an augmented image."""
        image, rng = sample["image"], sample["rng"]
        if rng.random() < self.geometry_p:
            count = int(rng.integers(1, 4)) if self.aug_type else 1
            image = _in_random_order(image, (rotate, affine, tilt), count, rng)
        if rng.random() < self.deterioration_p:
            image = _in_random_order(image, (add_noise, blur_motion, lose_resolution), 3, rng)
        if rng.random() < self.colorjitter_p:
            image = jitter_colour(image, rng)
        sample["image"] = image
        return sample


@TRANSFORMS.register()
class ABINetRecAug:
    """`SVTRRecAug` with its geometry of one operation at a time.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same type; geometry changes H and W).

    Args:
        geometry_p: Probability of geometry.
        deterioration_p: Probability of deterioration.
        colorjitter_p: Probability of a change of colour.

    Raises:
        ConfigError: A probability outside 0..1.
    """

    def __init__(self, geometry_p: float = 0.5, deterioration_p: float = 0.25, colorjitter_p: float = 0.25) -> None:
        self.transform = SVTRRecAug(0, geometry_p, deterioration_p, colorjitter_p)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with an augmented image."""
        return self.transform(sample)


def rotate(image: Image, rng: Rng) -> Image:
    """Rotate by up to 45 degrees (mostly few), on a canvas that holds the whole image."""
    return _linear_map(image, _rotation(_symmetric(MAX_DEGREES, rng)))


def affine(image: Image, rng: Rng) -> Image:
    """Rotate, shear along both axes and scale by 0.5 to 2, on a canvas that holds the whole image."""
    shear_x, shear_y = (np.tan(np.deg2rad(_symmetric(limit, rng))) for limit in SHEAR)
    scale = np.exp(rng.uniform(*np.log(SCALE)))
    shear = np.array([[1, shear_x], [shear_y, 1]])
    return _linear_map(image, scale * _rotation(_symmetric(MAX_DEGREES, rng)) @ shear)


def tilt(image: Image, rng: Rng) -> Image:
    """Move each corner towards the middle and fill the picture with the quadrilateral that results."""
    height, width = image.shape[:2]
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    reach = np.array([width, height]) / 2 * DISTORTION * rng.beta(1, 4, (4, 2))
    return _map_corners(image, _corners(width, height) + inwards * reach)


def add_noise(image: Image, rng: Rng) -> Image:
    """Add normal noise with a variance of 1 to 20 squared grey levels, mostly at the low end."""
    return pixels.gaussian_noise(image, float(np.sqrt(max(1.0, MAX_VARIANCE * rng.beta(1, 4)))), rng)


def blur_motion(image: Image, rng: Rng) -> Image:
    """Blur along a line of 1 to 6 pixels, mostly short, in any direction."""
    return pixels.motion_blur(image, max(1, round(MAX_MOTION * rng.beta(1, 4))), float(rng.uniform(-90, 90)))


def lose_resolution(image: Image, rng: Rng) -> Image:
    """Lower the resolution by 1, 2, 4 … 16, keeping at least 16 pixels of height, and restore the size."""
    factor = 2.0 ** rng.integers(0, MAX_PYRAMID + 1)
    return pixels.lower_resolution(image, max(1.0, min(factor, image.shape[0] / 16)))


def jitter_colour(image: Image, rng: Rng) -> Image:
    """Change brightness, contrast and saturation by factors of 0.5 to 1.5 and the hue by up to 36 degrees."""
    brightness, contrast, saturation = rng.uniform(0.5, 1.5, 3)
    image = pixels.contrast(image, float(contrast))
    return pixels.adjust_hsv(image, float(rng.uniform(-36, 36)), float(saturation), float(brightness))


def _in_random_order(image: Image, operations: tuple[Operation, ...], count: int, rng: Rng) -> Image:
    for index in rng.permutation(len(operations))[:count]:
        image = operations[index](image, rng)
    return image


def _symmetric(limit: float, rng: Rng) -> float:
    return float((rng.beta(4, 4) - 0.5) * 2 * limit)


def _rotation(degrees: float) -> npt.NDArray[np.float64]:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def _corners(width: int, height: int) -> npt.NDArray[np.float64]:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=float)


def _linear_map(image: Image, matrix: npt.NDArray[np.float64]) -> Image:
    return _map_corners(image, _corners(image.shape[1], image.shape[0]) @ matrix.T)


def _map_corners(image: Image, target: npt.NDArray[np.float64]) -> Image:
    """Carry the corners of the image to `target` (``[4, 2]``, x and y), on a canvas that just holds them."""
    height, width = image.shape[:2]
    target = target - target.min(axis=0)
    canvas = np.maximum(np.rint(target.max(axis=0)), 1).astype(int)
    # Corners are the outer edges of pixels here, whereas OpenCV counts from the middle of the first pixel.
    source = (_corners(width, height) - 0.5).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, (target - 0.5).astype(np.float32))
    return cv2.warpPerspective(image, matrix, (int(canvas[0]), int(canvas[1])), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)
