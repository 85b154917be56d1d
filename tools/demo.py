"""The whole path on rendered words, in minutes on a CPU: render, train, evaluate, export, read pictures.

Each step is one of the commands that a user would type; it is printed before it runs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

from ppocr.commands import run_command
from ppocr.errors import TrainingError

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/quickstart/rec.yml"
WORDS = Path("data/quickstart/words")
OUTPUT = Path("output/quickstart_rec")
WANTED_ACCURACY = 0.90
PICTURES = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=8000, help="words to render for training")
    parser.add_argument("-o", "--opt", nargs="+", default=[], metavar="KEY=VALUE", help="options for training")
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    _say("1/5 Render words")
    _run("tools/render_words.py", "--output", str(WORDS), "--count", str(arguments.count), "--test_count", "500",
         "--seed", "7")
    _say("2/5 Train")
    _run("tools/train.py", "-c", CONFIG, *_options(arguments.opt))
    best = f"Global.pretrained_model={OUTPUT / 'best_accuracy'}"
    _say("3/5 Evaluate on words that training did not see")
    _run("tools/eval.py", "-c", CONFIG, "-o", best, "--json", str(OUTPUT / "eval.json"))
    _say("4/5 Export, and compare the exported model with the trained one")
    _run("tools/export_model.py", "-c", CONFIG, "-o", best)
    _say("5/5 Read pictures with the exported model")
    pictures = OUTPUT / "pictures.txt"
    lines = (ROOT / WORDS / "test.txt").read_text(encoding="utf-8").splitlines()[:PICTURES]
    (ROOT / pictures).write_text("".join(f"{WORDS / line.split(chr(9))[0]}\n" for line in lines), encoding="utf-8")
    sheet = OUTPUT / "demo.png"
    _run("tools/infer/predict_rec.py", "--rec_model_dir", str(OUTPUT / "inference"), "--image_dir", str(pictures),
         "--visualize", str(sheet))
    accuracy = json.loads((ROOT / OUTPUT / "eval.json").read_text(encoding="utf-8"))["acc"]
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    print(f"\nWord accuracy {accuracy:.3f} on held-back words, after {minutes} min {seconds} s in all.")
    print(f"The model: {OUTPUT / 'inference'}    What it read: {sheet}")
    if accuracy < WANTED_ACCURACY:
        raise TrainingError(f"the word accuracy is {accuracy:.3f}", expected=f"at least {WANTED_ACCURACY}",
                            cure="run again with more words: python tools/demo.py --count 12000")
    return 0


def _say(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def _options(options: Sequence[str]) -> list[str]:
    return ["-o", *options] if options else []


def _run(script: str, *arguments: str) -> None:
    """Run one of the scripts from the checkout's root, and stop the demo when it fails."""
    print("$ python " + shlex.join([script, *arguments]), flush=True)
    code = subprocess.run([sys.executable, script, *arguments], cwd=ROOT, check=False).returncode
    if code:
        raise TrainingError(f"{script} ended with code {code}", expected="code 0",
                            cure="see its message above; the steps can be run one by one")


if __name__ == "__main__":
    sys.exit(run_command(main))
