"""Words that were found and read, by hand-made pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.commands import USER_ERROR, run_command
from ppocr.errors import DatasetError
from ppocr.metrics.end_to_end import EndToEndMetric
from ppocr.regions import Region
from ppocr.results import Detection
from tools import score_pages


def box(left: float, top: float = 0, width: float = 40, height: float = 10) -> Any:
    return np.float32([[left, top], [left + width, top], [left + width, top + height], [left, top + height]])


def found(*lefts: float) -> Detection:
    return Detection(tuple(box(left) for left in lefts), np.ones(len(lefts), np.float32))


def word(left: float, text: str, ignore: bool = False, fault: str = "") -> Region:
    return Region(box(left), text, ignore, fault)


class TestMetric:
    def test_place_and_text_must_both_be_right(self) -> None:
        metric = EndToEndMetric()
        # Right; right place and wrong text; a box where nothing is; and two words that were not found.
        metric.update(found(2, 101, 300), ["one", "twa", "x"],
                      [word(0, "one"), word(100, "two"), word(200, "three"), word(400, "x")])
        assert metric.compute() == {"recall": 1 / 4, "precision": 1 / 3, "hmean": 2 / 7, "found": 4 / 7, "samples": 1,
                                    "regions": 4, "detections": 3, "matched": 2, "read": 1}

    def test_ignored_and_faulty_regions_do_not_count(self) -> None:
        metric = EndToEndMetric()
        metric.update(found(0, 100, 200), ["one", "what", "ever"],
                      [word(0, "one"), word(100, "###", ignore=True), word(200, "bent", fault="self-crossing")])
        assert metric.compute()["hmean"] == 1.0
        assert metric.sums["regions"] == metric.sums["detections"] == 1

    def test_case_and_composition(self) -> None:
        for ignore_case, expected in ((False, 1), (True, 2)):
            metric = EndToEndMetric(ignore_case=ignore_case)
            metric.update(found(0, 100), ["caf\u00e9", "abc"], [word(0, "cafe\u0301"), word(100, "aBC")])
            assert metric.sums["read"] == expected

    def test_threshold(self) -> None:
        # Half of a box beside the word: the common area is a third of the union.
        for threshold, matched in ((0.3, 1), (0.4, 0)):
            metric = EndToEndMetric(threshold)
            metric.update(found(20), ["a"], [word(0, "a")])
            assert metric.sums["matched"] == matched

    def test_pages_and_processes_add_up(self) -> None:
        one, other = EndToEndMetric(), EndToEndMetric()
        one.update(found(0), ["a"], [word(0, "a")])
        other.update(found(), [], [])
        other.update(found(5), ["b"], [])
        one.merge([one.state(), other.state()])
        assert one.compute()["samples"] == 3
        assert one.compute()["precision"] == 0.5
        one.reset()
        with pytest.raises(DatasetError):
            one.compute()


class TestCommand:
    def write(self, folder: Path, results: str, labels: str = 'a.jpg\t[{"transcription": "One", "points": '
              '[[0, 0], [40, 0], [40, 10], [0, 10]]}]\n') -> list[str]:
        (folder / "labels.txt").write_text(labels, encoding="utf-8")
        (folder / "results.jsonl").write_text(results, encoding="utf-8")
        return ["--results", str(folder / "results.jsonl"), "--label_file", str(folder / "labels.txt"),
                "--data_dir", str(folder)]

    def line(self, folder: Path, text: str) -> dict[str, Any]:
        return {"image": str(folder / "." / "a.jpg"), "lines": [
            {"points": box(1).tolist(), "text": text, "score": 0.9, "detection_score": 0.8}]}

    def test_scores_results_of_predict_system(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = self.write(tmp_path, json.dumps(self.line(tmp_path, "one")) + "\n")
        assert score_pages.main([*arguments, "--json", str(tmp_path / "score.json")]) == 0
        assert json.loads((tmp_path / "score.json").read_text())["hmean"] == 0
        assert score_pages.main([*arguments, "--ignore_case"]) == 0
        assert "1 pages, 1 words: 1 found, 1 of them read right; 0 boxes fit no word" in capsys.readouterr().out

    def test_page_that_could_not_be_read_counts_as_missed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = {"image": str(tmp_path / "a.jpg"), "error": "not an image"}
        assert score_pages.main(self.write(tmp_path, json.dumps(page))) == 0
        assert "1 pages, 1 words: 0 found" in capsys.readouterr().out

    @pytest.mark.parametrize(("results", "labels", "what"), [
        ("[1]", None, "does not hold results of pages"),
        ("{", None, "does not hold results of pages"),
        ('{"image": "b.jpg", "lines": []}', None, "b.jpg is not in"),
        ("", "a.jpg\t[]\nb.jpg\t[{}]\n", "labels.txt:2: region 1 "),
    ])
    def test_unusable_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], results: str, labels: str | None, what: str
    ) -> None:
        arguments = self.write(tmp_path, results, *([labels] if labels is not None else []))
        assert run_command(score_pages.main, arguments) == USER_ERROR
        assert what in capsys.readouterr().err

    def test_missing_results(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = self.write(tmp_path, "")
        (tmp_path / "results.jsonl").unlink()
        assert run_command(score_pages.main, arguments) == USER_ERROR
        assert "cannot be read" in capsys.readouterr().err
