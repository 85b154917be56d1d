from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.data.label_file import LabelFile
from ppocr.errors import DatasetError, SampleError


def label_file(folder: Path, content: bytes, delimiter: str = "\t") -> LabelFile:
    path = folder / "train.txt"
    path.write_bytes(content)
    return LabelFile(path, delimiter)


def all_lines(file: LabelFile) -> list[tuple[int, str, str]]:
    return [(file.number(i), file.parse(i).paths[0], file.parse(i).label) for i in range(len(file))]


class TestLines:
    def test_plain(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, "a.jpg\tx\nb.jpg\t é ü \n".encode())
        assert all_lines(file) == [(1, "a.jpg", "x"), (2, "b.jpg", " é ü ")]
        assert file.notes == []

    def test_without_a_last_line_end(self, tmp_path: Path) -> None:
        assert all_lines(label_file(tmp_path, b"a\tx\nb\ty")) == [(1, "a", "x"), (2, "b", "y")]

    def test_only_line_feeds_end_a_line(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, "a\tx\u2028y\x0bz\x85\nb\ty\n".encode())
        assert all_lines(file) == [(1, "a", "x\u2028y\x0bz\x85"), (2, "b", "y")]

    def test_byte_order_mark_crlf_and_blank_lines_are_noted(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, b"\xef\xbb\xbfa\tx\r\n\r\n  \t \nb\ty\n\n")
        assert all_lines(file) == [(1, "a", "x"), (4, "b", "y")]
        path = tmp_path / "train.txt"
        assert file.notes == [
            f"{path} begins with a byte-order mark, which is skipped",
            f"{path} has CRLF line ends on 2 lines, which are accepted",
            f"{path} has 3 blank lines, which are skipped",
        ]

    def test_delimiter(self, tmp_path: Path) -> None:
        assert all_lines(label_file(tmp_path, b"a b.jpg||x\ty\n", "||")) == [(1, "a b.jpg", "x\ty")]

    def test_list_of_paths(self, tmp_path: Path) -> None:
        file = label_file(tmp_path, b'["a.jpg", "b.jpg"]\tx\n[1].jpg\ty\n[z]\tz\n')
        assert [file.parse(i).paths for i in range(3)] == [["a.jpg", "b.jpg"], ["[1].jpg"], ["[z]"]]

    def test_four_columns_tell_the_size(self, tmp_path: Path) -> None:
        assert label_file(tmp_path, b"a\tx\t120\t32\n").parse(0).size == (120.0, 32.0)


class TestMalformedLines:
    @pytest.mark.parametrize(("line", "reason"), [
        (b"a.jpg", "no text: a tab must follow the path"),
        (b"a.jpg text", "are there spaces in its place?"),
        (rb"a.jpg\ttext", "backslash and t stand where a tab must be"),
        (b"a\tb\tc", "3 columns instead of 2"),
        (b"a\tb\tc\td", "4 columns instead of 2"),
        (b"a\tb\tinf\t32", "4 columns instead of 2"),
        (b"\tx", "the path is empty"),
        (b'["a", 3]\tx', "is not a list of paths"),
        ("a\té".encode("latin-1"), "not UTF-8"),
    ])
    def test_reason(self, tmp_path: Path, line: bytes, reason: str) -> None:
        file = label_file(tmp_path, b"good\tx\n" + line + b"\n")
        with pytest.raises(SampleError) as error:
            file.parse(1)
        assert error.value.kind == "malformed line"
        assert reason in error.value.reason


class TestUnusableFiles:
    @pytest.mark.parametrize(("content", "reason"), [
        (b"", "it has no line"),
        (b"\n\n", "it has no line"),
        (b"\n" + rb"a.jpg\tx" + b"\nb.jpg\n", "line 2: the two characters backslash and t"),
        ("a\tx\n".encode("utf-16"), "is UTF-16"),
    ])
    def test_reason(self, tmp_path: Path, content: bytes, reason: str) -> None:
        with pytest.raises(DatasetError) as error:
            label_file(tmp_path, content)
        assert reason in str(error.value)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"none\.txt cannot be read: No such file"):
            LabelFile(tmp_path / "none.txt")
