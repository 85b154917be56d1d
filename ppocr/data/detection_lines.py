"""The two ways in which label files write the text regions of a picture.

* JSON: ``path<tab>[{"transcription": "text", "points": [[x, y], …]}, …]``;
* columns: ``path<tab>x1,y1,x2,y2,x3,y3,x4,y4,text<tab>x1,…``, one column per region, four points each. The text may
  hold commas and may be missing.

A file is written in one of them. The columns are turned into the label of the JSON format, so that all that follows
knows only that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from ppocr.errors import DatasetError, SampleError
from ppocr.regions import json_label

Layout = Literal["json", "columns"]

_NUMBER = rb"\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*"
_COORDINATE = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf)\s*", re.IGNORECASE)
"""What is taken for a number in a column; one that is not finite is a fault of its region, not of the line."""

_BEGINNINGS: dict[Layout, re.Pattern[bytes]] = {
    "json": re.compile(rb"\s*\[\s*[{\]]"),
    "columns": re.compile(_NUMBER + rb"(?:," + _NUMBER + rb"){7}(?:,|$)"),
}
_FIRST_BYTES: dict[Layout, bytes] = {"json": b"[ ", "columns": b"0123456789-+. "}

_NUMBERS = 8
_POLYGON_NUMBERS = 6
"""So many numbers at the beginning of a text are further points, not a text such as ``1,234,567``."""

_SHOWN = 60


class LineSpans:
    """Where the lines of a file are in its bytes.

    Args:
        data: The file.
        starts: Where each line begins, ``[N]``.
        ends: Where each line ends, without the line end, ``[N]``.
    """

    def __init__(self, data: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> None:
        self.data, self.starts, self.ends = data, starts, ends

    def labels(self, delimiter: bytes) -> npt.NDArray[np.int64]:
        """Return where what follows the first delimiter of each line begins; the end of the line if there is none."""
        codes = np.frombuffer(self.data, np.uint8)
        found = codes == delimiter[0]
        for place, byte in enumerate(delimiter[1:], start=1):
            found[:-place] &= codes[place:] == byte
            found[-place:] = False
        delimiters = np.append(np.flatnonzero(found), len(codes))
        labels = delimiters[np.searchsorted(delimiters, self.starts)] + len(delimiter)
        return np.minimum(labels, self.ends)


def find_layout(spans: LineSpans, delimiter: str, *, path: str, numbers: npt.NDArray[np.int64]) -> Layout | None:
    """Return how the labels of a file are written; None if no line is written in one of the two ways.

    Args:
        spans: The lines.
        delimiter: What stands between the columns.
        path: Name of the file, for messages.
        numbers: Number of each line in the file, for messages.

    Raises:
        DatasetError: The file has lines of both kinds.
    """
    separator = delimiter.encode()
    labels = spans.labels(separator)
    filled = np.flatnonzero(labels < spans.ends)
    first_bytes = np.frombuffer(spans.data, np.uint8)[labels[filled]]
    first: dict[Layout, int] = {}
    for layout, pattern in _BEGINNINGS.items():
        candidates = filled[np.isin(first_bytes, list(_FIRST_BYTES[layout]))]
        position = _first_match(spans, labels, candidates, pattern, b"" if layout == "json" else separator)
        if position is not None:
            first[layout] = position
    if len(first) == 2:
        raise DatasetError(
            f"the label file {path} mixes two formats: the first line with JSON is {numbers[first['json']]}, the first "
            f"with columns of x1,y1,…,x4,y4,text is {numbers[first['columns']]}",
            expected="one format per file", cure="split the file, and name both in label_file_list")
    return next(iter(first), None)


def _first_match(
    spans: LineSpans, labels: npt.NDArray[np.int64], candidates: Iterable[np.int64], pattern: re.Pattern[bytes],
    separator: bytes,
) -> int | None:
    """Return the first of the lines `candidates` whose label (up to `separator`, if there is one) has the pattern."""
    for position in candidates:
        label = spans.data[labels[position]:spans.ends[position]]
        if pattern.match(label.partition(separator)[0] if separator else label):
            return int(position)
    return None


def regions_label(text: str, layout: Layout | None, delimiter: str) -> str:
    """Return the label, as JSON, of what follows the path of a line.

    Args:
        text: What follows the path.
        layout: How the file is written.
        delimiter: What stands between the columns.

    Raises:
        SampleError: ``"malformed line"``. Whether JSON is right is told by `ppocr.regions.parse_regions`.
    """
    if layout == "columns":
        columns = [column for column in text.split(delimiter) if column.strip()]
        return json_label(_region(column, number) for number, column in enumerate(columns, start=1))
    if text.lstrip().startswith("["):
        return text
    if not text.strip():
        raise SampleError("malformed line", "no label follows the path; an image without text has the label []")
    raise SampleError("malformed line", "neither a JSON list of regions nor x1,y1,…,x4,y4,text follows the path: "
                                        + _shown(text))


def _region(column: str, number: int) -> tuple[str, list[list[float]]]:
    """Return the text and the points of a column."""
    *fields, text = column.split(",", _NUMBERS)
    if len(fields) == _NUMBERS - 1:
        fields, text = [*fields, text], ""
    values = [_coordinate(field) for field in fields]
    if len(values) != _NUMBERS or None in values:
        raise SampleError("malformed line", f"region {number} is {_shown(column)}, not 8 numbers and a text")
    further = text.split(",")[:_POLYGON_NUMBERS]
    if len(further) == _POLYGON_NUMBERS and all(_coordinate(field) is not None for field in further):
        raise SampleError("malformed line", f"region {number} seems to have more than 4 points; polygons need the JSON "
                                            "format")
    return text, [[x, y] for x, y in zip(values[::2], values[1::2], strict=True) if x is not None and y is not None]


def _coordinate(field: str) -> float | None:
    if not _COORDINATE.fullmatch(field):
        return None  # Python's float() reads more than label files mean, such as 1_000.
    value = float(field)
    return int(value) if value.is_integer() else value


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN - 3] + "...")
