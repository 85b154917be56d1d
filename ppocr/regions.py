"""The text regions of a picture as labels write them: parse, find faulty polygons, write.

A label is a JSON list with an object per region, ``[{"transcription": "text", "points": [[x, y], …]}, …]``; the order
is that of the label file, and an empty list is a picture without text. Points are pixels of the original picture.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from ppocr.errors import SampleError
from ppocr.geometry import Polygon, clip_points, clockwise, is_simple, signed_area, smallest_rectangle

IGNORED_TEXTS = frozenset({"###", "*"})
"""Transcriptions of text that nobody can read: finding it is neither right nor wrong."""

TOO_FEW_POINTS = "fewer than 3 points"
NOT_FINITE = "coordinates that are not finite"
NO_AREA = "zero area"
SELF_CROSSING = "self-crossing"
OUTSIDE = "outside the image"

SMALLEST_AREA = 0.01
"""Square pixels below which a polygon counts as a point or a line."""

_LARGEST = 1e9
_NUMBERS = {int, float}
_SHOWN = 60


@dataclass(frozen=True, eq=False)
class Region:
    """One text region of a label.

    Args:
        points: float32 ``[K, 2]``, x and y, in the order of the label, without immediate repetitions.
        text: The transcription, empty if there is none.
        ignore: The text is illegible.
        fault: Why the polygon cannot be used (one of the constants of this module); empty if it can.
    """

    points: Polygon
    text: str
    ignore: bool
    fault: str = ""


def parse_regions(label: str) -> list[Region]:
    """Return the regions of a label; number `i` of the label, counted from 1, is entry ``i - 1``.

    A polygon that cannot be used is returned with its ``fault``, so that the caller decides what follows.

    Args:
        label: JSON text; see the module. Tabs inside of texts are accepted.

    Raises:
        SampleError: ``"malformed label"``: not JSON, not a list, or a region that is not ``transcription`` (text, may
            be missing) and ``points`` (list of ``[x, y]``); with the number of the region.
    """
    try:
        entries = json.loads(label, strict=False)
    except json.JSONDecodeError as error:
        raise SampleError("malformed label", _json_complaint(label, error)) from None
    except (ValueError, RecursionError) as error:
        raise SampleError("malformed label", f"not JSON: {error}") from None
    if not isinstance(entries, list):
        raise SampleError("malformed label", f"{_shown(label)} is not a list of regions")
    columns = [_columns(entry, number) for number, entry in enumerate(entries, start=1)]
    checked = _checked(_arrays([points for points, _ in columns]))
    return [Region(points, text, text in IGNORED_TEXTS, fault)
            for (points, fault), (_, text) in zip(checked, columns, strict=True)]


def json_label(entries: Iterable[tuple[str, Sequence[Sequence[float]]]]) -> str:
    """Return the label of ``(text, points)``."""
    return json.dumps([{"transcription": text, "points": points} for text, points in entries], ensure_ascii=False)


def points_outside(polygons: Sequence[npt.NDArray[Any]], width: int, height: int) -> list[int]:
    """Return how many points of each polygon lie outside of a picture."""
    if not polygons:
        return []
    x, y = np.concatenate(polygons).T
    outside = ~((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
    until = np.cumsum([len(polygon) for polygon in polygons])
    counts = np.concatenate([[0], np.cumsum(outside)])
    return np.diff(counts[until], prepend=0).tolist()


def inside(polygon: npt.NDArray[Any], width: int, height: int) -> Polygon | None:
    """Return the part of a polygon that lies in a picture, or None if nothing of it does.

    Points outside are moved to the border, so that a quad stays a quad. Where that would fold the outline onto itself,
    the (largest piece of the) intersection is returned, which has other points.

    Args:
        polygon: Without fault.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
    """
    frame = shapely.box(0, 0, width - 1, height - 1)
    pieces = _pieces(shapely.Polygon(polygon).intersection(frame))
    piece = max(pieces, key=lambda piece: piece.area, default=None)
    if piece is None or piece.area < SMALLEST_AREA:
        return None
    clipped = _without_repetitions(clip_points(polygon, width, height))
    return clipped if not _fault(clipped) else _without_repetitions(np.asarray(piece.exterior.coords, np.float32))


def surroundings(region: Region, width: int, height: int) -> Polygon | None:
    """Return the part of the picture that a faulty region may cover, or None if it covers nothing.

    It is the smallest rectangle around the points, clockwise from the top left corner.

    Args:
        region: Any region.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
    """
    if not len(region.points) or region.fault == NOT_FINITE:
        return None
    rectangle, _ = smallest_rectangle(region.points)
    part = None if _fault(rectangle) else inside(rectangle, width, height)
    return None if part is None else clockwise(part)


def _columns(entry: Any, number: int) -> tuple[list[list[float]], str]:
    """Return the points and the text of one entry of the JSON list."""
    if not isinstance(entry, Mapping):
        raise SampleError("malformed label", f"region {number} is {_shown(entry)}, not an object with "
                                             "transcription and points")
    if "points" not in entry:
        raise SampleError("malformed label", f"region {number} has no points")
    text, points = entry.get("transcription"), entry["points"]
    if text is not None and not isinstance(text, str):
        raise SampleError("malformed label", f"region {number}: the transcription is {_shown(text)}, not a text")
    if not isinstance(points, list):
        raise SampleError("malformed label", f"region {number}: points is {_shown(points)}, not a list of [x, y]")
    for place, point in enumerate(points, start=1):
        if not (type(point) is list and len(point) == 2 and {type(point[0]), type(point[1])} <= _NUMBERS):
            raise SampleError("malformed label", f"region {number}: point {place} is {_shown(point)}, not [x, y]")
    return points, text or ""


def _arrays(polygons: list[list[list[float]]]) -> list[Polygon]:
    """Return the points of each polygon as an array; coordinates beyond all pictures become infinite."""
    points = [point for polygon in polygons for point in polygon]
    try:
        array = np.array(points, np.float64).reshape(-1, 2)
    except OverflowError:  # An integer of hundreds of digits.
        array = np.array([[min(max(value, -_LARGEST * 10), _LARGEST * 10) for value in point] for point in points])
    array[np.abs(array) > _LARGEST] = np.inf
    rounded, ends = array.astype(np.float32), itertools.accumulate(map(len, polygons))
    return [rounded[end - len(polygon):end] for polygon, end in zip(polygons, ends, strict=True)]


def _checked(polygons: list[Polygon]) -> list[tuple[Polygon, str]]:
    """Return each polygon without repetitions, and why it cannot be used."""
    checked = [(points, "") for points in polygons]
    fine = _convex_quads(polygons)
    for position, points in enumerate(polygons):
        if position not in fine:
            distinct = _without_repetitions(points)
            checked[position] = distinct, TOO_FEW_POINTS if len(points) < 3 else _fault(distinct)
    return checked


def _convex_quads(polygons: Sequence[Polygon]) -> set[int]:
    """Return the positions of the quads that are convex and have an area: nearly all that there are, found at once."""
    positions = [position for position, points in enumerate(polygons) if len(points) == 4]
    if not positions:
        return set()
    quads = np.stack([polygons[position] for position in positions]).astype(np.float64)
    with np.errstate(invalid="ignore"):  # Infinite coordinates.
        x, y = np.moveaxis(np.roll(quads, -1, axis=1) - quads, 2, 0)
        turns = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
        # Twice the area is the sum of the turns at two opposite corners.
        fine = (np.abs(turns).min(axis=1) > 0) & (np.abs(np.sign(turns).sum(axis=1)) == 4)
        fine &= np.abs(turns[:, 0] + turns[:, 2]) / 2 >= SMALLEST_AREA
        fine &= np.isfinite(turns).all(axis=1)
    return {position for position, is_fine in zip(positions, fine.tolist(), strict=True) if is_fine}


def _without_repetitions(points: Polygon) -> Polygon:
    """Return the points without those that equal the next one, around the outline."""
    repeated = (points == np.roll(points, -1, axis=0)).all(axis=1)
    return points[~repeated] if repeated.any() else points


def _fault(points: Polygon) -> str:
    """Return why an outline without repetitions cannot be used, or an empty text."""
    if not np.isfinite(points).all():
        return NOT_FINITE
    if len(points) < 3:
        return NO_AREA
    if is_simple(points):
        return NO_AREA if abs(signed_area(points)) < SMALLEST_AREA else ""
    hull = shapely.MultiPoint(points.astype(np.float64)).convex_hull
    return NO_AREA if hull.area < SMALLEST_AREA else SELF_CROSSING


def _pieces(shape: Any) -> list[Any]:
    """Return the polygons of a shapely geometry, which may be a collection of polygons, lines and points."""
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]


def _json_complaint(label: str, error: json.JSONDecodeError) -> str:
    """Tell where a label stops being JSON, with a few characters before and after the place."""
    if not label.strip():
        return "the label is empty; an image without text has the label []"
    start = max(error.pos - 20, 0)
    complaint = f"not JSON: {error.msg} at character {error.pos + 1}, near {label[start:error.pos + 20]!r}"
    if label.lstrip().startswith(("[{'", "[('")):
        complaint += " (JSON has double quotes around names and texts)"
    return complaint


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN - 3] + "..."
