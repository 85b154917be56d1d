from __future__ import annotations

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.data.transforms.resize import (
    ClsResizeImg,
    GrayRecResizeImg,
    RecResizeImg,
    SVTRRecResizeImg,
    resize_for_recognition,
)
from ppocr.errors import ConfigError

RNG = np.random.default_rng(0)


class TestWidth:
    @pytest.mark.parametrize(("size", "filled"), [
        ((24, 100), 200),  # 48 * 100 / 24
        ((20, 33), 80),  # ceil(48 * 1.65) = ceil(79.2)
        ((48, 320), 320),
        ((10, 100), 320),  # 480 is squeezed
        ((100, 1), 1),  # ceil(0.48)
    ])
    def test_keeps_the_ratio_up_to_the_width(self, size: tuple[int, int], filled: int) -> None:
        image, ratio = resize_for_recognition(np.full((*size, 3), 255, np.uint8), (3, 48, 320))
        assert image.shape == (3, 48, 320)
        assert image.dtype == np.float32
        assert ratio == filled / 320
        assert (image[:, :, :filled] == 1).all()
        assert (image[:, :, filled:] == 0).all()

    def test_stretches_without_padding(self) -> None:
        image, ratio = resize_for_recognition(np.zeros((30, 20, 3), np.uint8), (3, 32, 100), padding=False)
        assert ratio == 1.0
        assert (image == -1).all()

    @pytest.mark.parametrize(("size", "width", "ratio"), [
        ((10, 100), 480, 1.0), ((24, 100), 320, 200 / 320), ((7, 51), 349, 1.0),  # int(48 * 51 / 7) = 349
    ])
    def test_dynamic_width(self, size: tuple[int, int], width: int, ratio: float) -> None:
        image, valid = resize_for_recognition(np.zeros((*size, 3), np.uint8), (3, 48, 320), dynamic_width=True)
        assert image.shape == (3, 48, width)
        assert valid == ratio

    def test_width_for_the_widest_of_a_batch(self) -> None:
        picture = np.zeros((10, 100, 3), np.uint8)
        image, valid = resize_for_recognition(picture, (3, 48, 320), dynamic_width=True, widest_ratio=12.5)
        assert image.shape == (3, 48, 600)
        assert valid == 480 / 600
        assert (image[:, :, :480] == -1).all()
        assert (image[:, :, 480:] == 0).all()
        assert resize_for_recognition(picture, (3, 48, 320), widest_ratio=12.5)[0].shape == (3, 48, 320)
        sample = build_transforms([{"RecResizeImg": {"image_shape": [3, 48, 320], "infer_mode": True}}])(
            {"image": picture, "widest_ratio": 12.5})
        assert sample["image"].shape == (3, 48, 600)


class TestValues:
    def test_every_byte(self) -> None:
        image = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
        result, _ = resize_for_recognition(image, (3, 1, 256))
        expected = (np.arange(256, dtype=np.float32) / 255 - 0.5) / 0.5
        np.testing.assert_array_equal(result, np.broadcast_to(expected, (3, 1, 256)))

    def test_channels_stay_in_order_and_the_resize_is_bilinear(self) -> None:
        image = RNG.integers(0, 256, (37, 90, 3), np.uint8)
        result, _ = resize_for_recognition(image, (3, 32, 128))
        expected = cv2.resize(image, (78, 32), interpolation=cv2.INTER_LINEAR).astype(np.float32)  # ceil(77.8)
        np.testing.assert_allclose(result[:, :, :78], expected.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)

    @pytest.mark.parametrize("width", [20, 60])  # with and without a filled right side
    def test_one_channel(self, width: int) -> None:
        image = np.full((10, width, 3), (10, 20, 30), np.uint8)
        result, ratio = resize_for_recognition(image, (1, 10, 60))
        assert result.shape == (1, 10, 60)
        assert ratio == width / 60
        np.testing.assert_allclose(result[0, :, :width], 22 / 127.5 - 1, atol=1e-6)

    def test_grey_image_for_three_channels(self) -> None:
        result, _ = resize_for_recognition(np.full((8, 8), 51, np.uint8), (3, 8, 8))
        np.testing.assert_allclose(result, np.full((3, 8, 8), -0.6), atol=1e-6)


class TestTransforms:
    def test_modes_of_rec_resize(self) -> None:
        image = np.zeros((10, 100, 3), np.uint8)
        for arguments, width in [({}, 320), ({"infer_mode": True}, 480), ({"eval_mode": True}, 480)]:
            sample = RecResizeImg((3, 48, 320), **arguments)({"image": image})
            assert sample["image"].shape == (3, 48, width)
            assert sample["valid_ratio"] == 1.0

    def test_svtr_and_cls_share_the_arithmetic(self) -> None:
        image = RNG.integers(0, 256, (20, 50, 3), np.uint8)
        expected = RecResizeImg((3, 48, 192))({"image": image})
        for transform in (ClsResizeImg((3, 48, 192)), SVTRRecResizeImg((3, 48, 192))):
            sample = transform({"image": image})
            np.testing.assert_array_equal(sample["image"], expected["image"])
            assert sample["valid_ratio"] == 120 / 192
        assert SVTRRecResizeImg((3, 48, 192), padding=False)({"image": image})["valid_ratio"] == 1.0

    @pytest.mark.parametrize("resize_type", ["PIL", "OpenCV"])
    @pytest.mark.parametrize(("scale", "value"), [(True, 96 / 128 - 1), (False, 96 / 255)])
    def test_gray(self, resize_type: str, scale: bool, value: float) -> None:
        transform = GrayRecResizeImg((100, 32), resize_type, scale=scale)  # type: ignore[arg-type]
        image = transform({"image": np.full((20, 30, 3), 96, np.uint8)})["image"]
        assert image.shape == (1, 32, 100)
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, value, atol=1e-6)

    @pytest.mark.parametrize("shape", [(48, 320, 3), (2, 48, 320), (3, 0, 320)])
    def test_wrong_shapes(self, shape: tuple[int, int, int]) -> None:
        with pytest.raises(ConfigError, match="image_shape"):
            RecResizeImg(shape)

    def test_wrong_gray_arguments(self) -> None:
        with pytest.raises(ConfigError, match="inter_type is 'Image.MAGIC'"):
            GrayRecResizeImg((100, 32), inter_type="Image.MAGIC")
        with pytest.raises(ConfigError, match="image_shape"):
            GrayRecResizeImg((0, 32))
