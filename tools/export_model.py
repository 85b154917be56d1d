"""Export a trained model for prediction: ``python tools/export_model.py -c cfg.yml -o Global.pretrained_model=...``.

Writes the program, its weights and inference.yml to Global.save_inference_dir, after comparing what the exported
and the trained model read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command
from ppocr.config import load_config
from ppocr.infer.images import read_images

PIR_FLAG = "FLAGS_enable_pir_api"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = base_parser("Export a trained model, and compare the export with it.")
    parser.add_argument("--parity_images", nargs="+", metavar="PATH",
                        help="pictures, folders or lists for the comparison; rendered lines by default")
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser.parse_args(words)
    with_pir = load_config(arguments.config, arguments.opt)["Global"]["export_with_pir"]
    wanted = "1" if with_pir else "0"
    if not with_pir and os.environ.get(PIR_FLAG) != wanted:
        # Paddle reads the flag once, when it is imported, so the other format takes a process of its own.
        return subprocess.run([sys.executable, str(Path(__file__).resolve()), *words], check=False,
                              env={**os.environ, PIR_FLAG: wanted}).returncode
    from ppocr.export import export_from_config

    from .program import prepare

    config, _ = prepare(arguments.config, arguments.opt, name="export")
    pictures = read_images(arguments.parity_images) if arguments.parity_images else []
    export_from_config(config, parity_images=pictures)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
