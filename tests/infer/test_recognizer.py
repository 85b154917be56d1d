from __future__ import annotations

import argparse
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ppocr.charset import Charset
from ppocr.cv import cv2
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.errors import CharsetError, ConfigError, ImageError, InferenceError
from ppocr.export.from_config import line_reader_from_config
from ppocr.infer import LineReader, TextRecognizer
from ppocr.results import TextLine
from tests.tiny_recognizer import HEIGHT, TRANSFORMS, WIDTH, config, copy_of_export, exported, pictures

CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def recognizer() -> TextRecognizer:
    return TextRecognizer(rec_model_dir=exported(), enable_mkldnn=False, cpu_threads=1)


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "dict.txt"
    path.write_text("\n".join(CHARACTERS) + "\n", encoding="utf-8")
    return path


def peer_description(**postprocess: Any) -> dict[str, Any]:
    """What PaddleOCR 3 writes: the transforms of evaluation with label operators, the dictionary without the space."""
    return {
        "Global": {"model_name": "PP-OCRv4_mobile_rec"},
        "Hpi": {"backend_configs": {}},
        "PreProcess": {"transform_ops": TRANSFORMS},
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(CHARACTERS), **postprocess},
    }


class TestAgreement:
    """The exported model reads what the model in training form reads."""

    def test_texts_and_scores_over_widths(self, recognizer: TextRecognizer) -> None:
        trained = line_reader_from_config(config(), 4).recognize(pictures())
        results, seconds = recognizer(pictures())
        assert seconds > 0
        assert [text for text, _ in results] == [line.text for line in trained]
        np.testing.assert_allclose([score for _, score in results], [line.score for line in trained], atol=1e-5)
        assert len({text for text, _ in results}) > 5, "the pictures must tell the texts apart"

    def test_images_are_prepared_as_evaluation_prepares_them(self, recognizer: TextRecognizer) -> None:
        evaluation = build_transforms([TRANSFORMS[0], TRANSFORMS[2]])
        for picture in pictures():
            expected = evaluation({"image": picture})["image"]
            assert expected.shape == (3, HEIGHT, WIDTH)
            np.testing.assert_array_equal(recognizer.preprocess(picture), expected)

    def test_with_onednn_texts_stay(self, recognizer: TextRecognizer) -> None:
        fast = TextRecognizer(exported(), cpu_threads=1)
        for one, other in zip(fast.recognize(pictures()), recognizer.recognize(pictures()), strict=True):
            assert one.text == other.text
            assert one.score == pytest.approx(other.score, abs=1e-3)


class TestIndependence:
    """A text depends on its picture alone."""

    @pytest.mark.parametrize("batch_size", [1, 3, 64])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_order_and_batch_size(self, recognizer: TextRecognizer, batch_size: int, seed: int) -> None:
        expected = recognizer.recognize(pictures())
        order = np.random.default_rng(seed).permutation(len(pictures()))
        reader = LineReader(recognizer.backend, recognizer.operators, recognizer.postprocess, batch_size)
        shuffled = reader.recognize([pictures()[index] for index in order])
        for line, index in zip(shuffled, order, strict=True):
            assert line.text == expected[index].text
            assert line.score == pytest.approx(expected[index].score, abs=1e-5)

    def test_wide_lines_in_mixed_batches(self, recognizer: TextRecognizer) -> None:
        wide = TextRecognizer(exported(), dynamic_width=True, enable_mkldnn=False, cpu_threads=1)
        assert {wide.preprocess(picture).shape[2] for picture in pictures()} == {128, 144, 320, 600}
        together = wide.recognize(pictures())
        alone = [wide.recognize([picture])[0] for picture in pictures()]
        assert [line.text for line in together] == [line.text for line in alone]

    def test_more_images_than_are_prepared_at_a_time(self, recognizer: TextRecognizer) -> None:
        reader = LineReader(recognizer.backend, recognizer.operators, recognizer.postprocess, 1)
        few = reader.recognize(pictures())
        assert [line.text for line in reader.recognize(pictures() * 2)] == [line.text for line in few] * 2

    def test_eight_threads(self, recognizer: TextRecognizer) -> None:
        expected = [line.text for line in recognizer.recognize(pictures())]
        results: dict[int, list[str]] = {}

        def read(shift: int) -> None:
            images = pictures()[shift:] + pictures()[:shift]
            results[shift] = [line.text for line in recognizer.recognize(images)]

        threads = [threading.Thread(target=read, args=(shift,)) for shift in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {shift: expected[shift:] + expected[:shift] for shift in range(8)}


class TestImages:
    def test_nothing(self, recognizer: TextRecognizer) -> None:
        assert recognizer([])[0] == []

    def test_grey_alpha_and_16_bits(self, recognizer: TextRecognizer) -> None:
        grey = pictures()[3][:, :, 0]
        colour = np.repeat(grey[:, :, None], 3, 2)
        opaque = np.dstack([colour, np.full_like(grey, 255)])
        deep = colour.astype(np.uint16) * 256
        texts = {line.text for line in recognizer.recognize([grey, colour, opaque, deep])}
        assert len(texts) == 1

    @pytest.mark.parametrize("bad", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 3), np.float32),
                                     np.zeros((5, 5, 2), np.uint8)])
    def test_bad_image_is_named_by_its_position(self, recognizer: TextRecognizer, bad: Any) -> None:
        with pytest.raises(ImageError, match="image 2 of the list"):
            recognizer.recognize([*pictures()[:2], bad])


    def test_one_image_in_place_of_a_list(self, recognizer: TextRecognizer) -> None:
        with pytest.raises(ImageError, match=r"shape \[32, 60, 3\] in place of a list"):
            recognizer(np.zeros((32, 60, 3), np.uint8))

    @pytest.mark.parametrize("missing", [None, "word.png"])
    def test_what_is_no_image(self, recognizer: TextRecognizer, missing: Any) -> None:
        with pytest.raises(ImageError, match=f"image 1 of the list is {type(missing).__name__}"):
            recognizer([np.zeros((32, 60, 3), np.uint8), missing])


