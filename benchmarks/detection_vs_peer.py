"""Measure the data pipeline, the post-processing and the metric of detection side by side with PaddleOCR.

Each side works in a process and an environment of its own, on one processor core and with one thread; the two take
turns, on the same inputs, and the medians of the turns are compared. What they compute is compared as well, with each
other and with exact values, which tell who is right where they differ. benchmarks/peers/setup_paddleocr.sh makes the
peer's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import agreement
import inputs
import numpy as np
from arrays import Arrays, pack, unpack
from side import Side

from ppocr.commands import run_command
from ppocr.cv import cv2
from ppocr.errors import DependencyError

HERE = Path(__file__).resolve().parent

BLOCK = 20
"""Training samples that a side makes before it is the other one's turn: the speed of a machine drifts."""


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Args:
        name: What was measured.
        unit: ``"samples/s"`` or ``"ms"``.
        ours: The toolkit's value.
        peer: The peer's value.
        factor: How many times faster the toolkit is.
        target: The factor that is aimed at.
        agreement: How well the results agree.
    """

    name: str
    unit: str
    ours: float
    peer: float
    factor: float
    target: float
    agreement: dict[str, Any]


class Benchmark:
    """Runs the comparisons.

    Args:
        ours: This toolkit.
        peer: PaddleOCR.
        options: The command line.
    """

    def __init__(self, ours: Side, peer: Side, options: argparse.Namespace) -> None:
        self.sides = (ours, peer)
        self.ours = ours
        self.options = options
        self.data: dict[str, Any] = {"data_dir": str(Path(options.data_dir).resolve()),
                                     "labels": str(Path(options.labels).resolve())}

    def training(self, name: str, target: float) -> Measure:
        """Make training samples from photos with the transforms of a published configuration."""
        transforms = inputs.TRAINING[name]
        rates: tuple[list[float], list[float]] = ([], [])
        means: tuple[list[Any], list[Any]] = ([], [])
        failures = [0, 0]
        for turn in range(self.options.repeats + 1):
            count = self.options.samples if turn else BLOCK  # The first turn warms up.
            seconds = [0.0, 0.0]
            for first in range(0, count, BLOCK):
                for place, side in enumerate(self.sides):
                    answer, _ = side.ask("samples", **self.data, transforms=transforms, first=first,
                                         count=min(BLOCK, count - first), seed=1000 * turn + first)
                    seconds[place] += answer["seconds"][0]
                    means[place].append(answer["means"])
                    failures[place] += answer["failures"]
            for place in range(len(self.sides) if turn else 0):
                rates[place].append(count / seconds[place])
        ours, peer = (statistics.median(values) for values in rates)
        found = {f"mean_{key}": [round(float(np.mean([row[column] for row in side])), 4) for side in means]
                 for column, key in enumerate(inputs.MAPS)}
        return Measure(f"training samples, {name}", "samples/s", ours, peer, ours / peer, target,
                       {**found, "failures": failures})

    def border_map(self) -> Measure:
        """Draw the threshold map of 100 words."""
        given = inputs.border_input()
        seconds, results = self._turns("transform", given, transforms=inputs.BORDER_MAP,
                                       keep=["threshold_map", "threshold_mask"], repeats=self.options.inner)
        exact = agreement.exact_maps(given["image"].shape[:2], unpack(given), [True] * 100)
        return _milliseconds("MakeBorderMap, 100 polygons", seconds, 5,
                             agreement.compare_borders(results[0], results[1], exact))

    def postprocess(self) -> Measure:
        """Find 800 words in a map."""
        given, arguments = inputs.postprocess_input(), inputs.POSTPROCESS
        seconds, results = self._turns("postprocess", given, arguments=arguments, repeats=self.options.inner)
        boxes = [unpack(result, "boxes") for result in results]
        exact = list(agreement.exact_boxes(given, arguments["thresh"], arguments["unclip_ratio"]))
        report = {"ours_and_peer": agreement.match_boxes(*boxes)}
        report |= {f"{name}_and_exact": agreement.match_boxes(found, exact)
                   for name, found in zip(("ours", "peer"), boxes, strict=True)}
        return _milliseconds("DBPostProcess, 800 regions", seconds, 5, report)

    def metric(self) -> Measure:
        """Compare 200 found boxes with 200 labelled ones."""
        counts: list[Any] = []
        seconds, _ = self._turns("metric", inputs.metric_input(), counts, repeats=max(self.options.inner // 10, 1))
        names = ("matched", "regions", "detections")
        return _milliseconds("DetMetric, 200 x 200 boxes", seconds, 20,
                             {name: [side[place] for side in counts[-2:]] for place, name in enumerate(names)})

    def targets(self) -> dict[str, Any]:
        """Compare the targets of crops of photos, whose polygons have fractions."""
        reports = []
        for position in range(self.options.crops):
            _, given = self.ours.ask("crop", **self.data, transforms=inputs.CROPS, seed=0, position=position)
            polygons, ignored = unpack(given), given["ignore_tags"].tolist()
            if all(ignored):
                continue
            results = [side.ask("transform", given, transforms=inputs.TARGETS, keep=["image", *inputs.MAPS],
                                repeats=1)[1] for side in self.sides]
            texts = [polygon for polygon, skipped in zip(polygons, ignored, strict=True) if not skipped]
            large = [bool(np.ptp(polygon, axis=0).min() >= 8) for polygon in texts]
            exact = agreement.exact_maps(given["image"].shape[:2], texts, large)
            reports.append(agreement.compare_targets(results[0], results[1], exact))
        return {"crops": len(reports), **(agreement.worst(reports) if reports else {})}

    def augmentation(self) -> dict[str, float]:
        """Compare mirroring, turning and scaling by fixed values."""
        photo = _test_picture()
        quad = np.array([[40, 30], [200, 50], [190, 110], [35, 90]], np.float32)
        given = {"image": photo, "ignore_tags": np.zeros(2, bool), **pack([quad, quad + 150])}
        # The peer's Affine turns the other way than imgaug's, for which its configurations were written.
        results = [side.ask("transform", given, transforms=inputs.fixed_augment(degrees), keep=["image"], repeats=1)[1]
                   for side, degrees in zip(self.sides, (10, -10), strict=True)]
        report = agreement.match_boxes(*(unpack(result) for result in results))
        pictures = [result["image"].astype(float) for result in results]
        report["mean_image_difference"] = float(np.abs(pictures[0] - pictures[1]).mean())
        return report

    def _turns(self, task: str, given: Arrays, counts: list[Any] | None = None,
               **request: Any) -> tuple[tuple[list[float], list[float]], list[Arrays]]:
        """Let both sides take turns; return the seconds of each and their last results."""
        seconds: tuple[list[float], list[float]] = ([], [])
        results: list[Arrays] = [{}, {}]
        for _ in range(self.options.repeats):
            for place, side in enumerate(self.sides):
                answer, results[place] = side.ask(task, given, **request)
                seconds[place].extend(answer["seconds"])
                if counts is not None:
                    counts.append(answer["counts"])
        return seconds, results


def _milliseconds(name: str, seconds: tuple[list[float], list[float]], target: float,
                  report: dict[str, Any]) -> Measure:
    ours, peer = (statistics.median(values) for values in seconds)
    return Measure(name, "ms", ours * 1e3, peer * 1e3, peer / ours, target, report)


def _test_picture() -> Any:
    """Return a smooth picture of 600x400, uint8, so that shifts by parts of a pixel show as small differences."""
    noise = np.random.default_rng(0).uniform(0, 255, (20, 30, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (600, 400), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table or JSON."""
    options = parse(argv)
    peer_python, peer_source = Path(options.peer) / "env/bin/python", Path(options.peer) / "source"
    if not peer_python.exists() or not peer_source.is_dir():
        raise DependencyError(f"{options.peer} is not an environment of PaddleOCR", expected="a folder with env/ and "
                              "source/", cure=f"make it with benchmarks/peers/setup_paddleocr.sh {options.peer}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})  # The sides inherit it.
    own = [sys.executable, str(HERE / "peers/our_side.py")]
    other = [str(peer_python), str(HERE / "peers/paddleocr_side.py"), "--source", str(peer_source)]
    with tempfile.TemporaryDirectory() as name, Side("ppocr", own, Path(name)) as ours, \
            Side("PaddleOCR", other, Path(name)) as peer:
        result = run(Benchmark(ours, peer, options), options.only)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="folder that setup_paddleocr.sh made")
    parser.add_argument("--labels", required=True, help="label file of detection (image<TAB>JSON), such as ICDAR 2015")
    parser.add_argument("--data_dir", help="folder that its image paths start from; default: the label file's")
    parser.add_argument("--samples", type=int, default=200, help="training samples per turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side")
    parser.add_argument("--inner", type=int, default=10, help="runs of the small measurements per turn")
    parser.add_argument("--crops", type=int, default=20, help="photos whose targets are compared pixel by pixel")
    parser.add_argument("--core", type=int, default=0, help="number of the processor core (Linux)")
    parser.add_argument("--only", nargs="+", default=[], choices=sorted(PARTS), help="parts to run; default: all")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(argv)
    options.data_dir = options.data_dir or str(Path(options.labels).parent)
    return options


