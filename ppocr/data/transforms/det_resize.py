"""Bring a photo to a size that a text detector takes, and remember the ratios that lead back."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.sample import Sample
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

LimitType = Literal["min", "max", "resize_long"]

STRIDE = 32
"""Sides are multiples of it: the networks halve a picture five times."""

LONG_STRIDE = 128
"""Sides of `DetResizeForTest` with `resize_long` are multiples of this one."""

DEFAULT_SIDE = 736
"""Pixels of the shorter side where nothing is asked for."""

TINY = 64
"""A picture whose height and width add up to less is padded instead of being blown up from next to nothing."""


@TRANSFORMS.register()
class DetResizeForTest:
    """Resize a picture for detection; its polygons stay in pixels of the original.

    Required keys: image (uint8 ``[H, W, 3]``). Modified keys: image (uint8 ``[H', W', 3]``).
    Added keys: shape (float32 ``[4]``: height and width of the original in pixels, then the ratios of height and width;
    ``x_original = x_resized / shape[3]``).

    One of three rules decides about the size:

    - `image_shape`: exactly this size or, with `keep_ratio`, this height and the width that belongs to it.
    - `limit_side_len` with `limit_type`: ``"max"`` shrinks a picture whose longer side is above the limit, ``"min"``
      enlarges one whose shorter side is below it, ``"resize_long"`` brings the longer side to it in any case.
    - `resize_long`: brings the longer side to this length, then both sides up to multiples of 128.

    Without any of them the limit is 736 pixels, by default of the shorter side. Sides of the second rule are rounded
    to multiples of 32, at least 32. A picture of fewer than 64 pixels in height and width together is first padded with
    zeros, at the bottom and the right, to at least 32 x 32.

    Args:
        limit_side_len: Limit in pixels.
        limit_type: What the limit limits.
        image_shape: Height and width of the result.
        keep_ratio: With `image_shape`: take the width from the picture, rounded up to a multiple of 32.
        resize_long: Length of the longer side in pixels.
        max_side_limit: No side becomes longer than this many pixels, whatever the rule says; only `image_shape` without
            `keep_ratio` is taken as it is.

    Raises:
        ConfigError: A size that is not positive, several rules, or `keep_ratio` without `image_shape`.
    """

    def __init__(
        self,
        limit_side_len: int | None = None,
        limit_type: LimitType = "min",
        image_shape: tuple[int, int] | None = None,
        keep_ratio: bool = False,
        resize_long: int | None = None,
        max_side_limit: int = 4000,
    ) -> None:
        for key, value in (("limit_side_len", limit_side_len), ("resize_long", resize_long)):
            if value is not None and value < 1:
                raise ConfigError(f"DetResizeForTest: {key} is {value}", expected="a length in pixels, 1 or more",
                                  cure="correct the value")
        if limit_type not in ("min", "max", "resize_long"):
            raise ConfigError(f"DetResizeForTest: limit_type is {limit_type!r}", expected="min, max or resize_long",
                              cure="correct the value")
        if max_side_limit < STRIDE:
            raise ConfigError(f"DetResizeForTest: max_side_limit is {max_side_limit}",
                              expected=f"a length in pixels, {STRIDE} or more", cure="correct the value")
        if image_shape is not None and (len(image_shape) != 2 or min(image_shape) < 1):
            raise ConfigError(f"DetResizeForTest: image_shape is {list(image_shape)}",
                              expected="[height, width] in pixels, such as [736, 1280]", cure="correct the value")
        if keep_ratio and image_shape is None:
            raise ConfigError("DetResizeForTest: keep_ratio is set without image_shape",
                              expected="image_shape: [height, width] beside it", cure="add image_shape, or remove it")
        rules = {"image_shape": image_shape, "limit_side_len": limit_side_len, "resize_long": resize_long}
        given = [key for key, value in rules.items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"DetResizeForTest: {' and '.join(given)} are set, which contradict each other",
                              expected="one of them", cure="remove the others")
        self.limit_side_len = limit_side_len
        self.limit_type = limit_type
        self.image_shape = image_shape
        self.keep_ratio = keep_ratio
        self.resize_long = resize_long
        self.max_side_limit = max_side_limit

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image resized."""
        image = sample["image"]
        source = image.shape[:2]
        if sum(source) < TINY:
            image = _pad(image)
        height, width = image.shape[:2]
        new_height, new_width = self.target_size(height, width)
        if (new_height, new_width) != (height, width):
            image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        sample["image"] = image
        sample["shape"] = np.array([*source, new_height / height, new_width / width], np.float32)
        return sample

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that a picture of this size (after padding) is brought to."""
        if self.image_shape is not None:
            new_height, new_width = self.image_shape
            if not self.keep_ratio:
                return new_height, new_width
            return min(new_height, self._cap(STRIDE)), self._up(width * new_height / height, STRIDE)
        if self.limit_side_len is None and self.resize_long is not None:
            ratio = self.resize_long / max(height, width)
            return self._up(int(height * ratio), LONG_STRIDE), self._up(int(width * ratio), LONG_STRIDE)
        return self._limited(height, width)

    def _limited(self, height: int, width: int) -> tuple[int, int]:
        limit = DEFAULT_SIDE if self.limit_side_len is None else self.limit_side_len
        shorter, longer = min(height, width), max(height, width)
        if self.limit_type == "min":
            ratio = max(1.0, limit / shorter)
        elif self.limit_type == "max":
            ratio = min(1.0, limit / longer)
        else:
            ratio = limit / longer
        sides = int(height * ratio), int(width * ratio)
        if max(sides) > self.max_side_limit:
            again = self.max_side_limit / max(sides)
            sides = int(sides[0] * again), int(sides[1] * again)
        cap = self._cap(STRIDE)
        new_height, new_width = (min(max(round(side / STRIDE) * STRIDE, STRIDE), cap) for side in sides)
        return new_height, new_width

    def _cap(self, stride: int) -> int:
        return max(self.max_side_limit // stride * stride, stride)

    def _up(self, side: float, stride: int) -> int:
        """Return the next multiple of `stride`, at least one of it and within the limit."""
        return min(max(math.ceil(side / stride), 1) * stride, self._cap(stride))


def _pad(image: Image) -> Image:
    height, width = image.shape[:2]
    return cv2.copyMakeBorder(image, 0, max(STRIDE - height, 0), 0, max(STRIDE - width, 0), cv2.BORDER_CONSTANT)