class TestArguments:
    def test_forms(self) -> None:
        folder = str(exported())
        for args, keywords in [(folder, {}), (exported(), {}), ({"rec_model_dir": folder}, {}),
                               (argparse.Namespace(rec_model_dir=folder, det_model_dir=None, use_onnx=False), {}),
                               (None, {"rec_model_dir": folder})]:
            options = TextRecognizer(args, cpu_threads=1, **keywords).options
            assert (options.rec_model_dir, options.cpu_threads, options.rec_batch_num) == (folder, 1, 6)

    def test_keywords_win(self) -> None:
        options = TextRecognizer({"rec_model_dir": str(exported()), "rec_batch_num": "4"}, rec_batch_num=2).options
        assert options.rec_batch_num == 2

    @pytest.mark.parametrize(("given", "words"), [
        ({"rec_model_dri": "x"}, "did you mean 'rec_model_dir'"),
        ({"rec_model_dir": "x", "use_gpu": "perhaps"}, "use_gpu: 'perhaps' has the wrong type"),
        ({"rec_model_dir": "x", "rec_batch_num": 1.5}, "rec_batch_num"),
        ({}, "no model is given"),
        (3, "arguments of type int"),
        ({"rec_model_dir": "x"}, "there is no folder x"),
    ])
    def test_wrong(self, given: Any, words: str) -> None:
        with pytest.raises(InferenceError, match=words):
            TextRecognizer(given)

    @pytest.mark.parametrize(("options", "words"), [
        ({"rec_image_shape": "3,32"}, "rec_image_shape is '3,32'"),
        ({"rec_image_shape": "3,x,32"}, "rec_image_shape"),
        ({"rec_batch_num": 0}, "the batch size is 0"),
        ({"rec_image_shape": [3, 48, 128]}, r"make images of shape \[3, 48, 128\]"),
    ])
    def test_unusable_values(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InferenceError, match=words):
            TextRecognizer(exported(), **options)

    def test_unknown_backend(self) -> None:
        with pytest.raises(ConfigError, match="no inference backend named 'padle'.*did you mean 'paddle'"):
            TextRecognizer(exported(), backend="padle")

    def test_override_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "ppocr"):
            recognizer = TextRecognizer(exported(), rec_image_shape="3,32,64", cpu_threads=1)
        assert "rec_image_shape=[3, 32, 64] takes the place of image_shape=[3, 32, 128]" in caplog.text
        assert recognizer.preprocess(pictures()[0]).shape == (3, 32, 64)

    def test_argument_without_effect_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        TextRecognizer({"rec_model_dir": str(exported()), "use_tensorrt": True}, cpu_threads=1)
        assert "use_tensorrt=True has no effect" in caplog.text


