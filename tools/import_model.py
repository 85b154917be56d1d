"""Make a training checkpoint of an exported model: ``python tools/import_model.py -c cfg.yml --model NAME --output P``.

The exported model is a folder or the name of a published model. Its weights get the names of the training network that
the configuration describes; both are run on pictures, and nothing is written if they differ.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command
from ppocr.infer.images import read_images


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = base_parser("Make a training checkpoint of an exported model, and compare the two.")
    parser.add_argument("--model", required=True, metavar="MODEL",
                        help="folder of an exported model, or name of a published one (see ppocr models)")
    parser.add_argument("--output", required=True, metavar="PREFIX",
                        help="path of the checkpoint, without .pdparams")
    parser.add_argument("--images", nargs="+", metavar="PATH",
                        help="pictures, folders or lists for the comparison; some are rendered by default")
    arguments = parser.parse_args(argv)
    from ppocr.importing import import_model

    from .program import prepare

    config, _ = prepare(arguments.config, arguments.opt, name="import")
    pictures = read_images(arguments.images) if arguments.images else []
    report = import_model(config, arguments.model, arguments.output, images=pictures)
    print(f"{report.checkpoint}: {report.load.loaded} tensors; against the exported model: {report.agreement}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
