"""More text in a photo: regions cut out of another one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.sample import Sample
from ppocr.data.transforms.deferred import Size, map_points, translation, warp
from ppocr.errors import ConfigError
from ppocr.geometry import Polygon, bounds
from ppocr.registry import TRANSFORMS

MOST = 30
"""No more regions are pasted."""

TRIES = 50
"""Places that are tried for a region before it is given up."""


@TRANSFORMS.register()
class CopyPaste:
    """Paste text regions of another photo, turned by random angles.

    Required keys: image (uint8 ``[H, W, 3]``), polys, texts, ignore_tags, rng, extra (list of one sample with image,
    polys, texts and ignore_tags). Modified keys: image, polys, texts, ignore_tags. Removed keys: extra.

    Cared-for regions of the other photo are drawn: `objects_paste_ratio` of the number of all its regions, at least one
    and at most 30. Each is turned by a whole number of degrees, and pasted at a random place within the picture, or not
    at all if none of 50 places will do. Exactly the inside of the polygon is pasted, whatever its number of points.

    Args:
        objects_paste_ratio: Share of the other photo's regions, 0 to 1.
        limit_paste: Paste only where the region overlaps no other one (by the rectangles around them). Otherwise
            anywhere, and what is touched is ignored from then on, because nobody knows how much of it can be read.

    Attributes:
        num_extra: Number of samples that the dataset is to put under `extra`.

    Raises:
        ConfigError: A value outside its range.
    """

    num_extra = 1

    def __init__(self, objects_paste_ratio: float = 0.2, limit_paste: bool = True) -> None:
        if not 0 <= objects_paste_ratio <= 1:
            raise ConfigError(f"CopyPaste: objects_paste_ratio is {objects_paste_ratio}", expected="a share, 0 to 1",
                              cure="correct the value")
        self.objects_paste_ratio = objects_paste_ratio
        self.limit_paste = limit_paste

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample, in most cases with more regions."""
        extra = sample.pop("extra", [])
        if not len(extra):
            return sample
        other, rng = extra[0], sample["rng"]
        candidates = [position for position, ignored in enumerate(other["ignore_tags"]) if not ignored]
        number = max(1, min(int(self.objects_paste_ratio * len(other["polys"])), MOST))
        image: Image | None = None
        polygons, tags = list(sample["polys"]), list(sample["ignore_tags"])
        texts, boxes = list(sample["texts"]), bounds(sample["polys"])
        for position in rng.permutation(candidates)[:number].tolist():
            matrix, size = _turned(other["polys"][position], float(rng.integers(360)))
            place = self._place(size, sample["image"].shape, boxes, rng)
            if place is None:
                continue
            # The picture that was handed over stays as it is: it may belong to somebody else.
            image = sample["image"].copy() if image is None else image
            polygon = _paste(image, other["image"], other["polys"][position], matrix, size, place)
            box = bounds([polygon])
            tags = [tag or touched for tag, touched in zip(tags, _touching(box, boxes)[0].tolist(), strict=True)]
            polygons, texts, tags = [*polygons, polygon], [*texts, other["texts"][position]], [*tags, False]
            boxes = np.concatenate([boxes, box])
        if image is not None:
            sample |= {"image": image, "polys": polygons, "texts": texts, "ignore_tags": tags}
        return sample

    def _place(
        self, size: Size, shape: tuple[int, ...], boxes: Polygon, rng: np.random.Generator
    ) -> tuple[int, int] | None:
        """Return left and top of a free place; None if there is none."""
        room = np.array([shape[1] - size[0], shape[0] - size[1]])
        if (room < 0).any():
            return None
        corners = (rng.random((TRIES if self.limit_paste else 1, 2)) * (room + 1)).astype(int)
        if self.limit_paste:
            windows = np.concatenate([corners, corners + np.array(size) - 1], axis=1)
            corners = corners[~_touching(windows, boxes).any(axis=1)]
        return (int(corners[0, 0]), int(corners[0, 1])) if len(corners) else None


def _turned(polygon: Polygon, degrees: float) -> tuple[npt.NDArray[Any], Size]:
    """Return the matrix that turns a polygon and brings it to the top left, and the size of the rectangle around it."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    points = map_points(rotation, polygon)
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    width, height = (high - low + 1).astype(int).tolist()
    return translation(-low[0], -low[1]) @ rotation, (width, height)


def _paste(
    image: Image, source: Image, polygon: Polygon, matrix: npt.NDArray[Any], size: Size, place: tuple[int, int]
) -> Polygon:
    """Paste a region of `source` into `image`, which is changed; return its polygon there."""
    left, top = place
    points = map_points(matrix, polygon)
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
    cv2.copyTo(warp(source, matrix, size), mask, image[top:top + size[1], left:left + size[0]])
    return (points + place).astype(np.float32)


def _touching(windows: npt.NDArray[Any], boxes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which rectangles ``[N, 4]`` come within a pixel of which others ``[T, 4]``: ``[T, N]``."""
    begin = boxes[:, :2] <= windows[:, None, 2:] + 1
    end = boxes[:, 2:] >= windows[:, None, :2] - 1
    return np.all(begin & end, axis=2)
