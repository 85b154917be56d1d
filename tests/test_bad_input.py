"""What a user sees who gives the commands something wrong: exit code 2, what, where and what to do; no traceback."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ppocr.commands import USER_ERROR, run_command
from ppocr.weights import write_weights
from tests.small_run import write_small_run
from tools import eval as eval_command
from tools import export_model as export_command
from tools import train as train_command
from tools.infer import predict_rec as predict_command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with words, configuration, a trained checkpoint and an exported model."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_small_run(folder)
    assert run_command(train_command.main, ["-c", str(config)]) == 0
    best = f"Global.pretrained_model={folder / 'output' / 'best_accuracy'}"
    assert run_command(export_command.main, ["-c", str(config), "-o", best]) == 0
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that a test may spoil."""
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    config = copy / "small.yml"
    config.write_text(config.read_text().replace(str(trained), str(copy)))
    return copy


def refused(capsys: pytest.CaptureFixture[str], command: object, arguments: Sequence[str], *parts: str) -> None:
    """Assert that the command ends with the code for user errors and a message with all `parts` and a cure."""
    capsys.readouterr()
    code = run_command(command.main, list(arguments))  # type: ignore[attr-defined]
    message = capsys.readouterr().err
    assert code == USER_ERROR, message
    for part in (*parts, "to do:"):
        assert part in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("Global.epoch_nmu=2", "epoch_num"),
        ("Architecture.algoritm=CRNN", "algorithm"),
        ("Architecture.Backbone.scael=1.0", "scale"),
        ("Architecture.Neck.hiden_size=8", "hidden_size"),
        ("Architecture.Head.fc_decai=0", "fc_decay"),
        ("Loss.use_focal_los=true", "use_focal_loss"),
        ("Optimizer.beta=0.9", "beta1"),
        ("Optimizer.lr.learning_ratee=0.1", "learning_rate"),
        ("PostProcess.name=CTCLabelDecod", "CTCLabelDecode"),
        ("Metric.main_indicatr=acc", "main_indicator"),
        ("Train.dataset.lable_file_list=[a]", "label_file_list"),
        ("Train.loader.batch_size=4", "batch_size_per_card"),
        ("Train.dataset.transforms.0.DecodeImage.image_mode=BGR", "img_mode"),
        ("Eval.dataset.transforms.2.RecResizeImg.image_shap=[3, 32, 64]", "image_shape"),
        ("Eval.loader.num_worker=1", "num_workers"),
    ],
)
def test_a_typo_in_any_section_names_the_right_key(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, hint: str
) -> None:
    key = option.split("=")[0].rsplit(".", 1)[1]
    wrong = key if key != "name" else "CTCLabelDecod"
    refused(capsys, train_command, ["-c", str(folder / "small.yml"), "-o", option], wrong, hint, "-o ")


@pytest.mark.parametrize("value", ["5", "[3, 32, wide]", "[3, 32]"])
def test_a_wrong_image_shape(folder: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    option = f"Train.dataset.transforms.RecResizeImg.image_shape={value}"
    refused(capsys, train_command, ["-c", str(folder / "small.yml"), "-o", option], "image_shape", "wrong type", "-o ")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["PostProcess.name=AttnLabelDecode"], ["CTCLoss is for CTC, AttnLabelDecode is not"]),
        (["Loss.name=CELoss"], ["CTCLabelDecode is for CTC, CELoss is not"]),
        (["Loss.name=AttentionLoss", "PostProcess.name=AttnLabelDecode"], ["CTCLabelEncode", "sos, eos"]),
    ],
)
def test_parts_that_do_not_belong_together(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], parts: list[str]
) -> None:
    refused(capsys, train_command, ["-c", str(folder / "small.yml"), "-o", *options], *parts)


def train_on(folder: Path, lines: bytes) -> list[str]:
    labels = folder / "words" / "mine.txt"
    labels.write_bytes(lines)
    return ["-c", str(folder / "small.yml"), "-o", f"Train.dataset.label_file_list=[{labels}]"]


def good_lines(folder: Path) -> list[str]:
    return (folder / "words" / "train.txt").read_text(encoding="utf-8").splitlines()


def test_missing_dataset(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = f"Train.dataset.label_file_list=[{folder / 'nowhere.txt'}]"
    refused(capsys, train_command, ["-c", str(folder / "small.yml"), "-o", option], "nowhere.txt")


def test_empty_label_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, train_command, train_on(folder, b""), "mine.txt")


def test_labels_without_tabs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "\n".join(line.replace("\t", " ") for line in good_lines(folder))
    refused(capsys, train_command, train_on(folder, lines.encode()), "mine.txt", "tab")


