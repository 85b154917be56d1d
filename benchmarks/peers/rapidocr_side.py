"""RapidOCR's side of the comparison of whole systems: runs in its environment and answers requests (`worker`).

Nothing of the toolkit is imported here. The package is used as its users do, through the class ``RapidOCR``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from typing import Any

from arrays import Arrays
from reading import Spy, read_picture, reading, timed_reading, widths_by_ratio
from worker import Answer, Request, serve

PACKAGES = ("rapidocr-onnxruntime", "onnxruntime", "numpy", "opencv-python")


def main() -> None:
    """Answer requests, or with ``--check`` tell whether the environment is complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="import what is needed, print the versions and stop")
    if parser.parse_args().check:
        import rapidocr_onnxruntime  # noqa: F401

        print(json.dumps(versions()))
        return
    serve(System().tasks())


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    return {"python": ".".join(map(str, sys.version_info[:3])),
            **{name: importlib.metadata.version(name) for name in PACKAGES}}


class System:
    """RapidOCR, once it was opened."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._use_classifier = False

    def tasks(self) -> dict[str, Any]:
        """Return what can be asked for."""
        return {"about": lambda request, given: (versions(), {}), "open": self.open, "read": self.read}

    def open(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Load the models that the package brings, with its own settings."""
        from rapidocr_onnxruntime import RapidOCR

        self._use_classifier = request["arguments"]["use_angle_cls"]
        threads = request["arguments"]["cpu_threads"]
        engine = self._engine = RapidOCR(intra_op_num_threads=threads, inter_op_num_threads=1)
        engine.text_det.infer, engine.text_rec.session = Spy(engine.text_det.infer), Spy(engine.text_rec.session)
        engine.text_rec = Spy(engine.text_rec)
        engine.auto_text_det = Spy(engine.auto_text_det)
        return {}, {}

    def read(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Read a picture."""
        engine = self._engine
        # From a file it would decode with Pillow, whose pixels differ.
        picture = read_picture(request["image"])
        (lines, _), seconds = timed_reading(lambda: engine(picture, use_cls=self._use_classifier))
        ((network_input,), (probability,)), = engine.text_det.infer.taken()
        (_, (boxes, _)), = engine.auto_text_det.taken()
        batches = [given[0] for given, _ in engine.text_rec.session.taken()]
        (crops, texts), = [(given[0], found[0]) for given, found in engine.text_rec.taken()] or [([], [])]
        return reading(seconds, [(box, (text, score)) for box, text, score in lines or ()],
                       boxes=[] if boxes is None else boxes, crops=crops, texts=texts,
                       widths=widths_by_ratio(crops, batches), network_input=network_input, probability=probability)


if __name__ == "__main__":
    main()
