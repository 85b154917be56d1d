"""Random crops of photos for training a detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ppocr.data.sample import Sample
from ppocr.data.transforms.deferred import Size, crop_to_size, map_polygons
from ppocr.data.transforms.region_clip import visible_part
from ppocr.errors import ConfigError
from ppocr.geometry import Polygon, bounds, smallest_rectangle
from ppocr.registry import TRANSFORMS

Windows = npt.NDArray[np.int64]
"""``[T, 4]``: left, top, right and bottom; pixels from left to right - 1 and from top to bottom - 1 belong to it."""

Rng = np.random.Generator


def check_crop_arguments(name: str, size: Sequence[int], max_tries: int, min_crop_side_ratio: float) -> Size:
    """Return `size` as width and height, if the arguments of a crop make sense.

    Raises:
        ConfigError: One does not.
    """
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"{name}: size is {list(size)}", expected="[width, height] in pixels, such as [640, 640]",
                          cure="correct the value")
    if max_tries < 1:
        raise ConfigError(f"{name}: max_tries is {max_tries}", expected="1 or more", cure="correct the value")
    if not 0 < min_crop_side_ratio <= 1:
        raise ConfigError(f"{name}: min_crop_side_ratio is {min_crop_side_ratio}",
                          expected="a share of the side of the picture, above 0 to 1", cure="correct the value")
    return size[0], size[1]


@TRANSFORMS.register()
class EastRandomCropData:
    """Cut out a random window whose edges go through no text, and bring it to a fixed size (Zhou et al., EAST, 2017).

    Required keys: image (uint8 ``[H, W, 3]``), polys, texts, ignore_tags, rng; size (width and height that the
    sampler chose for the batch), where it is there, counts instead of the argument. Modified keys: image (uint8
    ``[size[1], size[0], 3]``), polys, texts, ignore_tags (regions wholly outside the window are gone).

    The cared-for regions are projected onto both axes. The edges of the window are drawn from the gaps between the
    projections: first two gaps, then a place in each. A window is taken if it is large enough and holds at least one
    cared-for region; after `max_tries` failures it is the whole picture. In a picture without cared-for regions any
    window that is large enough will do. Ignored regions may be cut.

    Args:
        size: Width and height of the result in pixels.
        max_tries: Number of windows to try.
        min_crop_side_ratio: Smallest share of the picture's width, and of its height, that a window takes.
        keep_ratio: Scale the window to fit, put it top left and fill the rest with zeros; otherwise stretch it.

    Raises:
        ConfigError: A value outside its range.
    """

    takes_deferred = True
    takes_size = True

    def __init__(
        self,
        size: tuple[int, int] = (640, 640),
        max_tries: int = 10,
        min_crop_side_ratio: float = 0.1,
        keep_ratio: bool = True,
    ) -> None:
        self.size = check_crop_arguments("EastRandomCropData", size, max_tries, min_crop_side_ratio)
        self.max_tries = max_tries
        self.min_crop_side_ratio = min_crop_side_ratio
        self.keep_ratio = keep_ratio

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample cropped.

        Raises:
            SampleError: ``"image too large"``.
        """
        image = sample["image"]
        height, width = image.shape[:2]
        boxes = bounds(sample["polys"]).astype(np.float64)
        cared_for = boxes[~np.array(sample["ignore_tags"], bool)]
        window = self._choose(cared_for, (width, height), sample["rng"])
        target: Size = sample.get("size", self.size)
        new_width, new_height = self._fit(window, target)
        canvas = np.zeros((target[1], target[0], 3), np.uint8)
        matrix = crop_to_size(image, window.tolist(), canvas[:new_height, :new_width])
        sample["image"] = canvas
        inside = np.flatnonzero(_overlap(window[None], boxes)[0])
        sample["polys"] = map_polygons(matrix, [sample["polys"][position] for position in inside])
        for key in ("texts", "ignore_tags"):
            sample[key] = [sample[key][position] for position in inside]
        return sample

    def _choose(self, cared_for: npt.NDArray[np.float64], size: Size, rng: Rng) -> npt.NDArray[np.int64]:
        """Return a window."""
        draws = rng.random((2, 2, self.max_tries, 2))
        across = _spans(cared_for[:, 0], cared_for[:, 2], size[0], draws[0])
        down = _spans(cared_for[:, 1], cared_for[:, 3], size[1], draws[1])
        windows = np.stack([across[:, 0], down[:, 0], across[:, 1], down[:, 1]], axis=1)
        good = _large_enough(windows, size, self.min_crop_side_ratio)
        if len(cared_for):
            good &= _overlap(windows, cared_for).any(axis=1)
        found = np.flatnonzero(good)
        return windows[found[0]] if len(found) else np.array([0, 0, *size])

    def _fit(self, window: npt.NDArray[np.int64], target: Size) -> Size:
        """Return the width and height that the window is scaled to, for a result of size `target`."""
        if not self.keep_ratio:
            return target
        width, height = int(window[2] - window[0]), int(window[3] - window[1])
        ratio = min(target[0] / width, target[1] / height)
        return _scaled(width, ratio, target[0]), _scaled(height, ratio, target[1])


