"""Decoding of texts by hand and against a plain loop; errors for outputs that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.charset import Charset
from ppocr.errors import CharsetError, ConfigError, InferenceError
from ppocr.postprocess import build_postprocess
from ppocr.results import TextLine

ABC = Charset(("a", "b", "c"))


def peaked(classes: list[int], scores: list[float], count: int) -> np.ndarray:
    """Return ``[1, T, count]`` with the given class of each step at the given probability."""
    probs = np.zeros((1, len(classes), count), dtype=np.float32)
    for step, (index, score) in enumerate(zip(classes, scores, strict=True)):
        probs[0, step] = (1.0 - score) / (count - 1)
        probs[0, step, index] = score
    return probs


def decode(name: str, classes: list[int], scores: list[float], count: int, charset: Charset = ABC) -> TextLine:
    decoder = build_postprocess({"name": name}, charset=charset)
    (line,) = decoder({"probs": peaked(classes, scores, count)})
    return line


class TestCTC:
    @pytest.mark.parametrize(
        ("classes", "scores", "text", "score"),
        [
            ([1, 2, 3], [0.9, 0.8, 0.7], "abc", 0.8),
            ([0, 1, 1, 0, 1, 2, 2], [0.9, 0.8, 0.5, 0.9, 0.6, 0.7, 0.4], "aab", 0.7),
            ([1, 1, 1], [0.9, 0.5, 0.5], "a", 0.9),
            ([0, 0, 0], [0.9, 0.9, 0.9], "", 0.0),
            ([3], [1.0], "c", 1.0),
            ([1, 0, 1], [1.0, 1.0, 0.5], "aa", 0.75),
        ],
    )
    def test_by_hand(self, classes: list[int], scores: list[float], text: str, score: float) -> None:
        line = decode("CTCLabelDecode", classes, scores, 4)
        assert line.text == text
        assert line.score == pytest.approx(score, abs=1e-6)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
    def test_batch_agrees_with_a_loop(self, dtype: Any) -> None:
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 3, (16, 40, 4))
        probs = (np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(dtype)
        lines = build_postprocess({"name": "CTCLabelDecode"}, charset=ABC)({"probs": probs})
        assert len(lines) == 16
        for sample, line in zip(probs, lines, strict=True):
            text, kept, last = "", [], 0
            for step in sample:
                best = int(step.argmax())
                if best != 0 and best != last:
                    text += "abc"[best - 1]
                    kept.append(float(step[best]))
                last = best
            assert line.text == text
            assert line.score == pytest.approx(np.mean(kept), rel=1e-6)

    def test_no_steps_and_no_samples(self) -> None:
        decoder = build_postprocess({"name": "CTCLabelDecode"}, charset=ABC)
        assert decoder({"probs": np.zeros((0, 5, 4), np.float32)}) == []
        assert decoder({"probs": np.zeros((2, 0, 4), np.float32)}) == [TextLine("", 0.0)] * 2

    def test_right_to_left_scripts_are_reversed(self) -> None:
        charset = Charset(("א", "ב", "1", "2"), right_to_left=True)
        assert decode("CTCLabelDecode", [1, 2], [0.9] * 2, 5, charset).text == "בא"
        assert decode("CTCLabelDecode", [1, 3, 4, 2], [0.9] * 4, 5, charset).text == "ב12א"

    def test_space_is_a_character(self) -> None:
        assert decode("CTCLabelDecode", [1, 2, 1], [0.9] * 3, 3, Charset(("a", " "))).text == "a a"

    def test_score_never_exceeds_one(self) -> None:
        probs = np.zeros((1, 3, 4), np.float32)
        probs[0, :, 1:] = np.eye(3) * np.float32(1.0000001)
        (line,) = build_postprocess({"name": "CTCLabelDecode"}, charset=ABC)({"probs": probs})
        assert line == TextLine("abc", 1.0)


# Classes: attention sos 0, abc 1-3, eos 4; SAR abc 0-2, unknown 3, bos_eos 4, pad 5; NRTR pad, unk, bos, eos, abc 4-6.
@pytest.mark.parametrize(
    ("name", "counts", "a", "end", "specials"),
    [
        ("AttnLabelDecode", (5,), 1, 4, [0]),
        ("SARLabelDecode", (5, 6), 0, 4, [3]),
        ("NRTRLabelDecode", (7, 8), 4, 3, [0, 1, 2]),
    ],
)
class TestSequences:
    def test_stops_at_the_end_symbol(self, name: str, counts: Any, a: int, end: int, specials: list[int]) -> None:
        for count in counts:
            line = decode(name, [a, a, a + 2, end, a + 1], [0.9, 0.8, 0.7, 0.3, 0.9], count)
            assert line.text == "aac"
            assert line.score == pytest.approx(0.8, abs=1e-6)

    def test_without_end_symbol_all_steps_count(
        self, name: str, counts: Any, a: int, end: int, specials: list[int]
    ) -> None:
        line = decode(name, [a, a + 1], [0.9, 0.7], counts[0])
        assert line.text == "ab"
        assert line.score == pytest.approx(0.8, abs=1e-6)

    def test_empty_text(self, name: str, counts: Any, a: int, end: int, specials: list[int]) -> None:
        assert decode(name, [end, a], [0.9, 0.9], counts[0]) == TextLine("", 0.0)

    def test_other_special_symbols_are_left_out(
        self, name: str, counts: Any, a: int, end: int, specials: list[int]
    ) -> None:
        for special in specials:
            line = decode(name, [a, special, a + 1], [0.9, 0.3, 0.7], counts[0])
            assert line.text == "ab"
            assert line.score == pytest.approx(0.8, abs=1e-6)

    def test_batch_agrees_with_single_samples(
        self, name: str, counts: Any, a: int, end: int, specials: list[int]
    ) -> None:
        decoder = build_postprocess({"name": name}, charset=ABC)
        probs = np.random.default_rng(0).dirichlet(np.ones(counts[0]), (12, 9))
        lines = decoder({"probs": probs})
        assert lines == [decoder({"probs": probs[index : index + 1]})[0] for index in range(12)]
        assert len({len(line.text) for line in lines}) > 1


NUM_CLASSES = {"CTCLabelDecode": 4, "AttnLabelDecode": 5, "SARLabelDecode": 6, "NRTRLabelDecode": 7}


@pytest.mark.parametrize(("name", "count"), NUM_CLASSES.items())
class TestEveryDecoder:
    def test_num_classes(self, name: str, count: int) -> None:
        decoder = build_postprocess({"name": name}, charset=ABC)
        assert decoder.num_classes == decoder.codec.num_classes == count

    def test_wrong_number_of_classes_names_both(self, name: str, count: int) -> None:
        decoder = build_postprocess({"name": name}, charset=ABC)
        message = f"the network gives 100 classes, the charset has {count}: 3 characters"
        with pytest.raises(CharsetError, match=message):
            decoder({"probs": np.zeros((1, 2, 100))})

    def test_unusable_outputs(self, name: str, count: int) -> None:
        decoder = build_postprocess({"name": name}, charset=ABC)
        with pytest.raises(InferenceError, match="gives logits, but no 'probs'"):
            decoder({"logits": np.zeros((1, 2, count))})
        with pytest.raises(InferenceError, match=r"shape \[2, \d\]"):
            decoder({"probs": np.zeros((2, count))})
        with pytest.raises(InferenceError, match="not a number"):
            decoder({"probs": np.full((1, 2, count), np.nan)})


@pytest.mark.parametrize(
    ("symbols", "given", "causes"),
    [
        (("a", "b"), 4, ["use_space_char (the charset lacks the space)", "another dictionary"]),
        (("a", " "), 2, ["use_space_char (the charset has the space)"]),
        (("a", "b"), 6, ["a PostProcess of another kind of head"]),
        (("a", "b"), 60, ["likely cause: another dictionary than in training;"]),
    ],
)
def test_likely_causes_of_another_number_of_classes(symbols: Any, given: int, causes: list[str]) -> None:
    decoder = build_postprocess({"name": "CTCLabelDecode"}, charset=Charset(symbols))
    with pytest.raises(CharsetError) as caught:
        decoder({"probs": np.zeros((1, 2, given))})
    assert f"{given} classes, the charset has 3" in caught.value.what
    assert "blank" in caught.value.what
    for cause in causes:
        assert cause in caught.value.cure


@pytest.mark.parametrize(
    ("section", "context", "message"),
    [
        ({"name": "CTCLabelDecod"}, {"charset": ABC}, "did you mean 'CTCLabelDecode'"),
        ({"name": "CTCLabelDecode", "char_set": 1}, {"charset": ABC}, "no argument 'char_set'"),
        ({"name": "CTCLabelDecode"}, {}, "needs the argument 'charset'"),
        ({}, {}, "does not name its post-process"),
    ],
)
def test_mistakes_in_the_section(section: dict[str, Any], context: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_postprocess(section, **context)
