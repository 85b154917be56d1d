"""Render, train, resume, evaluate, export, predict: the commands of a user, on a recognizer of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ppocr.commands import run_command
from ppocr.config import load_config
from ppocr.engine.builder import build_evaluation, build_model_parts, load_trained
from ppocr.engine.evaluator import evaluation_mode, predict_batch
from ppocr.infer import TextRecognizer, exported_weights
from ppocr.weights import read_weights
from tests.small_run import write_small_run
from tools import eval as eval_command
from tools import export_model as export_command
from tools import train as train_command
from tools.infer import predict_rec as predict_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("end_to_end")
    write_small_run(folder, count=48, test_count=20)
    return folder


def train(folder: Path, output: str, *options: str) -> dict[str, np.ndarray]:
    """Train into `folder/output` and return the final weights."""
    code = run_command(train_command.main, [
        "-c", str(folder / "small.yml"), "-o", f"Global.save_model_dir={folder / output}",
        "Optimizer.lr={learning_rate: 0.005}", "Train.dataset.transforms.DecodeImage.img_mode=BGR", *options])
    assert code == 0
    return read_weights(folder / output / "latest.pdparams")


def assert_equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


AUGMENTED = ("Train.dataset.transforms=[{DecodeImage: {img_mode: BGR}}, {RecAug: {}}, {CTCLabelEncode: {}}, "
             "{RecResizeImg: {image_shape: [3, 32, 64]}}, {KeepKeys: {keep_keys: [image, label, length]}}]")


def test_a_seed_gives_one_result_with_any_number_of_workers(folder: Path) -> None:
    first = train(folder, "workers0", AUGMENTED, "Global.epoch_num=2")
    assert_equal(first, train(folder, "workers2", AUGMENTED, "Global.epoch_num=2", "Train.loader.num_workers=2"))
    other = train(folder, "seed", AUGMENTED, "Global.epoch_num=2", "Global.seed=1")
    assert any((first[name] != other[name]).any() for name in first)


def test_a_resumed_training_equals_an_uninterrupted_one(folder: Path) -> None:
    whole = train(folder, "whole", AUGMENTED, "Global.epoch_num=3")
    train(folder, "part", AUGMENTED, "Global.epoch_num=2")
    resumed = train(folder, "part", AUGMENTED, "Global.epoch_num=3", f"Global.checkpoints={folder / 'part' / 'latest'}")
    assert_equal(whole, resumed)


def test_files_beside_the_run(folder: Path) -> None:
    train(folder, "files", "Global.epoch_num=2", "Global.save_epoch_step=2", "Global.use_visualdl=true",
          "Global.cal_metric_during_train=true", "Global.accumulation_steps=4")
    names = {path.name for path in (folder / "files").iterdir()}
    assert {"config.yml", "train.log", "metrics.jsonl", "vdl", "best_accuracy.pdparams", "latest.pdopt",
            "latest.state", "iter_epoch_2.pdparams"} <= names
    assert list((folder / "files" / "vdl").iterdir())
    log = (folder / "files" / "train.log").read_text()
    assert "Epoch: 2/2, Step: 6/6, loss: " in log
    assert "acc: " in log
    assert "Eval: acc:" in log
    steps = [json.loads(line)["step"] for line in (folder / "files" / "metrics.jsonl").read_text().splitlines()]
    assert max(steps) == 4  # Six batches an epoch, four to a step.
    # The effective configuration is complete: it trains by itself.
    assert load_config(folder / "files" / "config.yml", (), {})["Optimizer"]["lr"]["learning_rate"] == 0.005


@pytest.fixture(scope="module")
def output(folder: Path) -> Path:
    """The folder of a run that is evaluated (eval.json) and exported (inference)."""
    # Hardly trained, so that it reads many different, wrong texts: a CTC model that has learnt a little reads nothing.
    train(folder, "export", "Optimizer.lr={learning_rate: 1e-5}")
    config_file, output = str(folder / "small.yml"), folder / "export"
    options = [f"Global.save_model_dir={output}", f"Global.pretrained_model={output / 'best_accuracy'}"]
    assert run_command(eval_command.main, ["-c", config_file, "--json", str(output / "eval.json"), "-o", *options]) == 0
    assert run_command(export_command.main, ["-c", config_file, "-o", *options]) == 0
    return output


def test_prediction_through_the_exported_folder_equals_evaluation(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    options = [f"Global.save_model_dir={output}", f"Global.pretrained_model={output / 'best_accuracy'}"]
    config = load_config(str(folder / "small.yml"), options, {})
    parts = build_model_parts(config)
    load_trained(parts, config["Global"]["pretrained_model"])
    loader, _ = build_evaluation(config, parts)
    expected: dict[str, str] = {}
    scores: dict[str, float] = {}
    with evaluation_mode(parts.model):
        for batch in loader:
            for info, line in zip(batch["info"], predict_batch(parts.model, batch, parts.postprocess), strict=True):
                expected[str(folder / "words" / info.path)], scores[info.path] = line.text, line.score
    assert len(expected) == 20
    assert len(set(expected.values())) > 5, "the model reads nothing, so equality would say nothing"

    capsys.readouterr()
    assert run_command(predict_command.main, [
        "--rec_model_dir", str(output / "inference"), "--image_dir", str(folder / "words" / "test"),
        "--visualize", str(output / "sheet.png"), "--output", str(output / "texts.jsonl")]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines() if line.count("\t") == 2]
    assert {str(Path(path)): text for path, text, _ in lines} == expected
    assert (output / "sheet.png").stat().st_size > 1000

    accuracy = json.loads((output / "eval.json").read_text())["acc"]
    truth = dict(line.split("\t") for line in (folder / "words" / "test.txt").read_text().splitlines())
    right = sum(expected[str(folder / "words" / path)] == text.lower() for path, text in truth.items())
    assert accuracy == pytest.approx(right / 20)


def test_an_exported_model_gives_its_weights_back_by_name(output: Path) -> None:
    trained = read_weights(output / "best_accuracy.pdparams")
    exported = exported_weights(output / "inference")
    used = {name: trained[name] for name in exported}
    assert len(used) > 30
    assert_equal(used, exported)
    assert TextRecognizer(str(output / "inference")).recognize([np.full((32, 60, 3), 255, np.uint8)])[0].score <= 1
