"""Parameter names and shapes are those of published weights."""

from __future__ import annotations

import ast
import hashlib
import json
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset, ctc_codec
from ppocr.cv import cv2
from ppocr.modeling import build_model
from ppocr.modeling.heads.ctc_head import CTCHead
from ppocr.modeling.necks.sequence_encoder import SequenceEncoder
from ppocr.registry import HEADS, NECKS
from ppocr.weights import load_into, read_weights
from tests.modeling.sections import (
    CRNN,
    CTC,
    DB,
    DB_MOBILE,
    LARGE,
    LITE,
    MOBILE,
    RESHAPE,
    STN,
    SVTR,
    det,
    neck,
    rec,
    rnn,
)
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
    "v2_det_student": (DB_MOBILE, 1, 269, 595794, "4052fb96d1e82b8bcb30cdd3916b89bd4bf80c3ffe25a6f1a88e5e348be30327"),
    "v3_mobile_det": (det(MOBILE, neck("RSEFPN", 96, shortcut=True), DB), 1, 301, 615978,
                      "dd785b0871f3639e4b00138b2d2548b4c4f51453938095f0077f2d96ea675a09"),
    "v3_server_det": (det({"name": "ResNet_vd", "layers": 50}, neck("LKPAN", 256), {**DB, "kernel_list": [7, 2, 2]}), 1,
                      316, 32949730, "0d992abb6220a65e831ab9608b4829791052fe139dc73ffc9701ce27c4355c81"),
    "db_mv3": (det(LARGE, neck("DBFPN", 256), DB), 1, 301, 1857016,
               "e44d754dba1b106d3207fd9ff3a988b376b07c40838bde967f829eb681891ac5"),
    "db_r18vd": (det({"name": "ResNet_vd", "layers": 18}, neck("DBFPN", 256), DB), 1, 149, 12374754,
                 "f74c6be7a0cd273e77e9223bfaba86069e6e55ef167afa8d046f64ed44e1a3a4"),
    "db_r50vd": (det({"name": "ResNet_vd", "layers": 50}, neck("DBFPN", 256), DB), 1, 309, 25482722,
                 "462ad3586eb610a97840b5387a6e953a21c91f359b4e652b0e235bf8eceb6371"),
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


@needs_shared("reference/state_dict")
@pytest.mark.parametrize(("name", "channels"), [
    ("v4_server_det", [256, 512, 768, 1024]), ("v5_server_det", [128, 512, 1024, 2048]),
])
def test_neck_and_head_of_the_server_detectors(name: str, channels: list[int]) -> None:
    pan = NECKS.build(neck("LKPAN", 256, intracl=True), task="det", in_channels=channels)
    head = HEADS.build({"name": "PFHeadLocal", "mode": "large", "fix_nan": True}, task="det", in_channels=256)
    expected = {key: shape for key, shape in dump(name).items() if not key.startswith("backbone.")}
    assert {**shapes(pan, "neck."), **shapes(head, "head.")} == expected


def test_names_of_what_no_dump_holds() -> None:
    plus = build_model(det({"name": "ResNet", "layers": 50, "dcn_stage": [False, True, True, True]},
                           neck("DBFPN", 256, use_asf=True), DB), num_classes=1)
    found = shapes(plus)
    assert found["backbone.res2a.short._conv.weight"] == [256, 64, 1, 1]
    assert found["backbone.res5c.conv1._conv.conv_dcn.weight"] == [512, 512, 3, 3]
    assert found["backbone.res5c.conv1._conv.conv_offset.weight"] == [54, 512, 3, 3]
    assert {key: shape for key, shape in found.items() if key.startswith("neck.asf")} == {
        "neck.asf.conv.weight": [64, 256, 3, 3], "neck.asf.conv.bias": [64],
        "neck.asf.spatial_scale.0.weight": [1, 1, 3, 3], "neck.asf.spatial_scale.2.weight": [1, 1, 1, 1],
        "neck.asf.channel_scale.0.weight": [4, 64, 1, 1]}


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


@needs_shared("weights/ch_ppocr_mobile_v2.0_det_train")
@needs_shared("data/det/test.txt")
def test_published_detector_lights_up_text() -> None:
    model = build_model(DB_MOBILE, num_classes=1)
    weights = read_weights(SHARED / "weights/ch_ppocr_mobile_v2.0_det_train/best_accuracy")
    report = load_into(model, weights, strict=True)
    assert (report.loaded, report.missing, report.unexpected) == (269, (), ())
    model.eval()
    inside, outside = [], []
    lines = (SHARED / "data/det/test.txt").read_text("utf-8").splitlines()
    for path, label in (lines[number].split("\t") for number in (22, 23, 30)):
        photo = cv2.resize(cv2.imread(str(SHARED / "data" / path)), (1280, 736))
        image = ((photo / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32).transpose(2, 0, 1)
        with paddle.no_grad():
            probability = model(paddle.to_tensor(image[None]))["maps"].numpy()[0, 0]
        text = np.zeros((736, 1280), np.uint8)
        for region in json.loads(label):
            cv2.fillPoly(text, [(np.array(region["points"]) * [1, 736 / 720]).astype(np.int32)], 1)
        inside.append(probability[text == 1])
        outside.append(probability[text == 0])
    # Measured: 0.27 and 0.0002; a region's border does not light up, as the weights learned shrunk regions.
    assert np.concatenate(inside).mean() > 0.2
    assert np.concatenate(outside).mean() < 0.001


@needs_shared("weights/MobileNetV3_large_x0_5_pretrained.pdparams")
def test_backbone_weights_of_a_classifier_fill_the_backbone() -> None:
    weights = read_weights(SHARED / "weights/MobileNetV3_large_x0_5_pretrained")
    for section, unexpected in ((det(LARGE, neck("DBFPN", 256), DB), 0), (DB_MOBILE, 32)):
        model = build_model(section, num_classes=1)
        report = load_into(model, weights, minimum_share=0.5)
        assert not [name for name in report.missing if name.startswith("backbone.")]
        assert len(report.unexpected) == unexpected  # The gates, where the model has none.
