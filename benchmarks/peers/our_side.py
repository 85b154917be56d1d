"""This toolkit's side of the detection benchmark: answers the same requests as the peer's."""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from arrays import Arrays, pack, unpack
from worker import Answer, Request, serve, timed

from ppocr import __version__
from ppocr.cv import cv2
from ppocr.data.memory import keep_freed_memory
from ppocr.data.sample import Failure, Index
from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.data.transforms import build_transforms
from ppocr.metrics.det import DetMetric
from ppocr.postprocess.db import DBPostProcess
from ppocr.results import Detection

MAPS = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")


def about(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Return the versions of what takes part."""
    return {"python": platform.python_version(), "ppocr": __version__, "numpy": np.__version__,
            "opencv": cv2.__version__}, {}


class Samples:
    """Makes training samples, and keeps the data sets that were asked for."""

    def __init__(self) -> None:
        self._datasets: dict[str, SimpleDataSet] = {}

    def __call__(self, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        """Make `count` samples; the answer has the seconds and means of the maps."""
        key = json.dumps([request["transforms"], request["labels"]])
        if key not in self._datasets:
            self._datasets[key] = SimpleDataSet(request["labels"], request["data_dir"], request["transforms"],
                                                task="det")
        dataset = self._datasets[key]
        dataset.seed = request["seed"]
        sums, seconds, failures = np.zeros(len(MAPS)), 0.0, 0
        for position in range(request["first"], request["first"] + request["count"]):
            started = time.process_time()
            sample = dataset[Index(0, position % len(dataset))]
            seconds += time.process_time() - started
            if isinstance(sample, Failure):
                failures += 1
                continue
            sums += [sample[name].mean() for name in MAPS]
        return {"seconds": [seconds], "means": (sums / request["count"]).tolist(), "failures": failures}, {}


def crop(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Return one sample as the transforms left it, with the regions that lie inside of it."""
    dataset = SimpleDataSet(request["labels"], request["data_dir"], request["transforms"], seed=request["seed"],
                            task="det")
    sample = dataset[Index(0, request["position"] % len(dataset))]
    if isinstance(sample, Failure):
        raise ValueError(f"{sample.info.path}: {sample.reason}")
    height, width = sample["image"].shape[:2]
    inside = [(polygon, ignored) for polygon, ignored in zip(sample["polys"], sample["ignore_tags"], strict=True)
              if polygon.min() >= 0 and (polygon.max(axis=0) <= (width - 1, height - 1)).all()]
    return {}, {"image": sample["image"], "ignore_tags": np.array([ignored for _, ignored in inside], bool),
                **pack([polygon for polygon, _ in inside])}


def run_transforms(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Run transforms on one picture with polygons."""
    pipeline = build_transforms(request["transforms"])

    def prepare() -> dict[str, Any]:
        polygons = unpack(given)
        return {"image": given["image"].copy(), "polys": polygons, "ignore_tags": given["ignore_tags"].tolist(),
                "texts": [""] * len(polygons), "rng": np.random.default_rng(0), "epoch": 0, "counts": {}}

    seconds, sample = timed(prepare, pipeline, request["repeats"])
    maps = {name: sample[name] for name in request["keep"]}
    return {"seconds": seconds}, {**maps, **pack(sample["polys"])}


def run_postprocess(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Find the boxes in maps."""
    post_process = DBPostProcess(**request["arguments"])
    seconds, found = timed(dict, lambda _: post_process(given), request["repeats"])
    return {"seconds": seconds}, pack(list(found[0].polygons), "boxes")


def run_metric(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Count the boxes that match labelled regions."""
    boxes = unpack(given, "boxes")
    results = [Detection(tuple(boxes), np.ones(len(boxes), np.float32))]
    batch = {"polys": [unpack(given, "truth")], "ignore_tags": [given["ignore_tags"].tolist()]}

    def work(metric: DetMetric) -> DetMetric:
        metric.update(results, batch)
        return metric

    seconds, metric = timed(DetMetric, work, request["repeats"])
    state = metric.state()
    return {"seconds": seconds, "counts": [state[name] for name in ("matched", "regions", "detections")]}, {}


if __name__ == "__main__":
    cv2.setNumThreads(1)
    keep_freed_memory()  # As in every worker of the loader.
    serve({"about": about, "crop": crop, "samples": Samples(), "transform": run_transforms,
           "postprocess": run_postprocess, "metric": run_metric})
