"""From an encoded image file to pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.sample import Sample
from ppocr.errors import ImageError, SampleError
from ppocr.registry import TRANSFORMS

ImgMode = Literal["BGR", "RGB", "GRAY"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings, in lower case, by which picture files are found in a folder."""


@TRANSFORMS.register()
class DecodeImage:
    """Turn the bytes of an image file into pixels.

    Required keys: image (bytes, or an array ``[H, W]`` or ``[H, W, 1 | 3 | 4]`` of uint8 or uint16, BGR).
    Modified keys: image (uint8 ``[H, W, 3]``, or ``[3, H, W]`` with `channel_first`).

    Args:
        img_mode: Order of the channels; ``"GRAY"`` repeats the luminance three times.
        channel_first: Put the channels first.
        ignore_orientation: Leave the picture as it is stored, instead of turning it as its EXIF data say.

    Raises:
        SampleError: ``"unreadable image"``: no image, a damaged or a truncated one.
    """

    def __init__(
        self, img_mode: ImgMode = "BGR", channel_first: bool = False, ignore_orientation: bool = False
    ) -> None:
        self.img_mode: ImgMode = img_mode
        self.channel_first = channel_first
        self.ignore_orientation = ignore_orientation

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image decoded."""
        try:
            image = decode_image(sample["image"], self.img_mode, ignore_orientation=self.ignore_orientation)
        except ImageError as error:
            raise SampleError("unreadable image", error.what) from None
        sample["image"] = np.ascontiguousarray(image.transpose(2, 0, 1)) if self.channel_first else image
        return sample


def decode_image(
    data: bytes | npt.NDArray[Any], img_mode: ImgMode = "BGR", *, ignore_orientation: bool = False
) -> npt.NDArray[np.uint8]:
    """Decode an image file, or bring an array to the same form.

    16 bits per channel are cut to the upper 8, grey becomes three equal channels, and transparent pixels are laid on
    white: pages with dark text on a transparent ground would otherwise come out black.

    Args:
        data: Content of the file, or an array ``[H, W]`` or ``[H, W, 1 | 3 | 4]`` of uint8 or uint16 in BGR order.
        img_mode: Order of the channels that are returned.
        ignore_orientation: Do not turn the picture as its EXIF data say.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        ImageError: No image of a known format, damaged, truncated, or an array of another form.
    """
    if isinstance(data, np.ndarray):
        image = _three_channels(data)
    else:
        image = _decode_file(bytes(data), ignore_orientation)
    if img_mode == "GRAY":
        return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    if img_mode == "RGB":
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return image


def _decode_file(data: bytes, ignore_orientation: bool) -> npt.NDArray[np.uint8]:
    problem = _truncation(data)
    if problem:
        raise ImageError(problem, expected="a complete image file", cure="copy or download the file again")
    if _has_alpha(data):
        flags = cv2.IMREAD_UNCHANGED
    else:
        flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if ignore_orientation else 0)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        image, detail = None, f" ({str(error).strip().splitlines()[-1]})"
    else:
        detail = ""
    if image is None:
        raise ImageError(f"not a readable image, {len(data)} bytes beginning with {data[:8]!r}{detail}",
                         expected="JPEG, PNG, BMP, WebP or TIFF", cure="convert the file, or remove it")
    return _three_channels(image)


def _three_channels(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Bring an array to uint8 ``[H, W, 3]``."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or 0 in image.shape:
        raise ImageError(f"an image of shape {list(image.shape)}", expected="[H, W] or [H, W, 1, 3 or 4], not empty",
                         cure="pass one image in BGR order, channels last")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise ImageError(f"an image of type {image.dtype}", expected="uint8 (or uint16)",
                         cure="scale the values to 0..255 and convert them to uint8")
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return _on_white(image) if image.shape[2] == 4 else image


def _on_white(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    alpha = image[:, :, 3:].astype(np.uint16)
    mixed = image[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _truncation(data: bytes) -> str:
    """Tell what is missing of a file whose format says where it ends; empty if nothing is.

    OpenCV 4 fills the missing part of a JPEG with grey and says nothing. The check costs about 1 % of decoding.
    """
    if not data:
        return "the file is empty"
    if data.startswith(b"\xff\xd8"):
        # Inside the pixel data 0xFF is always followed by 0x00, so a scan without an end marker after it is cut off.
        whole = data.endswith(b"\xff\xd9") or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
        return "" if whole else f"a JPEG that ends too early (after {len(data)} bytes)"
    if data.startswith(b"\x89PNG"):
        return "" if data.rfind(b"IEND") > 0 else f"a PNG that ends too early (after {len(data)} bytes)"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        size = int.from_bytes(data[4:8], "little") + 8
        return "" if len(data) >= size - 1 else f"a WebP file of {size} bytes that ends after {len(data)}"
    return ""


def _has_alpha(data: bytes) -> bool:
    """Tell from the header whether a PNG or WebP file has transparency."""
    if data.startswith(b"\x89PNG"):
        return data[25:26] in (b"\x04", b"\x06") or b"tRNS" in data[:max(data.find(b"IDAT"), 0)]
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and len(data) > 24:
        if data[12:16] == b"VP8X":
            return bool(data[20] & 0x10)
        return data[12:16] == b"VP8L" and bool(data[24] & 0x10)
    return False
