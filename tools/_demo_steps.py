"""What the parts of the demo share: the folder, the commands that run in it, and what is printed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ppocr.errors import TrainingError

ROOT = Path(__file__).resolve().parents[1]
DATA = Path("data/quickstart")


class Bench:
    """A folder in which commands run; each is printed before.

    Args:
        folder: Where data and output are written; made if missing.
        options: ``KEY=VALUE`` for every training.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.options = list(options)
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, title: str) -> None:
        """Print the title of a step."""
        print(f"\n=== {title}", flush=True)

    def note(self, text: str) -> None:
        """Print something to know."""
        print(text, flush=True)

    def lines(self, path: Path) -> list[str]:
        """Return the lines of a text file."""
        return (self.folder / path).read_text(encoding="utf-8").splitlines()

    def write(self, path: Path, lines: Iterable[str]) -> None:
        """Write a text file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def figure(self, path: Path, key: str) -> float:
        """Return a number that a command wrote as JSON."""
        return float(json.loads((self.folder / path).read_text(encoding="utf-8"))[key])

    def config(self, name: str) -> str:
        """Return how a shipped configuration is named in the folder."""
        return self._from(ROOT / name)

    def run(self, script: str, *arguments: str, quiet: bool = False, good: Sequence[int] = (0,)) -> None:
        """Run one of the scripts in the folder.

        Args:
            script: Its path in the project.
            arguments: Its arguments.
            quiet: Do not show what it prints.
            good: Exit codes with which the demo goes on.

        Raises:
            TrainingError: It ended with another exit code.
        """
        script = self._from(ROOT / script)
        print("$ python " + shlex.join([script, *arguments]), flush=True)
        code = subprocess.run([sys.executable, script, *arguments], cwd=self.folder, check=False,
                              stdout=subprocess.DEVNULL if quiet else None).returncode
        if code not in good:
            raise TrainingError(f"{script} ended with code {code}", expected="code 0",
                                cure="see its message above; the steps can be run one by one")

    def _from(self, path: Path) -> str:
        """Return how a path is written in the folder: relative inside of it, in full elsewhere."""
        return os.path.relpath(path, self.folder) if path.is_relative_to(self.folder.resolve()) else str(path)


def options(values: Sequence[str]) -> list[str]:
    """Return command-line arguments that set values of a configuration."""
    return ["-o", *values] if values else []


def best(output: Path) -> str:
    """Return the option that names the best weights of a training."""
    return f"Global.pretrained_model={output / 'best_accuracy'}"
