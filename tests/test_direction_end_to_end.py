"""A direction classifier from recognition data: trained, evaluated, exported and used for prediction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ppocr.commands import run_command
from ppocr.cv import cv2
from ppocr.data.synth.dataset import SynthSettings, write_dataset
from ppocr.infer import TextClassifier
from tests.source_tree import ROOT
from tools import eval as eval_command
from tools import export_model as export_command
from tools import train as train_command
from tools.infer import predict_cls as predict_command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("direction")
    write_dataset(folder / "words", 48, SynthSettings(seed=5, min_length=3, max_length=5), test_count=16)
    assert run_command(train_command.main, ["-c", CONFIG, *options(folder)]) == 0
    return folder


CONFIG = str(ROOT / "configs" / "cls" / "direction_mv3.yml")


def options(folder: Path, *further: str) -> list[str]:
    words = folder / "words"
    return ["-o", f"Global.save_model_dir={folder / 'output'}", "Global.use_gpu=false", "Global.epoch_num=2",
            "Train.loader={batch_size_per_card: 16, num_workers: 0}", "Eval.loader.num_workers=0",
            f"Train.dataset.data_dir={words}", f"Train.dataset.label_file_list=[{words / 'train.txt'}]",
            f"Eval.dataset.data_dir={words}", f"Eval.dataset.label_file_list=[{words / 'test.txt'}]", *further]


def test_evaluation_turns_the_same_pictures_each_time(trained: Path) -> None:
    weights = f"Global.pretrained_model={trained / 'output' / 'best_accuracy'}"
    figures = []
    for name in ("one.json", "two.json"):
        assert run_command(eval_command.main, ["-c", CONFIG, "--json", str(trained / name),
                                               *options(trained, weights)]) == 0
        figures.append(json.loads((trained / name).read_text()))
    assert figures[0]["acc"] == figures[1]["acc"]
    assert figures[0]["samples"] == 16


def test_exported_and_used(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = f"Global.pretrained_model={trained / 'output' / 'best_accuracy'}"
    assert run_command(export_command.main, ["-c", CONFIG, *options(trained, weights)]) == 0
    folder = trained / "output" / "inference"
    content = yaml.safe_load((folder / "inference.yml").read_text())
    assert content["PostProcess"] == {"name": "ClsPostProcess", "label_list": ["0", "180"]}
    # What makes labels takes no part in prediction.
    assert [next(iter(step)) for step in content["PreProcess"]["transform_ops"]] == ["DecodeImage", "ClsResizeImg"]
    pictures = sorted((trained / "words" / "test").iterdir())[:3]
    capsys.readouterr()
    assert run_command(predict_command.main, ["--cls_model_dir", str(folder), "--image_dir",
                                              *map(str, pictures)]) == 0
    printed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    found = TextClassifier(folder).classify([cv2.imread(str(picture)) for picture in pictures])
    assert [(name, label) for name, label, _ in printed] == [
        (str(picture), direction.label) for picture, direction in zip(pictures, found, strict=True)]
