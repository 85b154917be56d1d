from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.charset import Charset, UnknownCharacterError
from ppocr.data.sample import SampleInfo
from ppocr.data.transforms.label_encode import (
    AttnLabelEncode,
    ClsLabelEncode,
    CTCLabelEncode,
    LabelEncoder,
    MultiLabelEncode,
    NRTRLabelEncode,
    SARLabelEncode,
)
from ppocr.errors import ConfigError, SampleError
from ppocr.registry import TRANSFORMS

ABC = Charset(tuple("abc "))  # classes: CTC 1-4; attention 1-4, end 5; SAR 0-3, delimiter 5, padding 6; NRTR 4-7
ENCODERS: list[Any] = [CTCLabelEncode, AttnLabelEncode, SARLabelEncode, NRTRLabelEncode, MultiLabelEncode]


class TestLayouts:
    @pytest.mark.parametrize(("encoder", "expected"), [
        (CTCLabelEncode, [2, 1, 4, 3, 0, 0]),
        (AttnLabelEncode, [0, 2, 1, 4, 3, 5, 0, 0]),
        (SARLabelEncode, [5, 1, 0, 3, 2, 5]),
        (NRTRLabelEncode, [2, 5, 4, 7, 6, 3]),
    ])
    def test_by_hand(self, encoder: type[LabelEncoder], expected: list[int]) -> None:
        sample = encoder(ABC, 6)({"label": "ba c"})
        assert sample["label"].tolist() == expected
        assert sample["label"].dtype == np.int64
        assert sample["length"] == 4

    @pytest.mark.parametrize(("encoder", "expected"), [(SARLabelEncode, [5, 1, 5, 6, 6, 6]),
                                                       (NRTRLabelEncode, [2, 5, 3, 0, 0, 0])])
    def test_padding_of_short_texts(self, encoder: type[LabelEncoder], expected: list[int]) -> None:
        assert encoder(ABC, 6)({"label": "b"})["label"].tolist() == expected

    @pytest.mark.parametrize(("encoder", "longest"), [(CTCLabelEncode, 6), (AttnLabelEncode, 6), (SARLabelEncode, 4),
                                                      (NRTRLabelEncode, 4), (MultiLabelEncode, 4)])
    def test_longest_text(self, encoder: type[LabelEncoder], longest: int) -> None:
        assert encoder(ABC, 6)({"label": "a" * longest})["length"] == longest
        with pytest.raises(SampleError) as error:
            encoder(ABC, 6)({"label": "a" * (longest + 1)})
        assert error.value.kind == "text too long"
        assert f"{longest + 1} characters, at most {longest}" in error.value.reason

    def test_case_blind_and_right_to_left_charsets(self) -> None:
        case_blind, reversed_script = Charset(("a", "b"), lowercase=True), Charset(("א", "ב"), right_to_left=True)
        assert CTCLabelEncode(case_blind, 3)({"label": "AB"})["label"].tolist() == [1, 2, 0]
        assert CTCLabelEncode(reversed_script, 3)({"label": "אב"})["label"].tolist() == [2, 1, 0]


class TestMulti:
    def test_sar_is_the_default(self) -> None:
        sample = MultiLabelEncode(ABC, 6)({"label": "ab"})
        assert sample["label_ctc"].tolist() == [1, 2, 0, 0, 0, 0]
        assert sample["label_sar"].tolist() == [5, 0, 1, 5, 6, 6]
        assert sample["length"] == 2

    def test_guide(self) -> None:
        sample = MultiLabelEncode(ABC, 6, "NRTRLabelEncode")({"label": "ab"})
        assert sample["label_gtc"].tolist() == [2, 4, 5, 3, 0, 0]
        assert "label_sar" not in sample

    @pytest.mark.parametrize(("name", "match"), [("NRTRLabelEncod", "did you mean 'NRTRLabelEncode'"),
                                                 ("ToCHWImage", "gtc_encode"), ("MultiLabelEncode", "gtc_encode")])
    def test_wrong_guide(self, name: str, match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            MultiLabelEncode(ABC, 6, name)

    def test_replaced_characters_are_counted_once(self) -> None:
        sample = MultiLabelEncode(ABC, 6, unknown="replace")({"label": "a!b?"})
        assert sample["counts"] == {"replaced characters": 2}


@pytest.mark.parametrize("encoder", ENCODERS)
class TestTexts:
    def test_unknown_characters_drop_the_sample(self, encoder: type[LabelEncoder]) -> None:
        with pytest.raises(SampleError, match=r"unknown character: '!é' in 'a!bé!'"):
            encoder(ABC, 8)({"label": "a!bé!"})

    def test_unknown_characters_stop_the_run(self, encoder: type[LabelEncoder]) -> None:
        with pytest.raises(UnknownCharacterError, match="!é"):
            encoder(ABC, 8, unknown="error")({"label": "a!bé!"})

    def test_empty_text(self, encoder: type[LabelEncoder]) -> None:
        with pytest.raises(SampleError, match="empty text"):
            encoder(ABC, 8)({"label": ""})
        with pytest.raises(SampleError, match=r"empty text: nothing is left of '!!'"):
            encoder(ABC, 8, unknown="replace")({"label": "!!"})

    @pytest.mark.parametrize("replacement", ["x", "ab"])
    def test_replacement_must_be_in_the_charset(self, encoder: type[LabelEncoder], replacement: str) -> None:
        with pytest.raises(ConfigError, match="replacement"):
            encoder(ABC, 8, unknown="replace", replacement=replacement)

    def test_is_registered(self, encoder: type[LabelEncoder]) -> None:
        built = TRANSFORMS.build({"name": encoder.__name__, "max_text_length": 9}, charset=ABC, max_text_length=25)
        assert built.max_text_length == 9  # the section wins over the context


class TestReplacement:
    def test_removal_and_substitution(self) -> None:
        removed = CTCLabelEncode(ABC, 6, unknown="replace")({"label": "a!b"})
        assert removed["label"].tolist() == [1, 2, 0, 0, 0, 0]
        replaced = CTCLabelEncode(ABC, 6, unknown="replace", replacement=" ")({"label": "a!b?"})
        assert replaced["label"].tolist() == [1, 4, 2, 4, 0, 0]
        assert replaced["counts"] == {"replaced characters": 2}

    def test_the_ground_truth_stays(self) -> None:
        info = SampleInfo("l.txt", 1, "x", "a!b")
        sample = CTCLabelEncode(ABC, 6, unknown="replace")({"label": "a!b", "info": info})
        assert sample["info"].label == "a!b"

    def test_the_ground_truth_follows_joined_texts(self) -> None:
        sample = CTCLabelEncode(ABC, 6)({"label": "abc", "info": SampleInfo("l.txt", 1, "x", "a")})
        assert sample["info"] == SampleInfo("l.txt", 1, "x", "abc")


class TestClasses:
    def test_position(self) -> None:
        assert ClsLabelEncode(["0", "180"])({"label": "180"})["label"] == 1

    def test_unknown(self) -> None:
        with pytest.raises(SampleError, match="unknown class: '90' is none of 0, 180"):
            ClsLabelEncode(["0", "180"])({"label": "90"})

    @pytest.mark.parametrize("names", [[], ["0", "0"]])
    def test_wrong_lists(self, names: list[str]) -> None:
        with pytest.raises(ConfigError, match="label_list"):
            ClsLabelEncode(names)


def test_no_room_for_a_text() -> None:
    with pytest.raises(ConfigError, match="max_text_length is 2"):
        SARLabelEncode(ABC, 2)
