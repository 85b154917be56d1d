from __future__ import annotations

import numpy as np
import pytest

from ppocr.data.sample import SampleInfo
from ppocr.data.transforms.arrays import KeepKeys, NormalizeImage, ToCHWImage
from ppocr.errors import ConfigError


@pytest.mark.parametrize(("order", "shape"), [("hwc", (2, 4, 3)), ("chw", (3, 2, 4))])
def test_normalize(order: str, shape: tuple[int, ...]) -> None:
    transform = NormalizeImage("1./255.", [0.1, 0.2, 0.3], [0.5, 0.25, 1.0], order)  # type: ignore[arg-type]
    image = transform({"image": np.full(shape, 51, np.uint8)})["image"]
    assert image.dtype == np.float32
    channels = image if order == "chw" else image.transpose(2, 0, 1)
    np.testing.assert_allclose(channels[:, 0, 0], [0.2, 0.0, -0.1], atol=1e-6)  # (0.2 - mean) / std


def test_normalize_defaults_are_those_of_imagenet() -> None:
    image = NormalizeImage()({"image": np.full((3, 1, 1), 255, np.uint8)})["image"]
    np.testing.assert_allclose(image.ravel(), [2.2489083, 2.4285715, 2.64], atol=1e-5)


@pytest.mark.parametrize("order", ["hwc", "chw"])
@pytest.mark.parametrize(("channels", "mean", "std"), [
    (3, None, None), (3, [0.5], [0.5]), (1, [0.5], [0.25]), (4, [0.1, 0.2, 0.3, 0.4], [1.0]),
])
def test_normalize_gives_the_same_for_bytes_as_for_other_numbers(
    order: str, channels: int, mean: list[float] | None, std: list[float] | None
) -> None:
    transform = NormalizeImage(mean=mean, std=std, order=order)  # type: ignore[arg-type]
    shape = (5, 7, channels) if order == "hwc" else (channels, 5, 7)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    result = transform({"image": image})["image"]
    assert result.shape == shape
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, transform({"image": image.astype(np.int16)})["image"])


def test_normalize_knows_every_byte() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    result = ToCHWImage()(NormalizeImage("1./255.", order="hwc")({"image": image}))["image"]
    expected = (np.arange(256) / 255.0 - 0.456) / 0.224  # in double precision
    np.testing.assert_allclose(result[1].ravel(), expected, atol=1e-6)
    assert result.flags.c_contiguous


def test_normalize_and_to_chw_copy_once() -> None:
    normalized = NormalizeImage(order="hwc")({"image": np.zeros((4, 6, 3), np.uint8)})["image"]
    assert ToCHWImage()({"image": normalized})["image"].base is normalized.base


def test_normalize_takes_no_code_and_no_zero() -> None:
    with pytest.raises(ConfigError, match="scale is 'import os'"):
        NormalizeImage("import os")
    with pytest.raises(ConfigError, match="std"):
        NormalizeImage(std=[0.2, 0.0, 0.2])


def test_to_chw() -> None:
    image = np.arange(24).reshape(2, 4, 3)
    result = ToCHWImage()({"image": image})["image"]
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result[1], image[:, :, 1])


def test_keep_keys() -> None:
    info = SampleInfo("a.txt", 1, "x.png", "x")
    sample = {"image": 1, "label": 2, "length": 3, "info": info, "rng": None}
    assert KeepKeys(["label", "image"])(sample) == {"label": 2, "image": 1, "info": info}
    with pytest.raises(ConfigError, match="'label_sar'"):
        KeepKeys(["image", "label_sar"])(sample)


@pytest.mark.parametrize(("mean", "std"), [([0.5, 0.5], [0.5]), ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5])])
def test_normalize_needs_a_number_for_each_channel(mean: list[float], std: list[float]) -> None:
    with pytest.raises(ConfigError, match="NormalizeImage: mean is"):
        NormalizeImage(mean=mean, std=std)