def _spans(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], length: int, draws: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Choose spans along one axis whose ends go through nothing.

    Args:
        low: First places of the regions on this axis.
        high: Last places.
        length: Pixels of the picture on this axis.
        draws: ``[2, T, 2]``, uniform in 0..1: which gaps, and where in them.

    Returns:
        ``[T, 2]``: first pixel and first pixel outside.
    """
    # An edge at position e runs between the pixels e - 1 and e.
    order = np.argsort(low)
    first = np.minimum(np.maximum(np.ceil(low[order] - 0.5), 0), length)
    last = np.minimum(np.maximum(np.floor(high[order] + 1.5), 0), length)
    covered = np.zeros(len(low) + 1)  # up to where the regions so far reach
    np.maximum.accumulate(last, out=covered[1:])
    ends = np.append(first, length)
    gaps = np.flatnonzero(covered <= ends)
    chosen = gaps[(draws[0] * len(gaps)).astype(np.int64)]
    start = covered[chosen]
    places: npt.NDArray[np.int64] = (start + draws[1] * (ends[chosen] + 1 - start)).astype(np.int64)
    places.sort(axis=1)
    return places


def _large_enough(windows: Windows, size: Size, ratio: float) -> npt.NDArray[np.bool_]:
    sides = windows[:, 2:] - windows[:, :2]
    return np.all(sides >= np.maximum(np.array(size) * ratio, 1), axis=1)


def _overlap(windows: Windows, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which boxes ``[N, 4]`` show in which windows ``[T, 4]``: ``[T, N]``."""
    begin = boxes[:, :2] <= windows[:, None, 2:] - 0.5
    end = boxes[:, 2:] >= windows[:, None, :2] - 0.5
    return np.all(begin & end, axis=2)


def _scaled(side: int, ratio: float, limit: int) -> int:
    return min(max(round(side * ratio), 1), limit)


