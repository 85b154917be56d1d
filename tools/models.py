"""List the published models and where they are, or fetch some: ``ppocr models PP-OCRv4_mobile``.

Without a name a table is printed and nothing is fetched. With names of models or systems their folders are made ready
in the cache (~/.cache/ppocr, or $PPOCR_HOME) and printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr import hub
from ppocr.commands import run_command


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models or systems to make ready")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--format", choices=("paddle", "onnx"),
                        help="of the files (default: what can be run here, rather paddle)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    if arguments.names:
        folders = fetch(arguments.names, arguments.format)
        shown = {name: str(folder) for name, folder in folders.items()}
        print(json.dumps(shown, indent=2) if arguments.json else "\n".join(shown.values()))
        return 0
    entries = hub.available()
    print(as_json(entries) if arguments.json else table(entries))
    return 0


def fetch(names: Sequence[str], form: str | None) -> dict[str, Path]:
    """Return the folder of each model, those of systems among them."""
    models: list[str] = []
    for name in names:
        models += hub.system(name).parts.values() if name in hub.systems() else [name]
    return {name: hub.load(name, format=form) for name in dict.fromkeys(models)}


def table(entries: Sequence[hub.Availability]) -> str:
    """Return the models as aligned lines, followed by the systems and by the commands that bring more models."""
    rows = [("name", "task", "MB", "format", "where")]
    rows += [(entry.name, entry.task, f"{entry.size:g}", ", ".join(entry.formats), where(entry)) for entry in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = [f"{name:<{widths[0]}}  {task:<{widths[1]}}  {size:>{widths[2]}}  {form:<{widths[3]}}  {place}"
             for name, task, size, form, place in rows]
    lines += ["", "Systems, for ppocr ocr and TextSystem(model=...):"]
    lines += [f"  {name}: {', '.join(hub.system(name).parts.values())}" for name in hub.systems()]
    brought: dict[str, list[str]] = {}
    for entry in entries:
        for command in entry.installable if not entry.is_local else ():
            brought.setdefault(command, []).append(entry.name)
    if brought:
        lines += ["", "Packages that carry models (their code is not used):"]
        lines += [f"  {command}: {', '.join(names)}" for command, names in brought.items()]
    return "\n".join(lines)


def where(entry: hub.Availability) -> str:
    """Return in a few words where a model is to be had."""
    if entry.cached:
        return "cache"
    if entry.packages:
        return f"package {entry.packages[0]}"
    if entry.damaged:
        return f"damaged: package {entry.damaged[0]}"
    return " or ".join([*(["pip"] if entry.installable else []), *(["download"] if entry.url else [])])


def as_json(entries: Sequence[hub.Availability]) -> str:
    """Return the models as a JSON list, with all that is known of their places."""
    listed = [{**dataclasses.asdict(entry), "cached": [str(folder) for folder in entry.cached], "where": where(entry)}
              for entry in entries]
    return json.dumps(listed, indent=2)


if __name__ == "__main__":
    sys.exit(run_command(main))
