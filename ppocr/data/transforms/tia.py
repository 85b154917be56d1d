"""Distort, stretch and tilt text lines by moving a few control points ("text image augmentation").

After Luo, Zhu, Jin and Wang, "Learn to Augment: Joint Data Augmentation and Network Optimization for Text
Recognition", CVPR 2020, with its random (not learned) movement of the points. The image follows the points by
similarity deformation with moving least squares (Schaefer, McPhail and Warren, SIGGRAPH 2006, section 2.2).

Points are complex numbers, ``x + iy`` in pixels. A similarity is then one complex multiplication, and the
deformation has a closed form of a few array operations. It is evaluated on a grid of one node per 8 pixels and
interpolated in between; several warps in a row are composed on that grid, so that the image is resampled only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Image, Rng

Points = npt.NDArray[np.complex128]

GRID = 8
"""Pixels between two nodes of the grid on which warps are evaluated."""


@dataclass(frozen=True)
class Warp:
    """Control points of one deformation: what lies at `source` in the input image lies at `target` in the output.

    Both are complex128 ``[K]``, ``x + iy`` in pixels, K at least 2.
    """

    source: Points
    target: Points


def distort(width: int, height: int, segments: int, rng: Rng) -> Warp:
    """Move points at the upper and lower edge, one pair per segment border, freely by up to a sixth of a segment.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        segments: Number of parts into which the width is divided, at least 1.
        rng: Source of the movements.
    """
    reach = width / segments / 3
    source = _edge_points(width, height, segments)
    moves = (rng.random((2, source.size)) - 0.5) * reach
    # The corners only move inwards: outwards they would pull text out of the picture.
    corners = [0, segments, segments + 1, 2 * segments + 1]
    inwards = np.array([1, -1, 1, -1]), np.array([1, 1, -1, -1])
    for axis in range(2):
        moves[axis, corners] = np.abs(moves[axis, corners]) * inwards[axis]
    moves[1] = np.clip(moves[1], -height / 6, height / 6)
    return Warp(source, source + moves[0] + 1j * moves[1])


def stretch(width: int, height: int, segments: int, rng: Rng) -> Warp:
    """Move the inner segment borders to the left and right by up to 0.4 segments; the outer edges stay.

    Arguments as for `distort`. Neighbouring borders cannot pass each other.
    """
    source = _edge_points(width, height, segments)
    moves = np.zeros(segments + 1)
    moves[1:-1] = (rng.random(segments - 1) - 0.5) * 0.8 * width / segments
    return Warp(source, source + np.concatenate([moves, moves]))


def perspective(width: int, height: int, rng: Rng) -> Warp:
    """Move each corner up or down towards the middle by up to a quarter of the height.

    The paper allows half the height, which at times leaves a line of no height at one end: a label that nobody can
    read. A quarter keeps at least half.
    """
    source = _edge_points(width, height, 1)
    moves = rng.random(4) * height / 4 * np.array([1, 1, -1, -1])
    return Warp(source, source + 1j * moves)


def apply_warps(image: Image, warps: Sequence[Warp]) -> Image:
    """Deform an image by several warps, the first of the list first, with one bilinear resampling.

    Args:
        image: uint8 ``[H, W, 3]``.
        warps: Control points in pixels of this image, all for its size.

    Returns:
        uint8 ``[H, W, 3]``; where the input does not reach, its border is repeated.
    """
    height, width = image.shape[:2]
    nodes = _grid(width, height)
    positions = nodes
    for warp in reversed(warps):  # From the output back to the input.
        positions = move_points(positions, warp.target, warp.source)
    shifts = np.stack([(positions - nodes).real, (positions - nodes).imag], axis=-1).astype(np.float32)
    rows, columns = nodes.shape
    dense = cv2.resize(shifts, (columns * GRID, rows * GRID), interpolation=cv2.INTER_LINEAR)
    # One ring of nodes lies outside the image, where the resizing repeats instead of interpolating.
    dense = dense[GRID:GRID + height, GRID:GRID + width]
    x, y = cv2.split(dense + _pixel_positions(width, height))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def move_points(points: npt.NDArray[Any], source: Points, target: Points) -> npt.NDArray[Any]:
    """Carry points along with control points that move from `source` to `target`.

    The control points themselves arrive exactly where they are sent. For each point v the similarity
    ``f(z) = a (z - p*) + q*`` is fitted to the pairs with the weights ``1 / |p - v|^2``.

    Args:
        points: Complex array of any shape.
        source: Complex ``[K]``.
        target: Complex ``[K]``.

    Returns:
        Complex array of the shape of `points`.
    """
    flat = points.reshape(-1)
    gaps = flat[:, None] - source[None, :]
    weights = 1.0 / (gaps.real**2 + gaps.imag**2 + 1e-8)  # [V, K]; the constant only avoids 1 / 0.
    weights /= weights.sum(axis=1, keepdims=True)
    origin = source.mean()  # Moments about a near point lose no digits to cancellation.
    p, q = source - origin, target - origin
    p_mean, q_mean = weights @ p, weights @ q
    covariance = weights @ (p.conj() * q) - p_mean.conj() * q_mean
    variance = weights @ (p.real**2 + p.imag**2) - (p_mean.real**2 + p_mean.imag**2)
    moved = covariance / np.maximum(variance, 1e-9) * (flat - origin - p_mean) + q_mean + origin
    return moved.reshape(points.shape)


def _edge_points(width: int, height: int, segments: int) -> Points:
    """Return the upper points from left to right, then the lower ones, complex128 ``[2 (segments + 1)]``."""
    x = np.linspace(0, width - 1, segments + 1)
    return np.concatenate([x, x + 1j * (height - 1)]).astype(np.complex128)


def _grid(width: int, height: int) -> Points:
    # OpenCV's resize puts the value of a small pixel at the middle of its block, and so must these nodes be.
    x = (np.arange(-1, -(-width // GRID) + 1) + 0.5) * GRID - 0.5
    y = (np.arange(-1, -(-height // GRID) + 1) + 0.5) * GRID - 0.5
    return (x[None, :] + 1j * y[:, None]).astype(np.complex128)


def _pixel_positions(width: int, height: int) -> npt.NDArray[np.float32]:
    positions = np.empty((height, width, 2), np.float32)
    positions[..., 0] = np.arange(width, dtype=np.float32)
    positions[..., 1] = np.arange(height, dtype=np.float32)[:, None]
    return positions
