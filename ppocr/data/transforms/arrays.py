"""Plain array operations: normalise, transpose, keep."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.sample import Sample
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@TRANSFORMS.register()
class NormalizeImage:
    """Compute ``(image * scale - mean) / std`` per channel.

    Required keys: image (any number type, ``[H, W, C]`` or ``[C, H, W]``). Modified keys: image (float32).

    Bytes are looked up in a table per channel. The values of an ``[H, W, C]`` image then lie in memory as those of a
    ``[C, H, W]`` one, so that `ToCHWImage` has nothing left to move.

    Args:
        scale: Factor, a number or a fraction such as ``"1./255."``; 1/255 by default.
        mean: Per channel, after scaling; ImageNet's by default.
        std: Per channel, after scaling; ImageNet's by default.
        order: Where the channels are: ``"hwc"`` or ``"chw"``.

    Raises:
        ConfigError: `scale` is not a number, or a standard deviation is zero.
    """

    def __init__(
        self,
        scale: float | str | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        order: Literal["hwc", "chw"] = "chw",
    ) -> None:
        self.scale = np.float32(1 / 255 if scale is None else _fraction(scale))
        self.hwc = order == "hwc"
        shape = (1, 1, -1) if self.hwc else (-1, 1, 1)
        self.mean = np.array(IMAGENET_MEAN if mean is None else mean, np.float32).reshape(shape)
        self.std = np.array(IMAGENET_STD if std is None else std, np.float32).reshape(shape)
        sizes = {self.mean.size, self.std.size} - {1}
        if len(sizes) > 1 or not sizes <= {3, 4}:
            raise ConfigError(f"NormalizeImage: mean is {mean}, std is {std}", expected="a number for each channel, "
                              "or one for all", cure="correct the values")
        if not self.std.all():
            raise ConfigError(f"NormalizeImage: std is {std}", expected="numbers other than 0",
                              cure="correct the value")

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image normalised."""
        image = sample["image"]
        channels = image.shape[-1 if self.hwc else 0] if image.ndim == 3 else 0
        if image.dtype == np.uint8 and channels in (1, 3, 4) and {self.mean.size, self.std.size} <= {1, channels}:
            sample["image"] = self._looked_up(image, channels)
        else:
            sample["image"] = self._computed(image)
        return sample

    def _computed(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        normalized: npt.NDArray[np.float32] = (values.astype(np.float32) * self.scale - self.mean) / self.std
        return normalized

    def _looked_up(self, image: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.float32]:
        codes = np.arange(256, dtype=np.float32) * self.scale
        tables = np.broadcast_to((codes - self.mean.reshape(-1, 1)) / self.std.reshape(-1, 1), (channels, 256))
        planes = np.empty((channels, *(image.shape[:2] if self.hwc else image.shape[1:])), np.float32)
        for plane, values, table in zip(planes, cv2.split(image) if self.hwc else image, tables, strict=True):
            cv2.LUT(values, table, dst=plane)
        return planes.transpose(1, 2, 0) if self.hwc else planes


def _fraction(text: float | str) -> float:
    """Return the value of a number or of ``"a/b"``."""
    numerator, _, denominator = str(text).partition("/")
    try:
        return float(numerator) / (float(denominator) if denominator else 1.0)
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"NormalizeImage: scale is {text!r}", expected="a number or a fraction such as 1./255.",
                          cure="correct the value") from None


@TRANSFORMS.register()
class ToCHWImage:
    """Put the channels first.

    Required keys: image (``[H, W, C]``). Modified keys: image (``[C, H, W]``, contiguous).
    """

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image transposed."""
        sample["image"] = np.ascontiguousarray(sample["image"].transpose(2, 0, 1))
        return sample


@TRANSFORMS.register()
class KeepKeys:
    """Keep what the batch is to contain.

    Required keys: those of `keep_keys`. Removed keys: all others, except what describes the sample.

    Args:
        keep_keys: Names of the entries that become the batch.
    """

    def __init__(self, keep_keys: list[str]) -> None:
        self.keep_keys = keep_keys

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with these keys only.

        Raises:
            ConfigError: No transform has made one of the keys.
        """
        missing = [key for key in self.keep_keys if key not in sample]
        if missing:
            raise ConfigError(f"KeepKeys: no transform before it makes {', '.join(map(repr, missing))}",
                              expected="some of " + ", ".join(sorted(sample)),
                              cure="correct keep_keys, or add the transform that makes the key")
        kept = {key: sample[key] for key in self.keep_keys}
        for key in ("info", "counts", "remarks"):
            if key in sample:
                kept[key] = sample[key]
        return kept
