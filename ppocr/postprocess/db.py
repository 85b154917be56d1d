"""From the probability map of a DB detector to text regions."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.errors import ConfigError, InferenceError
from ppocr.geometry import (
    Polygon,
    clip_points,
    clockwise,
    offset,
    order_quads,
    signed_area,
)
from ppocr.postprocess.map_scores import Rectangles, mean_in_polygon, mean_in_rectangles
from ppocr.postprocess.scores import require_numbers
from ppocr.postprocess.whole_pixels import whole_quads
from ppocr.registry import POSTPROCESSES
from ppocr.results import Detection

LOGGER = logging.getLogger("ppocr")

FloatMap = npt.NDArray[np.float32]
Contour = npt.NDArray[np.int32]
Found = tuple[list[Polygon], npt.NDArray[np.float32]]
"""Polygons in pixels of the map, and their scores."""

SMALLEST_KERNEL = 3.0
"""Shorter side in pixels of the map below which a region is noise."""

SMALLEST_TEXT = 5.0
"""The same after the region was grown to the size of the text."""

APPROXIMATION = 0.002
"""How far the points of a polygon may be off the contour, as a share of its perimeter."""


@POSTPROCESSES.register(tasks=("det",))
class DBPostProcess:
    """Text regions from a map of kernels, which are shrunk texts (Liao et al., DB, 2020).

    The map is cut at `thresh`, and each connected region of it gives at most one text; holes in regions give none.
    The region is described by the smallest rectangle around it (``"quad"``), or by its outline with fewer points
    (``"poly"``). Regions whose shorter side is below 3 pixels of the map, or whose score is below `box_thresh`, are
    dropped. The others are grown by ``A u / L`` (area A, perimeter L, `unclip_ratio` u) to the size of the text; those
    whose shorter side is then still below 5 pixels are dropped, too. Nothing is rounded to whole pixels, unless
    `whole_pixels` asks for it.

    Args:
        thresh: Probability above which a pixel belongs to a text.
        box_thresh: Smallest score of a region.
        max_candidates: Number of regions of a map that are looked at; if there are more, the largest ones are.
        unclip_ratio: How much regions are grown.
        use_dilation: Grow what is above `thresh` by one pixel to the right and down first, which closes thin gaps.
        score_mode: The score is the mean probability within the rectangle or polygon (``"fast"``) or within the contour
            of the region (``"slow"``, more exact for curved texts).
        box_type: What describes a region.
        whole_pixels: Cut fractions off as the predictors of published models do, for results equal to theirs; corners
            are then off by up to two pixels, and holes in regions count as regions. For quads only.

    Raises:
        ConfigError: A value outside its range.
    """

    needs = ("shape",)
    """Entries of the batch, beside the network's outputs, that are read."""

    def __init__(
        self,
        thresh: float = 0.3,
        box_thresh: float = 0.7,
        max_candidates: int = 1000,
        unclip_ratio: float = 2.0,
        use_dilation: bool = False,
        score_mode: Literal["fast", "slow"] = "fast",
        box_type: Literal["quad", "poly"] = "quad",
        whole_pixels: bool = False,
    ) -> None:
        for key, value in (("thresh", thresh), ("box_thresh", box_thresh)):
            _require(0 <= value <= 1, key, value, "a probability, 0 to 1")
        _require(max_candidates > 0, "max_candidates", max_candidates, "a number of regions, 1 or more")
        _require(unclip_ratio >= 0, "unclip_ratio", unclip_ratio, "a number, 0 or more")
        _require(score_mode in ("fast", "slow"), "score_mode", score_mode, "fast or slow")
        _require(box_type in ("quad", "poly"), "box_type", box_type, "quad or poly")
        _require(box_type == "quad" or not whole_pixels, "whole_pixels", whole_pixels, "false, or box_type: quad")
        self.thresh = thresh
        self.box_thresh = box_thresh
        self.max_candidates = max_candidates
        self.unclip_ratio = unclip_ratio
        self.use_dilation = use_dilation
        self.score_mode = score_mode
        self.box_type = box_type
        self.whole_pixels = whole_pixels
        self._told = False

    @property
    def num_classes(self) -> int | None:
        """None: the head's outputs are maps, not classes."""
        return None

    def __call__(self, outputs: Mapping[str, Any]) -> list[Detection]:
        """Return the texts of each image.

        Args:
            outputs: ``maps`` float ``[N, C, H, W]``, of which channel 0 is the probability, and ``shape`` ``[N, 4]``:
                height and width of the original image in pixels, and the ratios of height and width by which it was
                brought to the size of the map.

        Raises:
            InferenceError: Missing or unusable output.
        """
        maps, shapes = _maps(outputs), _shapes(outputs)
        if len(maps) != len(shapes):
            raise InferenceError(f"there are {len(maps)} maps, but {len(shapes)} shapes", expected="as many of both",
                                 cure="give the shape of every image of the batch")
        return [self._detect(np.ascontiguousarray(probability, np.float32), shape)
                for probability, shape in zip(maps, shapes, strict=True)]

    def _detect(self, probability: FloatMap, shape: npt.NDArray[np.float64]) -> Detection:
        contours = self._contours(probability)
        if self.whole_pixels:
            height, width = (round(side) for side in shape[:2].tolist())
            polygons, scores = whole_quads(probability, contours, (height, width), box_thresh=self.box_thresh,
                                           unclip_ratio=self.unclip_ratio, exact_scores=self.score_mode == "slow")
            return Detection(tuple(polygons), scores)
        find = self._quads if self.box_type == "quad" else self._polygons
        polygons, scores = find(probability, contours)
        if not polygons:
            return Detection((), scores)
        src_h, src_w, ratio_h, ratio_w = shape.tolist()
        scale = np.array([ratio_w, ratio_h], np.float32)
        points = clip_points(np.concatenate(polygons) / scale, round(src_w), round(src_h))
        until = np.cumsum([len(polygon) for polygon in polygons])
        first = np.concatenate([[0], until[:-1]])
        # A region in the padding beside the image becomes a line at its border.
        extent = np.maximum.reduceat(points, first) - np.minimum.reduceat(points, first)
        kept = np.flatnonzero(extent.min(axis=1) > 0)
        spans = zip(first[kept].tolist(), until[kept].tolist(), strict=True)
        return Detection(tuple(points[start:end] for start, end in spans), scores[kept])

    def _contours(self, probability: FloatMap) -> list[Contour]:
        """Return the outer contours of the regions above the threshold, int32 ``[K, 1, 2]`` each.

        Those of the holes are added where results are to be as those of published predictors.
        """
        mask = (probability > self.thresh).view(np.uint8)
        if self.use_dilation:
            mask = cv2.dilate(mask, np.ones((2, 2), np.uint8))
        contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        if not len(contours):
            return []
        holes = np.reshape(hierarchy, (-1, 4))[:, 3] >= 0
        # One or two points are a dot or a line.
        outer = [contour for contour, hole in zip(contours, holes.tolist(), strict=True)
                 if (self.whole_pixels or not hole) and len(contour) > 2]
        if len(outer) <= self.max_candidates:
            return outer
        if not self._told:
            self._told = True
            LOGGER.warning("DBPostProcess: an image gives %d regions, of which the %d largest are looked at "
                           "(max_candidates); told once", len(outer), self.max_candidates)
        order = np.argsort([-cv2.contourArea(contour) for contour in outer], kind="stable")
        return [outer[number] for number in sorted(order[: self.max_candidates].tolist())]

    def _quads(self, probability: FloatMap, contours: Sequence[Contour]) -> Found:
        """Return the rectangles of the texts, ordered quads; all regions are treated at once."""
        rectangles = Rectangles.around(contours)
        kept = rectangles.sizes.min(axis=1) >= SMALLEST_KERNEL
        rectangles, contours = rectangles[kept], [contours[number] for number in np.flatnonzero(kept)]
        if self.score_mode == "fast":
            scores = mean_in_rectangles(probability, rectangles)
        else:
            scores = np.array([mean_in_polygon(probability, contour) for contour in contours], np.float32)
        # Offset with rounded corners and put into a rectangle again: all four sides have moved by the distance.
        grown = rectangles.grown(rectangles.areas * self.unclip_ratio / np.maximum(rectangles.perimeters, 1e-9))
        kept = (scores >= self.box_thresh) & (grown.sizes.min(axis=1) >= SMALLEST_TEXT)
        return list(order_quads(grown[kept].corners())), scores[kept]

    def _polygons(self, probability: FloatMap, contours: Sequence[Contour]) -> Found:
        """Return the outlines of the texts."""
        polygons: list[Polygon] = []
        scores: list[float] = []
        for contour in contours:
            outline = cv2.approxPolyDP(contour, APPROXIMATION * cv2.arcLength(contour, True), True)
            if len(outline) < 3 or _shorter_side(outline) < SMALLEST_KERNEL:
                continue
            score = mean_in_polygon(probability, outline if self.score_mode == "fast" else contour)
            grown = self._grow(outline) if score >= self.box_thresh else None
            if grown is not None and _shorter_side(grown) >= SMALLEST_TEXT:
                polygons.append(grown)
                scores.append(score)
        return polygons, np.array(scores, np.float32)

    def _grow(self, outline: Contour) -> Polygon | None:
        """Return the outline moved outwards by its distance, clockwise; None if nothing has an area."""
        distance = cv2.contourArea(outline) * self.unclip_ratio / cv2.arcLength(outline, True)
        pieces = offset(outline[:, 0], distance) if distance > 0 else [clockwise(outline[:, 0])]
        # Where the ends of a bent text meet, the further pieces are the holes that it encloses.
        return pieces[0] if len(pieces) == 1 else max(pieces, key=signed_area, default=None)


