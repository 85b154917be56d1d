"""How well texts were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ppocr.errors import ConfigError, DatasetError, SampleError
from ppocr.metrics.counting import Counting
from ppocr.metrics.polygon_overlap import Shaped, overlaps
from ppocr.regions import parse_regions
from ppocr.registry import METRICS
from ppocr.results import Detection


class Matching(NamedTuple):
    """What the regions of one image and their detections have to do with each other.

    Attributes:
        pairs: ``(region, detection)`` of those that were found.
        counted_regions: bool ``[G]``: regions that are to be found.
        counted_detections: bool ``[D]``: detections that are right or wrong.
    """

    pairs: list[tuple[int, int]]
    counted_regions: npt.NDArray[np.bool_]
    counted_detections: npt.NDArray[np.bool_]


@METRICS.register(tasks=("det",))
class DetMetric(Counting):
    """Precision, recall and their harmonic mean, by the intersection over union (ICDAR 2015, incidental scene text).

    In each image, detections that lie in an ignored region by more than `ignored_overlap` of their area do not count.
    Then the regions, in their order, take each the first free detection with which their intersection over union is
    above `iou_threshold`. The numbers of all images are summed up: precision is the share of the counted detections
    that were taken, recall the share of the regions that are not ignored and found one.

    Outlines that cross themselves are what they enclose. Images that could not be used count as images in which nothing
    was found; their regions are those of the label file, and one where that cannot be read.

    Args:
        main_indicator: The value by which the best checkpoint is chosen.
        iou_threshold: Above it a detection fits a region; 0 to 1, exclusive.
        ignored_overlap: Share of a detection's area, 0 to 1, exclusive.

    Raises:
        ConfigError: A value outside its range.
    """

    def __init__(
        self,
        main_indicator: Literal["hmean", "precision", "recall"] = "hmean",
        iou_threshold: float = 0.5,
        ignored_overlap: float = 0.5,
    ) -> None:
        super().__init__(("samples", "failed", "regions", "detections", "matched"))
        for key, value in (("iou_threshold", iou_threshold), ("ignored_overlap", ignored_overlap)):
            if not 0 < value < 1:
                raise ConfigError(f"DetMetric: {key} is {value:g}", expected="a number between 0 and 1",
                                  cure="correct the value")
        self.main_indicator: str = main_indicator
        self.iou_threshold = iou_threshold
        self.ignored_overlap = ignored_overlap

    def update(self, results: Sequence[Detection], batch: Mapping[str, Any]) -> None:
        """Count a batch.

        Args:
            results: One for each usable sample.
            batch: ``polys`` and ``ignore_tags`` of the usable samples in the same order, lists of lists, in pixels of
                the original images as the results are; and ``failed``, the samples that could not be used.

        Raises:
            DatasetError: The batch lacks the regions.
        """
        if results:
            _require_regions(batch)
            for result, polygons, ignored in zip(results, batch["polys"], batch["ignore_tags"], strict=True):
                matching = self.match(result, polygons, ignored)
                self.sums["samples"] += 1
                self.sums["regions"] += int(matching.counted_regions.sum())
                self.sums["detections"] += int(matching.counted_detections.sum())
                self.sums["matched"] += len(matching.pairs)
        for failure in batch.get("failed", ()):
            self.sums["samples"] += 1
            self.sums["failed"] += 1
            self.sums["regions"] += _number_of_regions(failure.info.label)

    def match(
        self, result: Detection, polygons: Sequence[npt.NDArray[Any]], ignored: Sequence[bool]
    ) -> Matching:
        """Compare the detections of one image with its regions.

        Args:
            result: What was found.
            polygons: The regions, ``[K, 2]`` each.
            ignored: Which of them are ignored.
        """
        regions, found = Shaped.of(polygons), Shaped.of(result.polygons)
        is_ignored = np.array(ignored, bool).reshape(len(regions))
        # Intersection over union above t: the common area is above the sum of both times t / (1 + t).
        share = self.iou_threshold / (1 + self.iou_threshold)
        sums = regions.areas[:, None] + found.areas
        least = np.where(is_ignored[:, None], self.ignored_overlap * found.areas, share * sums)
        common = overlaps(regions, found, least)
        with np.errstate(divide="ignore", invalid="ignore"):  # Detections and regions without an area: not above.
            within = common / found.areas > self.ignored_overlap
            fits = common / (sums - common) > self.iou_threshold
        is_counted = ~(within & is_ignored[:, None]).any(axis=0)
        fits &= ~is_ignored[:, None] & is_counted
        return Matching(_first_come(fits), ~is_ignored, is_counted)

    def compute(self) -> dict[str, float]:
        """Return the values over all samples counted so far.

        ``recall``, ``precision``, ``hmean``: 0 to 1, and 0 where nothing was to be found or nothing was.
        ``samples``, ``failed``: images, and those of them that could not be used. ``regions``, ``detections``,
        ``matched``: what was to be found, what was found, and how much of it fits.

        Raises:
            DatasetError: Nothing was counted.
        """
        self.require_samples()
        regions, detections, matched = (self.sums[name] for name in ("regions", "detections", "matched"))
        return {
            "recall": matched / max(regions, 1),
            "precision": matched / max(detections, 1),
            "hmean": 2 * matched / max(regions + detections, 1),
            **self.sums,
        }


def _require_regions(batch: Mapping[str, Any]) -> None:
    missing = [key for key in ("polys", "ignore_tags") if key not in batch]
    if missing:
        raise DatasetError(f"the evaluation batch lacks {' and '.join(missing)}, against which detections are measured",
                           expected="polys and ignore_tags, as DetLabelEncode makes them",
                           cure="add them to KeepKeys.keep_keys of Eval.dataset.transforms")


def _first_come(fits: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Give each row, in order, the first column that fits and is still free."""
    taken: set[int] = set()
    pairs = []
    for row in np.flatnonzero(fits.any(axis=1)).tolist():
        free = next((column for column in np.flatnonzero(fits[row]).tolist() if column not in taken), None)
        if free is not None:
            taken.add(free)
            pairs.append((row, free))
    return pairs


def _number_of_regions(label: str) -> int:
    """Return how many texts a label asks for: those that are legible and have a usable polygon.

    A label that cannot be read counts for one, so that no broken line can leave the figures as they are.
    """
    try:
        return sum(not (region.ignore or region.fault) for region in parse_regions(label))
    except SampleError:
        return 1
