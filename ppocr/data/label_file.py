"""Label files: one sample per line, kept as the bytes of the file and the places where its lines begin and end."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ppocr.data.detection_lines import Layout, LineSpans, find_layout, regions_label
from ppocr.errors import DatasetError, SampleError

_UTF8_BOM, _UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_BLANK_LENGTH = 16  # Longer lines are not looked through for being made of spaces only.


class Line(NamedTuple):
    """A parsed line.

    Attributes:
        paths: The image; several, when any of them will do.
        label: The text.
        size: Width and height of the image, if the line tells them.
    """

    paths: list[str]
    label: str
    size: tuple[float, float] | None = None


class LabelFile:
    """The lines of a label file that are not blank.

    Files of ten million lines are common, and a list of as many strings would be copied into every worker process
    bit by bit, as reading an object writes its reference count.

    Args:
        path: A UTF-8 file. A byte-order mark, CRLF line ends and blank lines are accepted and noted.
        delimiter: What stands between the columns.
        detection: The labels are the text regions of a picture, in one of the formats of `ppocr.data.detection_lines`.
        folder: What its paths are relative to; empty for the working folder.

    Attributes:
        notes: What is unusual about the file, each with a number.

    Raises:
        DatasetError: The file is missing, not UTF-8 in its whole, without a usable line, or mixes formats.
    """

    def __init__(self, path: str | Path, delimiter: str = "\t", *, detection: bool = False,
                 folder: str = "") -> None:
        self.path = str(path)
        self.folder = folder
        self.delimiter = delimiter
        self.detection = detection
        self.notes: list[str] = []
        self._data = self._read()
        self._find_lines()
        self._layout = self._find_layout() if detection else None
        self._check_usable()

    def __len__(self) -> int:
        return len(self._starts)

    def number(self, position: int) -> int:
        """Return the number of a line in the file, from 1."""
        return int(self._numbers[position])

    def parse(self, position: int) -> Line:
        """Return a line's columns; for detection, the label is always JSON.

        Args:
            position: Which of the lines that are not blank, from 0.

        Raises:
            SampleError: ``"malformed line"``, with what is wrong with it.
        """
        raw = self._data[self._starts[position]:self._ends[position]]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise SampleError("malformed line", f"not UTF-8: {raw[:60]!r}; save the file as UTF-8") from None
        if self.detection:
            path, delimiter, regions = text.partition(self.delimiter)
            if not delimiter:
                raise SampleError("malformed line", self._complaint(text, 1))
            return Line(_paths(path), regions_label(regions, self._layout, self.delimiter))
        columns = text.split(self.delimiter)
        if len(columns) == 2:
            return Line(_paths(columns[0]), columns[1])
        if len(columns) == 4 and _is_number(columns[2]) and _is_number(columns[3]):
            return Line(_paths(columns[0]), columns[1], (float(columns[2]), float(columns[3])))
        raise SampleError("malformed line", self._complaint(text, len(columns)))

    def _complaint(self, text: str, columns: int) -> str:
        shown = repr(text if len(text) <= 60 else text[:57] + "...")
        wanted = "a tab" if self.delimiter == "\t" else repr(self.delimiter)
        if columns > 2:
            return f"{columns} columns instead of 2 (path{self.delimiter!r}text): {shown}"
        if self.delimiter == "\t" and "\\t" in text:
            return f"the two characters backslash and t stand where a tab must be: {shown}"
        if self.delimiter == "\t" and " " in text.strip():
            return f"no tab between path and text (are there spaces in its place?): {shown}"
        return f"no text: {wanted} must follow the path: {shown}"

    def _read(self) -> bytes:
        try:
            data = Path(self.path).read_bytes()
        except OSError as error:
            raise DatasetError(f"the label file {self.path} cannot be read: {error.strerror}",
                               expected="a text file with a line 'path<tab>text' per image",
                               cure="correct label_file_list (relative paths start at the working folder)") from None
        if data.startswith(_UTF16_BOMS):
            raise DatasetError(f"the label file {self.path} is UTF-16", expected="UTF-8",
                               cure="save the file as UTF-8 (without BOM)")
        if data.startswith(_UTF8_BOM):
            self.notes.append(f"{self.path} begins with a byte-order mark, which is skipped")
            data = data[len(_UTF8_BOM):]
        return data

    def _find_lines(self) -> None:
        codes = np.frombuffer(self._data, np.uint8)
        breaks = np.flatnonzero(codes == ord("\n"))
        starts = np.concatenate([[0], breaks + 1]).astype(np.int64)
        ends = np.concatenate([breaks, [len(codes)]]).astype(np.int64)
        if starts[-1] == ends[-1]:  # What follows the last line end is not a line.
            starts, ends = starts[:-1], ends[:-1]
        with_return = np.zeros(len(ends), bool)
        filled = ends > starts
        with_return[filled] = codes[ends[filled] - 1] == ord("\r")
        ends = ends - with_return
        if with_return.any():
            self.notes.append(f"{self.path} has CRLF line ends on {with_return.sum()} lines, which are accepted")
        lengths = ends - starts
        blank = lengths == 0
        for position in np.flatnonzero((lengths > 0) & (lengths <= _BLANK_LENGTH)):
            blank[position] = not self._data[starts[position]:ends[position]].strip()
        if blank.any():
            self.notes.append(f"{self.path} has {blank.sum()} blank lines, which are skipped")
        self._starts, self._ends = starts[~blank], ends[~blank]
        self._numbers: npt.NDArray[np.int64] = np.flatnonzero(~blank) + 1

    def _find_layout(self) -> Layout | None:
        spans = LineSpans(self._data, self._starts, self._ends)
        return find_layout(spans, self.delimiter, path=self.path, numbers=self._numbers)

    def _check_usable(self) -> None:
        reasons: list[str] = []
        for position in range(len(self)):
            try:
                self.parse(position)
            except SampleError as error:
                if len(reasons) < 3:
                    reasons.append(f"line {self.number(position)}: {error.reason}")
            else:
                return
        found = "; ".join(reasons) if reasons else "it has no line"
        wanted = "path<tab>text" if not self.detection else \
            'path<tab>[{"transcription": "text", "points": [[x, y], ...]}, ...]'
        raise DatasetError(f"the label file {self.path} has no usable line: {found}",
                           expected=f"a line '{wanted}' per image", cure="correct the file, or dataset.delimiter")


def _paths(column: str) -> list[str]:
    """Return the path, or the paths of a JSON list of them."""
    if column.startswith("[") and column.endswith("]"):
        try:
            paths = json.loads(column)
        except json.JSONDecodeError:
            return [column]
        if paths and isinstance(paths, list) and all(isinstance(path, str) for path in paths):
            return paths
        raise SampleError("malformed line", f"{column[:60]!r} is not a list of paths")
    if not column:
        raise SampleError("malformed line", "the path is empty")
    return [column]


def _is_number(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
