"""What was read on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.geometry import Polygon, smallest_rectangle
from ppocr.infer.page_picture import draw_page
from ppocr.infer.reader import Image
from ppocr.results import Direction, rounded_points

DIGITS = 4
"""Decimals of scores and seconds in plain values."""


@dataclass(frozen=True, eq=False)
class PageLine:
    """A text region and what it says.

    Attributes:
        polygon: float32 ``[K, 2]``: x, y in pixels of the page, clockwise from the top left corner.
        text: The characters.
        score: Mean confidence of the characters, 0 to 1.
        detection_score: Mean probability that the region is text, 0 to 1.
        direction: Which way round the region is; None if that was not asked.
    """

    polygon: Polygon
    text: str
    score: float
    detection_score: float
    direction: Direction | None = None

    @property
    def box(self) -> npt.NDArray[np.float32]:
        """The region as a quad, float32 ``[4, 2]``; one of more points by the smallest rectangle around it."""
        return self.polygon if len(self.polygon) == 4 else smallest_rectangle(self.polygon)[0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: ``points``, ``text``, ``score``, ``detection_score`` and, if known, ``direction``."""
        values: dict[str, Any] = {"points": rounded_points(self.polygon), "text": self.text,
                                  "score": round(self.score, DIGITS),
                                  "detection_score": round(self.detection_score, DIGITS)}
        if self.direction is not None:
            values["direction"] = {"label": self.direction.label, "score": round(self.direction.score, DIGITS)}
        return values


@dataclass(frozen=True, eq=False)
class PageResult:
    """All that was read on a page.

    Attributes:
        width: Of the page in pixels.
        height: Of the page in pixels.
        lines: The texts in reading order (`ppocr.reading_order`).
        dropped: Number of regions whose text was left out for its low score.
        seconds: What each stage took: ``detection``, ``direction`` if it was asked, ``recognition``, ``total``.
    """

    width: int
    height: int
    lines: tuple[PageLine, ...]
    dropped: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The texts, each on a line."""
        return "\n".join(line.text for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values under the names of the attributes; points to a tenth of a pixel."""
        return {"width": self.width, "height": self.height, "lines": [line.to_dict() for line in self.lines],
                "dropped": self.dropped,
                "seconds": {stage: round(value, DIGITS) for stage, value in self.seconds.items()}}

    def to_json(self) -> str:
        """Return `to_dict` as JSON text; letters of all scripts are written as they are."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def draw(self, image: Image, font_path: str | Path | None = None) -> Image:
        """Return the page with outlines and, beside it, the texts in their places.

        Args:
            image: The page, uint8 ``[H, W, 3]``, BGR.
            font_path: Font for the texts; by default DejaVu Sans, which has Latin, Greek, Cyrillic and Arabic letters.

        Returns:
            uint8 ``[H, 2 W, 3]``, BGR.

        Raises:
            DependencyError: Pillow or matplotlib (for its font) is missing.
            InferenceError: The font cannot be used.
        """
        return draw_page(image, [line.box for line in self.lines], [line.text for line in self.lines],
                         polygons=[line.polygon for line in self.lines], font_path=font_path)
