"""Contact sheets: pictures of the evaluation data, each with its label and with what the model makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.engine.monitoring.lettering import BLACK, Lettering
from ppocr.engine.monitoring.writer import Image
from ppocr.errors import SampleError
from ppocr.geometry import Polygon
from ppocr.outlines import Colour, draw_outlines
from ppocr.regions import parse_regions
from ppocr.results import Detection, Direction, TextLine

GREEN: Colour = (40, 150, 30)
RED: Colour = (40, 40, 220)
GREY: Colour = (150, 150, 150)
WHITE = 255

LINE_HEIGHT, LINE_WIDTH, TEXT_WIDTH = 56, 420, 480
"""Of a row: height of the picture, its greatest width, and the most room for the texts beside it."""

TILE_WIDTH, TILE_HEIGHT, CAPTION = 480, 360, 24
"""Greatest size of a photo with regions, and room for the line below it."""

LETTERS, SMALL_LETTERS, GAP = 18, 13, 8


@dataclass(frozen=True, eq=False)
class Shown:
    """One sample and what the model makes of it.

    Args:
        image: The original picture, uint8 ``[H, W, 3]``, blue, green, red.
        label: As it stands in the label file.
        result: What post-processing returned.
        name: Of the file.
    """

    image: Image
    label: str
    result: object
    name: str

    @property
    def text(self) -> str | None:
        """The text or class that was found; None where regions were."""
        if isinstance(self.result, TextLine):
            return self.result.text
        if isinstance(self.result, Direction):
            return self.result.label
        return None if isinstance(self.result, Detection) else str(self.result)

    @property
    def line(self) -> str:
        """Label and prediction in a line."""
        if isinstance(self.result, Detection):
            wanted, ignored = label_regions(self.label)
            more = f" and {len(ignored)} that do not count" if ignored else ""
            return f"{self.name}: {len(wanted)} regions{more} -> {len(self.result)} found"
        score = getattr(self.result, "score", None)
        return f"{self.label!r} -> {self.text!r}" + (f" {score:.2f}" if score is not None else "")


def contact_sheet(samples: Sequence[Shown], lettering: Lettering) -> Image:
    """Return one picture of all samples, uint8 ``[H, W, 3]``, blue, green, red.

    Texts and classes stand beside their pictures, label above prediction, which is green where both are equal, else
    red. Photos have the regions of the label in green, those that do not count in grey, and what was found in red.
    """
    photos = [sample for sample in samples if isinstance(sample.result, Detection)]
    lines = [sample for sample in samples if not isinstance(sample.result, Detection)]
    parts = _rows(lines, lettering)
    tiles = [_tile(sample, lettering) for sample in photos]
    columns = math.ceil(math.sqrt(len(tiles)))
    parts += [_beside(tiles[first:first + columns]) for first in range(0, len(tiles), columns or 1)]
    width = max(part.shape[1] for part in parts)
    return np.vstack([_padded(part, part.shape[0], width) for part in parts])


def label_regions(label: str) -> tuple[list[Polygon], list[Polygon]]:
    """Return the polygons of a detection label: those to be found, and those that do not count."""
    try:
        regions = [region for region in parse_regions(label) if not region.fault]
    except SampleError:
        return [], []
    return ([region.points for region in regions if not region.ignore],
            [region.points for region in regions if region.ignore])


def _rows(samples: Sequence[Shown], lettering: Lettering) -> list[Image]:
    pictures = [_shrunk(sample.image, LINE_WIDTH, LINE_HEIGHT, enlarge=True)[0] for sample in samples]
    left = max((picture.shape[1] for picture in pictures), default=0) + GAP
    texts = [(sample.label, _predicted(sample)) for sample in samples]
    room = max((lettering.width(text, LETTERS) for pair in texts for text in pair), default=0)
    rows = []
    for sample, picture, (label, predicted) in zip(samples, pictures, texts, strict=True):
        row = _blank(LINE_HEIGHT + GAP, left + min(room, TEXT_WIDTH) + GAP)
        row[:picture.shape[0], :picture.shape[1]] = picture
        lettering.write(row, (left, 2), label, LETTERS, BLACK)
        colour = GREEN if sample.text == sample.label else RED
        lettering.write(row, (left, 2 + LINE_HEIGHT // 2), predicted, LETTERS, colour)
        rows.append(row)
    return rows


def _predicted(sample: Shown) -> str:
    score = getattr(sample.result, "score", None)
    return (sample.text or "(nothing)") + ("" if score is None else f"  {score:.2f}")


def _tile(sample: Shown, lettering: Lettering) -> Image:
    assert isinstance(sample.result, Detection)
    photo, scale = _shrunk(sample.image, TILE_WIDTH, TILE_HEIGHT)
    wanted, ignored = label_regions(sample.label)
    for polygons, colour in ((ignored, GREY), (wanted, GREEN), (list(sample.result.polygons), RED)):
        draw_outlines(photo, [polygon * scale for polygon in polygons], [colour] * len(polygons))
    tile = _blank(photo.shape[0] + CAPTION, photo.shape[1] + GAP)
    tile[:photo.shape[0], :photo.shape[1]] = photo
    lettering.write(tile, (2, photo.shape[0] + 3), sample.line, SMALL_LETTERS)
    return tile


def _shrunk(image: Image, width: int, height: int, *, enlarge: bool = False) -> tuple[Image, npt.NDArray[np.float32]]:
    """Return a picture that fits into `width` and `height`, and the factors of x and y."""
    scale = min(width / image.shape[1], height / image.shape[0])
    if scale >= 1 and not enlarge:
        return image.copy(), np.ones(2, np.float32)
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return resized, np.array([size[0] / image.shape[1], size[1] / image.shape[0]], np.float32)


def _beside(tiles: Sequence[Image]) -> Image:
    height = max(tile.shape[0] for tile in tiles)
    return np.hstack([_padded(tile, height, tile.shape[1]) for tile in tiles])


def _padded(image: Image, height: int, width: int) -> Image:
    canvas = _blank(height, width)
    canvas[:image.shape[0], :image.shape[1]] = image
    return canvas


def _blank(height: int, width: int) -> Image:
    return np.full((height, width, 3), WHITE, np.uint8)