@TRANSFORMS.register()
class RandomCrop:
    """Cut out a random window, which may cut text, shrink it if it is too large, and put it anywhere on black.

    Required keys: image (uint8 ``[H, W, 3]``), polys, texts, ignore_tags, rng. Modified keys: image (uint8
    ``[size[1], size[0], 3]``), polys (cut off at the window), texts, ignore_tags (true also for what little is left of
    a region).

    The sides of the window are drawn first, then its place. What shows of a region stays cared for if it has at least
    80 square pixels in the result and at least 35 % of the height of the whole text (the shorter side of the smallest
    rectangle); less is ignored, because it is text all the same. A window is taken if it holds a cared-for region;
    after `max_tries` failures it is the whole picture. In a picture without cared-for regions any window will do.

    Args:
        size: Width and height of the result in pixels.
        max_tries: Number of windows to try.
        min_crop_side_ratio: Smallest share of the picture's width, and of its height, that a window takes.
        keep_ratio: A window that is larger than the result is shrunk to fit, a smaller one is not enlarged, and the
            result is put at a random place; otherwise it is stretched.

    Raises:
        ConfigError: A value outside its range.
    """

    takes_deferred = True

    MIN_AREA = 80.0
    MIN_HEIGHT_SHARE = 0.35

    def __init__(
        self,
        size: tuple[int, int] = (640, 640),
        max_tries: int = 10,
        min_crop_side_ratio: float = 0.1,
        keep_ratio: bool = True,
    ) -> None:
        self.size = check_crop_arguments("RandomCrop", size, max_tries, min_crop_side_ratio)
        self.max_tries = max_tries
        self.min_crop_side_ratio = min_crop_side_ratio
        self.keep_ratio = keep_ratio

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample cropped.

        Raises:
            SampleError: ``"image too large"``.
        """
        image = sample["image"]
        rng, size = sample["rng"], (image.shape[1], image.shape[0])
        window, visible = self._choose(sample["polys"], sample["ignore_tags"], size, rng)
        new_width, new_height = self._fit(window)
        left, top = (int(rng.integers(limit - side + 1))
                     for limit, side in zip(self.size, (new_width, new_height), strict=True))
        canvas = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        matrix = crop_to_size(image, window.tolist(), canvas[top:top + new_height, left:left + new_width])
        sample["image"] = canvas
        moved = map_polygons(matrix, [polygon for _, polygon, _ in visible])
        sample["polys"] = [polygon + np.array([left, top], np.float32) for polygon in moved]
        sample["texts"] = [sample["texts"][position] for position, _, _ in visible]
        sample["ignore_tags"] = [ignored for _, _, ignored in visible]
        return sample

    def _choose(
        self, polygons: Sequence[Polygon], ignored: Sequence[bool], size: Size, rng: Rng
    ) -> tuple[npt.NDArray[np.int64], list[tuple[int, Polygon, bool]]]:
        """Return a window, and what shows in it: position of the region, visible part, whether it is ignored."""
        windows = self._draw(size, rng)
        boxes = bounds(polygons).astype(np.float64)
        cared_for = ~np.array(ignored, bool)
        overlap = _overlap(windows, boxes)
        for window, shows in zip(windows, overlap, strict=True):
            if cared_for.any() and not (shows & cared_for).any():
                continue
            visible = self._visible(window, polygons, ignored, np.flatnonzero(shows))
            if not cared_for.any() or not all(tag for _, _, tag in visible):
                return window, visible
        whole = np.array([0, 0, *size])
        return whole, self._visible(whole, polygons, ignored, np.flatnonzero(_overlap(whole[None], boxes)[0]))

    def _draw(self, size: Size, rng: Rng) -> Windows:
        """Return `max_tries` windows."""
        longest = np.array(size)
        shortest = np.ceil(np.maximum(longest * self.min_crop_side_ratio, 1)).astype(np.int64)
        sides = rng.integers(shortest, longest + 1, size=(self.max_tries, 2))
        first = rng.integers(0, longest - sides + 1)
        return np.concatenate([first, first + sides], axis=1)

    def _visible(
        self, window: npt.NDArray[np.int64], polygons: Sequence[Polygon], ignored: Sequence[bool],
        positions: npt.NDArray[np.int_],
    ) -> list[tuple[int, Polygon, bool]]:
        new_width, new_height = self._fit(window)
        scale = (new_width / (window[2] - window[0])) * (new_height / (window[3] - window[1]))
        visible = []
        for position in positions.tolist():
            polygon = polygons[position]
            part, area = visible_part(polygon, window.tolist())
            if part is None:
                continue
            little = area * scale < self.MIN_AREA or (
                part is not polygon
                and smallest_rectangle(part)[1] < self.MIN_HEIGHT_SHARE * smallest_rectangle(polygon)[1]
            )
            visible.append((position, part, bool(ignored[position] or little)))
        return visible

    def _fit(self, window: npt.NDArray[np.int64]) -> Size:
        """Return the width and height that the window is scaled to."""
        if not self.keep_ratio:
            return self.size
        width, height = int(window[2] - window[0]), int(window[3] - window[1])
        ratio = min(self.size[0] / width, self.size[1] / height, 1.0)
        return _scaled(width, ratio, self.size[0]), _scaled(height, ratio, self.size[1])
