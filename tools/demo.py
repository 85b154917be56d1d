"""The whole path on rendered pages, in minutes on a CPU: render, train, evaluate, export, read pages.

A detector learns from the pages, a recognizer from rendered words and from the words of the pages; together they read
pages that neither has seen. Each step is one of the commands that a user would type; it is printed before it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import run_command
from ppocr.errors import TrainingError

ROOT = Path(__file__).resolve().parents[1]
DET_CONFIG, REC_CONFIG = "configs/quickstart/det.yml", "configs/quickstart/rec.yml"
DATA = Path("data/quickstart")
WORDS, PAGES = DATA / "words", DATA / "pages"
DET, REC, SYSTEM = (Path(f"output/quickstart_{name}") for name in ("det", "rec", "system"))
PICTURES = 6

LEAST = {"detector: hmean": 0.90, "recognizer: word accuracy": 0.85, "both: words found and read, hmean": 0.75}
"""Figures below which something is wrong."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=800, help="pages to render for training (default: %(default)s)")
    parser.add_argument("--count", type=int, default=3000, help="words to render for training (default: %(default)s)")
    parser.add_argument("--test_pages", type=int, default=60, help="pages to hold back (default: %(default)s)")
    parser.add_argument("--folder", default=str(ROOT), metavar="DIR",
                        help="where data/ and output/ are written (default: the checkout)")
    parser.add_argument("-o", "--opt", nargs="+", default=[], metavar="KEY=VALUE", help="options for both trainings")
    arguments = parser.parse_args(argv)
    demo = Demo(Path(arguments.folder), arguments.opt)
    started = time.monotonic()
    demo.render(arguments.pages, arguments.count, arguments.test_pages)
    demo.train()
    demo.evaluate()
    demo.export()
    demo.read()
    figures = demo.figures()
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    print(f"\nOn pages and words that training did not see, after {minutes} min {seconds} s in all:")
    for name, value in figures.items():
        print(f"  {name:36} {value:.3f}")
    print(f"The models: {DET / 'inference'}, {REC / 'inference'}    What they read: {SYSTEM}")
    check(figures)
    return 0


def check(figures: Mapping[str, float]) -> None:
    """Make sure that each figure reaches its minimum.

    Raises:
        TrainingError: One does not.
    """
    low = [f"{name} {figures[name]:.3f} (at least {least:.2f})" for name, least in LEAST.items()
           if figures[name] < least]
    if low:
        raise TrainingError("too low: " + ", ".join(low), expected="the figures in brackets",
                            cure="run again with more data: python tools/demo.py --pages 1600 --count 6000")