class TestCharset:
    def test_comes_from_the_folder(self, recognizer: TextRecognizer) -> None:
        assert recognizer.charset == Charset.default()

    def test_dictionary_in_its_place_is_logged(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, recognizer: TextRecognizer
    ) -> None:
        path = tmp_path / "upper.txt"
        path.write_text("\n".join(CHARACTERS.upper()) + "\n", encoding="utf-8")
        other = TextRecognizer(exported(), rec_char_dict_path=str(path), enable_mkldnn=False, cpu_threads=1)
        assert "differs from the charset in inference.yml" in caplog.text
        texts = [line.text.upper() for line in recognizer.recognize(pictures())]
        assert [line.text for line in other.recognize(pictures())] == texts

    def test_of_another_size(self, tmp_path: Path) -> None:
        path = tmp_path / "short.txt"
        path.write_text("a\nb\nc\n", encoding="utf-8")
        with pytest.raises(CharsetError, match=r"37 classes, the charset gives 5 \(4 characters with the space\) or 4"):
            TextRecognizer(exported(), rec_char_dict_path=str(path))

    def test_space_that_the_model_lacks(self, dictionary: Path) -> None:
        with pytest.raises(CharsetError, match="37 classes, the charset gives 38"):
            TextRecognizer(exported(), use_space_char=True)
        with pytest.raises(CharsetError, match="37 classes, the charset gives 38"):
            TextRecognizer(exported(), rec_char_dict_path=str(dictionary), use_space_char=True)


class TestFoldersOfPaddleOCR:
    def test_version_3(self, tmp_path: Path, recognizer: TextRecognizer) -> None:
        folder = copy_of_export(tmp_path / "model", description=peer_description())
        peer = TextRecognizer(folder, enable_mkldnn=False, cpu_threads=1)
        assert peer.folder.description is not None
        assert peer.folder.description.model_name == "PP-OCRv4_mobile_rec"
        assert peer.charset.symbols == tuple(CHARACTERS)
        assert peer.recognize(pictures()) == recognizer.recognize(pictures())

    def test_version_3_with_a_space_in_the_model(self, tmp_path: Path) -> None:
        description = peer_description(character_dict=list(CHARACTERS[:-1]))
        folder = copy_of_export(tmp_path / "model", description=description)
        assert TextRecognizer(folder, cpu_threads=1).charset.symbols == (*CHARACTERS[:-1], " ")
        with pytest.raises(CharsetError, match=r"gives 36 \(35 characters without the space\)"):
            TextRecognizer(folder, use_space_char=False)

    @pytest.mark.parametrize("stem", ["inference", "model"])
    def test_version_2(self, tmp_path: Path, dictionary: Path, recognizer: TextRecognizer, stem: str) -> None:
        folder = copy_of_export(tmp_path / "model", stem=stem)
        peer = TextRecognizer(folder, rec_char_dict_path=str(dictionary), rec_image_shape=f"3, {HEIGHT}, {WIDTH}",
                              enable_mkldnn=False, cpu_threads=1)
        assert peer.recognize(pictures()) == recognizer.recognize(pictures())

    def test_version_2_without_arguments(self, tmp_path: Path, dictionary: Path) -> None:
        folder = copy_of_export(tmp_path / "model")
        with pytest.raises(InferenceError, match="rec_char_dict_path and rec_image_shape are not given"):
            TextRecognizer(folder)
        with pytest.raises(InferenceError, match="rec_image_shape is not given"):
            TextRecognizer(folder, rec_char_dict_path=str(dictionary))


