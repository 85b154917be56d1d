"""A very small CRNN with seeded weights, and its export, made once for all tests that need one."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from ppocr.config import Config, load_config
from ppocr.cv import cv2
from ppocr.data.transforms.resize import resize_for_recognition

HEIGHT, WIDTH = 32, 128
TRANSFORMS: list[dict[str, Any]] = [
    {"DecodeImage": {"img_mode": "BGR"}},
    {"CTCLabelEncode": None},
    {"RecResizeImg": {"image_shape": [3, HEIGHT, WIDTH]}},
    {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
]
ARCHITECTURE: dict[str, Any] = {
    "model_type": "rec",
    "algorithm": "CRNN",
    "Backbone": {"name": "MobileNetV3", "model_name": "small", "scale": 0.35},
    "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 16},
    "Head": {"name": "CTCHead"},
}


def write_config(folder: Path, *, weights: Path | None = None, **options: Any) -> Config:
    """Write a configuration into `folder` and load it."""
    content = {
        "Global": {"save_model_dir": str(folder / "output"), "pretrained_model": str(weights) if weights else None,
                   "use_gpu": False, **options},
        "Architecture": ARCHITECTURE,
        "Eval": {"dataset": {"name": "SimpleDataSet", "transforms": TRANSFORMS}},
    }
    file = folder / "tiny.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_config(file, (), {})


@functools.cache
def workplace() -> Path:
    """Return a folder that lives as long as the test process."""
    folder = Path(tempfile.mkdtemp(prefix="tiny_recognizer."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def weights_file() -> Path:
    """Return weights with which different pictures give different texts."""
    import paddle

    from ppocr.engine.builder import build_model_parts
    from ppocr.weights import write_weights

    paddle.seed(7)
    model = build_model_parts(write_config(workplace())).model
    random = np.random.default_rng(7)
    images = np.stack([resize_for_recognition(picture, (3, HEIGHT, WIDTH))[0] for picture in pictures()])
    for name, tensor in model.state_dict().items():
        if name.startswith(("neck", "head")):
            # Little memory and much input: what is read then depends on the picture.
            scale = 0.0 if "bias" in name else 0.3 if "weight_hh" in name else 5.0
            tensor.set_value(random.normal(0, scale, tensor.shape).astype(np.float32))
    model.train()
    # The statistics of these pictures take the place of the initial ones, with which the signal fades away.
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer._momentum = 0.0
    with paddle.no_grad():
        model(paddle.to_tensor(images))
    path = workplace() / "tiny.pdparams"
    write_weights(path, model.state_dict())
    return path


@functools.cache
def config() -> Config:
    """Return the configuration with the weights."""
    return write_config(workplace(), weights=weights_file())


@functools.cache
def exported() -> Path:
    """Return the exported folder. Tests must not change it; see `copy_of_export`."""
    from ppocr.export import export_from_config

    return export_from_config(config())


def copy_of_export(folder: Path, *, stem: str = "inference", description: Mapping[str, Any] | None = None) -> Path:
    """Copy the exported program and weights to a new folder, under another stem and with another inference.yml."""
    folder.mkdir()
    for suffix in (".json", ".pdiparams"):
        shutil.copy(exported() / f"inference{suffix}", folder / f"{stem}{suffix}")
    if description is not None:
        (folder / "inference.yml").write_text(yaml.safe_dump(dict(description), allow_unicode=True), encoding="utf-8")
    return folder


@functools.cache
def pictures() -> tuple[npt.NDArray[np.uint8], ...]:
    """Return pictures of several aspect ratios, uint8 [H, W, 3], some wider than the network."""
    random = np.random.default_rng(3)
    shapes = [(32, 20), (32, 64), (20, 90), (48, 192), (32, 128), (40, 400), (31, 77), (64, 128), (16, 300), (50, 50)]
    return tuple(
        cv2.resize(random.integers(0, 256, (2, 2 + 2 * width // height, 3), np.uint8), (width, height),
                   interpolation=cv2.INTER_CUBIC)
        for height, width in shapes
    )
