from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppocr.data.label_file import LabelFile
from ppocr.data.sample import Failure, Index
from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.errors import DatasetError, SampleError
from ppocr.regions import parse_regions
from tests.shared_files import SHARED, needs_shared

JSON_LINE = 'a.jpg\t[{"transcription": "x", "points": [[1, 2], [3, 4], [5, 6]]}]\n'
COLUMNS_LINE = "a.jpg\t1,2,3,4,5,6,7,8,x\n"


def label_file(folder: Path, content: str | bytes, delimiter: str = "\t") -> LabelFile:
    path = folder / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return LabelFile(path, delimiter, detection=True)


def regions(file: LabelFile, position: int) -> list[tuple[str, list[list[float]]]]:
    return [(region.text, region.points.tolist()) for region in parse_regions(file.parse(position).label)]


class TestJson:
    def test_as_it_is(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, JSON_LINE + "b.jpg\t[]\n")
        assert file.parse(0).paths == ["a.jpg"]
        assert file.parse(0).label == JSON_LINE.strip().split("\t")[1]
        assert file.parse(1).label == "[]"

    def test_tabs_after_the_first_belong_to_the_label(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, JSON_LINE.replace('"x"', '"x\ty\t1\t2"').replace("\n", "\t\n"))
        assert regions(file, 0) == [("x\ty\t1\t2", [[1, 2], [3, 4], [5, 6]])]

    @pytest.mark.parametrize("line", ['a.jpg\t  [ {"points": []}]', "a.jpg\t[\t]"])
    def test_blanks(self, tmp_path: Path, line: str) -> None:
        assert len(parse_regions(label_file(tmp_path, line).parse(0).label)) < 2

    def test_byte_order_mark_crlf_blank_lines_and_lists_of_paths(self, tmp_path: Path) -> None:
        second = JSON_LINE.replace("a.jpg", '["a.jpg", "b.jpg"]')
        file = label_file(tmp_path, b"\xef\xbb\xbf" + (JSON_LINE + "\n \n" + second).replace("\n", "\r\n").encode())
        assert [file.number(i) for i in range(len(file))] == [1, 4]
        assert file.parse(1).paths == ["a.jpg", "b.jpg"]
        assert regions(file, 0) == regions(file, 1) == [("x", [[1, 2], [3, 4], [5, 6]])]
        assert len(file.notes) == 3


class TestColumns:
    def test_texts(self, tmp_path: Path) -> None:
        columns = ["1,2,3,4,5,6,7,8,plain", "-1,2.5,+3, 4,5,6e1,7.0,8,1,234, and more,", "1,2,3,4,5,6,7,8,",
                   "1,2,3,4,5,6,7,8", "1,2,3,4,5,6,7,8,###", '1,2,3,4,5,6,7,8,"é" \\']
        file = label_file(tmp_path, "\t".join(["img/a.jpg", *columns]) + "\n")
        quad = [[1, 2], [3, 4], [5, 6], [7, 8]]
        assert file.parse(0).paths == ["img/a.jpg"]
        assert regions(file, 0) == [
            ("plain", quad), ("1,234, and more,", [[-1, 2.5], [3, 4], [5, 60], [7, 8]]), ("", quad), ("", quad),
            ("###", quad), ('"é" \\', quad)]

    @pytest.mark.parametrize("line", ["b.jpg\t", "b.jpg\t\t \t"])
    def test_an_image_without_text(self, tmp_path: Path, line: str) -> None:
        assert label_file(tmp_path, COLUMNS_LINE + line).parse(1).label == "[]"

    def test_a_tab_at_the_end(self, tmp_path: Path) -> None:
        assert len(regions(label_file(tmp_path, COLUMNS_LINE.replace("\n", "\t\n")), 0)) == 1

    def test_numbers_that_are_not_finite_are_for_the_policy(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, COLUMNS_LINE + "b.jpg\t1,2,nan,4,5,6,inf,8,x\n")
        region, = parse_regions(file.parse(1).label)
        assert region.fault == "coordinates that are not finite"

    @pytest.mark.parametrize(("label", "reason"), [
        ("1,2,3,4,5,6,7,x", "region 1 is '1,2,3,4,5,6,7,x', not 8 numbers and a text"),
        ("1,2,3,4,5,6,7,8,a\tb,c", "region 2 is 'b,c', not 8 numbers and a text"),
        ("1,2,3,4,5,six,7,8,a", "region 1 is '1,2,3,4,5,six,7,8,a'"),
        ("1_000,2,3,4,5,6,7,8,a", "region 1 is '1_000,2,3"),
        ("1 2 3 4 5 6 7 8 a", "region 1 is '1 2 3 4 5 6 7 8 a'"),
        ("1,2,3,4,5,6,7,8,9,10,11,12,13,14,a", "region 1 seems to have more than 4 points"),
    ])
    def test_malformed(self, tmp_path: Path, label: str, reason: str) -> None:
        with pytest.raises(SampleError) as error:
            label_file(tmp_path, f"{COLUMNS_LINE}b.jpg\t{label}\n").parse(1)
        assert error.value.kind == "malformed line"
        assert reason in error.value.reason


