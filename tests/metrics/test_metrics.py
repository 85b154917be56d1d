"""Metrics by hand, and shards against one pass."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest

from ppocr.charset import Charset
from ppocr.errors import ConfigError, DatasetError
from ppocr.metrics import build_metric
from ppocr.metrics.rec import letters_and_digits
from ppocr.registry import METRICS
from ppocr.results import Direction, TextLine


@dataclass(frozen=True)
class Info:
    label: str


@dataclass
class Failure:
    info: Info
    kind: str = "unreadable image"


def batch(truths: list[str], failed: list[str] | None = None) -> dict[str, Any]:
    return {"info": [Info(text) for text in truths], "failed": [Failure(Info(text)) for text in failed or []]}


def rec(pairs: list[tuple[str, str]], failed: list[str] | None = None, **arguments: Any) -> dict[str, float]:
    metric = build_metric({"name": "RecMetric", **arguments.pop("section", {})}, **arguments)
    metric.update([TextLine(read, 0.5) for read, _ in pairs], batch([truth for _, truth in pairs], failed))
    values: dict[str, float] = metric.compute()
    return values


class TestRec:
    def test_by_hand(self) -> None:
        # kitten-sitting: 3 edits, longer 7; a b-a c: 1 edit of 3; equal.
        values = rec([("kitten", "sitting"), ("a c", "a b"), ("same", "same")])
        assert values == pytest.approx({
            "acc": 1 / 3,
            "norm_edit_dis": 1 - (3 / 7 + 1 / 3 + 0) / 3,
            "cer": 4 / 14,
            "wer": 2 / 4,
            "acc_alnum": 1 / 3,
            "samples": 3,
            "failed": 0,
        })

    def test_failed_samples_are_wrong_and_all_their_characters_missed(self) -> None:
        values = rec([("ab", "ab")], failed=["two words", ""])
        assert values == pytest.approx({
            "acc": 1 / 3, "norm_edit_dis": 1 / 3, "cer": 9 / 11, "wer": 2 / 3, "acc_alnum": 1 / 3, "samples": 3,
            "failed": 2,
        })

    def test_error_rates_can_exceed_one(self) -> None:
        values = rec([("abcd ef", "x")])
        assert values["cer"] == 7.0
        assert values["wer"] == 2.0
        assert values["norm_edit_dis"] == 0.0

    def test_empty_texts(self) -> None:
        assert rec([("", "")])["acc"] == 1.0
        assert rec([("", "")])["norm_edit_dis"] == 1.0
        assert rec([("", "ab")])["norm_edit_dis"] == 0.0
        assert rec([("ab", "")])["cer"] == 2.0

    @pytest.mark.parametrize(
        ("read", "truth", "equal", "equal_alnum"),
        [
            ("Hello, world", "hello world!", False, True),
            ("it's", "its", False, True),
            ("héllo", "hello", False, False),
            ("文字。", "文字", False, True),
            ("문자", "문자", True, True),
            ("a b", "ab", False, True),
            ("!?", "...", False, True),
        ],
    )
    def test_accuracy_of_letters_and_digits(self, read: str, truth: str, equal: bool, equal_alnum: bool) -> None:
        values = rec([(read, truth)])
        assert values["acc"] == float(equal)
        assert values["acc_alnum"] == float(equal_alnum)

    def test_spaces_count_unless_told_otherwise(self) -> None:
        pairs = [("ab c", "a bc")]
        assert rec(pairs)["acc"] == 0.0
        assert rec(pairs, section={"ignore_space": True})["acc"] == 1.0
        assert rec(pairs, section={"ignore_space": True})["cer"] == 0.0

    def test_filter(self) -> None:
        values = rec([("Ab-1", "ab 1!"), ("ab", "ac")], section={"is_filter": True})
        assert values["acc"] == 0.5
        assert values["cer"] == 1 / 5

    def test_case(self) -> None:
        assert rec([("AB", "ab")])["acc"] == 0.0
        assert rec([("AB", "ab")], section={"ignore_case": True})["acc"] == 1.0

    def test_charset_that_lowers_texts_lowers_the_truth_only(self) -> None:
        assert rec([("ab", "AB")], charset=Charset.default())["acc"] == 1.0
        assert rec([("AB", "ab")], charset=Charset.default())["acc"] == 0.0
        assert rec([("ab", "AB")], charset=Charset(("a", "b")))["acc"] == 0.0

    def test_characters_outside_the_charset_stay_in_the_truth(self) -> None:
        assert rec([("ab1", "A!Bé1")], charset=Charset.default())["acc"] == 0.0

    def test_canonically_equivalent_texts_are_equal(self) -> None:
        values = rec([("caf\u00e9", "cafe\u0301")])
        assert values["acc"] == 1.0
        assert values["cer"] == 0.0

    def test_number_of_results_must_match(self) -> None:
        with pytest.raises(ValueError, match="shorter|longer"):
            build_metric({"name": "RecMetric"}).update([TextLine("a", 1.0)], batch(["a", "b"]))

    def test_letters_and_digits_keeps_marks(self) -> None:
        assert letters_and_digits("Ab-9 हिन्दी") == "ab9हिन्दी"


def test_cls_by_hand() -> None:
    metric = build_metric({"name": "ClsMetric"})
    metric.update([Direction("0", 0.9), Direction("180", 0.9), Direction("0", 0.6)], batch(["0", "0", " 0"], ["180"]))
    assert metric.compute() == {"acc": 0.5, "samples": 4, "failed": 1}
    assert metric.main_indicator == "acc"


def random_updates(name: str, count: int) -> list[tuple[list[Any], dict[str, Any]]]:
    source = random.Random(0)

    def text() -> str:
        return "".join(source.choices("ab c", k=source.randrange(9)))

    updates = []
    for _ in range(count):
        truths = [text() for _ in range(5)]
        if name == "RecMetric":
            results: list[Any] = [TextLine(text(), 0.5) for _ in truths]
        else:
            results = [Direction(source.choice([truth.strip(), "x"]), 0.5) for truth in truths]
        updates.append((results, batch(truths, [text() for _ in range(source.randrange(3))])))
    return updates


@pytest.mark.parametrize("name", ["RecMetric", "ClsMetric"])
class TestSharding:
    @pytest.mark.parametrize("shards", [1, 2, 3, 7])
    def test_merged_shards_equal_one_pass_exactly(self, name: str, shards: int) -> None:
        updates = random_updates(name, 20)
        whole = build_metric({"name": name})
        parts = [build_metric({"name": name}) for _ in range(shards)]
        for index, update in enumerate(updates):
            whole.update(*update)
            parts[index % shards].update(*update)
        states = json.loads(json.dumps([part.state() for part in parts]))
        for part in parts:
            part.merge(states)
            assert part.compute() == whole.compute()

    def test_reset(self, name: str) -> None:
        metric = build_metric({"name": name})
        fresh = metric.state()
        for update in random_updates(name, 2):
            metric.update(*update)
        assert metric.state() != fresh
        metric.reset()
        assert metric.state() == fresh

    def test_state_is_a_copy(self, name: str) -> None:
        metric = build_metric({"name": name})
        state = metric.state()
        metric.update(*random_updates(name, 1)[0])
        assert state["samples"] == 0

    def test_nothing_evaluated_is_an_error(self, name: str) -> None:
        with pytest.raises(DatasetError, match="saw no sample"):
            build_metric({"name": name}).compute()

    def test_main_indicator_is_among_the_values(self, name: str) -> None:
        metric = build_metric({"name": name})
        metric.update(*random_updates(name, 1)[0])
        assert metric.main_indicator in metric.compute()


def test_registered() -> None:
    assert {"RecMetric", "ClsMetric"} <= set(METRICS.names())


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "RecMetrik"}, "did you mean 'RecMetric'"),
        ({"name": "RecMetric", "ignore_spaces": True}, "did you mean 'ignore_space'"),
        ({"name": "RecMetric", "main_indicator": "cer"}, "'acc' or 'norm_edit_dis' or 'acc_alnum'"),
        ({"name": "ClsMetric", "main_indicator": "f1"}, "'acc'"),
        ({"name": "RecMetric", "is_filter": "perhaps"}, "wrong type"),
    ],
)
def test_mistakes(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_metric(section)
