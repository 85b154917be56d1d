"""Bring text line images to the size and value range of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.sample import Sample
from ppocr.errors import ConfigError, DependencyError
from ppocr.registry import TRANSFORMS

FloatArray = npt.NDArray[np.float32]

# (x / 255 - 0.5) / 0.5 for every byte: a table look-up takes two thirds of the time of the arithmetic.
_NORMALIZED = ((np.arange(256, dtype=np.float32) / np.float32(255)) - np.float32(0.5)) / np.float32(0.5)


def check_image_shape(name: str, image_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return `image_shape` if it is channels (1 or 3), height and width.

    Raises:
        ConfigError: It is not.
    """
    shape = tuple(image_shape)
    if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
        raise ConfigError(f"{name}: image_shape is {list(shape)}",
                          expected="[channels, height, width] with 1 or 3 channels, such as [3, 48, 320]",
                          cure="correct the value")
    return shape[0], shape[1], shape[2]


def resize_for_recognition(
    image: npt.NDArray[Any],
    image_shape: tuple[int, int, int],
    *,
    padding: bool = True,
    dynamic_width: bool = False,
    widest_ratio: float = 0.0,
) -> tuple[FloatArray, float]:
    """Resize a text line to the network's height, normalise it and fill it up to the network's width.

    Training, evaluation and prediction all call this function. The height becomes H and the width
    ``ceil(H * width / height)``, at most W; values become ``(x / 255 - 0.5) / 0.5``; columns to the right of the
    picture are zero, which is mid-grey.

    Args:
        image: uint8 ``[h, w, 3]``, or ``[h, w]`` if grey, BGR.
        image_shape: Channels C (1 converts to grey), height H and width W of the result.
        padding: Keep the aspect ratio and fill; otherwise stretch to the full width.
        dynamic_width: Widen W for a line whose aspect ratio is above ``W / H``, instead of squeezing it.
        widest_ratio: With `dynamic_width`: widen W at least for a line of this aspect ratio.

    Returns:
        float32 ``[C, H, W]`` in -1..1, and the share of W that the picture takes, above 0 to 1.
    """
    channels, height, width = image_shape
    ratio = image.shape[1] / image.shape[0]
    if dynamic_width and (widest := max(ratio, widest_ratio)) > width / height:
        width = int(height * widest)
    filled = min(width, math.ceil(height * ratio)) if padding else width
    if channels == 1 and image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    elif channels == 3 and image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    values = np.asarray(cv2.LUT(cv2.resize(image, (filled, height)), _NORMALIZED))
    if filled == width and channels == 1:
        return values.reshape(1, height, width), 1.0
    result = np.zeros((channels, height, width), np.float32)
    result[:, :, :filled] = values.transpose(2, 0, 1) if channels == 3 else values
    return result, filled / width


@TRANSFORMS.register()
class RecResizeImg:
    """Resize and normalise a text line; see `resize_for_recognition`.

    Required keys: image (uint8 ``[H, W, 3]``, BGR). Modified keys: image (float32 ``[C, H, W]``, -1..1).
    Added keys: valid_ratio (float, above 0 to 1). A key widest_ratio (float) is the aspect ratio of the widest line of
    the batch, for which the result is widened, too.

    Args:
        image_shape: Channels (1 or 3), height and width.
        padding: Keep the aspect ratio and fill on the right; otherwise stretch.
        infer_mode: Widen the result for long lines. Training batches of more than one are then impossible;
            evaluation takes lines of one width together.
        eval_mode: The same.

    Raises:
        ConfigError: `image_shape` is not three such numbers.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        padding: bool = True,
        infer_mode: bool = False,
        eval_mode: bool = False,
    ) -> None:
        self.image_shape = check_image_shape(type(self).__name__, image_shape)
        self.padding = padding
        self.dynamic_width = infer_mode or eval_mode

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image resized and normalised."""
        sample["image"], sample["valid_ratio"] = resize_for_recognition(
            sample["image"], self.image_shape, padding=self.padding, dynamic_width=self.dynamic_width,
            widest_ratio=sample.get("widest_ratio", 0.0),
        )
        return sample


@TRANSFORMS.register()
class SVTRRecResizeImg(RecResizeImg):
    """`RecResizeImg` of fixed width, under the name that SVTR's configurations use.

    Required keys: image (uint8 ``[H, W, 3]``, BGR). Modified keys: image (float32 ``[C, H, W]``, -1..1).
    Added keys: valid_ratio (float, above 0 to 1).

    Args:
        image_shape: Channels (1 or 3), height and width.
        padding: Keep the aspect ratio and fill on the right; otherwise stretch.

    Raises:
        ConfigError: `image_shape` is not three such numbers.
    """

    def __init__(self, image_shape: tuple[int, int, int], padding: bool = True) -> None:
        super().__init__(image_shape, padding)


@TRANSFORMS.register()
class ClsResizeImg(RecResizeImg):
    """`RecResizeImg` of fixed width for the text direction classifier.

    Required keys: image (uint8 ``[H, W, 3]``, BGR). Modified keys: image (float32 ``[C, H, W]``, -1..1).
    Added keys: valid_ratio (float, above 0 to 1).

    Args:
        image_shape: Channels (1 or 3), height and width.

    Raises:
        ConfigError: `image_shape` is not three such numbers.
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__(image_shape)


@TRANSFORMS.register()
class GrayRecResizeImg:
    """Stretch a text line to a fixed size in grey, for NRTR and ViTSTR.

    Required keys: image (uint8 ``[H, W, 3]``, BGR). Modified keys: image (float32 ``[1, H, W]``).

    Args:
        image_shape: Width and height (in this order).
        resize_type: ``"PIL"`` resizes with Pillow, which averages when it shrinks; ``"OpenCV"`` does not.
        inter_type: Pillow's filter, such as ``"Image.Resampling.LANCZOS"`` or ``"Image.BICUBIC"``.
        scale: Values ``x / 128 - 1``; otherwise ``x / 255``.

    Raises:
        ConfigError: A wrong shape or filter.
        DependencyError: Pillow is not installed.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        resize_type: Literal["PIL", "OpenCV"] = "PIL",
        inter_type: str = "Image.Resampling.LANCZOS",
        scale: bool = True,
    ) -> None:
        if min(image_shape) < 1:
            raise ConfigError(f"GrayRecResizeImg: image_shape is {list(image_shape)}", expected="[width, height]",
                              cure="correct the value")
        self.image_shape = image_shape
        self.scale = scale
        self._filter = _pillow_filter(inter_type) if resize_type == "PIL" else None

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image resized and scaled."""
        gray = cv2.cvtColor(sample["image"], cv2.COLOR_BGR2GRAY)
        if self._filter is None:
            resized = cv2.resize(gray, self.image_shape)
        else:
            from PIL import Image

            resized = np.asarray(Image.fromarray(gray).resize(self.image_shape, self._filter))
        values = resized.astype(np.float32)[np.newaxis]
        sample["image"] = values / 128 - 1 if self.scale else values / 255
        return sample


def _pillow_filter(name: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise DependencyError(f"GrayRecResizeImg needs Pillow: {error}", expected="the package Pillow",
                              cure="pip install Pillow, or set resize_type: OpenCV") from error
    filters = Image.Resampling.__members__
    short = name.rsplit(".", 1)[-1].upper()
    if short not in filters:
        raise ConfigError(f"GrayRecResizeImg: inter_type is {name!r}", expected="one of " + ", ".join(filters),
                          cure="correct the value")
    return filters[short]
