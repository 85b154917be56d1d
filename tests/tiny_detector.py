"""A detector and a direction classifier that are easy to predict: dark is text, and text with a dark top is turned.

Both exist as plain functions and as exported programs with the same numbers.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

Array = npt.NDArray[Any]

OPERATORS: list[dict[str, Any]] = [
    {"DecodeImage": {"img_mode": "BGR"}},
    {"DetLabelEncode": None},
    {"DetResizeForTest": {"limit_side_len": 32, "limit_type": "min"}},
    {"NormalizeImage": {"scale": "1./255.", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "order": "hwc"}},
    {"ToCHWImage": None},
    {"KeepKeys": {"keep_keys": ["image", "shape"]}},
]
POSTPROCESS: dict[str, Any] = {"name": "DBPostProcess", "thresh": 0.5, "box_thresh": 0.5, "unclip_ratio": 0.0}
"""Nothing is grown, so that the regions are exactly the dark rectangles."""

SHARPNESS = 20.0


class DarkPixels:
    """A backend: the darker a pixel, the likelier it is text. Remembers the shapes that it was given."""

    input_names = ("x",)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        images = inputs["x"]
        self.shapes.append(images.shape)
        return [1 / (1 + np.exp(SHARPNESS * images.mean(axis=1, keepdims=True)))]


class DarkTop:
    """A backend: two classes, of which the second is likely for images with a dark upper half."""

    input_names = ("x",)

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        upper, lower = (half.mean(axis=(1, 2, 3)) for half in np.split(inputs["x"], 2, axis=2))
        turned = 1 / (1 + np.exp(SHARPNESS * (upper - lower)))
        return [np.stack([1 - turned, turned], axis=1)]


def page(*rectangles: Sequence[int], size: tuple[int, int] = (192, 320)) -> npt.NDArray[np.uint8]:
    """Return a white page, height and width `size`, with dark rectangles: left, top, right, bottom and maybe grey."""
    picture = np.full((*size, 3), 255, np.uint8)
    for left, top, right, bottom, *grey in rectangles:
        picture[top:bottom + 1, left:right + 1] = grey[0] if grey else 0
    return picture


def description(**changes: Any) -> dict[str, Any]:
    """Return the content of an ``inference.yml`` of the detector."""
    return {
        "schema": 1,
        "Global": {"model_name": "dark", "model_type": "det", "algorithm": "DB"},
        "Model": {"inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 3, -1, -1]}]},
        "PreProcess": {"transform_ops": OPERATORS},
        "PostProcess": POSTPROCESS,
        **changes,
    }


def classifier_description(**changes: Any) -> dict[str, Any]:
    """Return the content of an ``inference.yml`` of the classifier."""
    return {
        "schema": 1,
        "Global": {"model_name": "top", "model_type": "cls", "algorithm": "CLS"},
        "Model": {"inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 3, -1, -1]}]},
        "PreProcess": {"transform_ops": [{"ClsLabelEncode": None}, {"ClsResizeImg": {"image_shape": [3, 16, 32]}}]},
        "PostProcess": {"name": "ClsPostProcess", "label_list": ["0", "180"]},
        **changes,
    }


def write_folder(folder: Path, kind: str, content: Mapping[str, Any] | None = None) -> Path:
    """Write an exported ``"det"`` or ``"cls"`` model with this ``inference.yml``, none if it is None."""
    shutil.copytree(_program(kind), folder)
    if content is not None:
        (folder / "inference.yml").write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
    return folder


@functools.cache
def exported_detector() -> Path:
    """Return the folder of the exported detector. Tests must not change it."""
    return write_folder(_workplace() / "detector", "det", description())


@functools.cache
def exported_classifier() -> Path:
    """Return the folder of the exported classifier. Tests must not change it."""
    return write_folder(_workplace() / "classifier", "cls", classifier_description())


@functools.cache
def _workplace() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tiny_detector."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _program(kind: str) -> Path:
    import paddle

    class Dark(paddle.nn.Layer):
        def forward(self, images: Any) -> Any:
            return paddle.nn.functional.sigmoid(-SHARPNESS * images.mean(axis=1, keepdim=True) * self.one)

    class Top(paddle.nn.Layer):
        def forward(self, images: Any) -> Any:
            upper, lower = paddle.split(images * self.one, 2, axis=2)
            difference = upper.mean(axis=[1, 2, 3]) - lower.mean(axis=[1, 2, 3])
            turned = paddle.nn.functional.sigmoid(-SHARPNESS * difference)
            return paddle.stack([1 - turned, turned], axis=1)

    network = {"det": Dark, "cls": Top}[kind]()
    # Without a weight Paddle writes no .pdiparams.
    network.one = network.create_parameter([1], default_initializer=paddle.nn.initializer.Constant(1.0))
    network.eval()
    side = None if kind == "det" else 16
    spec = paddle.static.InputSpec([None, 3, side, None if kind == "det" else 32], "float32", "x")
    folder = _workplace() / kind
    paddle.jit.save(paddle.jit.to_static(network, input_spec=[spec], full_graph=True), str(folder / "inference"))
    return folder
