"""The demo's first part: pictures are read with published models."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ppocr import hub

from ._demo_steps import Bench

READ = Path("output/quickstart_reading")

PHOTOGRAPHS = ("page.png", "text.png")
"""Photographs of text that come with scikit-image."""


def read_pictures(bench: Bench, pictures: Sequence[Path]) -> None:
    """Read photographs, and the user's own pictures, with the published system that is on this machine.

    Args:
        bench: The folder.
        pictures: The user's own, as full paths.
    """
    bench.say("1/3 Read photographs with published models")
    name = hub.local_system()
    parts = hub.system(name).parts
    missing = [model for model in (parts["det"], parts["rec"]) if not is_here(model)]
    if missing:
        bench.note(how_to_get(missing))
        return
    found = photographs()
    if not found:
        bench.note("scikit-image brings two photographs of text; it is not installed or lacks them: pip install "
                   "scikit-image")
    if not [*pictures, *found]:
        bench.note("There is nothing to read: name pictures with --images.")
        return
    bench.run("tools/ocr.py", *map(str, [*pictures, *found]), "--model", name, "--save", str(READ), good=(0, 1))
    bench.note(f"Pictures with the texts beside them: {READ}")


def photographs() -> list[Path]:
    """Return the photographs that scikit-image brings, as files; the package is not imported."""
    spec = importlib.util.find_spec("skimage")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return [file for place in places for name in PHOTOGRAPHS if (file := Path(place) / "data" / name).is_file()]


def is_here(model: str, form: str | None = None) -> bool:
    """Tell whether a published model is on this machine, in a format if one is given."""
    return any(entry.name == model and entry.is_local and (form is None or form in entry.formats)
               for entry in hub.available())


def how_to_get(models: Sequence[str]) -> str:
    """Return what to do to have published models."""
    entries = [entry for entry in hub.available() if entry.name in models]
    commands = dict.fromkeys(entry.installable[0] for entry in entries if entry.installable)
    cure = " and ".join(commands) or "ppocr models tells where they are to be had"
    return f"Left out, for want of {' and '.join(models)} on this machine. To have what is missing:\n    {cure}"