class TestRecognition:
    """Which of the formats a file has."""

    @pytest.mark.parametrize("good", [JSON_LINE, COLUMNS_LINE])
    @pytest.mark.parametrize(("line", "reason"), [
        (b"b.jpg", "no text: a tab must follow the path"),
        (b"b.jpg [{}]", "no tab between path and text"),
        (b"\tx", "the path is empty"),
        (b"b.jpg\t\xff", "not UTF-8"),
    ])
    def test_lines_that_are_malformed_in_both(self, tmp_path: Path, good: str, line: bytes, reason: str) -> None:
        file = label_file(tmp_path, good.encode() + line + b"\n")
        with pytest.raises(SampleError) as error:
            file.parse(1)
        assert error.value.kind == "malformed line"
        assert reason in error.value.reason

    @pytest.mark.parametrize(("line", "reason"), [
        ("b.jpg\thello", "neither a JSON list of regions nor x1,y1,…,x4,y4,text follows the path: 'hello'"),
        ("b.jpg\t{}", "neither a JSON list"),
        ("b.jpg\t12", "neither a JSON list"),
        ("b.jpg\t", "no label follows the path; an image without text has the label []"),
    ])
    def test_lines_that_are_malformed_in_a_json_file(self, tmp_path: Path, line: str, reason: str) -> None:
        with pytest.raises(SampleError) as error:
            label_file(tmp_path, JSON_LINE + line).parse(1)
        assert reason in error.value.reason

    def test_mixed(self, tmp_path: Path) -> None:
        odd = "b.jpg\thello\nc.jpg\t1,2\n\n"
        with pytest.raises(DatasetError) as error:
            label_file(tmp_path, odd + JSON_LINE * 2 + COLUMNS_LINE * 2)
        assert ("train.txt mixes two formats: the first line with JSON is 4, the first with columns of "
                "x1,y1,…,x4,y4,text is 6") in str(error.value)
        with pytest.raises(DatasetError, match="JSON is 5, .* is 4"):
            label_file(tmp_path, odd + COLUMNS_LINE + JSON_LINE)

    @pytest.mark.parametrize("text", ["[", "[x]", "[1, 2]"])
    def test_a_text_in_brackets_does_not_make_a_mix(self, tmp_path: Path, text: str) -> None:
        assert len(label_file(tmp_path, f"{COLUMNS_LINE}b.jpg\t{text}\n")) == 2

    def test_without_a_usable_line(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="no usable line: line 1: neither a JSON.*; line 3: no text") as error:
            label_file(tmp_path, "a.jpg\thello\n\nb.jpg\n")
        assert '"points": [[x, y], ...]' in str(error.value)

    def test_other_delimiters(self, tmp_path: Path) -> None:
        assert regions(label_file(tmp_path, "a.jpg||1,2,3,4,5,6,7,8,x|y||1,2,3,4,5,6,7,8,z\n", "||"), 0) == [
            ("x|y", [[1, 2], [3, 4], [5, 6], [7, 8]]), ("z", [[1, 2], [3, 4], [5, 6], [7, 8]])]
        file = label_file(tmp_path, JSON_LINE.replace("\t", " "), " ")
        assert regions(file, 0) == [("x", [[1, 2], [3, 4], [5, 6]])]

    def test_other_tasks_read_texts(self, tmp_path: Path) -> None:
        path = tmp_path / "train.txt"
        path.write_text(JSON_LINE + COLUMNS_LINE)
        file = LabelFile(path)
        assert file.parse(1).label == "1,2,3,4,5,6,7,8,x"

    def test_many_lines(self, tmp_path: Path) -> None:
        """The last of them is of the other kind."""
        count = 20_000
        path = tmp_path / "train.txt"
        path.write_text(COLUMNS_LINE * count + JSON_LINE)
        with pytest.raises(DatasetError, match=f"JSON is {count + 1}, .* is 1"):
            LabelFile(path, detection=True)


class TestDataset:
    def make(self, folder: Path, content: str, task: str | None) -> SimpleDataSet:
        (folder / "train.txt").write_text(content)
        (folder / "a.jpg").write_bytes(b"x")
        return SimpleDataSet(str(folder / "train.txt"), str(folder), task=task)

    def test_the_label_of_columns_is_json_for_all_that_follows(self, tmp_path: Path) -> None:
        sample = self.make(tmp_path, COLUMNS_LINE, "det")[Index(0, 0)]
        assert isinstance(sample, dict)
        expected = [{"transcription": "x", "points": [[1, 2], [3, 4], [5, 6], [7, 8]]}]
        assert json.loads(sample["label"]) == json.loads(sample["info"].label) == expected

    @pytest.mark.parametrize("task", [None, "rec"])
    def test_other_tasks(self, tmp_path: Path, task: str | None) -> None:
        sample = self.make(tmp_path, COLUMNS_LINE, task)[Index(0, 0)]
        assert isinstance(sample, dict)
        assert sample["label"] == "1,2,3,4,5,6,7,8,x"

    def test_a_malformed_line_is_a_bad_sample(self, tmp_path: Path) -> None:
        failure = self.make(tmp_path, COLUMNS_LINE + "b.jpg\t1,2,x\n", "det")[Index(0, 1)]
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.info.line) == ("malformed line", 2)

    def test_files_of_both_formats(self, tmp_path: Path) -> None:
        (tmp_path / "json.txt").write_text(JSON_LINE)
        (tmp_path / "columns.txt").write_text(COLUMNS_LINE)
        dataset = SimpleDataSet([str(tmp_path / "json.txt"), str(tmp_path / "columns.txt")], task="det")
        assert [len(parse_regions(file.parse(0).label)) for file in dataset.files] == [1, 1]

    @needs_shared("data/det/test.txt")
    def test_real_files(self) -> None:
        folder = SHARED / "data"
        files = [str(folder / "det" / name) for name in ("train.txt", "test.txt")]
        dataset = SimpleDataSet(files, str(folder), task="det")
        assert len(dataset) == 300
        # 2297 and 949 are what "grep -o points" counts in the files.
        counts = [sum(len(parse_regions(file.parse(i).label)) for i in range(len(file))) for file in dataset.files]
        assert counts == [2297, 949]
