"""Shrink convex quads, all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.geometry import Polygon

_NEXT, _BEFORE = [1, 2, 3, 0], [3, 0, 1, 2]
"""Corners of a quad after and before each."""


def shrink_quads(quads: npt.NDArray[Any], distances: npt.NDArray[np.float64]) -> tuple[Polygon, npt.NDArray[np.bool_]]:
    """Move the edges of convex quads inwards.

    The inside of a convex outline has no corners to be rounded, so each corner is where two moved edges meet, as long
    as no edge vanishes.

    Args:
        quads: ``[N, 4, 2]``, in either direction.
        distances: ``[N]``: how far each is shrunk, in pixels.

    Returns:
        The shrunk quads, float32 ``[N, 4, 2]``, and which of them are right, ``[N]``: not those that are not convex or
        lose an edge.
    """
    quads = np.asarray(quads, np.float64)
    steps = quads[:, _NEXT] - quads
    along = steps / np.maximum(np.hypot(steps[..., 0], steps[..., 1]), 1e-9)[..., None]
    before = along[:, _BEFORE]
    turns = before[..., 0] * along[..., 1] - before[..., 1] * along[..., 0]
    # A corner moves by p, whose parts along the inner normals of both its edges are d: with the directions a and b of
    # the edges after and before it, p = d (a - b) / |a x b|.
    sine = np.where(turns == 0, 1.0, np.abs(turns))[..., None]
    shrunk = quads + distances[:, None, None] * (along - before) / sine
    kept = ((shrunk[:, _NEXT] - shrunk) * along).sum(axis=2) > 0
    convex = np.abs(np.sign(turns).sum(axis=1)) == 4
    return shrunk.astype(np.float32), convex & kept.all(axis=1)
