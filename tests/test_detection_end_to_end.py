"""A user's minimal detection configuration: trained, evaluated, exported and used for prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from ppocr.commands import USER_ERROR, run_command
from ppocr.config import load_config
from ppocr.cv import cv2
from ppocr.export.from_config import detector_from_config
from ppocr.infer import TextDetector
from tests.small_detection import write_pictures, write_user_config
from tools import eval as eval_command
from tools import export_model as export_command
from tools import infer_det as infer_command
from tools import train as train_command
from tools.infer import predict_det as predict_command

ON_THIS_MACHINE = ["Global.use_gpu=false", "Global.epoch_num=1", "Train.loader={batch_size_per_card: 2}"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detection")
    write_pictures(folder)
    config = write_user_config(folder)
    assert run_command(train_command.main, ["-c", str(config), "-o", *ON_THIS_MACHINE]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    target = trained / "inference"
    code = run_command(export_command.main, ["-c", str(trained / "my_det.yml"), "-o", *ON_THIS_MACHINE,
                                             best(trained), f"Global.save_inference_dir={target}"])
    assert code == 0
    return target


def best(folder: Path) -> str:
    return f"Global.pretrained_model={folder / 'output' / 'my_det_model' / 'best_accuracy'}"


def test_a_gpu_that_is_not_there_names_the_override(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if paddle.is_compiled_with_cuda():
        pytest.skip("this is the GPU build of Paddle")
    assert run_command(train_command.main, ["-c", str(trained / "my_det.yml")]) == USER_ERROR
    assert "-o Global.use_gpu=false" in capsys.readouterr().err


def test_what_is_left_out_is_written_into_the_effective_configuration(trained: Path) -> None:
    text = (trained / "output" / "my_det_model" / "config.yml").read_text()
    content = yaml.safe_load(text)
    assert content["Eval"]["dataset"]["name"] == "SimpleDataSet"
    assert content["PostProcess"]["name"] == "DBPostProcess"
    assert content["Metric"]["name"] == "DetMetric"
    names = [next(iter(entry)) for entry in content["Train"]["dataset"]["transforms"]]
    assert names == ["DecodeImage", "DetLabelEncode", "IaaAugment", "EastRandomCropData", "MakeBorderMap",
                     "MakeShrinkMap", "NormalizeImage", "ToCHWImage", "KeepKeys"]
    assert "Train.dataset.transforms" in text.split("Global:")[0]


def test_training_evaluates_in_words_that_say_what(trained: Path) -> None:
    log = (trained / "output" / "my_det_model" / "train.log").read_text()
    assert "Eval: recall:" in log.replace("\n", " ")
    for part in ("precision:", "hmean:", "loss_shrink_maps:", "loss_threshold_maps:", "loss_binary_maps:"):
        assert part in log


def test_evaluation_by_itself(trained: Path, tmp_path: Path) -> None:
    code = run_command(eval_command.main, ["-c", str(trained / "my_det.yml"), "--json", str(tmp_path / "eval.json"),
                                           "-o", *ON_THIS_MACHINE, best(trained)])
    assert code == 0
    figures = json.loads((tmp_path / "eval.json").read_text())
    assert 0 <= figures["hmean"] <= 1
    assert figures["samples"] == 2


def test_the_export_takes_images_of_any_size(exported: Path) -> None:
    content = yaml.safe_load((exported / "inference.yml").read_text())
    assert content["Model"]["inputs"][0]["shape"] == [-1, 3, -1, -1]
    assert content["Model"]["outputs"][0] == {"name": "maps", "dtype": "float32", "shape": [-1, 1, -1, -1]}
    assert content["PostProcess"] == {
        "name": "DBPostProcess", "thresh": 0.3, "box_thresh": 0.6, "max_candidates": 1000, "unclip_ratio": 1.5,
        "use_dilation": False, "score_mode": "fast", "box_type": "quad", "whole_pixels": False}
    assert "Charset" not in content
    detector = TextDetector(exported, det_limit_side_len=64, det_db_thresh=0.0, det_db_box_thresh=0.0)
    for size in ((64, 64), (90, 150), (150, 33)):
        boxes, seconds = detector(np.full((*size, 3), 128, np.uint8))
        assert boxes.shape[1:] == (4, 2)
        assert seconds > 0


def threshold_with_regions(folder: Path, picture: str) -> float:
    """Return a probability above which a third of the picture lies, so that there are regions to compare."""
    config = load_config(folder / "my_det.yml", [*ON_THIS_MACHINE, best(folder)], {})
    reader = detector_from_config(config)
    return float(np.quantile(reader.run([reader.preprocess(cv2.imread(picture))]), 2 / 3))


def test_exported_and_trained_model_find_the_same(exported: Path, tmp_path: Path) -> None:
    picture = str(exported.parent / "images" / "4.png")
    threshold = f"{threshold_with_regions(exported.parent, picture):.4f}"
    options = ["-c", str(exported.parent / "my_det.yml"), "-o", *ON_THIS_MACHINE, best(exported.parent),
               f"PostProcess.thresh={threshold}", "PostProcess.box_thresh=0.0"]
    assert run_command(infer_command.main, [*options, "--image_dir", picture, "--output",
                                            str(tmp_path / "trained.jsonl")]) == 0
    assert run_command(predict_command.main, [
        "--det_model_dir", str(exported), "--image_dir", picture, "--output", str(tmp_path / "exported.jsonl"),
        "--det_db_thresh", threshold, "--det_db_box_thresh", "0", "--enable_mkldnn", "false"]) == 0
    trained_file, exported_file = (json.loads((tmp_path / name).read_text().splitlines()[0])
                                   for name in ("trained.jsonl", "exported.jsonl"))
    # A network of two epochs gives noise, and the export, whose batch norms are folded, rounds otherwise: a pixel that
    # lies on the threshold may change a region.
    trained, deployed = ({json.dumps(region["points"]) for region in file["regions"]}
                          for file in (trained_file, exported_file))
    assert trained
    assert len(trained & deployed) >= 0.9 * max(len(trained), len(deployed))
    assert {**trained_file, "regions": []} == {**exported_file, "regions": []}
