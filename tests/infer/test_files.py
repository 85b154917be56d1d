from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.errors import InferenceError
from ppocr.infer.files import read_files
from ppocr.infer.images import list_images, load_images
from ppocr.infer.visualize import draw_sheet
from ppocr.results import TextLine
from tests.source_tree import ROOT
from tests.tiny_recognizer import exported, pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, a damaged one, and a file of another kind."""
    folder = tmp_path / "words"
    folder.mkdir()
    for name, picture in zip(("b.png", "a.jpg"), pictures()[2:4], strict=True):
        cv2.imwrite(str(folder / name), picture)
    whole = (folder / "a.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[:len(whole) // 2])
    (folder / "notes.md").write_text("not a picture", encoding="utf-8")
    return folder


class Lengths:
    """Stands in for a recognizer: the text is the width of the picture."""

    def recognize(self, images: Any) -> list[TextLine]:
        return [TextLine(str(image.shape[1]), 0.25) for image in images]


class TestListing:
    def test_folder_pattern_file(self, folder: Path) -> None:
        assert [path.name for path in list_images(folder)] == ["a.jpg", "b.png", "broken.jpg"]
        assert [path.name for path in list_images(str(folder / "*.png"))] == ["b.png"]
        assert list_images([folder / "b.png", folder / "*.png"]) == [folder / "b.png"]

    def test_text_list(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        listed = folder / "list.txt"
        listed.write_text(f"\ufeffb.png\tsome label\r\n\r\n{folder / 'a.jpg'}\n", encoding="utf-8")
        assert list_images(listed) == [folder / "b.png", folder / "a.jpg"]
        monkeypatch.chdir(folder.parent)
        listed.write_text("words/a.jpg\n", encoding="utf-8")
        assert list_images(listed) == [Path("words/a.jpg")]

    @pytest.mark.parametrize(
        ("name", "what"),
        [("missing.png", "no such file"), ("*.bmp", "no file matches"), ("empty", "no picture in the folder"),
         ("empty.txt", "the list names no picture")],
    )
    def test_nothing(self, folder: Path, name: str, what: str) -> None:
        (folder / "empty").mkdir()
        (folder / "empty.txt").write_text("\n")
        with pytest.raises(InferenceError, match=what):
            list_images(folder / name)


class TestLoading:
    def test_bad_files_do_not_stop_the_others(self, folder: Path) -> None:
        loaded = list(load_images([folder / name for name in ("gone.png", "broken.jpg", "notes.md", "b.png")]))
        assert [image.pixels is not None for image in loaded] == [False, False, False, True]
        reasons = [image.error.what for image in loaded if image.error is not None]
        assert reasons[0] == "No such file or directory"
        assert "ends too early" in reasons[1]
        assert "not a readable image" in reasons[2]
        np.testing.assert_array_equal(loaded[3].pixels, pictures()[2])


class TestReading:
    def test_lines_and_exit_code(self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        output = tmp_path / "out.jsonl"
        assert read_files(Lengths(), folder, output=output, visualize=tmp_path / "sheet.png") == 1  # type: ignore[arg-type]
        printed = capsys.readouterr()
        assert printed.out == f"{folder / 'a.jpg'}\t192\t0.2500\n{folder / 'b.png'}\t90\t0.2500\n"
        assert "1 of 3 pictures could not be read" in printed.err
        records = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        assert records[0] == {"image": str(folder / "a.jpg"), "text": "192", "score": 0.25}
        assert records[2]["image"] == str(folder / "broken.jpg")
        assert "ends too early" in records[2]["error"]
        assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * 48 + 8, 320 + 420 + 24, 3)

    def test_all_good(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert read_files(Lengths(), folder / "b.png") == 0  # type: ignore[arg-type]
        assert capsys.readouterr().err == ""


class TestSheet:
    def test_picture_and_text_are_drawn(self, tmp_path: Path) -> None:
        red = np.zeros((20, 40, 3), np.uint8)
        red[:, :, 2] = 255
        draw_sheet([red, red], [TextLine("Größe é ж", 0.9), TextLine("", 0.0)], tmp_path / "s.png")
        sheet = cv2.imread(str(tmp_path / "s.png"))
        np.testing.assert_array_equal(sheet[28, 40], [0, 0, 255])
        assert (sheet[8:48, 340:] < 100).any(), "there is dark text beside the picture"

    def test_wrong_suffix_and_font(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="no picture format"):
            draw_sheet([], [], tmp_path / "sheet.xyz")
        with pytest.raises(InferenceError, match="font"):
            draw_sheet([], [], tmp_path / "sheet.png", tmp_path / "none.ttf")
        assert list(tmp_path.iterdir()) == []


class TestCommand:
    def run(self, *arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        script = ROOT / "tools" / "infer" / "predict_rec.py"
        return subprocess.run([sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True,
                              check=False, cwd=cwd, timeout=300)

    def test_reads_from_anywhere_and_tells_bad_files(self, folder: Path) -> None:
        done = self.run("--rec_model_dir", exported(), "--image_dir", folder, "--cpu_threads", "1", cwd=folder)
        assert done.returncode == 1, done.stderr
        read = [line.split("\t")[0] for line in done.stdout.splitlines()]
        assert read == [str(folder / "a.jpg"), str(folder / "b.png")]
        assert "broken.jpg: a JPEG that ends too early" in done.stderr

    def test_user_errors_have_no_traceback(self, folder: Path) -> None:
        done = self.run("--rec_model_dir", folder, "--image_dir", folder)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-3].startswith("InferenceError: ")
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(("text", "value"), [("False", False), ("true", True), ("no", False)])
    def test_booleans_are_strict(self, text: str, value: bool, capsys: pytest.CaptureFixture[str]) -> None:
        from tools.infer.predict_rec import build_parser

        required = ["--rec_model_dir", "x", "--image_dir", "y"]
        assert build_parser().parse_args([*required, "--use_gpu", text]).use_gpu is value
        with pytest.raises(SystemExit):
            build_parser().parse_args([*required, "--use_gpu", text + "x"])
        assert "neither true nor false" in capsys.readouterr().err

    def test_the_class_is_found_where_the_field_looks_for_it(self) -> None:
        import ppocr.infer
        from tools.infer.predict_rec import TextRecognizer

        assert TextRecognizer is ppocr.infer.TextRecognizer
