"""Find text with a model in training form: ``python tools/infer_det.py -c cfg.yml --image_dir X -o ...``.

The weights are those of Global.pretrained_model or Global.checkpoints. Preprocessing and post-processing are the
same as in tools/infer/predict_det.py, without exporting first.
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
    """Run the command and return its exit code: 1 when a page could not be read."""
    from ppocr.infer.arguments import add_page_options, take_page_job

    parser = base_parser(f"Find text with a model in training form; -o {PICTURES_KEY}=... names pictures as well.")
    add_page_options(parser, required=False)
    arguments = parser.parse_args(argv)
    # Imported here, so that --help does not wait for Paddle.
    from ppocr.engine.device import select_device
    from ppocr.export.from_config import detector_from_config
    from ppocr.infer.page_files import detect_pages

    named = [value for key, _, value in (option.partition("=") for option in arguments.opt) if key == PICTURES_KEY]
    options = [option for option in arguments.opt if not option.startswith(PICTURES_KEY + "=")]
    config = load_config(arguments.config, options)
    arguments.image_dir = arguments.image_dir or named
    if not arguments.image_dir:
        raise InferenceError("no pictures are named", expected="--image_dir with pictures, a folder or a list",
                             cure="add --image_dir PATH")
    # By force, since Paddle has put a handler of its own on the root logger.
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr, force=True)
    select_device(config["Global"]["use_gpu"])
    return detect_pages(detector_from_config(config), take_page_job(vars(arguments)))


if __name__ == "__main__":
    sys.exit(run_command(main))
