"""Read pictures and documents with published models: ``ppocr ocr photo.jpg scan.pdf --save out``.

Prints the texts in reading order; --save also draws them into pictures and writes them as JSON lines. Without --model
the first system of published models is taken that is on this machine, or else PP-OCRv4_mobile is fetched. For models of
your own and all further options see predict-system.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr import hub
from ppocr.commands import run_command
from ppocr.infer import TextSystem
from ppocr.infer.page_files import PageJob, read_pages
from ppocr.infer.pages import PDF_DPI

LOGGER = logging.getLogger("ppocr")

JSON_LINES = "texts.jsonl"


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="PATH",
                        help="pictures, multi-page TIFF and PDF files, folders, patterns, or .txt files with a path on "
                        "each line")
    parser.add_argument("--model", metavar="NAME",
                        help="system of published models: " + ", ".join(hub.systems()))
    parser.add_argument("--save", metavar="DIR", help=f"also write pictures with the texts and {JSON_LINES} here")
    parser.add_argument("--use_angle_cls", action="store_true", help="turn text that is upside down")
    parser.add_argument("--min_side", type=int, metavar="N",
                        help="enlarge pictures whose shorter side is below N pixels before text is searched, for small "
                        "pictures (default: as the model's publisher does)")
    parser.add_argument("--drop_score", type=float, default=0.5, metavar="P",
                        help="leave out texts of a lower score (default: %(default)s)")
    parser.add_argument("--page_num", type=int, default=0, metavar="N",
                        help="only the first N pages of each file (default: all)")
    parser.add_argument("--pdf_dpi", type=int, default=PDF_DPI, metavar="N",
                        help="pixels per inch at which pages of PDF files are drawn (default: %(default)s)")
    parser.add_argument("--font", metavar="FILE", help="font of the pictures (default: DejaVu Sans)")
    parser.add_argument("--backend", choices=("paddle", "onnxruntime"),
                        help="what runs the networks (default: by the models' files)")
    parser.add_argument("--cpu_threads", type=int, metavar="N", help="threads of one call")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a page could not be read."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    model = arguments.model or hub.local_system()
    if model != hub.systems()[0] and arguments.model is None:
        LOGGER.info("%s is not on this machine: %s is taken, which is. --model chooses another, ppocr models lists "
                    "them.", hub.systems()[0], model)
    system = TextSystem(model=model, use_angle_cls=arguments.use_angle_cls, drop_score=arguments.drop_score,
                        backend=arguments.backend, cpu_threads=arguments.cpu_threads,
                        det_limit_side_len=arguments.min_side,
                        det_limit_type=None if arguments.min_side is None else "min")
    save = None if arguments.save is None else Path(arguments.save)
    job = PageJob(arguments.sources, output=save and save / JSON_LINES, pictures=save, font_path=arguments.font,
                  page_num=arguments.page_num, pdf_dpi=arguments.pdf_dpi)
    return read_pages(system, job, bare=True)


if __name__ == "__main__":
    sys.exit(run_command(main))
