"""Train a model: ``python tools/train.py -c configs/quickstart/rec.yml -o Global.epoch_num=5``.

On several GPUs: ``python -m paddle.distributed.launch --gpus 0,1 tools/train.py -c ...``
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = base_parser("Train a model.").parse_args(argv)
    # Imported here, so that --help does not wait for Paddle.
    from .program import prepare, start_training, train

    config, device = prepare(arguments.config, arguments.opt, name="train")
    run = start_training(config, device)
    train(run)
    return run.stop.exit_code if run.stop else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
