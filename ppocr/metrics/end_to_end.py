"""How well whole pages were read: words that were found and say the right thing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from ppocr.metrics.counting import Counting
from ppocr.metrics.det import DetMetric
from ppocr.regions import Region
from ppocr.results import Detection


class EndToEndMetric(Counting):
    """Precision, recall and their harmonic mean of words whose place and text are right (ICDAR 2015, end-to-end task).

    Places are matched as in `DetMetric`. A word counts as read if its text equals that of the region that it was
    matched with, both in the composed form NFC. Texts of ignored or unusable regions are neither right nor wrong.

    Args:
        iou_threshold: Above it a box fits a region; 0 to 1, exclusive.
        ignore_case: Compare in lower case, for readers that know no capitals.

    Raises:
        ConfigError: A threshold outside its range.
    """

    def __init__(self, iou_threshold: float = 0.5, ignore_case: bool = False) -> None:
        super().__init__(("samples", "regions", "detections", "matched", "read"))
        self.ignore_case = ignore_case
        self._places = DetMetric(iou_threshold=iou_threshold)

    def update(self, found: Detection, texts: Sequence[str], regions: Sequence[Region]) -> None:
        """Count a page.

        Args:
            found: Where texts were found.
            texts: What they say, in the same order.
            regions: What stands on the page.
        """
        ignored = [region.ignore or bool(region.fault) for region in regions]
        matching = self._places.match(found, [region.points for region in regions], ignored)
        self.sums["samples"] += 1
        self.sums["regions"] += int(np.count_nonzero(matching.counted_regions))
        self.sums["detections"] += int(np.count_nonzero(matching.counted_detections))
        self.sums["matched"] += len(matching.pairs)
        self.sums["read"] += sum(self._plain(regions[region].text) == self._plain(texts[detection])
                                 for region, detection in matching.pairs)

    def compute(self) -> dict[str, float]:
        """Return the values over all pages counted so far.

        ``recall``, ``precision``, ``hmean``: of words that were read right, 0 to 1. ``found``: hmean of their places
        alone. ``samples``, ``regions``, ``detections``, ``matched``, ``read``: pages, words there are, words that were
        found, those of them in the right place, and those of them with the right text.

        Raises:
            DatasetError: Nothing was counted.
        """
        self.require_samples()
        regions, detections, matched, read = (self.sums[name] for name in ("regions", "detections", "matched", "read"))
        return {
            "recall": read / max(regions, 1),
            "precision": read / max(detections, 1),
            "hmean": 2 * read / max(regions + detections, 1),
            "found": 2 * matched / max(regions + detections, 1),
            **self.sums,
        }

    def _plain(self, text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        return text.lower() if self.ignore_case else text
