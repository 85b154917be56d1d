"""Characters and class indices."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from ppocr.charset import (
    Charset,
    Codec,
    UnknownCharacterError,
    attention_codec,
    ctc_codec,
    mirrored,
    nrtr_codec,
    sar_codec,
)
from ppocr.errors import CharsetError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_default_is_case_blind_letters_and_digits() -> None:
    charset = Charset.from_config(None)
    assert len(charset) == 36
    assert charset.encode("aB0").tolist() == [10, 11, 0]


@pytest.mark.parametrize("text", ["a\nb\n", "a\nb", "\ufeffa\r\nb\r\n"])
def test_dictionary_files_in_the_forms_that_editors_write(tmp_path: Path, text: str) -> None:
    assert Charset.from_file(write(tmp_path / "d.txt", text)).symbols == ("a", "b")


def test_lines_are_not_stripped(tmp_path: Path) -> None:
    assert Charset.from_file(write(tmp_path / "d.txt", "a\n \n\u3000\n")).symbols == ("a", " ", "\u3000")


def test_space_of_the_option_comes_last_as_in_published_models(tmp_path: Path) -> None:
    file = write(tmp_path / "d.txt", "a\n \nb\n")
    charset = Charset.from_file(file, use_space=True)
    assert charset.symbols == ("a", " ", "b", " ")
    assert charset.encode(" ").tolist() == [3]
    assert charset.decode([1, 3]) == "  "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "line 3: 'a' repeats line 1"),
        ("a\nbc\n", "line 2: 'bc' is 2 characters"),
        ("a\n\nb\n", "line 2: '' is empty"),
        ("", "holds no character"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CharsetError, match=message):
        Charset.from_file(write(tmp_path / "d.txt", text))


def test_missing_and_non_utf8_files(tmp_path: Path) -> None:
    with pytest.raises(CharsetError, match="cannot be read"):
        Charset.from_file(tmp_path / "none.txt")
    with pytest.raises(CharsetError, match="not UTF-8"):
        Charset.from_file(write(tmp_path / "d.txt", "\xe9\n", "latin-1"))


def test_unknown_characters_are_named_once_each() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        Charset.default().encode("né!é")
    assert caught.value.characters == "é!"


def test_description_round_trip_and_tampering() -> None:
    charset = Charset(("x", "y"), right_to_left=True)
    assert Charset.from_dict(charset.to_dict()) == charset
    with pytest.raises(CharsetError, match="checksum"):
        Charset.from_dict({**charset.to_dict(), "symbols": ["x", "z"]})


def test_right_to_left_texts_are_reversed_for_the_image() -> None:
    charset = Charset(("א", "ב"), right_to_left=True)
    assert charset.encode("אבב").tolist() == [1, 1, 0]
    assert charset.decode([1, 1, 0]) == "אבב"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("אב", "בא"),
        ("אב 12", "12 בא"),
        ("אב 12.50 גד", "דג 12.50 בא"),
        ("שלט ABC de 7!", "!ABC de 7 טלש"),
        ("٣٤ אב", "בא ٣٤"),
        ("Latin 1", "Latin 1"),
        ("", ""),
    ],
)
def test_numbers_and_latin_words_keep_their_order_in_right_to_left_texts(text: str, image: str) -> None:
    assert mirrored(text) == image
    assert mirrored(image) == text


def test_mirroring_twice_gives_any_text_back() -> None:
    source = random.Random(0)
    for _ in range(2000):
        text = "".join(source.choices("אבגدab12٣ .,-%()\u0301", k=source.randrange(12)))
        assert mirrored(mirrored(text)) == text


@pytest.mark.parametrize(
    ("codec", "classes", "first", "specials"),
    [
        (ctc_codec(Charset.default()), 37, 1, {"blank": 0}),
        (attention_codec(Charset.default()), 38, 1, {"sos": 0, "eos": 37}),
        (sar_codec(Charset.default()), 39, 0, {"unknown": 36, "bos_eos": 37, "pad": 38}),
        (nrtr_codec(Charset.default()), 40, 4, {"pad": 0, "unknown": 1, "bos": 2, "eos": 3}),
    ],
)
def test_codecs(codec: Codec, classes: int, first: int, specials: dict[str, int]) -> None:
    assert codec.num_classes == classes
    assert {name: codec.special(name) for name in specials} == specials
    encoded = codec.encode("0z")
    assert encoded.tolist() == [first, first + 35]
    assert codec.decode(np.concatenate([list(specials.values()), encoded])) == "0z"


class TestFlags:
    """A flag is two code points, and one character of published dictionaries."""

    FLAG = "\U0001F1E9\U0001F1EA"

    def test_is_one_character(self, tmp_path: Path) -> None:
        file = tmp_path / "dict.txt"
        file.write_text(f"a\n{self.FLAG}\nb\n", encoding="utf-8")
        charset = Charset.from_file(file)
        assert charset.symbols == ("a", self.FLAG, "b")
        assert charset.encode(f"b{self.FLAG}a").tolist() == [2, 1, 0]
        assert charset.decode([2, 1, 0]) == f"b{self.FLAG}a"
        assert Charset.from_dict(charset.to_dict()) == charset

    def test_of_another_country_is_unknown_as_a_whole(self) -> None:
        other = "\U0001F1EC\U0001F1E7"
        assert Charset(("a", self.FLAG)).unknown_characters(f"a{other}{self.FLAG}x") == f"{other}x"

    @pytest.mark.parametrize("symbol", ["ab", "\U0001F1E9a", "\U0001F1E9\U0001F1EA\U0001F1E9", "e\u0301"])
    def test_other_pairs_are_not(self, symbol: str) -> None:
        with pytest.raises(CharsetError, match="not one character"):
            Charset(("a", symbol))
