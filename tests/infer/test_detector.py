from __future__ import annotations

import argparse
import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.errors import ImageError, InferenceError
from ppocr.infer import RegionReader, TextDetector
from ppocr.infer.operators import build_operators, prediction_operators
from ppocr.postprocess import build_postprocess
from tests import tiny_recognizer
from tests.tiny_detector import (
    OPERATORS,
    POSTPROCESS,
    DarkPixels,
    classifier_description,
    description,
    exported_detector,
    page,
    write_folder,
)

TWO = page((20, 10, 119, 39), (40, 80, 199, 119))
CORNERS = [[[20, 10], [119, 10], [119, 39], [20, 39]], [[40, 80], [199, 80], [199, 119], [40, 119]]]


def stand_in(batch_size: int = 1, operators: list[dict[str, Any]] = OPERATORS) -> RegionReader:
    return RegionReader(DarkPixels(), build_operators(prediction_operators(operators)),
                        build_postprocess(POSTPROCESS, task="det"), batch_size)


def by_top(boxes: Any) -> Any:
    return sorted((np.round(box).tolist() for box in boxes), key=lambda box: box[0][1])


@pytest.fixture(scope="module")
def detector() -> TextDetector:
    return TextDetector(exported_detector(), enable_mkldnn=False, cpu_threads=1)


class TestDetecting:
    def test_rectangles(self, detector: TextDetector) -> None:
        boxes, seconds = detector(TWO)
        assert isinstance(boxes, np.ndarray)
        assert boxes.dtype == np.float32
        assert by_top(boxes) == CORNERS
        assert seconds > 0

    def test_exported_and_any_backend_agree(self, detector: TextDetector) -> None:
        ours, theirs = detector.detect(TWO), stand_in().detect(TWO)
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-4)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
        assert (ours.scores > 0.99).all()

    def test_coordinates_are_those_of_the_original(self) -> None:
        limited = TextDetector(exported_detector(), det_limit_side_len=96, det_limit_type="max", cpu_threads=1)
        assert limited.preprocess(TWO).shape == (3, 64, 96)
        for found, corners in zip(by_top(limited.detect(TWO).boxes), CORNERS, strict=True):
            # Half a pixel of the map, which is a third of the page.
            np.testing.assert_allclose(found, corners, atol=3.5)

    def test_page_without_text(self, detector: TextDetector) -> None:
        boxes, _ = detector(page())
        assert boxes.shape == (0, 4, 2)  # type: ignore[union-attr]
        assert json.loads(detector.detect(page()).to_json()) == {"regions": []}

    def test_polygons(self) -> None:
        detector = TextDetector(exported_detector(), det_box_type="poly", cpu_threads=1)
        picture = page((20, 10, 119, 39), (20, 10, 49, 99))  # An L has six corners.
        polygons, _ = detector(picture)
        assert isinstance(polygons, list)
        assert len(polygons) == 1
        assert len(polygons[0]) > 4
        assert detector.detect(picture).boxes.shape == (1, 4, 2)

    def test_plain_values_and_picture(self, detector: TextDetector) -> None:
        found = detector.detect(TWO)
        first = min(found.to_dict()["regions"], key=lambda region: region["points"][0][1])
        assert first == {"points": CORNERS[0], "score": 1.0}
        drawn = found.draw(TWO)
        blue, green, red = drawn[10, 60].tolist()
        assert (blue, green) == (0, 0)
        assert red > 200
        assert TWO[10, 60].tolist() == [0, 0, 0], "the picture itself stays"


