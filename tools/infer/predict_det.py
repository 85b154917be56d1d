"""Find text with an exported model: ``python tools/infer/predict_det.py --det_model_dir DIR --image_dir X``.

Prints ``name<TAB>[[[x, y], ...], ...]`` for each page of pictures, TIFF and PDF files: the corners of its text regions
in pixels. The model's folder holds all settings; options override them.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "tools.infer"

from ppocr.commands import run_command
from ppocr.infer import TextDetector
from ppocr.infer.arguments import add_page_options, predictor_parser, take_page_job
from ppocr.infer.options import DetectorOptions
from ppocr.infer.page_files import detect_pages

__all__ = ["TextDetector", "main"]


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options; what is not given is left to the model's folder."""
    parser = predictor_parser(__doc__, [DetectorOptions])
    add_page_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a page could not be read."""
    arguments = vars(build_parser().parse_args(argv))
    job = take_page_job(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    return detect_pages(TextDetector(arguments), job)


if __name__ == "__main__":
    sys.exit(run_command(main))
