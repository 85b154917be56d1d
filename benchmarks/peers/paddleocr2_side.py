"""PaddleOCR 2.10.0's side of the comparison of whole systems: runs in its environment and answers requests (`worker`).

Nothing of the toolkit is imported here. PaddleOCR is used as its users do, through the class ``PaddleOCR``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import sys
from types import SimpleNamespace
from typing import Any

from arrays import Arrays
from reading import Spy, read_picture, reading, timed_reading, widths_by_ratio
from worker import Answer, Request, serve

PACKAGES = ("paddleocr", "paddlepaddle", "numpy", "opencv-python")


def main() -> None:
    """Answer requests, or with ``--check`` tell whether the environment is complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="import what is needed, print the versions and stop")
    if parser.parse_args().check:
        import paddleocr  # noqa: F401

        print(json.dumps(versions()))
        return
    serve(System().tasks())


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    return {"python": ".".join(map(str, sys.version_info[:3])),
            **{name: importlib.metadata.version(name) for name in PACKAGES}}


class System:
    """PaddleOCR with models, once it was opened."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._use_classifier = False

    def tasks(self) -> dict[str, Any]:
        """Return what can be asked for."""
        return {"about": lambda request, given: (versions(), {}), "open": self.open, "read": self.read}

    def open(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Load the models with the arguments of the request."""
        import paddleocr

        if not request["arguments"]["enable_mkldnn"]:
            _without_onednn()
        self._use_classifier = request["arguments"]["use_angle_cls"]
        engine = self._engine = paddleocr.PaddleOCR(**request["arguments"], use_gpu=False, show_log=False)
        detector, recognizer = engine.text_detector, engine.text_recognizer
        detector.postprocess_op = Spy(detector.postprocess_op)
        for part in (detector, recognizer):
            part.input_tensor = SimpleNamespace(copy_from_cpu=Spy(part.input_tensor.copy_from_cpu))
        engine.text_detector, engine.text_recognizer = Spy(detector), Spy(recognizer)
        return {}, {}

    def read(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Read a picture."""
        # Importing PaddleOCR puts its folder on the path.
        sorted_boxes = importlib.import_module("tools.infer.predict_system").sorted_boxes

        engine = self._engine
        picture = read_picture(request["image"])
        pages, seconds = timed_reading(lambda: engine.ocr(picture, cls=self._use_classifier))
        (_, (boxes, _)), = engine.text_detector.taken()
        ((outputs, _), _), = engine.text_detector.postprocess_op.taken()
        (network_input,), = (given for given, _ in engine.text_detector.input_tensor.copy_from_cpu.taken())
        batches = [given[0] for given, _ in engine.text_recognizer.input_tensor.copy_from_cpu.taken()]
        ((crops,), (texts, _)), = engine.text_recognizer.taken()
        return reading(seconds, pages[0] or (), boxes=sorted_boxes(boxes), crops=crops, texts=texts,
                       widths=widths_by_ratio(crops, batches), network_input=network_input,
                       probability=outputs["maps"])


def _without_onednn() -> None:
    """Make PaddleOCR's ``enable_mkldnn=False`` hold: with Paddle 3.3 oneDNN is on unless it is switched off."""
    from paddle import inference

    make = inference.create_predictor

    def create_predictor(config: Any) -> Any:
        config.disable_mkldnn()
        return make(config)

    inference.create_predictor = create_predictor


if __name__ == "__main__":
    main()
