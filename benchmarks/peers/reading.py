"""What a side of the comparison of whole systems answers: lines, and what its stages passed on, to find causes.

Arrays of an answer: ``input`` and ``map`` of the detector, ``boxes`` float32 ``[N, 4, 2]``, and ``crop_0`` … as the
recognizer was given them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from arrays import Arrays
from worker import Answer

Text = tuple[str, float]


class Spy:
    """Stands in for something that is called, and keeps what went in and came out of the last calls.

    Args:
        target: What it stands for.
    """

    def __init__(self, target: Any) -> None:
        self._target = target
        self.calls: list[tuple[tuple[Any, ...], Any]] = []

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Pass the call on."""
        result = self._target(*given, **named)
        self.calls.append((given, result))
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def taken(self) -> list[tuple[tuple[Any, ...], Any]]:
        """Return arguments and results of the calls since the last time, and forget them."""
        calls, self.calls = self.calls, []
        return calls


def read_picture(path: str) -> Any:
    """Return a picture as BGR uint8 ``[H, W, 3]``; with the peer's own OpenCV in the peer's environment."""
    picture = importlib.import_module("cv2").imread(path)
    if picture is None:
        raise ValueError(f"{path} is no picture")
    return picture


def timed_reading(read: Callable[[], Any]) -> tuple[Any, dict[str, list[float]]]:
    """Return what `read` gives, and ``seconds``: time on the clock and processor time of all threads."""
    clock, processor = time.perf_counter(), time.process_time()
    result = read()
    return result, {"seconds": [time.perf_counter() - clock, time.process_time() - processor]}


def reading(
    seconds: dict[str, list[float]],
    lines: Sequence[tuple[Any, Text]],
    *,
    boxes: Sequence[Any],
    crops: Sequence[Any],
    texts: Sequence[Text],
    widths: Sequence[int],
    network_input: Any,
    probability: Any,
) -> tuple[Answer, Arrays]:
    """Return the answer to a request to read a picture.

    Args:
        seconds: Of `timed_reading`.
        lines: Box and text, with its score, of what the system gives.
        boxes: All regions that were found, in the order in which they were read.
        crops: Their pictures.
        texts: What was read of each, with its score.
        widths: How wide the picture was that the recognizer's network was given for each.
        network_input: Of the detector, float32 ``[1, 3, H, W]``.
        probability: Its map, float32 ``[1, 1, H, W]``.
    """
    plain = [{"box": np.asarray(box, np.float64).tolist(), "text": text, "score": float(score)}
             for box, (text, score) in lines]
    arrays = {"input": np.asarray(network_input), "map": np.asarray(probability),
              "boxes": np.asarray(boxes, np.float32).reshape(-1, 4, 2)}
    arrays |= {f"crop_{number}": np.asarray(crop) for number, crop in enumerate(crops)}
    return {**seconds, "lines": plain, "widths": list(widths),
            "texts": [[text, float(score)] for text, score in texts]}, arrays


def widths_by_ratio(crops: Sequence[Any], batches: Sequence[Any]) -> list[int]:
    """Return how wide each crop became where batches are made of crops in the order of their aspect ratios.

    Args:
        crops: The pictures.
        batches: What the network was given, float32 ``[B, 3, H, W]`` each.
    """
    widths = [0] * len(crops)
    order = np.argsort([crop.shape[1] / crop.shape[0] for crop in crops])
    for place, width in zip(order, [batch.shape[3] for batch in batches for _ in batch], strict=True):
        widths[place] = int(width)
    return widths
