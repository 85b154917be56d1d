"""Parameter names and shapes are those of published weights."""

from __future__ import annotations

import ast
import hashlib
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset, ctc_codec
from ppocr.cv import cv2
from ppocr.modeling import build_model
from ppocr.modeling.heads.ctc_head import CTCHead
from ppocr.modeling.necks.sequence_encoder import SequenceEncoder
from ppocr.weights import read_weights
from tests.modeling.sections import CRNN, CTC, LITE, RESHAPE, STN, SVTR, rec, rnn
from tests.shared_files import SHARED, needs_shared

ENHANCE = {"name": "MobileNetV1Enhance", "scale": 0.5}

# name: section, classes, tensors, parameters (weights that are listed under two names count once), digest
MODELS: dict[str, tuple[dict[str, Any], int, int, int, str]] = {
    "crnn_mv3": (CRNN, 37, 301, 1464155, "99d45c0c2d7a09df2e53db9ce4a0536f875bb684730f7f038c67ccdde736d560"),
    "crnn_r34vd": (rec({"name": "ResNet", "layers": 34}, rnn(256), CTC), 37, 229, 24498309,
                   "c5c1eac50f2efce99b8d5db0a4ea45641009a940c6df65562970be6fb1658e9a"),
    "v2_rec": (rec(ENHANCE, rnn(64), {"name": "CTCHead", "mid_channels": 96}), 6625, 179, 2077377,
               "eb30f00985942a4db3202f87c7f8b53eb9a827725f79fbf2dcdb1e957ff463e2"),
    "chinese_lite_v2": (LITE, 6625, 245, 1087537, "3673e75a805d4c6fe05845bedbed7ab5ca017d817b23dcfdf150a6196e041bce"),
    "svtr_tiny": (rec(SVTR, RESHAPE, CTC, Transform=STN), 37, 214, 6025805,
                  "daa64560b75d71e463ba24b6bc5ffb21bdc2ebee16b12263a64a3300e8eb2b2b"),
    "svtr_tiny_ch": (rec({**SVTR, "img_size": [32, 320], "out_char_num": 40, "out_channels": 96}, RESHAPE, CTC), 6625,
                     170, 4807105, "18b9e01c5da711c1e7ace55c5b0f6d7dfe5819d3d816996be228adcd5509bf1a"),
    "cls_mv3": ({"model_type": "cls", "Backbone": {"name": "MobileNetV3", "scale": 0.35},
                 "Head": {"name": "ClsHead", "class_dim": 2}}, 2, 213, 133628,
                "ba204f64768329a9e3f2ce96acbe770280aceb6a4ebde02a5f04990a0d8b7683"),
    "cls_rotnet": ({"model_type": "cls",
                    "Backbone": {**ENHANCE, "last_conv_stride": [1, 2], "last_pool_type": "avg"},
                    "Head": {"name": "ClsHead", "class_dim": 4}}, 4, 145, 1029156,
                   "b8cd7aecb96e139cb315f6e7d3a13f8e865ed90f7fe77c852be5c434b421c7aa"),
}


def shapes(layer: Any, prefix: str = "") -> dict[str, list[int]]:
    return {prefix + name: list(value.shape) for name, value in layer.state_dict().items()}


def dump(name: str) -> dict[str, list[int]]:
    text = (SHARED / "reference/state_dict" / f"{name}.txt").read_text()
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {key: ast.literal_eval(shape) for key, shape, _ in rows}


@pytest.mark.parametrize("name", MODELS)
def test_names_and_shapes(name: str) -> None:
    section, classes, tensors, parameters, digest = MODELS[name]
    model = build_model(section, num_classes=classes)
    found = shapes(model)
    assert len(found) == tensors
    # state_dict() lists the weights of nn.LSTM twice, flat and by cell; parameters() lists them once.
    assert sum(int(np.prod(value.shape)) for value in model.parameters()) == parameters
    lines = "".join(f"{key} {shape}\n" for key, shape in sorted(found.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == digest


@needs_shared("reference/state_dict")
@pytest.mark.parametrize("name", MODELS)
def test_same_as_the_published_dump(name: str) -> None:
    section, classes, *_ = MODELS[name]
    assert shapes(build_model(section, num_classes=classes)) == dump(name)


@needs_shared("reference/state_dict")
@pytest.mark.parametrize(("name", "channels", "options"), [
    ("v3_mobile_rec", 512, {"encoder_type": "svtr", "dims": 64, "depth": 2, "hidden_dims": 120}),
    ("v4_mobile_rec", 480, {"encoder_type": "svtr", "dims": 120, "hidden_dims": 120, "kernel_size": [1, 3]}),
    ("v6_small_rec", 384, {"encoder_type": "lightsvtr", "dims": 120, "depth": 2, "mlp_ratio": 2.0, "local_kernel": 7}),
])
def test_encoders_inside_published_heads(name: str, channels: int, options: dict[str, Any]) -> None:
    prefix = "head.ctc_encoder."
    expected = {key: shape for key, shape in dump(name).items() if key.startswith(prefix)}
    assert expected
    assert shapes(SequenceEncoder(channels, **options), prefix) == expected


@needs_shared("reference/state_dict")
def test_guide_layers_of_the_ctc_head() -> None:
    expected = {key: shape for key, shape in dump("v6_tiny_rec").items() if key.startswith("head.ctc_head.")}
    assert shapes(CTCHead(160, 6906, mid_channels=80, use_guide=True), "head.ctc_head.") == expected


def test_lstm_weights_have_two_names_for_one_tensor() -> None:
    state = build_model(LITE, num_classes=5).state_dict()
    flat, cell = state["neck.encoder.lstm.weight_ih_l0"], state["neck.encoder.lstm.0.cell_fw.weight_ih"]
    np.testing.assert_array_equal(flat.numpy(), cell.numpy())


@pytest.fixture(scope="module")
def published() -> Any:
    folder = SHARED / "weights/en_number_mobile_v2.0_rec_train"
    model = build_model(LITE, num_classes=97)
    missing, unexpected = model.set_state_dict(read_weights(folder / "best_accuracy.pdparams"))
    assert (missing, unexpected) == ([], [])
    model.eval()
    return model


@needs_shared("weights/en_number_mobile_v2.0_rec_train")
@needs_shared("data/rec/test.txt")
def test_published_weights_read_real_words(published: Any) -> None:
    symbols = "0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~!\"#$%&'()*+,-./  "
    codec = ctc_codec(Charset(tuple(symbols)))
    rows = [line.split("\t") for line in (SHARED / "data/rec/test.txt").read_text("utf-8").splitlines()[:128]]
    images = np.zeros((len(rows), 3, 32, 320), np.float32)
    for image, (path, _) in zip(images, rows, strict=True):
        photo = cv2.imread(str(SHARED / "data" / path))
        width = min(320, int(np.ceil(32 * photo.shape[1] / photo.shape[0])))
        image[:, :, :width] = (cv2.resize(photo, (width, 32)).transpose(2, 0, 1) / 255 - 0.5) / 0.5
    with paddle.no_grad():
        best = published(paddle.to_tensor(images))["probs"].numpy().argmax(-1)
    kept = (best != 0) & (best != np.pad(best, ((0, 0), (1, 0)))[:, :-1])
    texts = [codec.decode(line[mask]) for line, mask in zip(best, kept, strict=True)]
    correct = sum(text == label for text, (_, label) in zip(texts, rows, strict=True))
    # Measured with OpenCV 5.0; another version's resize may turn a word.
    assert abs(correct - 58) <= 2
