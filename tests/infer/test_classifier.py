from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.errors import ConfigError, ImageError, InferenceError
from ppocr.infer import DirectionReader, TextClassifier
from ppocr.infer.operators import build_operators
from ppocr.postprocess import build_postprocess
from ppocr.results import Direction
from tests import tiny_recognizer
from tests.tiny_detector import (
    DarkTop,
    classifier_description,
    description,
    exported_classifier,
    exported_detector,
    write_folder,
)


def crop(top: int, bottom: int, width: int = 40) -> Any:
    """A picture whose upper and lower half have these greys."""
    return np.repeat(np.repeat([top, bottom], 10), width * 3).reshape(20, width, 3).astype(np.uint8)


UPRIGHT, TURNED, UNSURE = crop(250, 20), crop(20, 250), crop(120, 135)


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return TextClassifier(exported_classifier(), enable_mkldnn=False, cpu_threads=1)


class TestTurning:
    def test_what_is_upside_down_is_turned(self, classifier: TextClassifier) -> None:
        turned, results, seconds = classifier([UPRIGHT, TURNED, UPRIGHT])
        assert [label for label, _ in results] == ["0", "180", "0"]
        assert all(score > 0.99 for _, score in results)
        np.testing.assert_array_equal(turned[1], UPRIGHT)
        assert turned[0] is UPRIGHT
        assert seconds > 0

    def test_only_above_the_threshold(self, classifier: TextClassifier) -> None:
        direction, = classifier.classify([UNSURE])
        assert direction.label == "180"
        # 15 of 255 levels on a scale of -1 to 1, times 20: 1 / (1 + exp(-2.35)).
        assert direction.score == pytest.approx(0.913, abs=0.005)
        assert classifier([UNSURE])[0][0] is not UNSURE
        wary = TextClassifier(exported_classifier(), cls_thresh=0.95, cpu_threads=1)
        assert wary([UNSURE])[0][0] is UNSURE

    def test_any_backend(self, classifier: TextClassifier) -> None:
        named = build_postprocess({"name": "ClsPostProcess", "label_list": ["0_degree", "180_degree"]})
        reader = DirectionReader(DarkTop(), build_operators([{"ClsResizeImg": {"image_shape": [3, 16, 32]}}]), named)
        pictures = [UPRIGHT, TURNED, crop(20, 250, width=300), UNSURE]
        for one, other in zip(reader.classify(pictures), classifier.classify(pictures), strict=True):
            assert one.label == other.label + "_degree"
            assert one.score == pytest.approx(other.score, abs=1e-4)
        np.testing.assert_array_equal(reader.upright([TURNED])[0][0], UPRIGHT)

    def test_nothing_and_what_is_no_list(self, classifier: TextClassifier) -> None:
        assert classifier([])[:2] == ([], [])
        with pytest.raises(ImageError, match="in place of a list"):
            classifier(UPRIGHT)
        with pytest.raises(ImageError, match="image 1 of the list is NoneType"):
            classifier([UPRIGHT, None])  # type: ignore[list-item]


class TestArguments:
    def test_forms(self) -> None:
        folder = str(exported_classifier())
        for args in (folder, {"cls_model_dir": folder}, argparse.Namespace(cls_model_dir=folder, det_model_dir="d")):
            options = TextClassifier(args, cpu_threads=1).options
            assert (options.cls_model_dir, options.cls_batch_num, options.cls_thresh) == (folder, 6, 0.9)

    @pytest.mark.parametrize(("given", "error", "words"), [
        ({"cls_model_dri": "x"}, InferenceError, "did you mean 'cls_model_dir'"),
        ({}, InferenceError, "no model is given"),
        ({"cls_model_dir": "x", "cls_image_shape": "48,192"}, InferenceError, "there is no folder x"),
        ({"cls_model_dir": "HERE", "cls_image_shape": "48,192"}, InferenceError, "cls_image_shape is '48,192'"),
        ({"cls_model_dir": "HERE", "cls_batch_num": 0}, InferenceError, "the batch size is 0"),
        ({"cls_model_dir": "HERE", "label_list": ["0", "90", "180"]}, ConfigError, "2 classes, label_list names 3"),
    ])
    def test_wrong(self, given: dict[str, Any], error: type[Exception], words: str) -> None:
        if given.get("cls_model_dir") == "HERE":
            given = {**given, "cls_model_dir": str(exported_classifier())}
        with pytest.raises(error, match=words):
            TextClassifier(given, cpu_threads=1)

    def test_overrides_are_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "ppocr"):
            classifier = TextClassifier(exported_classifier(), label_list=["up", "180"], cls_image_shape="3,16,32",
                                        cpu_threads=1)
        assert "label_list=['up', '180'] takes the place of label_list=['0', '180'] of ClsPostProcess" in caplog.text
        assert "cls_image_shape" not in caplog.text, "it says what the folder says"
        assert classifier.classify([UPRIGHT])[0].label == "up"


class TestFolders:
    def test_version_2(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        folder = write_folder(tmp_path / "m", "cls")
        with caplog.at_level(logging.INFO, "ppocr"):
            classifier = TextClassifier(folder, cls_image_shape="3,16,32", cpu_threads=1)
        assert "taken for 0 and 180" in caplog.text
        assert classifier.classify([TURNED]) == [Direction("180", pytest.approx(1.0))]
        default = DirectionReader(DarkTop(), TextClassifier(folder, cls_image_shape=[3, 16, 32]).operators, None)
        assert default.preprocess(UPRIGHT).shape == (3, 16, 32)

    def test_version_2_has_the_published_shape(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ppocr.infer.classifier.open_backend", lambda folder, options: DarkTop())
        with caplog.at_level(logging.INFO, "ppocr"):
            classifier = TextClassifier(write_folder(tmp_path / "m", "cls"))
        assert "pictures are brought to [3, 48, 192]" in caplog.text
        assert classifier.preprocess(UPRIGHT).shape == (3, 48, 192)

    def test_version_3(self, tmp_path: Path) -> None:
        content = classifier_description(Global={"model_name": "cls"}, PostProcess={"name": "ClsPostProcess"})
        del content["schema"], content["Model"]
        classifier = TextClassifier(write_folder(tmp_path / "m", "cls", content), cpu_threads=1)
        assert [direction.label for direction in classifier.classify([UPRIGHT, TURNED])] == ["0", "180"]

    def test_of_another_task(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="a model of type 'det'"):
            TextClassifier(exported_detector())
        with pytest.raises(InferenceError, match="a model of type 'rec'"):
            TextClassifier(tiny_recognizer.exported())
        shape = classifier_description()["PreProcess"]
        unnamed = write_folder(tmp_path / "m", "det", description(Global={}, PreProcess=shape))
        with pytest.raises(InferenceError, match="holds no text direction classifier"):
            TextClassifier(unnamed)

    def test_shape_that_the_network_does_not_take(self, tmp_path: Path) -> None:
        content = classifier_description(Model={"inputs": [{"shape": [-1, 3, 16, 32]}]})
        with pytest.raises(InferenceError, match=r"make images of shape \[3, 48, 192\]") as caught:
            TextClassifier(write_folder(tmp_path / "m", "cls", content), cls_image_shape="3,48,192")
        assert "leave cls_image_shape out" in caught.value.cure
