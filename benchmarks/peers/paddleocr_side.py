"""PaddleOCR's side of the detection benchmark: runs in its environment and answers requests (`worker`).

Nothing of the toolkit is imported here: both packages are called ``ppocr``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import random
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from arrays import Arrays, pack, unpack
from worker import Answer, Request, Task, serve, timed

METRIC = "ppocr.metrics.eval_det_iou"
PACKAGES = ("paddlepaddle", "numpy", "opencv-python", "albumentations", "shapely", "pyclipper")


def main() -> None:
    """Answer requests, or with ``--check`` tell whether the environment is complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="folder with PaddleOCR's ppocr/ and tools/")
    parser.add_argument("--check", action="store_true", help="import what is needed, print the versions and stop")
    options = parser.parse_args()
    source = Path(options.source).resolve()
    sys.path.insert(0, str(source))
    os.chdir(source)
    imaug = load("ppocr.data.imaug")
    load("ppocr.postprocess.db_postprocess")
    load("cv2").setNumThreads(1)
    if options.check:
        print(json.dumps(versions(source)))
        return
    serve(tasks(source, imaug))


def load(name: str) -> ModuleType:
    """Import a module of the peer, or one that only its environment is sure to have."""
    return importlib.import_module(name)


def versions(source: Path) -> dict[str, str]:
    """Return the versions of what takes part; ``metric`` tells whether the metric can be compared."""
    own = {name: importlib.metadata.version(name) for name in PACKAGES}
    metric = "found" if (source / (METRIC.replace(".", "/") + ".py")).is_file() else "missing"
    return {"python": ".".join(map(str, sys.version_info[:3])), **own, "metric": metric}


def tasks(source: Path, imaug: ModuleType) -> dict[str, Task]:
    """Return what can be asked for."""
    datasets: dict[str, Any] = {}

    def about(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        return versions(source), {}

    def samples(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        key = json.dumps([request["transforms"], request["labels"]])
        if key not in datasets:
            datasets[key] = dataset_of(request)
        return one_pass(datasets[key], request)

    def transform(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
        return run_transforms(imaug, request, given)

    return {"about": about, "samples": samples, "transform": transform, "postprocess": run_postprocess,
            "metric": run_metric}


class CountingLogger:
    """Counts the samples that failed: the peer logs each, and then takes another one in its place."""

    def __init__(self) -> None:
        self.failures = 0

    def info(self, text: str) -> None:
        """Ignore what is no error."""

    def error(self, text: str) -> None:
        """Count; the text of the first one is shown."""
        if not self.failures:
            print(text, file=sys.stderr)
        self.failures += 1


def dataset_of(request: Request) -> Any:
    """Return the peer's data set of a request."""
    config = {
        "Global": {},
        "Train": {
            "dataset": {"name": "SimpleDataSet", "data_dir": request["data_dir"],
                        "label_file_list": [request["labels"]], "ratio_list": [1.0],
                        "transforms": request["transforms"]},
            "loader": {"shuffle": False, "batch_size_per_card": 1, "drop_last": False, "num_workers": 0},
        },
    }
    module = load("ppocr.data.simple_dataset")
    return module.SimpleDataSet(config, "Train", CountingLogger(), seed=0)


def one_pass(dataset: Any, request: Request) -> tuple[Answer, Arrays]:
    """Make `count` samples; the answer has the seconds and means of the maps."""
    random.seed(request["seed"])
    np.random.seed(request["seed"])  # noqa: NPY002 - what the peer draws from
    dataset.logger.failures = 0
    sums, seconds = np.zeros(4), 0.0
    for position in range(request["first"], request["first"] + request["count"]):
        started = time.process_time()
        image, *maps = dataset[position % len(dataset)]  # In the order of KeepKeys.
        seconds += time.process_time() - started
        sums += [values.mean() for values in maps]
        assert image.shape[1:] == maps[0].shape
    return {"seconds": [seconds], "means": (sums / request["count"]).tolist(), "failures": dataset.logger.failures}, {}


def run_transforms(imaug: ModuleType, request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Run transforms on one picture with polygons."""
    operators = imaug.create_operators(request["transforms"], None)
    polygons, image, ignored = unpack(given), given["image"], given["ignore_tags"]

    def prepare() -> dict[str, Any]:
        longest = max(map(len, polygons))
        rows = [np.concatenate([polygon, np.repeat(polygon[-1:], longest - len(polygon), axis=0)])
                for polygon in polygons]  # As its label reader fills them up.
        return {"image": image.copy(), "polys": np.stack(rows), "ignore_tags": ignored.copy(),
                "texts": [""] * len(polygons)}

    def work(data: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = imaug.transform(data, operators)
        return result

    seconds, data = timed(prepare, work, request["repeats"])
    maps = {name: data[name] for name in request["keep"]}
    return {"seconds": seconds}, {**maps, **pack(list(np.asarray(data["polys"], np.float32)))}


def run_postprocess(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Find the boxes in maps."""
    post_process = load("ppocr.postprocess.db_postprocess").DBPostProcess(**request["arguments"])
    maps, shape = given["maps"], given["shape"]
    seconds, found = timed(dict, lambda _: post_process({"maps": maps}, shape), request["repeats"])
    boxes = [np.asarray(box, np.float32) for box in found[0]["points"]]
    return {"seconds": seconds}, pack(boxes, "boxes")


def run_metric(request: Request, given: Arrays) -> tuple[Answer, Arrays]:
    """Count the boxes that match labelled regions."""
    evaluator = load(METRIC).DetectionIoUEvaluator()
    truth = [{"points": polygon, "text": "", "ignore": bool(ignored)}
             for polygon, ignored in zip(unpack(given, "truth"), given["ignore_tags"], strict=True)]
    boxes = [{"points": polygon, "text": "", "ignore": False} for polygon in unpack(given, "boxes")]
    seconds, counts = timed(dict, lambda _: evaluator.evaluate_image(truth, boxes), request["repeats"])
    return {"seconds": seconds, "counts": [counts["detMatched"], counts["gtCare"], counts["detCare"]]}, {}


if __name__ == "__main__":
    main()
