"""Exports of detectors and direction classifiers, compared with the models they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ppocr.config import Config, load_config
from ppocr.engine.builder import build_model_parts, load_trained
from ppocr.errors import ConfigError, ExportError
from ppocr.export import export_from_config
from ppocr.export.from_config import detector_from_config, evaluation_operators, reader_from_config
from ppocr.export.parity import LARGEST_SIDE, MULTIPLE, _pieces, check_parity
from ppocr.export.tasks import PAGE_SIZE, TASKS, rendered_pages
from ppocr.infer import TextClassifier, TextDetector
from ppocr.infer.operators import build_operators
from ppocr.results import Detection
from ppocr.weights import write_weights

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "det": {
        "model_type": "det", "algorithm": "DB",
        "Backbone": {"name": "MobileNetV3", "model_name": "small", "scale": 0.35, "disable_se": True},
        "Neck": {"name": "DBFPN", "out_channels": 16}, "Head": {"name": "DBHead"},
    },
    "cls": {"model_type": "cls", "algorithm": "CLS"},
}


def configuration(folder: Path, task: str) -> Config:
    """Return a configuration with random weights, written below `folder`."""
    content: dict[str, Any] = {
        "Global": {"save_model_dir": str(folder), "pretrained_model": str(folder / "w"), "use_gpu": False},
        "Architecture": ARCHITECTURES[task],
    }
    if task == "det":
        content["Eval"] = {"dataset": {"transforms": [
            {"DecodeImage": {"img_mode": "BGR"}}, {"DetLabelEncode": None},
            {"DetResizeForTest": {"limit_side_len": 96, "limit_type": "min"}},
            {"NormalizeImage": {"order": "hwc"}}, {"ToCHWImage": None},
            {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}}]}}
        content["PostProcess"] = {"name": "DBPostProcess", "thresh": 0.4, "box_thresh": 0.1}
    (folder / "config.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    config = load_config(folder / "config.yml", (), {})
    write_weights(folder / "w.pdparams", build_model_parts(config).model.state_dict())
    return config


@pytest.fixture(scope="module", params=["det", "cls"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Config, Path]:
    task = request.param
    config = configuration(tmp_path_factory.mktemp(task), task)
    return task, config, export_from_config(config)


def pieces_of(config: Config, task: str) -> tuple[Any, Any, Any]:
    parts = build_model_parts(config)
    load_trained(parts, config["Global"]["pretrained_model"])
    operators = build_operators(evaluation_operators(config, parts, task), **parts.transform_context)
    return parts.model, operators, parts.postprocess


def test_equal(exported: tuple[str, Config, Path]) -> None:
    task, config, folder = exported
    model, operators, postprocess = pieces_of(config, task)
    parity = check_parity(model, folder, task=task, operators=operators, postprocess=postprocess)
    assert parity.max_difference <= 1e-5
    assert not parity.different
    assert len(parity.results) == len(TASKS[task].pictures())


def test_other_weights_are_noticed(exported: tuple[str, Config, Path]) -> None:
    task, config, folder = exported
    model, operators, postprocess = pieces_of(config, task)
    for name, parameter in model.named_parameters():
        if name.startswith("head") and name.endswith("bias"):
            parameter.set_value(parameter + 0.3 * np.arange(parameter.size, dtype=np.float32).reshape(parameter.shape)
                                + 0.1)
    with pytest.raises(ExportError, match="differs from the trained one"):
        check_parity(model, folder, task=task, operators=operators, postprocess=postprocess)


def test_the_folder_says_what_kind_of_model_it_holds(exported: tuple[str, Config, Path]) -> None:
    task, config, folder = exported
    content = yaml.safe_load((folder / "inference.yml").read_text())
    assert content["Global"]["model_type"] == task
    assert "Charset" not in content
    predictor: Any = {"det": TextDetector, "cls": TextClassifier}[task](folder, enable_mkldnn=False)
    reader = reader_from_config(config, task, 2)
    picture = rendered_pages()[0]
    np.testing.assert_array_equal(predictor.preprocess(picture), reader.preprocess(picture))
    assert TASKS[task].same(predictor.read([picture])[0], reader.read([picture])[0])


def test_a_classifier_is_no_detector(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is 'cls': another kind of model is needed"):
        detector_from_config(configuration(tmp_path, "cls"))


def test_pieces_have_several_sizes_that_networks_take() -> None:
    batches = _pieces(np.zeros((3, 736, 1312), np.float32))
    shapes = [batch[0].shape[1:] for batch in batches]
    assert shapes == [(LARGEST_SIDE, LARGEST_SIDE), (160, LARGEST_SIDE), (LARGEST_SIDE, 160)]
    assert [len(batch) for batch in batches] == [1, 3, 2]
    assert all(side % MULTIPLE == 0 for shape in shapes for side in shape)
    assert [batch[0].shape[1:] for batch in _pieces(np.zeros((3, 32, 32), np.float32))] == [(32, 32)] * 3


def test_regions_are_the_same_within_a_pixel() -> None:
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
    one = Detection((square,), np.array([0.9], np.float32))
    same = TASKS["det"].same
    assert same(one, Detection((square + 1,), np.array([0.2], np.float32)))
    assert not same(one, Detection((square + 1.5,), np.array([0.9], np.float32)))
    assert not same(one, Detection((), np.zeros(0, np.float32)))
    assert not same(one, Detection((square[:3],), np.array([0.9], np.float32)))


def test_rendered_pages_hold_text_and_none() -> None:
    page, blank = rendered_pages()
    assert page.shape == (*PAGE_SIZE, 3)
    assert page.std() > 20 > blank.std() == 0
