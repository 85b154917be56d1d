"""The ``ppocr`` command: ``ppocr train -c my.yml`` is ``python tools/train.py -c my.yml``.

Every script of the tools folder is a command, with the options that the script itself defines. Nothing heavy is
imported before a command is chosen.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ppocr import __version__
from ppocr.commands import USER_ERROR, run_command
from ppocr.errors import PPOCRError, did_you_mean
from ppocr.paths import project_folder

SHORT_NAMES = {
    "average_checkpoints": "average",
    "check_configs": "check",
    "export_model": "export",
    "import_model": "import",
}
"""Scripts whose command is shorter than the script's name; the long name works too."""

NOT_COMMANDS = {"program", "gen_docs"}
"""Modules of the tools folder that are not for users to run; names that begin with ``_`` are left out as well."""


class CommandError(PPOCRError):
    """A command that does not exist or cannot be run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name.

    Args:
        arguments: What follows ``ppocr``; the process's own by default.

    Returns:
        The exit status: 0, 2 for an error of usage or input, 130 when interrupted, or what the command returns.
    """
    return run_command(_dispatch, sys.argv[1:] if arguments is None else arguments)


def commands() -> dict[str, Path]:
    """Return the commands that this installation has, each with its script."""
    folder = project_folder("tools")
    if folder is None:
        return {}
    found = {}
    for script in sorted([*folder.glob("*.py"), *folder.glob("infer/*.py")]):
        if script.stem not in NOT_COMMANDS and not script.stem.startswith("_"):
            found[SHORT_NAMES.get(script.stem, script.stem).replace("_", "-")] = script
    return found


def _dispatch(arguments: Sequence[str] | None) -> int:
    words = list(arguments or ())
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else USER_ERROR
    if words[0] in ("-V", "--version", "version"):
        print(f"ppocr-toolkit {__version__}")
        return 0
    name, rest = words[0], words[1:]
    if name in BUILT_IN:
        return BUILT_IN[name][1](rest)
    available = commands()
    script = available.get(name) or _by_file_name(name, available)
    if script is None:
        known = sorted([*available, *BUILT_IN])
        hint = did_you_mean(name, known)
        raise CommandError(f"there is no command {name!r}" + (f" ({hint})" if hint else ""),
                           expected="one of " + ", ".join(known), cure="ppocr --help tells what each does")
    return _run(script, name, rest)


def _by_file_name(name: str, available: dict[str, Path]) -> Path | None:
    """Find a command by the name of its script, so that export_model and export-model work as export does."""
    stem = name.removesuffix(".py").replace("-", "_")
    return next((script for script in available.values() if script.stem == stem), None)


def _run(script: Path, command: str, arguments: list[str]) -> int:
    entry = getattr(_load(script), "main", None)
    if entry is None:
        raise CommandError(f"{script} has no function main",
                           expected="main(argv: Sequence[str] | None = None) -> int",
                           cure="define it, or begin the file's name with _ if it is not a command")
    # Parsers take the program's name from here, for their help and error texts.
    sys.argv = [f"ppocr {command}", *arguments]
    return int(entry(arguments) or 0)


def _load(script: Path) -> Any:
    """Import a script as a module of ``ppocr.tools``, the name that it has in a wheel, wherever it lies."""
    folder = next(parent for parent in script.parents if parent.name == "tools")
    if importlib.util.find_spec("ppocr.tools") is None:
        # A checkout that is not installed: nothing has told Python yet where ppocr.tools is.
        spec = importlib.machinery.ModuleSpec("ppocr.tools", None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules["ppocr.tools"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(".".join(("ppocr.tools", *script.relative_to(folder).with_suffix("").parts)))


def _summary(script: Path) -> str:
    """Return what a script is for: its docstring up to the example, read without running the script."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    sentence = docstring.split("\n\n")[0].replace("\n", " ").split(": ``")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _help() -> str:
    rows = {name: _summary(script) for name, script in commands().items()}
    rows |= {name: text for name, (text, _) in BUILT_IN.items()}
    width = max(len(name) for name in rows)
    lines = [
        f"ppocr-toolkit {__version__}: train, evaluate, export and run OCR: text detection, direction and recognition",
        "",
        "usage: ppocr COMMAND [OPTIONS]          ppocr COMMAND --help tells the options of a command",
        "       ppocr --version",
        "",
        *(f"  {name:<{width}}  {rows[name]}" for name in sorted(rows)),
    ]
    return "\n".join(lines)


def _doctor(arguments: list[str]) -> int:
    from ppocr.doctor import main as doctor

    return doctor(arguments)


def _configs(arguments: list[str]) -> int:
    """Print the shipped configurations, those whose path holds all of the given words."""
    if {"-h", "--help"} & set(arguments):
        print(f"usage: ppocr configs [WORD ...]\n\n{BUILT_IN['configs'][0]}")
        return 0
    folder = project_folder("configs")
    files = sorted(file for file in folder.rglob("*.yml") if "_base_" not in file.parts) if folder else []
    shown = [file for file in files if all(word in str(file.relative_to(folder or file)) for word in arguments)]
    print("\n".join(map(str, shown)) or "no configuration matches")
    return 0 if shown else USER_ERROR


BUILT_IN: dict[str, tuple[str, Callable[[list[str]], int]]] = {
    "configs": ("list the shipped configurations (ppocr configs rec: those with rec in their path)", _configs),
    "doctor": ("print versions and hardware, and what to do about what is missing", _doctor),
}
"""Commands that are not scripts, each with its help and function."""


if __name__ == "__main__":
    sys.exit(main())
