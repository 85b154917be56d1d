"""Which places of a page are taken: convex quadrilaterals that keep a distance from each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ppocr.data.synth.compose import Quad

Quads = npt.NDArray[np.float32]
"""float32 ``[N, 4, 2]``, each convex and clockwise."""

NEXT = np.array([1, 2, 3, 0])


def separated(one: Quad, other: Quad, gap: float = 0.0) -> bool:
    """Tell whether an edge of one of two convex quads parts them by `gap` pixels or more.

    For a gap of 0 this is exact (separating axis theorem); for larger ones quads that meet corner to corner count as
    closer than they are.
    """
    edges = np.concatenate((one[NEXT] - one, other[NEXT] - other)).astype(np.float64)
    lengths = np.maximum(np.hypot(edges[:, 0], edges[:, 1]), 1e-9)
    normals = np.stack((edges[:, 1] / lengths, -edges[:, 0] / lengths))
    first, second = one @ normals, other @ normals
    distances = np.maximum(second.min(axis=0) - first.max(axis=0), first.min(axis=0) - second.max(axis=0))
    return bool(distances.max() >= gap)


class Taken:
    """The quads that are already on a page."""

    def __init__(self) -> None:
        self._quads: list[Quad] = []
        self._bounds = np.zeros((0, 4), np.float32)

    def is_free(self, quad: Quad, gap: float) -> bool:
        """Tell whether a quad keeps `gap` pixels away from all others."""
        left, top = quad.min(axis=0) - gap
        right, bottom = quad.max(axis=0) + gap
        others = self._bounds
        near = ((others[:, 0] < right) & (others[:, 2] > left) & (others[:, 1] < bottom) & (others[:, 3] > top))
        return all(separated(self._quads[index], quad, gap) for index in np.flatnonzero(near))

    def add(self, quad: Quad) -> None:
        """Take the place of a quad."""
        self._quads.append(quad)
        bounds = np.concatenate([quad.min(axis=0), quad.max(axis=0)])
        self._bounds = np.concatenate([self._bounds, bounds[None].astype(np.float32)])