def _shorter_side(points: npt.NDArray[Any]) -> float:
    """Return the shorter side of the smallest rectangle around points."""
    return float(min(cv2.minAreaRect(points)[1]))


def _require(is_fine: bool, key: str, value: object, expected: str) -> None:
    if not is_fine:
        raise ConfigError(f"DBPostProcess: {key} is {value!r}", expected=expected, cure="correct the value")


def _maps(outputs: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Return the probability maps, ``[N, H, W]``."""
    if "maps" not in outputs:
        raise InferenceError(
            f"the network gives {', '.join(sorted(outputs)) or 'nothing'}, but no 'maps'",
            expected="a detection model whose head fits PostProcess", cure="correct PostProcess or the head",
        )
    maps = np.asarray(outputs["maps"])
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise InferenceError(f"the network's output has the shape {list(maps.shape)}",
                             expected="maps [N, C, H, W]", cure="use the PostProcess that belongs to the head")
    require_numbers(maps[:, 0])
    return maps[:, 0]


def _shapes(outputs: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return the sizes and ratios of the images, ``[N, 4]``."""
    cure = "keep the entry 'shape' that DetResizeForTest makes: KeepKeys with keep_keys [image, shape, …]"
    if "shape" not in outputs:
        raise InferenceError("the size of the original images is not known: there is no 'shape'",
                             expected="height, width and ratios of each image", cure=cure)
    shapes = np.asarray(outputs["shape"], np.float64)
    if shapes.ndim != 2 or shapes.shape[1] != 4:
        raise InferenceError(f"'shape' is an array of the shape {list(shapes.shape)}",
                             expected="[N, 4]: height, width and ratios of each image", cure=cure)
    if not (np.isfinite(shapes).all() and (shapes > 0).all()):
        raise InferenceError(f"'shape' holds {shapes.tolist()}", expected="positive sizes and ratios", cure=cure)
    return shapes
