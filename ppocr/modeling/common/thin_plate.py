"""Thin-plate splines (Bookstein 1989), by which RARE (Shi et al. 2016) and ASTER (2018) rectify images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import paddle.nn.functional as F
from paddle import nn

Points = npt.NDArray[np.float64]


def border_points(count: int, *, left: float, right: float, top: float, bottom: float) -> Points:
    """Return [count, 2] control points (x, y): half along the top edge, half along the bottom, left to right."""
    x = np.linspace(left, right, count // 2)
    points: Points = np.concatenate([np.stack([x, np.full_like(x, y)], axis=1) for y in (top, bottom)])
    return points


def spline_system(points: Points) -> Points:
    """Return the matrix [K + 3, K] that takes K values at `points` to the coefficients of the spline through them.

    The first K coefficients weigh the radial functions around the points, the others are those of 1, x and y.
    """
    count = len(points)
    affine = np.concatenate([np.ones((count, 1)), points], axis=1)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial_numpy(np.square(points[:, None] - points).sum(-1))
    system[:count, count:] = affine
    system[count:, :count] = affine.T
    inverse: npt.NDArray[np.floating[Any]] = np.linalg.inv(system)
    return inverse[:, :count].astype(np.float64)


def _radial_numpy(squared: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    # r^2 log r, which tends to 0 at r = 0.
    return 0.5 * squared * np.log(np.where(squared > 0, squared, 1.0))


class ThinPlateSpline(nn.Layer):
    """Moves points by the spline that takes fixed control points to given places.

    Args:
        points: The fixed control points, [K, 2] as (x, y).
    """

    def __init__(self, points: Points) -> None:
        super().__init__()
        # Constants of the architecture: they are not part of the weights.
        self.register_buffer("points", _constant(points), persistable=False)
        self.register_buffer("system", _constant(spline_system(points)), persistable=False)

    def forward(self, places: Any, grid: Any) -> Any:
        """Return where the spline takes `grid`.

        Args:
            places: float32 [N, K, 2], where the control points go.
            grid: float32 [P, 2], points in the coordinates of the control points.

        Returns:
            float32 [N, P, 2] in the coordinates of `places`.
        """
        coefficients = paddle.matmul(self.system, places)
        squared = ((grid.unsqueeze(1) - self.points.unsqueeze(0)) ** 2).sum(-1)
        radial = 0.5 * squared * paddle.log(paddle.clip(squared, min=1e-12))
        ones = paddle.ones_like(grid[:, :1])
        return paddle.matmul(paddle.concat([radial, ones, grid], axis=1), coefficients)


def sample(images: Any, places: Any) -> Any:
    """Sample `images` bilinearly, zero outside; corner pixels lie at -1 and 1, as in the published weights.

    Args:
        images: float32 [N, C, H, W].
        places: float32 [N, h, w, 2] as (x, y) from -1 to 1.

    Returns:
        float32 [N, C, h, w].
    """
    if paddle.in_dynamic_mode() and images.stop_gradient and not places.stop_gradient:
        # Paddle 3.3's CPU kernel crashes when it is asked for the gradient of the places alone.
        images = images.detach()
        images.stop_gradient = False
    return F.grid_sample(images, places)


def _constant(values: Points) -> Any:
    return paddle.to_tensor(values.astype(np.float32))
