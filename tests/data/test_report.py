from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.data.report import KEPT_REMARKS, BadSampleReport
from ppocr.data.sample import Failure, Remark, SampleInfo
from ppocr.errors import DatasetError


def failure(line: int, kind: str = "missing image", reason: str = "there is no file x") -> Failure:
    return Failure(SampleInfo("train.txt", line, f"{line}.jpg", "a"), kind, reason)


def test_every_sample_counts_once() -> None:
    report = BadSampleReport()
    report.add([failure(3), failure(5, "empty text", "")])
    report.add([failure(3), failure(4)])
    assert report.total == 3
    assert report.counts == {"missing image": 2, "empty text": 1}
    assert str(report) == "3 bad samples: 2 missing image, 1 empty text"
    assert [example.info.line for example in report.examples(2)] == [3, 5]
    assert str(BadSampleReport()) == "no bad samples"


@pytest.mark.parametrize(("samples", "ratio", "allowed"), [(5, 0.01, 10), (1000, 0.01, 10), (3000, 0.01, 30),
                                                           (40, 1.0, 40)])
def test_cap(samples: int, ratio: float, allowed: int) -> None:
    report = BadSampleReport()
    report.add(failure(line) for line in range(1, allowed + 1))
    report.check(samples, ratio)
    report.add([failure(allowed + 1)])
    with pytest.raises(DatasetError) as error:
        report.check(samples, ratio)
    text = str(error.value)
    assert f"of {samples} samples more than {allowed} cannot be used ({allowed + 1} bad samples: " in text
    assert "train.txt:1 (1.jpg): missing image: there is no file x" in text
    assert "train.txt:10 (10.jpg)" in text
    assert "train.txt:11 (11.jpg)" not in text
    assert f"and {allowed + 1 - 10} more" in text
    assert "max_bad_ratio" in text


def test_file(tmp_path: Path) -> None:
    report = BadSampleReport()
    report.add([failure(3, reason="two\nlines"), failure(4, "empty text", "")])
    report.events["replaced characters"] = 7
    report.write(tmp_path / "out/bad_samples.txt")
    assert (tmp_path / "out/bad_samples.txt").read_text().splitlines() == [
        "# 2 bad samples: 1 missing image, 1 empty text",
        "# replaced characters: 7",
        "train.txt:3 (3.jpg): missing image: two lines",
        "train.txt:4 (4.jpg): empty text",
    ]


def remark(line: int, text: str = "region 1: zero area") -> Remark:
    return Remark(SampleInfo("train.txt", line, f"{line}.jpg", "a"), text)


def test_remarks_count_once_per_sample() -> None:
    report = BadSampleReport()
    report.add_remarks([remark(3, "a"), remark(3, "b"), remark(4, "c")])
    report.add_remarks([remark(3, "a"), remark(3, "b")])
    assert [str(one) for of_sample in report.remarks.values() for one in of_sample] == [
        "train.txt:3 (3.jpg): a", "train.txt:3 (3.jpg): b", "train.txt:4 (4.jpg): c"]
    assert report.total == 0


def test_findings_change_when_there_is_news() -> None:
    report = BadSampleReport()
    seen = [report.findings]
    report.add([failure(3)])
    seen.append(report.findings)
    report.add_remarks([remark(4)])
    seen.append(report.findings)
    report.events["moved"] += 3
    seen.append(report.findings)
    assert len(set(seen)) == 4
    report.add([failure(3)])
    report.add_remarks([remark(4)])
    report.events["moved"] += 3
    assert report.findings == seen[-1]


def test_notice() -> None:
    report = BadSampleReport()
    report.events["moved"] = 3
    assert report.notice("bad.txt") == "moved: 3; see also: bad.txt"
    report.add_remarks([remark(1), remark(2)])
    assert report.notice("bad.txt") == (
        "2 partly bad samples, used all the same; moved: 3; all of them, with file and line: bad.txt")
    report.add([failure(3)])
    assert report.notice("bad.txt").startswith("1 bad sample: 1 missing image; 2 partly bad samples, ")


def test_remarks_are_not_kept_without_end(tmp_path: Path) -> None:
    report = BadSampleReport()
    for line in range(KEPT_REMARKS + 5):
        report.add_remarks([remark(line)])
    report.write(tmp_path / "bad.txt")
    lines = (tmp_path / "bad.txt").read_text().splitlines()
    assert lines[:2] == ["# no bad samples", "# 1000 partly bad samples or more, used all the same"]
    assert len(lines) == 2 + KEPT_REMARKS
