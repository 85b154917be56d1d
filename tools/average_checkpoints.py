"""Average checkpoints: ``python tools/average_checkpoints.py output/run --last 5 --output output/run/average``.

A fine-tuned model and the published one that it began as: ``... output/run/latest PP-OCRv4_mobile_rec --output ...``.

The result is weights with their charset, for evaluation, export and fine-tuning; a training cannot be resumed from it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import run_command
from ppocr.errors import ConfigError

if TYPE_CHECKING:
    from ppocr.engine.checkpoint_average import Average


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = _parser().parse_args(argv)
    from ppocr.engine.checkpoint_average import average_checkpoints, last_checkpoints

    prefixes = arguments.checkpoints
    if arguments.last is not None:
        if len(prefixes) != 1:
            raise ConfigError(f"--last is given with {len(prefixes)} paths", expected="one folder",
                              cure="name the folder of the run, or all checkpoints without --last")
        prefixes = last_checkpoints(prefixes[0], arguments.last)
    average = average_checkpoints(prefixes)
    if arguments.recalibrate:
        config = arguments.config or Path(prefixes[0]).parent / "config.yml"
        average.recalibrated = recalibrated(average, str(config), arguments.opt, arguments.recalibrate)
    file = average.write(arguments.output)
    members = ", ".join(f"{member.prefix.name} (step {origin['step'] if member.weights is None else 'none: exported'})"
                        for member, origin in zip(average.members, average.origins, strict=True))
    print(f"{file}: average of {members}")
    if average.recalibrated:
        print(f"The statistics of batch norms were gathered from {average.recalibrated} batches of training data.")
    elif average.statistics:
        print(f"WARNING: {len(average.statistics)} statistics of batch norms were averaged like weights. Where the "
              "checkpoints are far apart they do not fit the average: compare with --recalibrate 100.")
    return 0


def recalibrated(average: Average, config_file: str, overrides: Sequence[str], batches: int) -> int:
    """Gather the statistics of the batch norms anew, in place; return the number of batches read.

    Args:
        average: The average, whose statistics are replaced.
        config_file: Configuration of the training.
        overrides: ``Key.sub=value`` options.
        batches: Most batches of the section Train to read.
    """
    from ppocr.engine.builder import build_loader, build_model_parts
    from ppocr.engine.freezing import freeze
    from ppocr.engine.recalibration import recalibrate
    from ppocr.sections import where
    from ppocr.weights import load_into

    from .program import prepare

    if batches < 0:
        raise ConfigError(f"--recalibrate is {batches}", expected="a number of batches", cure="correct it")
    config, _ = prepare(config_file, overrides, name="average")
    options = config["Global"]
    parts = build_model_parts(config)
    load_into(parts.model, average.arrays, minimum_share=1.0)
    freezing = None if options["unfreeze_epoch"] else freeze(parts.model, options["freeze"], where(options, "freeze"))
    loader = build_loader(config, "Train", parts)
    loader.set_epoch(0)
    count = recalibrate(parts.model, loader, batches, is_held=freezing.is_held if freezing else lambda layer: False)
    state = parts.model.state_dict()
    for name in average.statistics:
        average.arrays[name] = state[name].numpy()
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Average checkpoints.")
    parser.add_argument("checkpoints", nargs="+", metavar="PATH",
                        help="the checkpoints (also exported folders and published models), or with --last the folder "
                        "of the run")
    parser.add_argument("--last", type=int, metavar="K", help="average the last K numbered checkpoints of the folder")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="path of the average, without .pdparams")
    parser.add_argument("--recalibrate", type=int, default=0, metavar="N",
                        help="gather the statistics of batch norms anew from N batches of training data")
    parser.add_argument("-c", "--config", metavar="FILE",
                        help="configuration for --recalibrate (config.yml beside the first checkpoint)")
    parser.add_argument("-o", "--opt", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
                        help="set single values of that configuration")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
