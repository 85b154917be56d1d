"""Folders with ONNX files: found, run, described by themselves, and refused with a reason."""

from __future__ import annotations

import builtins
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.errors import CharsetError, DependencyError, InferenceError
from ppocr.infer import InferenceFolder, TextClassifier, TextDetector, TextRecognizer, TextSystem
from ppocr.infer.onnx_backend import CPU, CUDA, OnnxBackend, _providers
from ppocr.onnx_header import read_onnx_header
from tests import tiny_onnx, tiny_recognizer
from tests.tiny_detector import exported_detector, page

pytest.importorskip("onnx", reason="the tests build ONNX files with onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

LETTERS = ("a", "b", "c", "d")
"""With blank and space: six classes, at the greys 255, 204, 153, 102, 51 and 0."""

CHARACTERS = {"a": 204, "b": 153, "c": 102, "d": 51, " ": 0}


def line(text: str, width: int = 320) -> np.ndarray:
    """Return a picture of the network's size that reads as `text`: a grey stripe for each character, white between."""
    picture = np.full((32, width, 3), 255, np.uint8)
    for position, character in enumerate(text):
        picture[:, 8 + 16 * position:16 + 16 * position] = CHARACTERS[character]
    return picture


@pytest.fixture
def rec(tmp_path: Path) -> Path:
    tiny_onnx.recognizer(tmp_path / "rec" / "inference.onnx", LETTERS)
    return tmp_path / "rec"


@pytest.fixture
def det(tmp_path: Path) -> Path:
    tiny_onnx.detector(tmp_path / "det" / "model.onnx")
    return tmp_path / "det"


class TestHeader:
    def test_says_what_is_inside(self, rec: Path) -> None:
        header = read_onnx_header(rec / "inference.onnx")
        assert header.inputs == {"x": (-1, 3, 32, -1)}
        assert header.outputs == {"probs": (-1, -1, 6)}
        assert header.characters == LETTERS

    def test_characters_that_look_like_line_ends(self, tmp_path: Path) -> None:
        odd = ("\u3000", "\u2028", "\x85", "a")
        tiny_onnx.recognizer(tmp_path / "r.onnx", odd)
        assert read_onnx_header(tmp_path / "r.onnx").characters == odd

    @pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"<html></html>", b"\x3a\xff\xff\xff\x7f"])
    def test_damaged(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x.onnx").write_bytes(data)
        with pytest.raises(InferenceError, match="cannot be read as ONNX"):
            read_onnx_header(tmp_path / "x.onnx")

    def test_truncated(self, rec: Path) -> None:
        data = (rec / "inference.onnx").read_bytes()
        (rec / "inference.onnx").write_bytes(data[:-40])
        with pytest.raises(InferenceError, match="cannot be read as ONNX"):
            read_onnx_header(rec / "inference.onnx")


class TestFolder:
    def test_is_found(self, rec: Path, det: Path) -> None:
        folder = InferenceFolder.open(rec)
        assert (folder.backend, folder.model_file, folder.params_file) == (
            "onnxruntime", rec / "inference.onnx", rec / "inference.onnx")
        assert InferenceFolder.open(det).model_file == det / "model.onnx"

    def test_of_both_kinds(self, rec: Path, tmp_path: Path) -> None:
        both = tmp_path / "both"
        shutil.copytree(tiny_recognizer.exported(), both)
        shutil.copy(rec / "inference.onnx", both)
        assert InferenceFolder.open(both).backend == "paddle"
        assert InferenceFolder.open(both, backend="paddle").model_file.suffix == ".json"
        assert InferenceFolder.open(both, backend="onnxruntime").model_file.suffix == ".onnx"

    def test_of_the_other_kind(self, rec: Path) -> None:
        with pytest.raises(InferenceError, match="no exported model for the backend paddle"):
            InferenceFolder.open(rec, backend="paddle")
        with pytest.raises(InferenceError, match="for the backend onnxruntime") as caught:
            InferenceFolder.open(tiny_recognizer.exported(), backend="onnxruntime")
        assert caught.value.expected == "inference.onnx or model.onnx"

    def test_of_none(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="holds no exported model") as caught:
            InferenceFolder.open(tmp_path)
        assert "inference.onnx" in caught.value.expected


class TestRecognizer:
    def test_reads_without_arguments(self, rec: Path) -> None:
        recognizer = TextRecognizer(rec)
        assert [text for text, _ in recognizer([line("abcd"), line("d a"), line("")])[0]] == ["abcd", "d a", ""]
        assert "".join(recognizer.charset.symbols) == "abcd "
        assert recognizer.prepare(line("a")).tensor.shape == (3, 32, 320)

    def test_arguments_win(self, rec: Path, tmp_path: Path) -> None:
        (tmp_path / "words.txt").write_text("w\nx\ny\nz\n")
        recognizer = TextRecognizer(rec, rec_char_dict_path=str(tmp_path / "words.txt"), rec_image_shape="3,32,64")
        assert recognizer([line("ab", 64)])[0][0][0] == "wx"
        assert recognizer.prepare(line("a")).tensor.shape == (3, 32, 64)

    def test_dictionary_of_the_wrong_size(self, tmp_path: Path) -> None:
        tiny_onnx.recognizer(tmp_path / "inference.onnx", LETTERS, classes=9)
        with pytest.raises(CharsetError, match=r"the network has 9 classes, the charset gives 6 .* or 5"):
            TextRecognizer(tmp_path)

    def test_without_a_dictionary(self, tmp_path: Path) -> None:
        tiny_onnx.recognizer(tmp_path / "inference.onnx", (), classes=6)
        with pytest.raises(InferenceError, match=r"has no inference\.yml, and rec_char_dict_path is not given"):
            TextRecognizer(tmp_path)

    def test_of_another_height(self, rec: Path) -> None:
        with pytest.raises(InferenceError, match=r"fails on x \[1, 3, 48, 320\]") as caught:
            TextRecognizer(rec, rec_image_shape="3,48,320")
        assert "recognizer" in str(caught.value)


class TestDetector:
    def test_finds_dark_rectangles(self, det: Path) -> None:
        picture = page((20, 10, 99, 39), (140, 12, 259, 41))
        onnx, _ = TextDetector(det, det_db_unclip_ratio=0.0, det_db_thresh=0.5)(picture)
        assert len(onnx) == 2
        expected, _ = TextDetector(exported_detector())(picture)
        assert np.abs(np.sort(np.array(onnx), 0) - np.sort(np.array(expected), 0)).max() <= 3

    def test_of_another_task(self, det: Path, rec: Path) -> None:
        with pytest.raises(InferenceError, match="does not work as a text detector: .* invalid dimensions"):
            TextDetector(rec)
        with pytest.raises(InferenceError, match="no text direction classifier"):
            TextClassifier(det)

    def test_system(self, det: Path, rec: Path) -> None:
        picture = np.full((96, 192, 3), 255, np.uint8)
        picture[30:62, 20:148] = 0
        system = TextSystem(det_model_dir=det, rec_model_dir=rec, det_db_unclip_ratio=0.0, drop_score=0)
        (box, (text, _)), = system(picture)
        assert text[0] == " "
        assert np.abs(box - np.array([[20, 30], [147, 30], [147, 61], [20, 61]])).max() <= 3


class TestBackend:
    def test_damaged_file(self, tmp_path: Path) -> None:
        (tmp_path / "inference.onnx").write_bytes(b"nothing of the kind")
        with pytest.raises(InferenceError, match=r"inference\.onnx cannot be loaded") as caught:
            OnnxBackend(tmp_path / "inference.onnx")
        assert "download" in caught.value.cure

    def test_without_the_package(self, rec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        original = builtins.__import__

        def refuse(name: str, *rest: Any) -> Any:
            if name.startswith("onnxruntime"):
                raise ImportError("No module named 'onnxruntime'")
            return original(name, *rest)

        monkeypatch.delitem(sys.modules, "onnxruntime")
        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(DependencyError, match="needs ONNX Runtime") as caught:
            TextRecognizer(rec)
        assert caught.value.cure.startswith("pip install onnxruntime")

    def test_cuda_is_tried_only_where_it_is_asked_for(self, caplog: pytest.LogCaptureFixture) -> None:
        class Runtime:
            providers = [CUDA, CPU]

            def get_available_providers(self) -> list[str]:
                return self.providers

        runtime = Runtime()
        assert _providers(runtime, None, 0, 500) == [CPU]
        assert _providers(runtime, False, 0, 500) == [CPU]
        assert _providers(runtime, True, 1, 2) == [(CUDA, {"device_id": 1, "gpu_mem_limit": 2 << 20}), CPU]
        runtime.providers = [CPU]
        with caplog.at_level(logging.WARNING):
            assert _providers(runtime, True, 0, 500) == [CPU]
        assert "running on CPU" in caplog.text

    def test_threads_are_those_that_are_asked_for(self, rec: Path) -> None:
        backend = OnnxBackend(rec / "inference.onnx", cpu_threads=1)
        assert backend._session.get_session_options().intra_op_num_threads == 1
        assert backend.input_names == ("x",)

    def test_wrong_input(self, rec: Path) -> None:
        backend = OnnxBackend(rec / "inference.onnx", cpu_threads=1)
        with pytest.raises(InferenceError, match=r"fails on x \[1, 1, 32, 8\]") as caught:
            backend.run({"x": np.zeros((1, 1, 32, 8), np.float32)})
        assert caught.value.expected == "x [-1, 3, 32, -1] (-1 varies)"