class Demo:
    """The steps, run in a folder.

    Args:
        folder: Where data and output are written; commands run in it.
        options: ``KEY=VALUE`` for both trainings.
    """

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self.folder = folder
        self.options = list(options)
        # The recognizer learns from words of two kinds, more than the configuration counts on, hence in fewer epochs.
        self.rec_data = [
            "Global.epoch_num=5",
            f"Train.dataset.data_dir={DATA}", f"Train.dataset.label_file_list=[{DATA / 'rec_train.txt'}]",
            f"Eval.dataset.data_dir={DATA}", f"Eval.dataset.label_file_list=[{DATA / 'rec_test.txt'}]",
        ]

    def render(self, pages: int, words: int, test_pages: int) -> None:
        """Render the data."""
        self._say("1/5 Render pages, cut out their words, and render more words")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run("tools/render_pages.py", "--output", str(PAGES), "--count", str(pages), "--test_count",
                  str(test_pages), "--crops", "--seed", "7")
        self._run("tools/render_words.py", "--output", str(WORDS), "--count", str(words), "--test_count",
                  str(5 * test_pages), "--seed", "7")
        for part in ("train", "test"):
            sources = [f"pages/{part}_words.txt", f"words/{part}.txt"]
            lines = [f"{Path(name).parent}/{line}\n" for name in sources for line in self._lines(DATA / name)]
            (self.folder / DATA / f"rec_{part}.txt").write_text("".join(lines), encoding="utf-8")

    def train(self) -> None:
        """Train both models."""
        self._say("2/5 Train the detector, then the recognizer")
        self._run("tools/train.py", "-c", self._config(DET_CONFIG), *_options(self.options))
        self._run("tools/train.py", "-c", self._config(REC_CONFIG), *_options([*self.rec_data, *self.options]))

    def evaluate(self) -> None:
        """Evaluate both on what training did not see."""
        self._say("3/5 Evaluate them on pages and words that training did not see")
        self._run("tools/eval.py", "-c", self._config(DET_CONFIG), *_options([_best(DET)]),
                  "--json", str(DET / "eval.json"))
        self._run("tools/eval.py", "-c", self._config(REC_CONFIG), *_options([*self.rec_data, _best(REC)]),
                  "--json", str(REC / "eval.json"))

    def export(self) -> None:
        """Export both models."""
        self._say("4/5 Export them, and compare the exported models with the trained ones")
        self._run("tools/export_model.py", "-c", self._config(DET_CONFIG), *_options([_best(DET)]))
        self._run("tools/export_model.py", "-c", self._config(REC_CONFIG), *_options([*self.rec_data, _best(REC)]))

    def read(self) -> None:
        """Read all held-back pages, draw the first, and score what was read."""
        self._say("5/5 Read the held-back pages with the exported models")
        pages = [f"{PAGES / line.split(chr(9))[0]}\n" for line in self._lines(PAGES / "test.txt")]
        (self.folder / SYSTEM).mkdir(parents=True, exist_ok=True)
        for name, some in (("pages.txt", pages), ("pictures.txt", pages[:PICTURES])):
            (self.folder / SYSTEM / name).write_text("".join(some), encoding="utf-8")
        models = "--det_model_dir", str(DET / "inference"), "--rec_model_dir", str(REC / "inference")
        self._run("tools/infer/predict_system.py", *models, "--image_dir", str(SYSTEM / "pictures.txt"),
                  "--visualize", str(SYSTEM))
        self._run("tools/infer/predict_system.py", *models, "--image_dir", str(SYSTEM / "pages.txt"),
                  "--output", str(SYSTEM / "pages.jsonl"), quiet=True)
        self._run("tools/score_pages.py", "--results", str(SYSTEM / "pages.jsonl"), "--label_file",
                  str(PAGES / "test.txt"), "--data_dir", str(PAGES), "--ignore_case",
                  "--json", str(SYSTEM / "score.json"))

    def figures(self) -> dict[str, float]:
        """Return what was measured, under the names of `LEAST`."""
        sources = ((DET / "eval.json", "hmean"), (REC / "eval.json", "acc"), (SYSTEM / "score.json", "hmean"))
        return {name: float(json.loads((self.folder / path).read_text(encoding="utf-8"))[key])
                for name, (path, key) in zip(LEAST, sources, strict=True)}

    def _say(self, text: str) -> None:
        print(f"\n=== {text}", flush=True)

    def _lines(self, path: Path) -> list[str]:
        return (self.folder / path).read_text(encoding="utf-8").splitlines()

    def _config(self, name: str) -> str:
        return _from(self.folder, ROOT / name)

    def _run(self, script: str, *arguments: str, quiet: bool = False) -> None:
        """Run one of the scripts in the folder, and stop the demo when it fails."""
        script = _from(self.folder, ROOT / script)
        print("$ python " + shlex.join([script, *arguments]), flush=True)
        code = subprocess.run([sys.executable, script, *arguments], cwd=self.folder, check=False,
                              stdout=subprocess.DEVNULL if quiet else None).returncode
        if code:
            raise TrainingError(f"{script} ended with code {code}", expected="code 0",
                                cure="see its message above; the steps can be run one by one")


def _best(output: Path) -> str:
    return f"Global.pretrained_model={output / 'best_accuracy'}"


def _options(options: Sequence[str]) -> list[str]:
    return ["-o", *options] if options else []


def _from(folder: Path, path: Path) -> str:
    """Return how a path is written in a folder: relative inside of it, in full elsewhere."""
    return os.path.relpath(path, folder) if path.is_relative_to(folder.resolve()) else str(path)


if __name__ == "__main__":
    sys.exit(run_command(main))
