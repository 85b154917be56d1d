"""A detector that is saved as a program gives the same maps: with oneDNN on, in any size, and as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.inference
import pytest

from ppocr.modeling import build_model
from tests.modeling.sections import DB, SMALL, det, neck

SHAPES = [(1, 3, 96, 128), (2, 3, 160, 64)]
FAMILIES = {
    "DBFPN": det({"name": "ResNet_vd", "layers": 18}, neck("DBFPN", 16, use_asf=True), DB),
    "RSEFPN": det(SMALL, neck("RSEFPN", 16), {"name": "PFHeadLocal", "mode": "small"}),
    "LKPAN": det(SMALL, neck("LKPAN", 16, intracl=True), {"name": "PFHeadLocal", "mode": "large"}),
    "RepLKFPN": det({"name": "PPLCNetV4", "model_size": "tiny", "det": True},
                    neck("RepLKFPN", 16, dilated_kernel_size=5), {**DB, "aux_in_channels": 16}),
    "RepLKPAN": det(SMALL, neck("RepLKPAN", 16), {**DB, "aux_in_channels": 16}),
    "LKPAN lite": det(SMALL, neck("LKPAN", 16, mode="lite"), {**DB, "kernel_list": [7, 2, 2]}),
}
# Paddle runs a program with deformable convolutions; paddle2onnx 2.1 forgets their offset groups.
WITHOUT_ONNX = {"DCN": det({"name": "ResNet", "layers": 18, "dcn_stage": [False, False, False, True]},
                           neck("DBFPN", 16), DB)}
ALL = {**FAMILIES, **WITHOUT_ONNX}


class Maps(paddle.nn.Layer):
    """What an export keeps of a model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Any) -> Any:
        return self.model(images)["maps"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return for each family the folder with its program, images and the maps that the layers give for them."""
    cases: dict[str, Any] = {}
    for name, section in ALL.items():
        paddle.seed(0)
        model = build_model(section, num_classes=1)
        _settle(model)
        folder = tmp_path_factory.mktemp("program")
        spec = [paddle.static.InputSpec([None, 3, None, None], "float32", "x")]
        static = paddle.jit.to_static(Maps(model), input_spec=spec, full_graph=True)
        paddle.jit.save(static, str(folder / "inference"))
        images = [np.random.default_rng(0).random(shape, np.float32) for shape in SHAPES]
        with paddle.no_grad():
            expected = [model(paddle.to_tensor(image))["maps"].numpy() for image in images]
        cases[name] = folder, images, expected
    return cases


def _settle(model: Any) -> None:
    """Set the batch norms to what images give: values that grow from layer to layer would magnify rounding."""
    model.train()
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer._momentum = 0.0
    with paddle.no_grad():
        model(paddle.rand([4, 3, 128, 128]))
    model.eval()


@pytest.mark.parametrize("name", ALL)
def test_program(name: str, saved: dict[str, Any]) -> None:
    folder, images, expected = saved[name]
    config = paddle.inference.Config(str(folder / "inference.json"), str(folder / "inference.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    predictor = paddle.inference.create_predictor(config)
    entry = predictor.get_input_handle(predictor.get_input_names()[0])
    for image, maps in zip(images, expected, strict=True):
        entry.reshape(image.shape)
        entry.copy_from_cpu(image)
        predictor.run()
        found = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
        assert found.shape == (image.shape[0], 1, *image.shape[2:])
        assert maps.std() > 0.01
        assert np.abs(found - maps).max() < 1e-4


@pytest.mark.parametrize("name", FAMILIES)
def test_onnx(name: str, saved: dict[str, Any], tmp_path: Path) -> None:
    paddle2onnx, onnxruntime = (pytest.importorskip(package) for package in ("paddle2onnx", "onnxruntime"))
    folder, images, expected = saved[name]
    file = tmp_path / "model.onnx"
    try:
        paddle2onnx.export(str(folder / "inference.json"), str(folder / "inference.pdiparams"), str(file),
                           opset_version=17, optimize_tool="None")
    except SystemExit:
        pytest.fail("paddle2onnx gave up")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    for image, maps in zip(images, expected, strict=True):
        found = session.run(None, {session.get_inputs()[0].name: image})[0]
        assert np.abs(found - maps).max() < 1e-4


def test_the_kernels_of_enlargement_are_no_weights() -> None:
    model = build_model(FAMILIES["LKPAN"], num_classes=1)
    names = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    assert set(model.state_dict()) == names
    model.train()
    model(paddle.rand([1, 3, 64, 64]))
    assert set(model.state_dict()) == names
