"""Write docs/config_reference.md from the code, or check that it is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import run_command
from ppocr.docs import config_reference
from ppocr.fileio import atomic_write

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "config_reference.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the reference; with ``--check`` compare only, and return 1 if the file differs from the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file is stale")
    parser.add_argument("--output", type=Path, default=REFERENCE, help="the file to write or check")
    options = parser.parse_args(argv)
    text = config_reference()
    if options.check:
        if options.output.is_file() and options.output.read_text(encoding="utf-8") == text:
            return 0
        print(f"{options.output} is stale: run make docs", file=sys.stderr)
        return 1
    with atomic_write(options.output, "w") as file:
        file.write(text)
    print(f"{options.output}: {text.count(chr(10) + '### ')} components")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