class TestUnusableFolders:
    def test_empty_and_checkpoints(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceError, match="it is empty"):
            TextRecognizer(tmp_path)
        (tmp_path / "best_accuracy.pdparams").touch()
        with pytest.raises(InferenceError, match="no exported model") as caught:
            TextRecognizer(tmp_path)
        assert "export one with tools/export_model.py" in caught.value.cure

    @pytest.mark.parametrize(("change", "words"), [
        ({"schema": 9}, "schema 9"),
        ({"PostProcess": {}}, "names no decoder"),
        ({"PreProcess": {"transform_ops": [{"A": None, "B": None}]}}, "is not a transform"),
        ({"Global": {"model_type": "det"}}, "model of type 'det'"),
        ({"Global": [1]}, "Global is list"),
        ({"PostProcess": {"name": "CTCLabelDecode"}}, "holds no charset"),
        ({"Charset": "abc"}, "Charset is str"),
        ({"Model": {"inputs": "x"}}, "Model.inputs is 'x'"),
        ({"Model": {"inputs": ["x"]}}, "Model.inputs is"),
        ({"Model": {"inputs": [{"shape": ["N", 3]}]}}, "Model.inputs is"),
    ])
    def test_description(self, tmp_path: Path, change: dict[str, Any], words: str) -> None:
        folder = copy_of_export(tmp_path / "model", description={**peer_description(), **change})
        with pytest.raises(InferenceError, match=words):
            TextRecognizer(folder)

    def test_charset_that_was_changed(self, tmp_path: Path) -> None:
        content = yaml.safe_load((exported() / "inference.yml").read_text(encoding="utf-8"))
        content["Charset"]["symbols"][0] = "Z"
        with pytest.raises(CharsetError, match="checksum"):
            TextRecognizer(copy_of_export(tmp_path / "model", description=content))

    def test_unknown_transform(self, tmp_path: Path) -> None:
        description = {**peer_description(), "PreProcess": {"transform_ops": [{"RecResizeImage": None}]}}
        with pytest.raises(ConfigError, match="did you mean 'RecResizeImg'"):
            TextRecognizer(copy_of_export(tmp_path / "model", description=description))

    def test_damaged_yaml(self, tmp_path: Path) -> None:
        folder = copy_of_export(tmp_path / "model")
        (folder / "inference.yml").write_text("Global: {", encoding="utf-8")
        with pytest.raises(InferenceError, match=r"inference\.yml cannot be read"):
            TextRecognizer(folder)

    def test_damaged_program(self, tmp_path: Path) -> None:
        folder = copy_of_export(tmp_path / "model", description=peer_description())
        (folder / "inference.json").write_text("{", encoding="utf-8")
        with pytest.raises(InferenceError, match=r"inference\.json cannot be loaded"):
            TextRecognizer(folder)


class TestReader:
    """The reader by itself, over a network that is a function."""

    class Mean:
        input_names = ("x",)

        def __init__(self) -> None:
            self.shapes: list[tuple[int, ...]] = []

        def run(self, inputs: Any) -> list[Any]:
            self.shapes.append(inputs["x"].shape)
            return [inputs["x"].mean(axis=(1, 2, 3))]

    @staticmethod
    def decode(outputs: Any) -> list[TextLine]:
        return [TextLine(f"{value:.2f}", 1.0) for value in outputs["probs"]]

    def test_batches_hold_one_width(self) -> None:
        network = self.Mean()
        operators = build_transforms([{"RecResizeImg": {"image_shape": [3, 8, 8], "infer_mode": True}}])
        reader = LineReader(network, operators, self.decode, 2)
        greys = [0, 255, 51, 204, 102]
        widths = [8, 24, 8, 24, 8]
        images = [np.full((8, width, 3), grey, np.uint8) for grey, width in zip(greys, widths, strict=True)]
        assert [line.text for line in reader.recognize(images)] == ["-1.00", "1.00", "-0.60", "0.60", "-0.20"]
        assert network.shapes == [(2, 3, 8, 8), (1, 3, 8, 8), (2, 3, 8, 24)]

    def test_batches_share_a_width_where_that_is_asked(self) -> None:
        """Ratios 1, 5, 3, 1.5 and 2: the batches are 1 and 1.5, 2 and 3, 5, each as wide as its widest."""
        network = self.Mean()
        operators = build_transforms([{"RecResizeImg": {"image_shape": [3, 8, 8], "infer_mode": True}}])
        reader = LineReader(network, operators, self.decode, 2, shared_width=True)
        images: list[Any] = [np.full((8, width, 3), 255, np.uint8) for width in (8, 40, 24, 12, 16)]
        images[2] = cv2.imencode(".png", images[2])[1].tobytes()
        # White is 1, and what a line is filled up with is 0.
        expected = [8 / 12, 1, 1, 1, 16 / 24]
        assert [line.text for line in reader.recognize(images)] == [f"{value:.2f}" for value in expected]
        assert network.shapes == [(2, 3, 8, 12), (2, 3, 8, 24), (1, 3, 8, 40)]
        assert reader.recognize([]) == []

    @pytest.mark.parametrize("bad", [None, b"no image", np.zeros((0, 3, 3), np.uint8), np.zeros(3, np.uint8)])
    def test_shared_width_names_a_bad_image(self, bad: Any) -> None:
        operators = build_transforms([{"RecResizeImg": {"image_shape": [3, 8, 8], "infer_mode": True}}])
        reader = LineReader(self.Mean(), operators, self.decode, 2, shared_width=True)
        with pytest.raises(ImageError, match="image 1 of the list"):
            reader.recognize([np.zeros((8, 8, 3), np.uint8), bad])
