"""This toolkit's side of the comparison of whole systems: answers the same requests as the peers'."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from arrays import Arrays
from reading import Spy, reading, timed_reading, widths_by_ratio
from worker import Answer, Request, serve

from ppocr import __version__
from ppocr.cv import cv2
from ppocr.infer import TextSystem
from ppocr.reading_order import reading_order


def about(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Return the versions of what takes part."""
    return {"python": platform.python_version(), "ppocr": __version__, "numpy": np.__version__,
            "opencv": cv2.__version__, "paddlepaddle": importlib.metadata.version("paddlepaddle")}, {}


class System:
    """Our system, with the models and settings that were asked for last."""

    def __init__(self) -> None:
        self._system: Any = None

    def open(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Load the models with the arguments of the request."""
        system = self._system = TextSystem(request["arguments"])
        for part, name in ((system.detector, "detect"), (system.detector, "run"), (system.recognizer, "recognize"),
                           (system.recognizer, "run")):
            setattr(part, name, Spy(getattr(part, name)))
        return {}, {}

    def read(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Read a picture."""
        system = self._system
        picture = cv2.imread(request["image"])
        page, seconds = timed_reading(lambda: system.ocr(picture))
        ((tensors,), probability), = system.detector.run.taken()
        (_, found), = system.detector.detect.taken()
        ((crops,), texts), = system.recognizer.recognize.taken()
        batches = [np.stack(given[0]) for given, _ in system.recognizer.run.taken()]
        order = reading_order(found.polygons)
        lines = [(line.box, (line.text, line.score)) for line in page.lines]
        return reading(seconds, lines, boxes=[found.polygons[place] for place in order], crops=crops,
                       texts=[(text.text, text.score) for text in texts], widths=self._widths(crops, batches),
                       network_input=np.stack(tensors), probability=probability)

    def _widths(self, crops: Sequence[Any], batches: Sequence[Any]) -> list[int]:
        if getattr(self._system.recognizer, "shared_width", False):
            return widths_by_ratio(crops, batches)
        return [self._system.recognizer.preprocess(crop).shape[2] for crop in crops]


if __name__ == "__main__":
    system = System()
    serve({"about": about, "open": system.open, "read": system.read})
