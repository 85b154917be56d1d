"""Read pages with exported models: ``python tools/infer/predict_system.py --det_model_dir A --rec_model_dir B ...``.

Prints ``name<TAB>text<TAB>score`` for each text of each page of pictures, TIFF and PDF files, in reading order. The
models' folders hold all settings; options override them.
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
from ppocr.infer import TextSystem
from ppocr.infer.arguments import add_page_options, predictor_parser, take_page_job
from ppocr.infer.options import PREDICTOR_OPTIONS
from ppocr.infer.page_files import read_pages

__all__ = ["TextSystem", "main"]


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options; what is not given is left to the models' folders."""
    parser = predictor_parser(__doc__, PREDICTOR_OPTIONS)
    add_page_options(parser, with_font=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a page could not be read."""
    arguments = vars(build_parser().parse_args(argv))
    job = take_page_job(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    return read_pages(TextSystem(arguments), job)


if __name__ == "__main__":
    sys.exit(run_command(main))
