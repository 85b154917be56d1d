"""Read text lines with an exported model: ``python tools/infer/predict_rec.py --rec_model_dir DIR --image_dir X``.

Prints ``path<TAB>text<TAB>score`` for each picture. The model's folder holds all settings; options override them.
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

from ppocr.coerce import coerce
from ppocr.commands import run_command
from ppocr.errors import ConfigError
from ppocr.infer import TextRecognizer
from ppocr.infer.files import read_files

__all__ = ["TextRecognizer", "main"]


def boolean(text: str) -> bool:
    """Return the truth value that an option states; ``--use_gpu=False`` is false, and nonsense is an error."""
    try:
        return bool(coerce(text, bool, "option"))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false") from error


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options; what is not given is left to the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rec_model_dir", required=True, metavar="DIR", help="folder of the exported model")
    parser.add_argument("--image_dir", required=True, nargs="+", metavar="PATH",
                        help="pictures, folders, patterns, or .txt files with a path on each line")
    parser.add_argument("--output", metavar="FILE", help="also write the results as JSON lines")
    parser.add_argument("--visualize", metavar="FILE", help="also draw a sheet with pictures and texts")
    parser.add_argument("--vis_font_path", metavar="FILE", help="font of the sheet (default: DejaVu Sans)")
    parser.add_argument("--rec_batch_num", type=int, metavar="N", help="most pictures in a batch (default: 6)")
    parser.add_argument("--rec_image_shape", metavar="C,H,W", help='image shape, such as "3,48,320"')
    parser.add_argument("--rec_char_dict_path", metavar="FILE", help="dictionary, one character a line")
    parser.add_argument("--use_space_char", type=boolean, metavar="BOOL", help="whether the space follows it")
    parser.add_argument("--max_text_length", type=int, metavar="N", help="longest text, for models that ask for it")
    parser.add_argument("--rec_postprocess", metavar="NAME", help="decoder, for folders without inference.yml")
    parser.add_argument("--dynamic_width", type=boolean, metavar="BOOL",
                        help="widen the image for long lines instead of squeezing it")
    parser.add_argument("--backend", metavar="NAME", help="what runs the network (default: paddle)")
    parser.add_argument("--use_gpu", type=boolean, metavar="BOOL", help="default: if there is one")
    parser.add_argument("--gpu_id", type=int, metavar="N", help="which GPU")
    parser.add_argument("--gpu_mem", type=int, metavar="MB", help="GPU memory to reserve")
    parser.add_argument("--cpu_threads", type=int, metavar="N", help="threads of one call on CPU")
    parser.add_argument("--enable_mkldnn", type=boolean, metavar="BOOL", help="use oneDNN on CPU (default: true)")
    parser.add_argument("--plugins", nargs="+", metavar="MODULE", help="modules that register what the model needs")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a picture could not be read."""
    arguments = vars(build_parser().parse_args(argv))
    sources, output = arguments.pop("image_dir"), arguments.pop("output")
    visualize, font = arguments.pop("visualize"), arguments.pop("vis_font_path")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    return read_files(TextRecognizer(arguments), sources, output=output, visualize=visualize, font_path=font)


if __name__ == "__main__":
    sys.exit(run_command(main))
