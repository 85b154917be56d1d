"""Which polygons overlap by how much, without looking at the pairs that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Shaped:
    """N polygons as shapes that can be intersected.

    Args:
        shapes: shapely geometries ``[N]``.
        areas: ``[N]`` in square pixels.
        boxes: ``[N, 4]``: left, top, right and bottom; NaN where nothing has an area.
    """

    shapes: Shapes
    areas: Floats
    boxes: Floats

    @classmethod
    def of(cls, polygons: Sequence[npt.NDArray[Any]]) -> Shaped:
        """Make shapes of polygons ``[K, 2]``.

        An outline that crosses itself becomes the parts that it encloses; one with fewer than 3 points or coordinates
        that are not finite becomes an empty shape, which overlaps with nothing.
        """
        shapes: Shapes = np.full(len(polygons), shapely.Polygon(), object)
        usable = [place for place, points in enumerate(polygons) if len(points) >= 3 and np.isfinite(points).all()]
        if usable:
            counts = [len(polygons[place]) for place in usable]
            points = np.concatenate([np.asarray(polygons[place], np.float64) for place in usable])
            owner = np.repeat(range(len(usable)), counts)
            shapes[usable] = shapely.polygons(shapely.linearrings(points, indices=owner))
        for place in np.flatnonzero(~shapely.is_valid(shapes)):
            shapes[place] = _repaired(shapes[place])
        return cls(shapes, shapely.area(shapes), shapely.bounds(shapes).reshape(-1, 4))

    def __len__(self) -> int:
        return len(self.shapes)


def overlaps(first: Shaped, second: Shaped, least: Floats) -> Floats:
    """Return the common area of each pair, as far as it matters.

    Args:
        first: N polygons.
        second: M polygons.
        least: ``[N, M]``: the common area that matters in square pixels, above 0.

    Returns:
        ``[N, M]`` in square pixels; 0 for pairs whose bounding boxes, or smaller areas, show that they stay below
        `least`.
    """
    corner = np.maximum(first.boxes[:, None, :2], second.boxes[None, :, :2])
    opposite = np.minimum(first.boxes[:, None, 2:], second.boxes[None, :, 2:])
    most = np.maximum(opposite - corner, 0.0).prod(axis=2)
    most = np.minimum(most, np.minimum(first.areas[:, None], second.areas))
    # Comparisons with NaN, the box of an empty shape, are false. The margin is for rounding in the last digits.
    rows, columns = np.nonzero((most > 0) & (most >= least * (1 - 1e-9)))
    common = np.zeros(least.shape)
    common[rows, columns] = shapely.area(shapely.intersection(first.shapes[rows], second.shapes[columns]))
    return common


def _repaired(shape: Any) -> Any:
    """Return the polygons of which an invalid one consists."""
    parts = shapely.get_parts(shapely.make_valid(shape))
    return shapely.union_all([part for part in parts if part.geom_type in ("Polygon", "MultiPolygon")])
