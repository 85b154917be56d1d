"""Augmentation of text line crops as in the PP-OCR recognizers and the text direction classifier."""

from __future__ import annotations

from ppocr.data import pixels
from ppocr.data.pixels import Image, Rng
from ppocr.data.sample import Sample
from ppocr.data.transforms import tia
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

MIN_SIDE = 20
"""Crops with a smaller side (pixels) are neither warped nor cropped: there is nothing to spare."""


def check_probability(name: str, key: str, value: float) -> float:
    """Return `value` if it is a probability.

    Raises:
        ConfigError: It is not within 0..1.
    """
    if not 0 <= value <= 1:
        raise ConfigError(f"{name}: {key} is {value!r}", expected="a probability from 0 to 1", cure="correct the value")
    return value


@TRANSFORMS.register()
class BaseDataAugmentation:
    """Crop, blur, change of colour, jitter, noise and inversion of a text line, each with its own probability.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same type; cropping lowers H).

    Three of the published operations do nothing visible at their published strength, and are given one here, because
    a probability of 0.4 for a change of nothing is surely not meant: the change of brightness (0.1 % of the HSV
    value) becomes 20 %, with 10 degrees of hue and 30 % of saturation; the noise (a standard deviation of 0.16 grey
    levels) 2 to 12 grey levels; the jitter (1 % of the shorter side in whole pixels, which is none below 100 pixels)
    up to 5 % of the shorter side, at least 1 pixel. Cropping takes 1 to 8 pixels as published, but no more than an
    eighth of the height, because 8 of 20 pixels would cut letters in half.

    Args:
        crop_prob: Probability of losing some rows at the top or bottom (not for sides below 20 pixels).
        reverse_prob: Probability of ``255 - image``.
        noise_prob: Probability of normal noise.
        jitter_prob: Probability of a shift by a few pixels in both directions.
        blur_prob: Probability of a 5 x 5 Gaussian blur with sigma 1.
        hsv_aug_prob: Probability of a change of hue, saturation and brightness.

    Raises:
        ConfigError: A probability is not within 0..1.
    """

    def __init__(
        self,
        crop_prob: float = 0.4,
        reverse_prob: float = 0.4,
        noise_prob: float = 0.4,
        jitter_prob: float = 0.4,
        blur_prob: float = 0.4,
        hsv_aug_prob: float = 0.4,
    ) -> None:
        name = type(self).__name__
        self.crop_prob = check_probability(name, "crop_prob", crop_prob)
        self.reverse_prob = check_probability(name, "reverse_prob", reverse_prob)
        self.noise_prob = check_probability(name, "noise_prob", noise_prob)
        self.jitter_prob = check_probability(name, "jitter_prob", jitter_prob)
        self.blur_prob = check_probability(name, "blur_prob", blur_prob)
        self.hsv_aug_prob = check_probability(name, "hsv_aug_prob", hsv_aug_prob)
        self._operations = (
            (self.crop_prob, crop),
            (self.blur_prob, blur),
            (self.hsv_aug_prob, change_colour),
            (self.jitter_prob, jitter),
            (self.noise_prob, add_noise),
            (self.reverse_prob, reverse),
        )

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with an augmented image."""
        image, rng = sample["image"], sample["rng"]
        for (probability, operation), chance in zip(self._operations, rng.random(len(self._operations)), strict=True):
            if chance < probability:
                image = operation(image, rng)
        sample["image"] = image
        return sample


@TRANSFORMS.register()
class RecAug:
    """Warp a text line (distort, stretch and tilt, all three together), then augment as `BaseDataAugmentation` does.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), rng. Modified keys: image (same type; cropping lowers H).

    Args:
        tia_prob: Probability of the warp, see `ppocr.data.transforms.tia` (not for sides below 20 pixels).
        crop_prob: As the other arguments, see `BaseDataAugmentation`.
        reverse_prob: See there.
        noise_prob: See there.
        jitter_prob: See there.
        blur_prob: See there.
        hsv_aug_prob: See there.

    Raises:
        ConfigError: A probability is not within 0..1.
    """

    def __init__(
        self,
        tia_prob: float = 0.4,
        crop_prob: float = 0.4,
        reverse_prob: float = 0.4,
        noise_prob: float = 0.4,
        jitter_prob: float = 0.4,
        blur_prob: float = 0.4,
        hsv_aug_prob: float = 0.4,
    ) -> None:
        self.tia_prob = check_probability("RecAug", "tia_prob", tia_prob)
        self.base = BaseDataAugmentation(crop_prob, reverse_prob, noise_prob, jitter_prob, blur_prob, hsv_aug_prob)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with an augmented image."""
        if sample["rng"].random() < self.tia_prob:
            sample["image"] = warp(sample["image"], sample["rng"])
        return self.base(sample)


def warp(image: Image, rng: Rng) -> Image:
    """Distort, stretch (both over 3 to 6 segments) and tilt; an image with a side below `MIN_SIDE` is returned as is.

    Args:
        image: uint8 ``[H, W, 3]``.
        rng: Source of the movements.

    Returns:
        uint8 ``[H, W, 3]``.
    """
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        return image
    segments = rng.integers(3, 7, size=2)
    return tia.apply_warps(image, [
        tia.distort(width, height, int(segments[0]), rng),
        tia.stretch(width, height, int(segments[1]), rng),
        tia.perspective(width, height, rng),
    ])


def crop(image: Image, rng: Rng) -> Image:
    """Cut 1 to 8 rows, at most an eighth of the height, off the top or the bottom (sides from `MIN_SIDE` on)."""
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        return image
    rows = int(rng.integers(1, max(1, min(8, height // 8)) + 1))
    return image[rows:] if rng.random() < 0.5 else image[:height - rows]


def blur(image: Image, rng: Rng) -> Image:
    """Blur with a 5 x 5 Gaussian of sigma 1; no random part."""
    return pixels.gaussian_blur(image, 1.0, kernel=5)


def change_colour(image: Image, rng: Rng) -> Image:
    """Turn the hue by up to 10 degrees, scale saturation by up to 30 % and brightness by up to 20 %."""
    hue, saturation, value = rng.uniform(-1, 1, 3)
    return pixels.adjust_hsv(image, 10 * hue, 1 + 0.3 * saturation, 1 + 0.2 * value)


def jitter(image: Image, rng: Rng) -> Image:
    """Shift by up to 5 % of the shorter side, at least 1 pixel, in both directions; the border is repeated."""
    reach = max(1, round(0.05 * min(image.shape[:2])))
    dx, dy = rng.integers(-reach, reach + 1, size=2)
    return pixels.shift(image, int(dx), int(dy))


def add_noise(image: Image, rng: Rng) -> Image:
    """Add normal noise with a standard deviation of 2 to 12 grey levels."""
    return pixels.gaussian_noise(image, float(rng.uniform(2, 12)), rng)


def reverse(image: Image, rng: Rng) -> Image:
    """Return the negative; no random part."""
    return pixels.invert(image)
