"""What both sides of the detection benchmark get to work on: lists of transforms, and made-up pictures of work."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from arrays import Arrays, pack

from ppocr.cv import cv2

Floats = npt.NDArray[np.float32]
Transforms = list[dict[str, Any]]

MAPS = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")

_DECODE: Transforms = [{"DecodeImage": {"img_mode": "BGR", "channel_first": False}}, {"DetLabelEncode": None}]
_AUGMENT: Transforms = [
    {"IaaAugment": {"augmenter_args": [
        {"type": "Fliplr", "args": {"p": 0.5}},
        {"type": "Affine", "args": {"rotate": [-10, 10]}},
        {"type": "Resize", "args": {"size": [0.5, 3]}},
    ]}},
    {"EastRandomCropData": {"size": [640, 640], "max_tries": 50, "keep_ratio": True}},
]
_FINISH: Transforms = [
    {"NormalizeImage": {"scale": "1./255.", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
                        "order": "hwc"}},
    {"ToCHWImage": None},
]
_KEEP: Transforms = [{"KeepKeys": {"keep_keys": ["image", *MAPS]}}]


def _targets(**schedule: int) -> Transforms:
    return [
        {"MakeBorderMap": {"shrink_ratio": 0.4, "thresh_min": 0.3, "thresh_max": 0.7, **schedule}},
        {"MakeShrinkMap": {"shrink_ratio": 0.4, "min_text_size": 8, **schedule}},
    ]


TRAINING: dict[str, Transforms] = {
    "det_mv3_db": [*_DECODE, *_AUGMENT, *_targets(), *_FINISH, *_KEEP],
    "PP-OCRv4_mobile_det": [*_DECODE, {"CopyPaste": None}, *_AUGMENT, *_targets(total_epoch=500), *_FINISH, *_KEEP],
}
"""The training transforms of two published configurations."""

BORDER_MAP: Transforms = _targets()[:1]
CROPS: Transforms = [*_DECODE, *_AUGMENT]
TARGETS: Transforms = [*_targets(), *_FINISH]
"""All that follows on the crop; nothing in it is random."""

def fixed_augment(degrees: float) -> Transforms:
    """Return the augmentation of the training with nothing left to draw."""
    return [{"IaaAugment": {"augmenter_args": [
        {"type": "Fliplr", "args": {"p": 1.0}},
        {"type": "Affine", "args": {"rotate": [degrees, degrees]}},
        {"type": "Resize", "args": {"size": [1.5, 1.5]}},
    ]}}]


POSTPROCESS = {"thresh": 0.3, "box_thresh": 0.6, "max_candidates": 1000, "unclip_ratio": 1.5}


def rectangles(
    rng: np.random.Generator, columns: int, rows: int, size: tuple[int, int], share: tuple[float, float],
    thickness: tuple[float, float], angle: float,
) -> Floats:
    """Return turned rectangles on a grid, which do not touch each other, float32 ``[columns * rows, 4, 2]``.

    Args:
        rng: Draws sizes, places and angles.
        columns: Of the grid.
        rows: Of the grid.
        size: Width and height of the picture in pixels.
        share: Range of the length, as a share of a cell's width.
        thickness: Range of the thickness, as a share of a cell's height.
        angle: Largest rotation, in degrees.
    """
    cell = np.array([size[0] / columns, size[1] / rows])
    number = columns * rows
    places = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    middles = (places + 0.5 + rng.uniform(-0.03, 0.03, (number, 2))) * cell
    halves = np.stack([rng.uniform(*share, number), rng.uniform(*thickness, number)], axis=1) * cell / 2
    turns = np.deg2rad(rng.uniform(-angle, angle, number))
    ways = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    normals = np.stack([-ways[:, 1], ways[:, 0]], axis=1)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    corners = [middles + sign[0] * halves[:, :1] * ways + sign[1] * halves[:, 1:] * normals for sign in signs]
    return np.stack(corners, axis=1).astype(np.float32)


def border_input(seed: int = 0) -> Arrays:
    """Return a picture of 640x640 with 100 words.

    Their corners are whole numbers: PaddleOCR cuts the fractions off before it moves an outline.
    """
    rng = np.random.default_rng(seed)
    words = np.rint(rectangles(rng, 10, 10, (640, 640), (0.6, 0.85), (0.2, 0.4), 15))
    return {"image": np.zeros((640, 640, 3), np.uint8), "ignore_tags": np.zeros(100, bool), **pack(list(words))}


def postprocess_input(seed: int = 0) -> Arrays:
    """Return the probability map of a page of 736x1280 with 800 words, of an original of 720x1280."""
    rng = np.random.default_rng(seed)
    kernels = rectangles(rng, 40, 20, (1280, 736), (0.45, 0.7), (0.16, 0.26), 20)
    probability = np.full((736, 1280), 0.02, np.float32)
    for kernel in kernels:
        cv2.fillPoly(probability, [np.rint(kernel).astype(np.int32)], float(rng.uniform(0.8, 0.98)))
    probability = cv2.GaussianBlur(probability, (3, 3), 0.6)
    return {"maps": probability[None, None],
            "shape": np.array([[720, 1280, 736 / 720, 1.0]], np.float32)}


def metric_input(seed: int = 0) -> Arrays:
    """Return 200 labelled boxes, a tenth of them ignored, and 200 found ones of which some lie beside them."""
    rng = np.random.default_rng(seed)
    truth = rectangles(rng, 10, 20, (1280, 720), (0.6, 0.9), (0.4, 0.7), 8)
    found = truth + rng.normal(0, 1.5, truth.shape)
    found[::5] += rng.uniform(-20, 20, (40, 1, 2))
    found = np.rint(found)[rng.permutation(200)]
    return {"ignore_tags": rng.permutation(200) < 20, **pack(list(truth), "truth"),
            **pack(list(found.astype(np.float32)), "boxes")}
