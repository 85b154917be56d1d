from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.data.report import BadSampleReport
from ppocr.data.sample import Failure, SampleInfo
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
