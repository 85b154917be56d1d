"""The part of a text region that shows in a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from ppocr.geometry import Polygon, clockwise, signed_area


def visible_part(polygon: Polygon, window: Sequence[int]) -> tuple[Polygon | None, float]:
    """Cut a polygon off at the edges of a window.

    Args:
        polygon: The region.
        window: Left, top, right and bottom in whole pixels; right and bottom are the first ones outside. The outer
            edges of the pixels are the edges of the window.

    Returns:
        The visible part (the largest one, should there be several) and its area in square pixels; the polygon itself if
        all of it shows; None and 0 if nothing does.
    """
    left, top, right, bottom = (float(side) - 0.5 for side in window)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if low[0] >= left and low[1] >= top and high[0] <= right and high[1] <= bottom:
        return polygon, abs(signed_area(polygon))
    shape = shapely.make_valid(shapely.Polygon(polygon.astype(np.float64)))
    pieces = [piece for piece in shapely.get_parts(shapely.intersection(shape, shapely.box(left, top, right, bottom)))
              if piece.geom_type == "Polygon" and piece.area > 0]
    if not pieces:
        return None, 0.0
    piece = max(pieces, key=lambda piece: float(piece.area))
    outline = np.asarray(piece.exterior.coords, np.float32)[:-1]
    return _beginning_like(clockwise(outline), polygon), float(piece.area)


def _beginning_like(outline: Polygon, polygon: Polygon) -> Polygon:
    """Return the outline beginning with the point that is nearest to the first one of the polygon."""
    distances = np.hypot(*(outline - polygon[0]).T)
    return np.roll(outline, -int(distances.argmin()), axis=0)
