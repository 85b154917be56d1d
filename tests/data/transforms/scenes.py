"""Pictures of filled polygons, by whose colours one sees whether an augmentation moves polygons as it moves pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (255, 255, 255))

QUAD = ((20, 15), (110, 25), (105, 65), (15, 55))
TILTED = ((150, 30), (210, 90), (180, 120), (120, 60))
CURVED = ((30, 110), (60, 95), (95, 95), (125, 112), (112, 140), (90, 125), (64, 125), (42, 138))
POLYGONS = (QUAD, TILTED, CURVED)


def as_polygons(outlines: Sequence[Any] = POLYGONS) -> list[npt.NDArray[np.float32]]:
    return [np.array(outline, np.float32) for outline in outlines]


def draw(polygons: Sequence[npt.NDArray[Any]], size: tuple[int, int] = (240, 160)) -> npt.NDArray[np.uint8]:
    """Return an image ``[H, W, 3]`` of width and height `size` with every polygon in its colour."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for polygon, colour in zip(polygons, COLOURS, strict=False):
        cv2.fillPoly(image, [np.rint(polygon).astype(np.int32)], colour)
    return image


def scene(outlines: Sequence[Any] = POLYGONS, size: tuple[int, int] = (240, 160), seed: int = 0) -> dict[str, Any]:
    """Return a sample whose regions are called by the number of their colour."""
    polygons = as_polygons(outlines)
    return {"image": draw(polygons, size), "polys": polygons, "texts": [str(number) for number in range(len(polygons))],
            "ignore_tags": [False] * len(polygons), "rng": np.random.default_rng(seed), "epoch": 0}


def overlap(sample: dict[str, Any]) -> list[float]:
    """Return, for every region, the intersection over union of its polygon and its colour in the image."""
    image = sample["image"]
    assert isinstance(image, np.ndarray)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    shares = []
    for polygon, text in zip(sample["polys"], sample["texts"], strict=True):
        assert polygon.dtype == np.float32
        inside = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(inside, [np.rint(polygon).astype(np.int32)], 1)
        distance = np.abs(image.astype(int) - COLOURS[int(text)]).max(axis=2)
        coloured = distance < 128  # the places where the colour is blended with black by less than a half
        union = (inside.astype(bool) | coloured).sum()
        shares.append(float((inside.astype(bool) & coloured).sum() / union) if union else 1.0)
    return shares


def parallel(sample: dict[str, Any]) -> None:
    """Check that the three lists have one length, and the types that belong to them."""
    assert len(sample["polys"]) == len(sample["texts"]) == len(sample["ignore_tags"])
    assert all(isinstance(tag, bool) for tag in sample["ignore_tags"])
    assert all(polygon.dtype == np.float32 and polygon.shape[1:] == (2,) for polygon in sample["polys"])