class TestMany:
    PICTURES = [TWO, page((5, 5, 60, 30), size=(64, 96)), page(), page((8, 8, 70, 40), size=(64, 96)),
                page((100, 100, 300, 150))]

    @pytest.mark.parametrize("batch_size", [1, 2, 8])
    def test_as_alone(self, batch_size: int) -> None:
        expected = [stand_in().detect(picture) for picture in self.PICTURES]
        found = stand_in(batch_size).detect_many(self.PICTURES)
        assert [len(detection) for detection in found] == [2, 1, 0, 1, 1]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.boxes, other.boxes)

    def test_equal_shapes_share_batches(self) -> None:
        reader = stand_in(2)
        reader.detect_many(self.PICTURES)
        assert reader.backend.shapes == [  # type: ignore[attr-defined]
            (2, 3, 192, 320), (1, 3, 192, 320), (2, 3, 64, 96)]

    def test_bad_image_is_named_by_its_position(self) -> None:
        with pytest.raises(ImageError, match="image 1 of the list is NoneType"):
            stand_in().detect_many([TWO, None])  # type: ignore[list-item]
        with pytest.raises(ImageError, match=r"one image of shape \[192, 320, 3\] in place of a list"):
            stand_in().detect_many(TWO)  # type: ignore[arg-type]

    def test_threads(self, detector: TextDetector) -> None:
        results: dict[int, list[int]] = {}

        def detect(shift: int) -> None:
            pictures = self.PICTURES[shift:] + self.PICTURES[:shift]
            results[shift] = [len(detector.detect(picture)) for picture in pictures]

        threads = [threading.Thread(target=detect, args=(shift,)) for shift in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = [2, 1, 0, 1, 1]
        assert results == {shift: counts[shift:] + counts[:shift] for shift in range(5)}


class TestImages:
    def test_grey_alpha_and_16_bits(self, detector: TextDetector) -> None:
        grey = TWO[:, :, 0]
        opaque = np.dstack([TWO, np.full_like(grey, 255)])
        clear = np.dstack([np.zeros_like(TWO), 255 - grey])  # Black everywhere; what was white is transparent.
        deep = TWO.astype(np.uint16) * 257
        for picture in (grey, opaque, clear, deep, grey[:, :, None]):
            assert by_top(detector.detect(picture).boxes) == CORNERS

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (50, 20000), (20000, 50)])
    def test_extreme_sizes(self, detector: TextDetector, size: tuple[int, int]) -> None:
        assert len(detector.detect(page(size=size))) == 0
        whole = detector.detect(np.zeros((*size, 3), np.uint8)).boxes
        assert (whole >= 0).all()
        assert (whole.reshape(-1, 2) <= [size[1] - 1, size[0] - 1]).all()

    @pytest.mark.parametrize(("bad", "words"), [
        (None, "the image is NoneType"), ("page.png", "the image is str"), ([TWO], "the image is list"),
        (np.zeros((0, 5, 3), np.uint8), "shape"), (np.zeros((5, 5, 3), np.float32), "float32"),
        (np.zeros((5, 5, 2), np.uint8), "shape"), (b"", "the file is empty"), (b"no picture", "not a readable image"),
    ])
    def test_what_is_no_image(self, detector: TextDetector, bad: Any, words: str) -> None:
        with pytest.raises(ImageError, match=words):
            detector(bad)


class TestArguments:
    def test_forms(self) -> None:
        folder = str(exported_detector())
        for args, keywords in [(folder, {}), (exported_detector(), {}), ({"det_model_dir": folder}, {}),
                               (argparse.Namespace(det_model_dir=folder, rec_model_dir="r", rec_batch_num=6,
                                                   cls_thresh=0.9, drop_score=0.5, use_onnx=False), {}),
                               (None, {"det_model_dir": folder})]:
            options = TextDetector(args, cpu_threads=1, **keywords).options
            assert (options.det_model_dir, options.cpu_threads, options.max_batch_size) == (folder, 1, 4)

    @pytest.mark.parametrize(("given", "words"), [
        ({"det_model_dri": "x"}, "did you mean 'det_model_dir'"),
        ({"det_model_dir": "x", "rec_batch_nmu": 6}, "did you mean 'rec_batch_num'"),
        ({"det_model_dir": "x", "det_db_thres": 6}, "did you mean 'det_db_thresh'"),
        ({"det_model_dir": "x", "det_limit_type": "least"}, "det_limit_type: 'least'"),
        ({"det_model_dir": "x", "det_db_thresh": "high"}, "det_db_thresh: 'high' has the wrong type"),
        ({}, "no model is given"),
        ({"det_model_dir": "x"}, "there is no folder x"),
    ])
    def test_wrong(self, given: Any, words: str) -> None:
        with pytest.raises(InferenceError, match=words):
            TextDetector(given)

    @pytest.mark.parametrize(("options", "words"), [
        ({"det_image_shape": "64"}, "det_image_shape is '64'"),
        ({"det_image_shape": "64,100"}, r"det_image_shape is \[64, 100\]"),
        ({"max_batch_size": 0}, "the batch size is 0"),
    ])
    def test_unusable_values(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InferenceError, match=words):
            TextDetector(exported_detector(), **options)

    def test_overrides_are_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "ppocr"):
            detector = TextDetector(exported_detector(), det_db_thresh=0.25, det_db_unclip_ratio=1.5,
                                    use_dilation=False, det_limit_side_len=64, cpu_threads=1)
        assert "det_db_thresh=0.25 takes the place of thresh=0.5 of DBPostProcess" in caplog.text
        assert "det_db_unclip_ratio=1.5 takes the place of unclip_ratio=0.0" in caplog.text
        assert "det_limit_side_len=64 takes the place of limit_side_len=32 of DetResizeForTest" in caplog.text
        assert "use_dilation" not in caplog.text, "it says what the folder says"
        assert detector.postprocess.thresh == 0.25  # type: ignore[attr-defined]
        assert len(detector.detect(TWO)) == 2

    @pytest.mark.parametrize(("rule", "given", "shape"), [
        ({"resize_long": 960}, {"det_limit_side_len": 64, "det_limit_type": "max"}, (3, 32, 64)),
        ({"image_shape": [128, 256]}, {"det_limit_side_len": 64, "det_limit_type": "max"}, (3, 32, 64)),
        ({"limit_side_len": 64}, {"det_image_shape": "96,160"}, (3, 96, 160)),
        ({"resize_long": 960}, {"det_image_shape": [96, 160]}, (3, 96, 160)),
    ])
    def test_one_rule_for_the_size_takes_the_place_of_another(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: dict[str, Any], given: Any, shape: Any
    ) -> None:
        operators = [{"DetResizeForTest": rule}, *OPERATORS[3:]]
        folder = write_folder(tmp_path / "m", "det", description(PreProcess={"transform_ops": operators}))
        with caplog.at_level(logging.INFO, "ppocr"):
            detector = TextDetector(folder, cpu_threads=1, **given)
        assert detector.preprocess(page(size=(100, 200))).shape == shape
        key, value = next(iter(rule.items()))
        assert f"takes the place of {key}={value} of DetResizeForTest" in caplog.text


