"""The commands of tools/infer, and the options that they share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ppocr import infer
from ppocr.commands import USER_ERROR, run_command
from ppocr.cv import cv2
from ppocr.infer.arguments import HELP, predictor_parser
from ppocr.infer.options import PREDICTOR_OPTIONS, DetectorOptions, option_names
from tests import tiny_recognizer
from tests.source_tree import ROOT
from tests.tiny_detector import exported_classifier, exported_detector, page
from tools.infer import predict_cls, predict_det, predict_rec, predict_system

FAST = ["--cpu_threads", "1", "--enable_mkldnn", "false"]

OLD_COMMAND_LINE = [
    "--use_xpu=False", "--ir_optim=True", "--use_tensorrt=False", "--precision=fp32", "--show_log=false",
    "--det_algorithm=DB", "--rec_algorithm=SVTR_LCNet", "--scales", "8", "16", "32", "--benchmark=False",
    "--det_limit_side_len=960", "--rec_batch_num=6", "--cls_thresh=0.9", "--drop_score=0.5", "--use_angle_cls=false",
]
"""What a command line of PaddleOCR may hold besides the models."""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "page.png"
    cv2.imwrite(str(path), page((20, 10, 99, 39), (140, 12, 259, 41)))
    return path


@pytest.mark.parametrize(("module", "name"), [
    (predict_det, "TextDetector"), (predict_cls, "TextClassifier"), (predict_rec, "TextRecognizer"),
    (predict_system, "TextSystem"),
])
def test_classes_are_found_where_the_field_looks_for_them(module: Any, name: str) -> None:
    assert getattr(module, name) is getattr(infer, name)


class TestCommands:
    def test_det(self, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code = run_command(predict_det.main, ["--det_model_dir", str(exported_detector()), "--image_dir", str(picture),
                                              "--visualize", str(tmp_path / "d"), *FAST, *OLD_COMMAND_LINE])
        assert code == 0
        name, regions = capsys.readouterr().out.strip().split("\t")
        assert name == str(picture)
        assert len(json.loads(regions)) == 2
        assert (tmp_path / "d" / "page_result.jpg").exists()

    def test_cls(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        upright = page((0, 20, 79, 39), size=(40, 80))
        cv2.imwrite(str(tmp_path / "a.png"), upright)
        cv2.imwrite(str(tmp_path / "b.png"), upright[::-1])
        (tmp_path / "c.png").touch()
        output = tmp_path / "out.jsonl"
        code = run_command(predict_cls.main, [
            "--cls_model_dir", str(exported_classifier()), "--image_dir", str(tmp_path), "--output", str(output),
            "--visualize", str(tmp_path / "sheet" / "s.png"), *FAST, *OLD_COMMAND_LINE])
        assert code == 1
        assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == ["0", "180"]
        written = [json.loads(line) for line in output.read_text().splitlines()]
        assert written[1] == {"image": str(tmp_path / "b.png"), "label": "180", "score": 1.0}
        assert written[2] == {"image": str(tmp_path / "c.png"), "error": "the file is empty"}
        assert (tmp_path / "sheet" / "s.png").exists()

    def test_system(self, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code = run_command(predict_system.main, [
            "--det_model_dir", str(exported_detector()), "--rec_model_dir", str(tiny_recognizer.exported()),
            "--cls_model_dir", str(exported_classifier()), "--image_dir", str(picture), "--save_crop_res", "true",
            "--crop_res_save_dir", str(tmp_path / "crops"), "--output", str(tmp_path / "out.jsonl"),
            "--draw_img_save_dir", str(tmp_path / "d"), *FAST, *OLD_COMMAND_LINE, "--drop_score", "0"])
        assert code == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
        record, = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
        assert len(record["lines"]) == 2
        assert "direction" not in record["lines"][0], "use_angle_cls is false"
        assert len(list((tmp_path / "crops").glob("*.png"))) == 2
        assert cv2.imread(str(tmp_path / "d" / "page_result.jpg")).shape == (192, 640, 3)

    @pytest.mark.parametrize(("arguments", "words"), [
        (["--det_model_dir", "gone"], "there is no folder gone"),
        (["--det_model_dir", "DET", "--det_db_thresh", "7"], "thresh is 7"),
        (["--det_model_dir", "REC"], "a model of type 'rec'"),
    ])
    def test_user_errors(self, picture: Path, arguments: list[str], words: str,
                         capsys: pytest.CaptureFixture[str]) -> None:
        places = {"DET": str(exported_detector()), "REC": str(tiny_recognizer.exported())}
        given = [places.get(argument, argument) for argument in arguments]
        assert run_command(predict_det.main, [*given, "--image_dir", str(picture)]) == USER_ERROR
        message = capsys.readouterr().err
        assert words in message
        assert "to do:" in message

    @pytest.mark.parametrize("command", ["det", "cls", "system"])
    def test_scripts_run_from_anywhere(self, tmp_path: Path, command: str) -> None:
        script = ROOT / "tools" / "infer" / f"predict_{command}.py"
        done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=False,
                              cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "--image_dir" in done.stdout


class TestOptions:
    def test_every_option_is_explained(self) -> None:
        assert set(HELP) == {name for kind in PREDICTOR_OPTIONS for name in option_names(kind)}

    def test_help_shows_what_means_something(self) -> None:
        text = predict_det.build_parser().format_help()
        assert "--det_db_thresh" in text
        assert "--use_gpu" in text
        assert "--rec_batch_num" not in text
        assert "--use_tensorrt" not in text
        assert "--rec_batch_num" in predict_system.build_parser().format_help()

    def test_values_have_their_types(self) -> None:
        parser = predictor_parser(None, [DetectorOptions])
        given = vars(parser.parse_args([
            "--det_limit_side_len", "64", "--det_db_thresh", ".25", "--use_dilation", "no", "--det_image_shape", "3,4",
            "--label_list", "0", "180", "--det_box_type", "poly", "--plugins", "a", "b"]))
        assert {key: value for key, value in given.items() if value is not None} == {
            "det_limit_side_len": 64, "det_db_thresh": 0.25, "use_dilation": False, "det_image_shape": "3,4",
            "label_list": ["0", "180"], "det_box_type": "poly", "plugins": ["a", "b"]}

    @pytest.mark.parametrize("wrong", [["--det_box_type", "round"], ["--use_gpu", "perhaps"], ["--det_db_thresh", "x"],
                                       ["--det_db_thres", "0.3"]])
    def test_wrong_values(self, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            predictor_parser(None, [DetectorOptions]).parse_args(wrong)
        assert wrong[0] in capsys.readouterr().err
