"""Find a learning rate by a range test: ``python tools/lr_find.py -c configs/quickstart/rec.yml --steps 100``.

The rate rises exponentially while the model trains for some steps. Writes lr_find.json and lr_find.png into
Global.save_model_dir; the weights are not kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command
from ppocr.config import load_config
from ppocr.cv import cv2
from ppocr.errors import ConfigError
from ppocr.fileio import atomic_write
from ppocr.sections import where

if TYPE_CHECKING:
    from ppocr.engine.lr_range import RangeResult, RangeTest


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = base_parser("Find a learning rate: train for some steps while the rate rises, and look at the loss.")
    parser.add_argument("--start", type=float, default=1e-6, metavar="RATE", help="rate of the first step (1e-6)")
    parser.add_argument("--end", type=float, default=1.0, metavar="RATE", help="rate of the last step (1)")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="most optimizer steps (100)")
    arguments = parser.parse_args(argv)
    # Imported here, so that --help does not wait for Paddle.
    from ppocr.engine.lr_range import RangeTest

    options = load_config(arguments.config, arguments.opt)["Global"]
    if options["checkpoints"]:
        raise ConfigError(f"{where(options, 'checkpoints')} is set: the test begins where a training begins",
                          expected="no checkpoint to resume from", cure="add -o Global.checkpoints=null")
    test = RangeTest(arguments.start, arguments.end, arguments.steps)
    key, factor = run_test(test, arguments.config, arguments.opt)
    result = test.result()
    folder = Path(options["save_model_dir"])
    write_result(folder, result)
    print(f"{folder / 'lr_find.json'}, {folder / 'lr_find.png'}")
    print(advice(result, key, factor))
    return 0


def run_test(test: RangeTest, config_file: str, overrides: Sequence[str]) -> tuple[str, float]:
    """Run the test with a configuration, in a folder that is removed afterwards.

    Returns:
        The key of ``Optimizer.lr`` that holds the rate, and the factor that ``lr.scaling`` multiplies it by.

    Raises:
        ConfigError: Several processes were started.
    """
    from ppocr.engine.builder import build_training
    from ppocr.engine.feature_cache import FeatureCaching
    from ppocr.engine.hooks import HookList
    from ppocr.engine.logger import stop_logging

    from .program import prepare, train

    with tempfile.TemporaryDirectory(prefix="lr_find") as scratch:
        try:
            config, device = prepare(config_file, [*overrides, f"Global.save_model_dir={scratch}"], name="lr_find")
            run = build_training(config, device)
            if run.world_size > 1:
                raise ConfigError(f"{run.world_size} processes were started for the range test",
                                  expected="one process", cure="start it without the launcher; to test the batch of "
                                  "several, set Global.accumulation_steps")
            curve = run.schedule.curve
            caching = [hook for hook in run.hooks.hooks if isinstance(hook, FeatureCaching)]
            run.hooks, run.average = HookList([*caching, test]), None
            train(run)
            if run.stop is not None and run.stop.interrupted:
                raise KeyboardInterrupt
        finally:
            stop_logging()  # Its file is in the folder.
    return curve.peak_key, curve.batch_factor


def write_result(folder: Path, result: RangeResult) -> None:
    """Write ``lr_find.json`` and, where there is a curve, ``lr_find.png``."""
    from ppocr.engine.lr_picture import draw_range_test

    with atomic_write(folder / "lr_find.json", "w") as file:
        json.dump(result.to_dict(), file, indent=2)
    if len(result.smoothed) > 1:
        _, png = cv2.imencode(".png", draw_range_test(result))
        with atomic_write(folder / "lr_find.png") as file:
            file.write(png.tobytes())


def advice(result: RangeResult, key: str, factor: float) -> str:
    """Return what the result means, and the override to use.

    Args:
        result: The result.
        key: Key of ``Optimizer.lr`` that holds the rate.
        factor: What ``Optimizer.lr.scaling`` multiplies that rate by.
    """
    if result.suggestion is None or result.minimum is None or result.steepest is None:
        return ("No suggestion: the loss never fell. Lower --start if it diverged at once, raise --end or --steps if "
                "it stayed where it was.")
    rate = float(f"{result.suggestion / factor:.2g}")
    ended = "it diverged after" if result.diverged else "the last rate was"
    lines = [
        f"The loss falls fastest at a rate of {result.steepest:.2g} and is smallest at {result.minimum:.2g}; {ended} "
        f"{result.rates[-1]:.2g}.",
        f"Suggested: {result.suggestion:.2g}, the smaller of the steepest descent ({result.steepest:.2g}) and a tenth "
        f"of the minimum ({result.tenth_of_minimum:.2g}): too low a rate costs time, too high a rate the run.",
    ]
    if factor != 1.0:
        lines.append(f"Optimizer.lr.scaling multiplies the configured rate by {factor:g}, which is taken out below.")
    lines.append(f"  -o Optimizer.lr.{key}={rate:g}" if key != "values" else
                 f"  scale Optimizer.lr.values so that the highest is {rate:g}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(main))
