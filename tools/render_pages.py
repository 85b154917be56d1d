"""Render pages as a data set for text detection: images, train.txt, test.txt and a manifest.

    python tools/render_pages.py --output data/pages --count 800 --test_count 60
    python tools/render_pages.py --output data/greek --charset_file greek.txt --fonts my_fonts --crops

A label line is path, tab, and a JSON list of words with their corners. With --crops every word is also cut out as a
detector would do it, as data for text recognition: train_words.txt, test_words.txt. The same arguments give the same
bytes; an interrupted run goes on where it stopped when it is started again.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

import argparse
from collections.abc import Sequence

from ppocr.commands import run_command
from ppocr.data.synth.page_dataset import PageSettings, write_pages

from .render_words import add_text_options, add_writing_options, write


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; the defaults are those of `PageSettings`."""
    default = PageSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_writing_options(parser, count=800, test_count=60)
    add = parser.add_argument
    add("--width", type=int, default=default.width, help="of the pages in pixels (default: %(default)s)")
    add("--height", type=int, default=default.height, help="of the pages in pixels (default: %(default)s)")
    add("--empty", type=float, default=default.empty, help="share of pages without text (default: %(default)s)")
    add("--crops", action="store_true", help="also write the words, cut out, as data for recognition")
    add_text_options(parser, default)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return write(build_parser().parse_args(arguments), PageSettings, write_pages, "pages")


if __name__ == "__main__":
    sys.exit(run_command(main))