def test_windows_line_ends_and_byte_order_mark_are_read(folder: Path) -> None:
    lines = "\ufeff" + "\r\n".join(good_lines(folder)) + "\r\n"
    assert run_command(train_command.main, train_on(folder, lines.encode("utf-8"))) == 0


def test_one_label_with_unknown_characters_is_named_and_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = good_lines(folder)
    lines[4] = lines[4].split("\t")[0] + "\tGrüße"
    assert run_command(train_command.main, train_on(folder, "\n".join(lines).encode())) == 0
    report = (folder / "output" / "bad_samples.txt").read_text(encoding="utf-8")
    assert "mine.txt:5" in report
    assert "unknown character" in report


def test_a_corrupt_image_is_named_and_left_out(folder: Path) -> None:
    image = folder / "words" / good_lines(folder)[2].split("\t")[0]
    image.write_bytes(image.read_bytes()[:200])
    assert run_command(train_command.main, ["-c", str(folder / "small.yml")]) == 0
    assert "train.txt:3" in (folder / "output" / "bad_samples.txt").read_text(encoding="utf-8")


def test_all_samples_too_long(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = "Global.max_text_length=1"
    refused(capsys, train_command, ["-c", str(folder / "small.yml"), "-o", option], "text too long", "train.txt:")


def test_all_samples_too_long_for_ctc(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "\n".join(line.split("\t")[0] + "\t" + "a" * 12 for line in good_lines(folder))
    refused(capsys, train_command, train_on(folder, lines.encode()), "too long for CTC", "time steps")


@pytest.mark.parametrize(("lines", "part"), [("a\nb\na\n", "repeats line 1"), ("a\nbc\n", "2 characters")])
def test_bad_dictionary(folder: Path, capsys: pytest.CaptureFixture[str], lines: str, part: str) -> None:
    (folder / "dict.txt").write_text(lines)
    option = f"Global.character_dict_path={folder / 'dict.txt'}"
    refused(capsys, train_command, ["-c", str(folder / "small.yml"), "-o", option], "dict.txt", part)


def test_checkpoint_of_another_charset(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dict.txt").write_text("\n".join("zyxwvutsrqponmlkjihgfedcba9876543210"))
    options = [f"Global.character_dict_path={folder / 'dict.txt'}",
               f"Global.pretrained_model={folder / 'output' / 'best_accuracy'}"]
    for command in (eval_command, export_command):
        refused(capsys, command, ["-c", str(folder / "small.yml"), "-o", *options], "charset", "another order")


def test_wrong_weights_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_weights(folder / "other.pdparams", {"stranger.weight": np.zeros((2, 2), np.float32)})
    options = [f"Global.pretrained_model={folder / 'other'}"]
    for command in (train_command, eval_command):
        refused(capsys, command, ["-c", str(folder / "small.yml"), "-o", *options], "missing", "stranger.weight")
    (folder / "other.pdparams").write_bytes(b"not a weights file")
    refused(capsys, eval_command, ["-c", str(folder / "small.yml"), "-o", *options], "other.pdparams")


@pytest.mark.parametrize("command", [eval_command, export_command])
def test_no_weights(folder: Path, capsys: pytest.CaptureFixture[str], command: object) -> None:
    refused(capsys, command, ["-c", str(folder / "small.yml")], "Global.pretrained_model")


def test_unreadable_picture_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    good = folder / "words" / good_lines(folder)[0].split("\t")[0]
    code = run_command(predict_command.main, [
        "--rec_model_dir", str(folder / "output" / "inference"), "--image_dir", str(folder / "broken.jpg"), str(good)])
    output = capsys.readouterr()
    assert code != 0
    assert "broken.jpg" in output.err
    assert str(good) in output.out


def test_predictor_without_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--rec_model_dir", str(folder / "nothing"), "--image_dir", str(folder)]
    refused(capsys, predict_command, arguments, "nothing")


def test_evaluation_names_the_samples_that_it_counts_as_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(folder / "words" / "test.txt", "a", encoding="utf-8") as file:
        file.write("test/gone.jpg\tabc\n")
    weights = f"Global.pretrained_model={folder / 'output' / 'best_accuracy'}"
    assert run_command(eval_command.main, ["-c", str(folder / "small.yml"), "-o", weights]) == 0
    listed = folder / "output" / "bad_eval_samples.txt"
    assert f"Counted as wrong: 1 bad sample: 1 missing image; all of them, with file and line: {listed}" in \
        capsys.readouterr().out
    assert "test.txt:13 (" in listed.read_text()


def test_a_picture_for_the_comparison_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.jpg").write_bytes(b"nope")
    refused(capsys, export_command, ["-c", str(folder / "small.yml"), "--parity_images", str(folder / "bad.jpg")],
            f"{folder / 'bad.jpg'}: not a readable image")
