"""Score what was read on labelled pages: ``python tools/score_pages.py --results R --label_file L --data_dir D``.

The results are those that ``tools/infer/predict_system.py --output R`` wrote. A word is right if its box fits that of
a labelled word (intersection over union above one half) and its text is the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

import numpy as np

from ppocr.commands import run_command
from ppocr.data.label_file import LabelFile
from ppocr.errors import DatasetError, SampleError
from ppocr.fileio import atomic_write
from ppocr.metrics.end_to_end import EndToEndMetric
from ppocr.regions import Region, parse_regions
from ppocr.results import Detection


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", required=True, metavar="FILE", help="JSON lines of predict_system")
    parser.add_argument("--label_file", required=True, metavar="FILE", help="labels of the same pages")
    parser.add_argument("--data_dir", default=".", metavar="DIR", help="folder that the paths in it are relative to")
    parser.add_argument("--ignore_case", action="store_true", help="compare in lower case")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    labels = read_labels(arguments.label_file, arguments.data_dir)
    metric = EndToEndMetric(ignore_case=arguments.ignore_case)
    for number, page in enumerate(read_results(arguments.results), start=1):
        regions = labels.get(Path(page["image"]).resolve())
        if regions is None:
            raise DatasetError(f"{arguments.results}:{number}: {page['image']} is not in {arguments.label_file}",
                               expected="a label for each page", cure="correct --label_file or --data_dir")
        lines = page.get("lines", [])  # A page that could not be read has none.
        polygons = tuple(np.array(line["points"], np.float32) for line in lines)
        found = Detection(polygons, np.array([line["detection_score"] for line in lines], np.float32))
        metric.update(found, [line["text"] for line in lines], regions)
    figures = metric.compute()
    print(f"{figures['samples']} pages, {figures['regions']} words: {figures['matched']} found, {figures['read']} of "
          f"them read right; {figures['detections'] - figures['matched']} boxes fit no word")
    print("  ".join(f"{name} {figures[name]:.4f}" for name in ("recall", "precision", "hmean", "found")))
    if arguments.json:
        with atomic_write(arguments.json, "w") as file:
            json.dump(figures, file, indent=2)
            file.write("\n")
    return 0


def read_labels(path: str, data_dir: str) -> dict[Path, list[Region]]:
    """Return the regions of each page of a label file by the full path of the page.

    Raises:
        DatasetError: The file or one of its lines cannot be used.
    """
    file = LabelFile(path, detection=True)
    labels = {}
    for position in range(len(file)):
        try:
            line = file.parse(position)
            regions = parse_regions(line.label)
        except SampleError as error:
            raise DatasetError(f"{path}:{file.number(position)}: {error.reason}", expected="a path, a tab and a label",
                               cure="correct the line") from None
        labels.update({(Path(data_dir) / name).resolve(): regions for name in line.paths})
    return labels


def read_results(path: str) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines, one for each page.

    Raises:
        DatasetError: The file cannot be read or is something else.
    """
    try:
        pages = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        usable = all("image" in page and ("lines" in page or "error" in page) for page in pages)
    except OSError as error:
        raise DatasetError(f"the results {path} cannot be read: {error.strerror}", expected="a file of JSON lines",
                           cure="correct --results") from None
    except (ValueError, TypeError):
        usable = False
    if not usable:
        raise DatasetError(f"{path} does not hold results of pages",
                           expected='an object {"image": …, "lines": […]} on each line, as predict_system writes them',
                           cure="give the file that tools/infer/predict_system.py --output wrote")
    return pages


if __name__ == "__main__":
    sys.exit(run_command(main))
