"""Where text is: the probability map that a DB detector learns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ppocr.cv import cv2
from ppocr.data.sample import Sample
from ppocr.data.transforms.det_outlines import Outlines, check_ratio, ratio_of_epoch
from ppocr.data.transforms.quad_shrink import shrink_quads
from ppocr.data.transforms.region_clip import visible_part
from ppocr.errors import ConfigError
from ppocr.geometry import Polygon, offset
from ppocr.registry import TRANSFORMS

SMALLEST_AREA = 1.0
"""Square pixels below which a region cannot be shown in a map."""


@TRANSFORMS.register()
class MakeShrinkMap:
    """Draw the kernels of the texts: the regions shrunk, so that neighbours stay apart (Liao et al., DB, 2020).

    Required keys: image (``[H, W, C]``; only its size counts), polys, ignore_tags; epoch (with `total_epoch`).
    Modified keys: ignore_tags, which also marks the regions that are ignored here.
    Added keys: shrink_map (float32 ``[H, W]``: 1 in the kernels, else 0), shrink_mask (float32 ``[H, W]``: 0 in
    ignored regions, else 1).

    Of each region the part within the image counts. Its outline is moved inwards by ``A (1 - r²) / L`` (area A,
    perimeter L, ratio r) with rounded corners (Vatti, 1992). Where this leaves nothing, or cuts a region into pieces,
    the ratios 2r, 3r … below 1 are tried as well; pieces are taken if there is no better way. A kernel is drawn with
    the pixels that its outline runs through.

    Ignored are the regions that `ignore_tags` marks, those whose bounding box is lower or narrower than
    `min_text_size`, those with less than a square pixel in the image, and those that no ratio leaves anything of.
    `MakeBorderMap` sees the marks only if it comes later; the published order has it before, so that small texts do
    get a border.

    Args:
        shrink_ratio: The ratio r; the area shrinks roughly to the share r².
        min_text_size: Pixels.
        total_epoch: If given, the ratio grows evenly by 0.2 over so many epochs.

    Raises:
        ConfigError: A value outside its range.
    """

    def __init__(
        self, shrink_ratio: float = 0.4, min_text_size: float = 8, total_epoch: int | None = None
    ) -> None:
        check_ratio("MakeShrinkMap", shrink_ratio, total_epoch)
        if min_text_size < 0:
            raise ConfigError(f"MakeShrinkMap: min_text_size is {min_text_size}", expected="pixels, 0 or more",
                              cure="correct the value")
        self.shrink_ratio = shrink_ratio
        self.min_text_size = min_text_size
        self.total_epoch = total_epoch

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its map and mask."""
        height, width = sample["image"].shape[:2]
        shrink_map = np.zeros((height, width), np.float32)
        shrink_mask = np.ones((height, width), np.float32)
        ratio = ratio_of_epoch(self.shrink_ratio, self.total_epoch, sample.get("epoch", 0))
        parts = _visible_parts(sample["polys"], width, height)
        kernels = self._kernels(parts, sample["ignore_tags"], ratio)
        for part, pieces in zip(parts, kernels, strict=True):
            if pieces:
                _fill(shrink_map, pieces, 1.0)
            elif part is not None:
                _fill(shrink_mask, [part], 0.0)
        sample["shrink_map"], sample["shrink_mask"] = shrink_map, shrink_mask
        sample["ignore_tags"] = [not pieces for pieces in kernels]
        return sample

    def _kernels(self, parts: list[Polygon | None], ignored: list[bool], ratio: float) -> list[list[Polygon]]:
        """Return the pieces of each region's kernel: none if the region is ignored."""
        kernels: list[list[Polygon]] = [[] for _ in parts]
        texts = {number: part for number, part in enumerate(parts) if part is not None and not ignored[number]}
        if not texts:
            return kernels
        outlines = Outlines.of(list(texts.values()))
        large = (outlines.high - outlines.low).min(axis=1) >= self.min_text_size
        large &= outlines.areas >= SMALLEST_AREA
        distances = dict(zip(texts, outlines.distances(ratio).tolist(), strict=True))
        texts = {number: part for (number, part), kept in zip(texts.items(), large.tolist(), strict=True) if kept}
        quads = [number for number, part in texts.items() if len(part) == 4]
        shrunk, right = shrink_quads(np.array([texts[number] for number in quads]).reshape(-1, 4, 2),
                                     np.array([distances[number] for number in quads]))
        for number, kernel, is_right in zip(quads, shrunk, right.tolist(), strict=True):
            if is_right:
                kernels[number] = [kernel]
        for number, part in texts.items():
            kernels[number] = kernels[number] or _shrink(part, distances[number], ratio)
        return kernels


def _visible_parts(polygons: list[Polygon], width: int, height: int) -> list[Polygon | None]:
    """Return what of each polygon lies within the image, None for nothing."""
    if not polygons:
        return []
    outlines = Outlines.of(polygons)
    beyond = (outlines.low < -0.5).any(axis=1) | (outlines.high > np.array([width, height]) - 0.5).any(axis=1)
    parts: list[Polygon | None] = list(polygons)
    for number in np.flatnonzero(beyond):
        parts[number] = visible_part(polygons[number], (0, 0, width, height))[0]
    return parts


def _shrink(polygon: Polygon, distance: float, ratio: float) -> list[Polygon]:
    """Return the pieces of a polygon that is shrunk by a distance, which was computed for a ratio, or by less."""
    found: list[Polygon] = []
    for tried in np.arange(ratio, 1.0, ratio).tolist():
        pieces = offset(polygon, -distance * (1.0 - tried * tried) / (1.0 - ratio * ratio))
        if len(pieces) == 1:
            return pieces
        found = pieces or found
    return found


def _fill(image: npt.NDArray[np.float32], polygons: list[Polygon], value: float) -> None:
    """Fill polygons one by one, because OpenCV leaves out what an even number of polygons covers."""
    for polygon in polygons:
        cv2.fillPoly(image, [np.rint(polygon).astype(np.int32)], value)
