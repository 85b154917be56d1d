"""Tell text lines that are upside down: ``python tools/infer/predict_cls.py --cls_model_dir DIR --image_dir X``.

Prints ``path<TAB>label<TAB>score`` for each picture. The model's folder holds all settings; options override them.
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
from ppocr.infer import TextClassifier
from ppocr.infer.arguments import add_picture_options, predictor_parser
from ppocr.infer.files import classify_files
from ppocr.infer.options import ClassifierOptions

__all__ = ["TextClassifier", "main"]


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options; what is not given is left to the model's folder."""
    parser = predictor_parser(__doc__, [ClassifierOptions])
    add_picture_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a picture could not be read."""
    arguments = vars(build_parser().parse_args(argv))
    sources, output = arguments.pop("image_dir"), arguments.pop("output")
    visualize, font = arguments.pop("visualize"), arguments.pop("vis_font_path")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    return classify_files(TextClassifier(arguments), sources, output=output, visualize=visualize, font_path=font)


if __name__ == "__main__":
    sys.exit(run_command(main))
