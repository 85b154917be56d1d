"""Render words as a data set for text recognition: images, train.txt, test.txt and a manifest.

    python tools/render_words.py --output data/words --count 4000 --test_count 400
    python tools/render_words.py --output data/greek --charset_file greek.txt --fonts my_fonts --difficulty 0.5

The same arguments give the same bytes; an interrupted run goes on where it stopped when it is started again.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from ppocr.commands import run_command
from ppocr.data.synth.dataset import SynthSettings, write_dataset
from ppocr.data.synth.settings import TextSettings

SECONDS_BETWEEN_REPORTS = 2.0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; the defaults are those of `SynthSettings`."""
    default = SynthSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_writing_options(parser, count=2000, test_count=200)
    parser.add_argument("--height", type=int, default=default.height, help="rows of the images (default: %(default)s)")
    add_text_options(parser, default)
    return parser


def add_writing_options(parser: argparse.ArgumentParser, count: int, test_count: int) -> None:
    """Add the options that say how much is written, and where to."""
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="folder to write to; made if missing")
    add("--count", type=int, default=count, help="training images (default: %(default)s)")
    add("--test_count", type=int, default=test_count, help="test images (default: %(default)s)")
    add("--workers", type=int, default=1, help="processes; they do not change the result (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace what a run with other settings left in the folder")


def add_text_options(parser: argparse.ArgumentParser, default: TextSettings) -> None:
    """Add the options that say what the texts are and how they look."""
    add = parser.add_argument
    add("--difficulty", type=float, default=default.difficulty,
        help="0 (clean print) to 1 (at times hard to read) (default: %(default)s)")
    add("--corpus", choices=("auto", "words", "random", "mixed"), default=default.corpus,
        help="made-up words and numbers, random strings, or both; auto: words, or mixed with --charset_file")
    add("--case", choices=("mixed", "lower", "upper"), default=default.case, help="of made-up words")
    add("--min_length", type=int, default=default.min_length, help="characters (default: %(default)s)")
    add("--max_length", type=int, default=default.max_length, help="characters (default: %(default)s)")
    add("--charset_file", metavar="FILE", help="dictionary, one character per line (default: a-z, A-Z, 0-9)")
    add("--words_file", metavar="FILE", help="word list, one text per line, in place of the corpus")
    add("--fonts", metavar="DIR", help="folder with .ttf, .otf, .ttc files (default: those that come with Matplotlib)")
    add("--backgrounds", metavar="DIR", help="folder with photographs without text, for every second image")
    add("--quality", type=int, default=default.quality, help="of the JPEG files (default: %(default)s)")
    add("--seed", type=int, default=default.seed, help="another seed gives other samples (default: %(default)s)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return write(build_parser().parse_args(arguments), SynthSettings, write_dataset, "words")


def write(
    arguments: argparse.Namespace, settings: Callable[..., Any], writer: Callable[..., dict[str, Any]], noun: str
) -> int:
    """Write what the arguments ask for, tell about the progress and return the exit code.

    Args:
        arguments: Of `add_writing_options`; all others are those of the settings.
        settings: Makes the settings.
        writer: `write_dataset` or another function of its kind.
        noun: What the samples are, in the plural.
    """
    options = dict(vars(arguments))
    output, count, test_count = (options.pop(key) for key in ("output", "count", "test_count"))
    workers, overwrite = options.pop("workers"), options.pop("overwrite")
    started = time.monotonic()
    try:
        manifest = writer(output, count, settings(**options), test_count=test_count, workers=workers,
                          overwrite=overwrite, progress=_reporter(started, noun))
    except KeyboardInterrupt:
        print("\nthe same command goes on from here", file=sys.stderr)
        raise
    for reason in manifest["left_out"]:
        print(f"left out: {reason}")
    print(f"wrote {count} training and {test_count} test images to {output} in {time.monotonic() - started:.1f} s")
    for name in manifest["files"]:
        print(f"  {Path(output) / name}")
    return 0


def _reporter(started: float, noun: str) -> Callable[[int, int], None]:
    last = started

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_REPORTS or done == total:
            last = now
            print(f"{done}/{total} {noun}, {done / max(now - started, 1e-9):.0f} per second", flush=True)

    return report


if __name__ == "__main__":
    sys.exit(run_command(main))
