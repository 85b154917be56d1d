"""Train a model: ``python tools/train.py -c configs/quickstart/rec.yml -o Global.epoch_num=5``.

On several GPUs: ``python -m paddle.distributed.launch --gpus 0,1 tools/train.py -c ...``

``--dry-run`` measures shapes, memory and time with a few batches and ends; ``--debug`` looks at every number of every
step (docs/debugging.md).
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
    parser = base_parser("Train a model.")
    parser.add_argument("--debug", action="store_true",
                        help="look at every layer, loss and gradient in each step, log each step, read data without "
                        "workers, deterministic; slow")
    parser.add_argument("--dry-run", action="store_true",
                        help="train a few batches, print shapes, memory and time, save nothing, and end")
    parser.add_argument("-p", "--profiler_options", metavar="OPTIONS",
                        help="the same as -o Global.profiler_options=...")
    arguments = parser.parse_args(argv)
    # Imported here, so that --help does not wait for Paddle.
    from ppocr.engine.guards.debugging import OVERRIDES
    from ppocr.engine.ranks import sharing_failures

    from .program import measure, prepare, start_training, train

    options = [*(OVERRIDES if arguments.debug else ()), *arguments.opt]
    if arguments.profiler_options:
        options.append(f"Global.profiler_options={arguments.profiler_options}")
    if arguments.dry_run:
        measure(*prepare(arguments.config, options, name="dry_run"))
        return 0
    config, device = prepare(arguments.config, options, name="train", has_run_folder=True)
    with sharing_failures():
        run = start_training(config, device)
        train(run)
    return run.stop.exit_code if run.stop else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
