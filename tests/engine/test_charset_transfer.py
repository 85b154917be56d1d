"""Weights of another charset: which row goes where, and that what was read before is read after."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset, Codec, attention_codec, ctc_codec, nrtr_codec, sar_codec
from ppocr.cv import cv2
from ppocr.data.transforms.resize import resize_for_recognition
from ppocr.engine.builder import ModelParts, build_model_parts
from ppocr.engine.charset_transfer import Transfer, carry_over, class_axes
from ppocr.engine.checkpoint import load_pretrained
from ppocr.engine.evaluator import evaluation_mode, predict_batch
from ppocr.errors import CharsetError, CheckpointError
from ppocr.modeling import build_model
from ppocr.weights import Weights, read_weights, write_weights
from tests.shared_files import SHARED, needs_shared
from tests.tiny_recognizer import HEIGHT, WIDTH, exported, pictures, weights_file, write_config

OLD = Charset(tuple("abcd "))
NEW = Charset(tuple("xd ay"))  # b and c are dropped, x and y are new.


class Head(paddle.nn.Layer):
    """A parameter for each codec as published heads have them; each row is the number of its class."""

    def __init__(self, charset: Charset) -> None:
        super().__init__()
        sizes = {"ctc": ctc_codec(charset).num_classes, "attention": attention_codec(charset).num_classes,
                 "sar": sar_codec(charset).num_classes - 1, "nrtr": nrtr_codec(charset).num_classes + 1}
        self.axes = {f"{name}_{kind}": ((0 if kind == "bias" else 1), name) for name in sizes
                     for kind in ("weight", "bias")}
        for name, (axis, codec) in self.axes.items():
            offset = 3 if name == "attention_weight" else 0
            shape = [2, offset + sizes[codec]] if axis else [sizes[codec]]
            parameter = self.create_parameter(shape)
            parameter.set_value(np.broadcast_to(np.arange(shape[-1], dtype=np.float32) - offset, shape).copy())
            setattr(self, name, parameter)

    def class_axes(self) -> dict[str, tuple[int, str]]:
        return self.axes

    def class_offsets(self) -> dict[str, int]:
        return {"attention_weight": 3}


class Model(paddle.nn.Layer):
    def __init__(self, charset: Charset) -> None:
        super().__init__()
        self.head = Head(charset)


def arrays(model: Any) -> Weights:
    return Weights({name: value.numpy() for name, value in model.state_dict().items()}, "old.pdparams")


class TestRows:
    # Place of d, space and a among the old characters; x and y get the mean of 3, 4, 0 and the bias 0.
    @pytest.mark.parametrize(("name", "before", "after"), [
        ("ctc", [0], []), ("attention", [0], [6]), ("sar", [], [5, 6]), ("nrtr", [0, 1, 2, 3], [9]),
    ])
    def test_each_codec(self, name: str, before: list[int], after: list[int]) -> None:
        first = len(before)
        guess = (3 + 4 + 0) / 3 + first
        weights, transfer = carry_over(Model(NEW), arrays(Model(OLD)), OLD, NEW)
        expected = [*before, guess, 3 + first, 4 + first, first, guess, *after]
        found = weights[f"head.{name}_weight"][0]
        if name == "attention":
            np.testing.assert_array_equal(found[:3], [-3, -2, -1])
            found = found[3:]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        expected[first] = expected[first + 4] = first  # The smallest bias of those that stay is that of a.
        np.testing.assert_array_equal(weights[f"head.{name}_bias"], expected)
        assert (transfer.kept, transfer.new, transfer.dropped) == ("d a", "xy", "bc")

    def test_the_report_names_the_characters(self) -> None:
        _, transfer = carry_over(Model(NEW), arrays(Model(OLD)), OLD, NEW)
        text = str(transfer)
        assert "3 kept, 2 new, 2 dropped; rows of head.ctc_weight" in text
        assert "kept: 'd a'" in text
        assert "new: 'xy' (they start as the mean" in text
        assert "dropped: 'bc'" in text

    def test_many_characters_are_cut(self) -> None:
        many = Charset(tuple(chr(0x4E00 + i) for i in range(300)))
        _, transfer = carry_over(Model(OLD), arrays(Model(many)), many, OLD)
        assert "and 100 more" in str(transfer)
        assert "no character is kept: the head starts anew" in str(transfer)

    @pytest.mark.parametrize(("old", "new", "places"), [
        (" a ", "a ", [1, 2]),  # The last of two spaces is the one that was trained.
        ("a ", " a ", [0.5, 0, 1]),
        (" a ", "b a ", [1, 0, 1, 2]),
    ])
    def test_repeated_spaces(self, old: str, new: str, places: list[float]) -> None:
        before, after = Charset(tuple(old)), Charset(tuple(new))
        weights, _ = carry_over(Model(after), arrays(Model(before)), before, after)
        np.testing.assert_allclose(weights["head.ctc_weight"][0][1:] - 1, places)

    def test_half_precision(self) -> None:
        old = arrays(Model(OLD))
        values = old["head.ctc_bias"]
        old["head.ctc_bias"] = (values.view(np.uint32) >> 16).astype(np.uint16)  # bfloat16
        weights, _ = carry_over(Model(NEW), old, OLD, NEW)
        np.testing.assert_array_equal(weights["head.ctc_bias"], [0, 1, 4, 5, 1, 1])

    def test_new_characters_and_frozen_classes(self) -> None:
        model = Model(NEW)
        model.head.ctc_bias.stop_gradient = True
        with pytest.raises(CharsetError, match=r"2 characters are new .*'xy'.*head\.ctc_bias\)") as caught:
            carry_over(model, arrays(Model(OLD)), OLD, NEW)
        assert "Global.freeze" in caught.value.cure
        carry_over(model, arrays(Model(NEW)), NEW, Charset(tuple(" adxy")))  # Another order alone is fine.

    def test_a_charset_that_is_not_that_of_the_weights(self) -> None:
        with pytest.raises(CharsetError, match=r"has 5 characters, but they have rows for 6 \(head.ctc_weight\)"):
            carry_over(Model(NEW), arrays(Model(Charset(tuple("abcdef")))), OLD, NEW)


class TestHeads:
    @pytest.mark.parametrize(("head", "codec", "names"), [
        ({"name": "CTCHead"}, ctc_codec, {"fc.weight": (1, 0), "fc.bias": (0, 0)}),
        ({"name": "CTCHead", "mid_channels": 8}, ctc_codec, {"fc2.weight": (1, 0), "fc2.bias": (0, 0)}),
        ({"name": "AttentionHead", "hidden_size": 8}, attention_codec,
         {"generator.weight": (1, 0), "generator.bias": (0, 0), "attention_cell.rnn.weight_ih": (1, 32)}),
    ])
    def test_axes_have_the_classes(self, head: dict[str, Any], codec: Any, names: dict[str, tuple[int, int]]) -> None:
        classes: Codec = codec(OLD)
        model = build_model({"model_type": "rec", "Backbone": {"name": "VGG", "scale": 0.0625}, "Head": head,
                             "Neck": {"name": "SequenceEncoder", "encoder_type": "reshape"}},
                            num_classes=classes.num_classes)
        axes = class_axes(model)
        assert {name.removeprefix("head."): (axis.axis, axis.offset) for name, axis in axes.items()} == names
        assert all(axis.length - axis.offset == classes.num_classes for axis in axes.values())

    def test_heads_without_characters(self) -> None:
        assert class_axes(paddle.nn.Linear(2, 3)) == {}


def read(parts: ModelParts) -> list[str]:
    images = [resize_for_recognition(picture, (3, HEIGHT, WIDTH))[0] for picture in pictures()]
    with evaluation_mode(parts.model):
        return [line.text for line in predict_batch(parts.model, {"image": paddle.to_tensor(np.stack(images))},
                                                  parts.postprocess)]


def dictionary(folder: Path, characters: str, name: str = "dict.txt") -> Path:
    file = folder / name
    file.write_text("".join(f"{character}\n" for character in characters), encoding="utf-8")
    return file


DEFAULT = "".join(Charset.default().symbols)
EXTENDED = "äöü" + DEFAULT[:17] + "ABCDEFGHIJKLMNOP" + DEFAULT[17:] + "é"


class TestLoading:
    def parts(self, folder: Path, characters: str = EXTENDED) -> ModelParts:
        return build_model_parts(write_config(folder, character_dict_path=str(dictionary(folder, characters))))

    def state(self, weights: Path, charset: Charset) -> None:
        weights.with_suffix(".state").write_text(json.dumps({"schema": 1, "charset": charset.to_dict()}))

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        path = tmp_path / "w.pdparams"
        path.write_bytes(weights_file().read_bytes())
        return path

    def test_twenty_new_characters_change_no_text(
        self, tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = build_model_parts(write_config(tmp_path))
        load_pretrained(old.model, weights, old.charset, 1.0)
        before = read(old)
        assert len(set(before)) > 5
        self.state(weights, Charset.default())
        parts = self.parts(tmp_path)
        with caplog.at_level(logging.INFO, logger="ppocr"):
            load_pretrained(parts.model, weights, parts.charset, 1.0)
        assert read(parts) == before
        assert "36 kept, 20 new, 0 dropped" in caplog.text
        assert "new: 'äöüABCDEFGHIJKLMNOPé'" in caplog.text

    def test_by_the_dictionary_that_is_named(self, tmp_path: Path, weights: Path) -> None:
        old = build_model_parts(write_config(tmp_path))
        load_pretrained(old.model, weights, old.charset, 1.0)
        parts = self.parts(tmp_path)
        former = dictionary(tmp_path, DEFAULT[1:] + "0", "former.txt")  # What was read as 0 is called 1, and so on.
        load_pretrained(parts.model, weights, parts.charset, 1.0, dictionary=str(former))
        renamed = str.maketrans(DEFAULT, DEFAULT[1:] + "0")
        assert read(parts) == [text.translate(renamed) for text in read(old)]

    @pytest.mark.parametrize(("characters", "use_space"), [(DEFAULT, None), (DEFAULT[:-1], None), (DEFAULT, False),
                                                           (DEFAULT[:-1], True)])
    def test_the_space_is_found_out_by_the_size(
        self, tmp_path: Path, weights: Path, characters: str, use_space: bool | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        former = dictionary(tmp_path, characters, "former.txt")
        with caplog.at_level(logging.INFO, logger="ppocr"):
            parts = self.parts(tmp_path)
            load_pretrained(parts.model, weights, parts.charset, 1.0, dictionary=str(former), use_space=use_space)
        assert f"{len(characters)} kept" in caplog.text
        assert ("dropped: ' '" in caplog.text) == (characters != DEFAULT)

    @pytest.mark.parametrize(("characters", "use_space", "numbers"), [
        (DEFAULT + "!", None, r"37 or 38 characters \(with or without the space\)"), (DEFAULT, True, "37 characters"),
    ])
    def test_a_dictionary_of_another_size(self, tmp_path: Path, weights: Path, characters: str,
                                          use_space: bool | None, numbers: str) -> None:
        parts = self.parts(tmp_path)
        former = str(dictionary(tmp_path, characters, "former.txt"))
        with pytest.raises(CharsetError, match=rf"former.txt has {numbers}.* rows for 36 \(head.fc.weight\)"):
            load_pretrained(parts.model, weights, parts.charset, 0.5, dictionary=former, use_space=use_space)

    def test_by_the_model_whose_dictionary_it_was(self, tmp_path: Path, weights: Path) -> None:
        parts = build_model_parts(write_config(tmp_path, character_dict_path=str(dictionary(tmp_path, "ba9"))))
        load_pretrained(parts.model, weights, parts.charset, 0.5, dictionary=str(exported()))
        bias = read_weights(weights)["head.fc.bias"]
        places = [0, *(1 + Charset.default().symbols.index(symbol) for symbol in "ba9")]
        np.testing.assert_array_equal(parts.model.head.fc.bias.numpy(), bias[places])

    def test_an_exported_model_for_another_task(self, tmp_path: Path) -> None:
        parts = build_model_parts(write_config(tmp_path))
        load_pretrained(parts.model, exported(), parts.charset, 1.0, task="rec")
        with pytest.raises(CheckpointError, match="a model of type 'rec', the configuration is for 'det'"):
            load_pretrained(parts.model, exported(), parts.charset, 0.0, task="det")

    def test_state_and_dictionary_that_contradict_each_other(self, tmp_path: Path, weights: Path) -> None:
        self.state(weights, Charset.default())
        parts = self.parts(tmp_path)
        former = str(dictionary(tmp_path, DEFAULT[::-1], "former.txt"))
        with pytest.raises(CharsetError, match=r"former.txt has other characters than what lies beside .*w\.pdparams"):
            load_pretrained(parts.model, weights, parts.charset, 0.5, dictionary=former)

    def test_what_nothing_tells(self, tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture) -> None:
        parts = self.parts(tmp_path)
        with caplog.at_level(logging.INFO, logger="ppocr"):
            load_pretrained(parts.model, weights, parts.charset, 0.5)
            same = build_model_parts(write_config(tmp_path))
            load_pretrained(same.model, weights, same.charset, 1.0)
        assert "head.fc.bias (model [57], file [37]). These start from random numbers" in caplog.text
        assert "so it is taken for the same" in caplog.text

    def test_the_same_charset_leaves_everything(self, tmp_path: Path, weights: Path) -> None:
        self.state(weights, Charset.default())
        parts = build_model_parts(write_config(tmp_path))
        load_pretrained(parts.model, weights, parts.charset, 1.0)
        for name, value in parts.model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), read_weights(weights)[name])


@needs_shared("weights")
@needs_shared("data")
def test_a_published_recognizer_reads_the_same_with_twenty_more_characters(tmp_path: Path) -> None:
    folder = SHARED / "weights"
    published = (folder / "en_dict.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    added = "äöüÄÖÜßéèêëàâçñøåæœ€"
    former = dictionary(tmp_path, "".join(published), "former.txt")
    mixed = dictionary(tmp_path, "".join(added[:10] + "".join(sorted(published)) + added[10:]), "mixed.txt")
    architecture = {"Backbone": {"name": "MobileNetV3", "model_name": "small", "scale": 0.5,
                                 "small_stride": [1, 2, 2, 2]},
                    "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 48}}
    texts = []
    for file, space in ((former, True), (mixed, False)):
        config = write_config(tmp_path, character_dict_path=str(file), use_space_char=space, max_text_length=25)
        config["Architecture"] |= architecture
        parts = build_model_parts(config)
        load_pretrained(parts.model, folder / "en_number_mobile_v2.0_rec_train" / "best_accuracy", parts.charset, 1.0,
                        dictionary=str(former))
        images = [resize_for_recognition(cv2.imread(str(path)), (3, 32, 160))[0] for path in words(100)]
        with evaluation_mode(parts.model):
            batch = {"image": paddle.to_tensor(np.stack(images))}
            texts.append([line.text for line in predict_batch(parts.model, batch, parts.postprocess)])
    assert texts[0] == texts[1]
    assert sum(map(bool, texts[0])) > 90


def words(number: int) -> list[Path]:
    return sorted((SHARED / "data" / "rec").rglob("*.jpg"))[:number]


def test_weights_of_a_head_that_tells_nothing_are_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_weights(tmp_path / "w.pdparams", paddle.nn.Linear(2, 3).state_dict())
    (tmp_path / "w.state").write_text(json.dumps({"schema": 1, "charset": OLD.to_dict()}))
    load_pretrained(paddle.nn.Linear(2, 3), tmp_path / "w", NEW, 1.0)
    assert "was trained with another charset: 5 characters" in caplog.text


def test_a_flag_counts_as_one_character() -> None:
    told = str(Transfer(kept="ab\U0001F1E9\U0001F1EA", new="\U0001F1EB\U0001F1F7", dropped="", parameters=("fc",)))
    assert "3 kept, 1 new, 0 dropped; rows of fc" in told
