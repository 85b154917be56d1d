from __future__ import annotations

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.data.transforms.decode import DecodeImage, decode_image
from ppocr.errors import ImageError, SampleError
from tests.data.toy import encode

GRADIENT = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[:, None, None], (1, 50, 3)) + np.uint8([0, 5, 10])
"""[60, 50, 3], brighter downwards, blue < green < red."""


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation, 0, 0, 0])
    tiff = b"II*\x00\x08\x00\x00\x00" + b"\x01\x00" + entry + b"\x00\x00\x00\x00"
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


class TestModes:
    def test_bgr_is_lossless_for_png(self) -> None:
        np.testing.assert_array_equal(decode_image(encode(GRADIENT)), GRADIENT)

    def test_rgb_swaps(self) -> None:
        np.testing.assert_array_equal(decode_image(encode(GRADIENT), "RGB"), GRADIENT[:, :, ::-1])

    def test_gray_repeats_the_luminance(self) -> None:
        image = decode_image(encode(np.full((3, 4, 3), (10, 20, 30), np.uint8)), "GRAY")
        # 0.114 * 10 + 0.587 * 20 + 0.299 * 30 = 21.85
        np.testing.assert_array_equal(image, np.full((3, 4, 3), 22))

    def test_channel_first(self) -> None:
        image = DecodeImage(channel_first=True)({"image": encode(GRADIENT)})["image"]
        assert image.shape == (3, 60, 50)
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image[2], GRADIENT[:, :, 2])


class TestForms:
    def test_gray_file(self) -> None:
        np.testing.assert_array_equal(decode_image(encode(GRADIENT[:, :, 0])), GRADIENT[:, :, [0, 0, 0]])

    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    def test_sixteen_bits_keep_the_upper_eight(self, suffix: str) -> None:
        image = decode_image(encode(np.full((4, 5), 40000, np.uint16), suffix))
        assert image.dtype == np.uint8
        assert image.tolist() == [[[156] * 3] * 5] * 4  # 40000 >> 8

    def test_transparency_is_laid_on_white(self) -> None:
        image = np.zeros((1, 3, 4), np.uint8)  # black
        image[0, :, 3] = 0, 255, 51
        assert decode_image(encode(image))[0].tolist() == [[255] * 3, [0] * 3, [204] * 3]  # 255 * (1 - 51 / 255)

    def test_transparent_webp(self) -> None:
        image = np.zeros((20, 20, 4), np.uint8)
        assert decode_image(encode(image, ".webp")).min() == 255

    @pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 3), (6, 7, 4)])
    def test_arrays(self, shape: tuple[int, ...]) -> None:
        assert decode_image(np.full(shape, 255, np.uint8)).tolist() == [[[255] * 3] * 7] * 6

    def test_array_of_sixteen_bits(self) -> None:
        assert decode_image(np.full((2, 2), 0x1234, np.uint16)).tolist() == [[[0x12] * 3] * 2] * 2

    @pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
    def test_unusable_arrays(self, array: np.ndarray) -> None:
        with pytest.raises(ImageError, match=r"an image of (type|shape)"):
            decode_image(array)


class TestOrientation:
    # Orientation 6: the stored picture is to be turned by 90 degrees clockwise.
    FILE = with_exif_orientation(encode(GRADIENT, ".jpg"), 6)

    def test_is_applied(self) -> None:
        image = decode_image(self.FILE)
        assert image.shape == (50, 60, 3)
        assert image[25, 0].mean() > image[25, -1].mean() + 150  # the bright lower edge is now at the left

    def test_can_be_ignored(self) -> None:
        assert decode_image(self.FILE, ignore_orientation=True).shape == (60, 50, 3)


class TestDamage:
    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
    @pytest.mark.parametrize("kept", [0.5, 0.95])
    def test_truncated_files(self, suffix: str, kept: float) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
        data = encode(noise, suffix)
        with pytest.raises(SampleError) as error:
            DecodeImage()({"image": data[:int(len(data) * kept)]})
        assert error.value.kind == "unreadable image"

    @pytest.mark.parametrize(("data", "reason"), [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "not a readable image, 22 bytes beginning with b'<html>no'"),
        (encode(GRADIENT, ".jpg")[:-2], "a JPEG that ends too early"),
    ])
    def test_reason(self, data: bytes, reason: str) -> None:
        with pytest.raises(SampleError) as error:
            DecodeImage()({"image": data})
        assert error.value.reason.startswith(reason)

    def test_a_thumbnail_does_not_hide_the_missing_end(self) -> None:
        body = b"Exif\x00\x00" + encode(GRADIENT[:8, :8], ".jpg")
        whole = encode(GRADIENT, ".jpg")
        whole = whole[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + whole[2:]
        assert decode_image(whole).shape == GRADIENT.shape
        with pytest.raises(ImageError, match="ends too early"):
            decode_image(whole[:-100])

    def test_bytes_after_the_end_do_no_harm(self) -> None:
        data = encode(GRADIENT, ".jpg")
        np.testing.assert_array_equal(decode_image(data + b"\x00\x00padding"), cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