PARTS: dict[str, Callable[[Benchmark], Any]] = {
    "mv3": lambda benchmark: benchmark.training("det_mv3_db", 3),
    "v4": lambda benchmark: benchmark.training("PP-OCRv4_mobile_det", 3),
    "border": lambda benchmark: benchmark.border_map(),
    "post": lambda benchmark: benchmark.postprocess(),
    "metric": lambda benchmark: benchmark.metric(),
    "targets": lambda benchmark: benchmark.targets(),
    "augment": lambda benchmark: benchmark.augmentation(),
}
"""What can be measured (`Measure`) or compared (a mapping)."""


def run(benchmark: Benchmark, only: Sequence[str]) -> dict[str, Any]:
    """Run the parts and return everything, ready for JSON."""
    ours, peer = (side.ask("about")[0] for side in benchmark.sides)
    parts: dict[str, Any] = {}
    for name, part in PARTS.items():
        if only and name not in only:
            continue
        if name == "metric" and peer["metric"] == "missing":
            print("metric: left out, because the peer's is missing; see setup_paddleocr.sh", file=sys.stderr)
            continue
        found = part(benchmark)
        parts[name] = vars(found) if isinstance(found, Measure) else found
    return {"ours": ours, "peer": peer, "machine": platform.processor() or platform.machine(), "parts": parts}


def show(result: dict[str, Any]) -> None:
    """Print a table of the times, and how well the results agree."""
    print(f"{'':40} {'ppocr':>10} {'PaddleOCR':>10} {'factor':>8} {'target':>7}")
    for part in result["parts"].values():
        if "factor" in part:
            met = "" if part["factor"] >= part["target"] else "  missed"
            print(f"{part['name'] + ', ' + part['unit']:40} {part['ours']:10.2f} {part['peer']:10.2f} "
                  f"{part['factor']:7.1f}x {part['target']:6.0f}x{met}")
    for name, part in result["parts"].items():
        print(f"\n{name}:")
        for key, value in part.get("agreement", part).items():
            print(f"  {key}: {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(entry)}" for key, entry in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(run_command(main))
