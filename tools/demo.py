"""Read photographs, fine-tune a published model and train small ones, in a quarter of an hour on a CPU.

First, photographs (and --images of your own) are read with published models. Then a published recognizer learns labels
of parts, some of whose characters it does not know. Then a detector and a recognizer are trained from random weights on
rendered pages, evaluated, exported, and read pages that they have not seen. Each step is one of the commands that you
would type; it is printed before it runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import run_command
from ppocr.errors import TrainingError

from . import _demo_finetune as finetuning
from . import _demo_published as published
from . import _demo_scratch as scratch
from ._demo_steps import ROOT, Bench

LEAST = {**finetuning.LEAST, **scratch.LEAST}
"""Figures below which something is wrong."""

PARTS = ("read", "finetune", "scratch")


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="only these parts")
    parser.add_argument("--images", nargs="+", default=[], metavar="FILE", help="pictures of your own to read as well")
    parser.add_argument("--labels", type=int, default=150, help="labels to fine-tune on (default: %(default)s)")
    parser.add_argument("--pages", type=int, default=600, help="pages to render for training (default: %(default)s)")
    parser.add_argument("--count", type=int, default=2400, help="words to render for training (default: %(default)s)")
    parser.add_argument("--test_pages", type=int, default=60, help="pages to hold back (default: %(default)s)")
    checkout = ROOT if (ROOT / "pyproject.toml").is_file() else Path()
    parser.add_argument("--folder", default=str(checkout), metavar="DIR",
                        help="where data/ and output/ are written (default: the checkout; if there is none, here)")
    parser.add_argument("-o", "--opt", nargs="+", default=[], metavar="KEY=VALUE", help="options for all trainings")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    bench = Bench(Path(arguments.folder).absolute(), arguments.opt)
    started = time.monotonic()
    figures: dict[str, float] = {}
    if "read" in arguments.parts:
        published.read_pictures(bench, [Path(name).absolute() for name in arguments.images])
    if "finetune" in arguments.parts:
        figures |= finetuning.finetune(bench, arguments.labels)
    if "scratch" in arguments.parts:
        figures |= scratch.FromScratch(bench).run(arguments.pages, arguments.count, arguments.test_pages)
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    print(f"\n{minutes} min {seconds} s in all. On what training did not see:")
    for name, value in figures.items():
        print(f"  {name:36} {value:.3f}")
    print(f"All results lie in {bench.folder / 'output'}, in folders that begin with quickstart.")
    check(figures)
    return 0


def check(figures: Mapping[str, float]) -> None:
    """Make sure that each figure reaches its minimum.

    Raises:
        TrainingError: One does not.
    """
    low = [f"{name} {value:.3f} (at least {LEAST[name]:.2f})" for name, value in figures.items() if value < LEAST[name]]
    if low:
        raise TrainingError("too low: " + ", ".join(low), expected="the figures in brackets",
                            cure="run again with more data: ppocr demo --labels 300 --pages 1600 --count 6000")


if __name__ == "__main__":
    sys.exit(run_command(main))
