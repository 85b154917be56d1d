"""Read text lines with a model in training form: ``python tools/infer_rec.py -c cfg.yml --image_dir X -o ...``.

The weights are those of Global.pretrained_model or Global.checkpoints. Preprocessing and decoding are the same as in
tools/infer/predict_rec.py, without exporting first.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command
from ppocr.config import load_config
from ppocr.errors import InferenceError

PICTURES_KEY = "Global.infer_img"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a picture could not be read."""
    parser = base_parser("Read text lines with a model in training form.")
    parser.add_argument("--image_dir", nargs="+", metavar="PATH",
                        help=f"pictures, folders, patterns, or .txt lists; -o {PICTURES_KEY}=... does the same")
    parser.add_argument("--output", metavar="FILE", help="also write the results as JSON lines")
    parser.add_argument("--visualize", metavar="FILE", help="also draw a sheet with pictures and texts")
    parser.add_argument("--rec_batch_num", type=int, default=6, metavar="N", help="most pictures in a batch")
    arguments = parser.parse_args(argv)
    # Imported here, so that --help does not wait for Paddle.
    from ppocr.engine.device import select_device
    from ppocr.export.from_config import line_reader_from_config
    from ppocr.infer.files import read_files

    named = [value for key, _, value in (option.partition("=") for option in arguments.opt) if key == PICTURES_KEY]
    options = [option for option in arguments.opt if not option.startswith(PICTURES_KEY + "=")]
    config = load_config(arguments.config, options)
    sources = arguments.image_dir or named
    if not sources:
        raise InferenceError("no pictures are named", expected="--image_dir with pictures, a folder or a list",
                             cure="add --image_dir PATH")
    # By force, since Paddle has put a handler of its own on the root logger.
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr, force=True)
    select_device(config["Global"]["use_gpu"])
    return read_files(line_reader_from_config(config, arguments.rec_batch_num), sources, output=arguments.output,
                      visualize=arguments.visualize)


if __name__ == "__main__":
    sys.exit(run_command(main))
