"""What post-processing returns and predictors hand to the user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.geometry import Polygon, smallest_rectangle
from ppocr.outlines import draw_outlines


@dataclass(frozen=True)
class TextLine:
    """A text that was read.

    Args:
        text: The characters; empty when nothing was read.
        score: Mean confidence of the kept characters, 0 to 1; 0.0 for an empty text.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Direction:
    """The class of an image that a direction classifier found.

    Args:
        label: Name of the class, as in ``label_list``, such as ``"180"``.
        score: Its probability, 0 to 1.
    """

    label: str
    score: float


@dataclass(frozen=True, eq=False)
class Detection:
    """The text regions that were found in one image.

    Args:
        polygons: float32 ``[K, 2]`` each: x, y in pixels of the original image, clockwise from the top left corner.
        scores: float32 ``[N]``, 0 to 1: mean text probability within each region.
    """

    polygons: tuple[Polygon, ...]
    scores: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        assert len(self.polygons) == len(self.scores), "a score for each polygon"

    def __len__(self) -> int:
        return len(self.polygons)

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """The regions as quads, float32 ``[N, 4, 2]``; one of more points by the smallest rectangle around it."""
        if not self.polygons:
            return np.zeros((0, 4, 2), np.float32)
        return np.stack([polygon if len(polygon) == 4 else smallest_rectangle(polygon)[0]
                         for polygon in self.polygons])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: ``regions``, a list of ``points`` and ``score`` each."""
        return {"regions": [{"points": rounded_points(polygon), "score": round(float(score), 4)}
                            for polygon, score in zip(self.polygons, self.scores, strict=True)]}

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict())

    def draw(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy of the picture (uint8 ``[H, W, 3]``, BGR) with the outlines of the regions."""
        return draw_outlines(image.copy(), self.polygons)


def rounded_points(polygon: npt.NDArray[Any]) -> list[list[float]]:
    """Return ``[[x, y], ...]`` as plain numbers, to a tenth of a pixel."""
    return [[round(float(x), 1), round(float(y), 1)] for x, y in polygon]
