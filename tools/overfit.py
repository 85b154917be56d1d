"""See whether a model can learn one batch: ``python tools/overfit.py -c configs/quickstart/rec.yml``.

Trains on the first samples of the first training batch, the same tensors in each step, with the run's own loss,
optimizer and precision at the highest rate of its schedule. A set-up that cannot learn these by heart will learn
nothing. Exit status 0: learned, 1: not learned. Nothing is saved.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import base_parser, run_command

if TYPE_CHECKING:
    from ppocr.engine.overfitting import Trace

NOT_LEARNED = 1
_WIDTH = 40


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = base_parser("See whether a model can learn one batch by heart.")
    parser.add_argument("--steps", type=int, default=500, metavar="N", help="most optimizer steps (500)")
    parser.add_argument("--samples", type=int, default=8, metavar="N", help="samples of the batch that are used (8)")
    parser.add_argument("--target", type=float, default=0.8, metavar="SCORE",
                        help="main indicator of the metric at which the batch counts as learned (0.8)")
    parser.add_argument("--rate", type=float, metavar="RATE",
                        help="learning rate, in place of the highest of Optimizer.lr")
    arguments = parser.parse_args(argv)
    if arguments.steps < 1 or arguments.samples < 1:
        parser.error("--steps and --samples are numbers of at least 1")
    with tempfile.TemporaryDirectory(prefix="overfit") as scratch:
        options = [*arguments.opt, f"Global.save_model_dir={scratch}"]
        return run_test(arguments.config, options, steps=arguments.steps, samples=arguments.samples,
                        target=arguments.target, rate=arguments.rate)


def run_test(config_file: str, options: Sequence[str], *, steps: int, samples: int, target: float,
             rate: float | None) -> int:
    """Run the test, print its course, and return the exit code.

    Args:
        config_file: YAML file.
        options: Overrides.
        steps: Steps at most.
        samples: Samples of the batch.
        target: Score at which it is learned.
        rate: Learning rate; None takes the highest of the schedule.
    """
    # Imported here, so that --help does not wait for Paddle.
    from ppocr.config import load_config
    from ppocr.engine.builder import build_training
    from ppocr.engine.logger import stop_logging
    from ppocr.engine.overfitting import OVERRIDES, advice, first_batch, highest_rate, overfit, overrides_for_regions

    from .program import prepare, train_step

    overrides = [*options, *OVERRIDES]
    overrides += overrides_for_regions(load_config(config_file, overrides))
    try:
        config, device = prepare(config_file, overrides, name="overfit")
        run = build_training(config, device)
        run.average = None
        batch = first_batch(run, samples)
        used = rate or highest_rate(run)
        print(f"{len(batch['info'])} samples, learning rate {used:g}, at most {steps} steps; learned at "
              f"{run.metric.main_indicator} {target:g} in evaluation mode")
        trace = overfit(run, functools.partial(train_step, run, group=1, update=True), batch, steps=steps,
                        target=target, rate=used, every=max(1, min(20, steps // 10)), report=_print_line)
    finally:
        stop_logging()
    if trace.is_learned:
        print(f"learned: {trace.indicator} {trace.scores[-1][1]:.4f} after {trace.scores[-1][0]} steps")
        return 0
    reached = f"{trace.indicator} {trace.scores[-1][1]:.4f}" if trace.scores else "no metric"
    print(f"not learned: {reached} after {len(trace.losses)} steps. Look at:")
    for hint in advice(trace):
        print(f"  - {hint}")
    return NOT_LEARNED


def _print_line(trace: Trace) -> None:
    number, value = trace.scores[-1]
    loss = trace.losses[-1]
    bar = "#" * max(1, min(_WIDTH, round(_WIDTH * loss / max(trace.losses[0], 1e-12))))
    print(f"step {number:>5}  loss {loss:>10.4f}  {trace.indicator} {value:.4f}  {bar}", flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main))