class TestFoldersOfPaddleOCR:
    def test_version_3(self, tmp_path: Path) -> None:
        """A transform without arguments has its own defaults: the shorter side becomes at least 736."""
        operators = [{"DetResizeForTest": None} if "DetResizeForTest" in entry else entry for entry in OPERATORS]
        content = {"Global": {"model_name": "PP-OCRv4_mobile_det"}, "Hpi": {"backend_configs": {}},
                   "PreProcess": {"transform_ops": operators}, "PostProcess": POSTPROCESS}
        detector = TextDetector(write_folder(tmp_path / "m", "det", content), cpu_threads=1)
        assert detector.preprocess(TWO).shape == (3, 736, 1216)
        assert len(detector.detect(TWO)) == 2

    def test_version_2(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "ppocr"):
            detector = TextDetector(write_folder(tmp_path / "m", "det"), cpu_threads=1)
        assert "has no inference.yml (it was exported by PaddleOCR 2): the longer side is limited to 960" in caplog.text
        assert detector.preprocess(page(size=(1000, 1920))).shape == (3, 512, 960)
        white = detector.preprocess(page(size=(64, 64)))[:, 0, 0]
        np.testing.assert_allclose(white, [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], rtol=1e-5)
        post: Any = detector.postprocess
        assert (post.thresh, post.box_thresh, post.unclip_ratio, post.max_candidates) == (0.3, 0.6, 1.5, 1000)


class TestUnusableFolders:
    def test_recognizer(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="a model of type 'rec'"):
            TextDetector(tiny_recognizer.exported())
        # A folder of PaddleOCR 2 does not say what it is; the network does.
        folder = tiny_recognizer.copy_of_export(tmp_path / "old")
        with pytest.raises(InferenceError, match="(holds no|does not work as a) text detector") as caught:
            TextDetector(folder)
        assert "give the folder of a text detector" in caught.value.cure

    def test_classifier(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "m", "cls", classifier_description(Global={"model_name": "x"}))
        with pytest.raises(InferenceError, match="(holds no|does not work as a) text detector"):
            TextDetector(folder)

    def test_transforms_of_another_task(self, tmp_path: Path) -> None:
        operators = [{"RecResizeImg": {"image_shape": [3, 32, 96]}}]
        folder = write_folder(tmp_path / "m", "det", description(PreProcess={"transform_ops": operators}))
        with pytest.raises(InferenceError, match="the model's transforms give no shape"):
            TextDetector(folder, cpu_threads=1).detect(TWO)
        with pytest.raises(InferenceError, match=r"none of the model's transforms has an argument 'limit_side_len' "
                                                 r"\(RecResizeImg\)"):
            TextDetector(folder, det_limit_side_len=64)

    def test_network_that_shrinks(self, tmp_path: Path) -> None:
        class Half(DarkPixels):
            def run(self, inputs: Any) -> list[Any]:
                return [super().run(inputs)[0][:, :, ::2, ::2]]

        from ppocr.infer.detector import _probe
        from ppocr.infer.folder import InferenceFolder

        with pytest.raises(InferenceError, match="a map of 32 x 32 of a picture of 64 x 64"):
            _probe(Half(), InferenceFolder.open(exported_detector()))
