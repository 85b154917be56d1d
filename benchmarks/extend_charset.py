"""Teach the published PP-OCRv4 recognizer 20 new characters from 200 rendered words: ``--data DIR`` for real words.

``DIR`` holds ``rec/test.txt``. First the head is carried over to the larger charset; before any training step the texts
of real words must be those of the published model. Then 200 rendered words with the new characters are learned. Prints
how many texts are identical before, and the accuracy on held-back words with new characters, before and after.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = "PP-OCRv4_mobile_rec"
CONFIG = "configs/rec/PP-OCRv4_mobile_rec_finetune.yml"
NEW = "ØøÅåÆæÑñßÇçÊêÛëÎîÔôÏ"
KNOWN = "abcdefghijklmnoprstuvwxyABCDEFGHIKLMNOPRSTUVWXYZ0123456789"
TRAINED, HELD_BACK = 200, 100


def main() -> int:
    """Extend, compare, train and compare again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--words", type=int, default=500, help="real words to compare (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("output/extend_charset"))
    parser.add_argument("-o", "--opt", nargs="+", default=[], help="further options for training")
    arguments = parser.parse_args()
    data, output = arguments.data.resolve(), arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    dictionary = output / "dictionary.txt"
    run("tools/charset.py", "--model", MODEL, "--add", NEW, "--output", str(dictionary))
    train, held_back = (rendered(output, name, count) for name, count in (("train", TRAINED), ("test", HELD_BACK)))
    lines = [line.split("\t")[0] for line in (data / "rec/test.txt").read_text("utf-8").splitlines()]
    real = output / "real.txt"
    real.write_text("".join(f"{data / path}\n" for path in lines[:arguments.words]), encoding="utf-8")
    options = [f"Global.character_dict_path={dictionary}", "Global.use_space_char=true",
               f"Train.dataset.data_dir={train}", f"Train.dataset.label_file_list=[{train / 'train.txt'}]",
               f"Eval.dataset.data_dir={held_back}", f"Eval.dataset.label_file_list=[{held_back / 'train.txt'}]"]
    published = read_real(MODEL, real, output / "published.jsonl")
    carried = output / "carried"
    # Nothing moves: the rate is 0, and all but the classes is frozen with the statistics of its batch norms.
    fit(carried, [*options, "Optimizer.lr.learning_rate=0.0", "Global.epoch_num=1", "Global.eval_batch_epoch=1",
                  "Global.freeze=[backbone.*, head.ctc_encoder.*]"])
    extended = read_real(str(carried / "inference"), real, output / "extended.jsonl")
    tuned = output / "tuned"
    fit(tuned, ["Global.epoch_num=40", "Global.eval_batch_epoch=40", "Global.freeze=[backbone.*]",
                "Global.cache_augmentations=4", "Optimizer.lr.learning_rate=0.001", *options, *arguments.opt])
    before, after = (last_evaluation(folder) for folder in (carried, tuned))
    same = sum(one == other for one, other in zip(published, extended, strict=True))
    print(f"\n{len(NEW)} new characters; before training {same} of {len(published)} real words have identical texts")
    print(f"{HELD_BACK} held-back words with new characters, learned from {TRAINED}: {before:.3f} -> {after:.3f}")
    return 0


def rendered(output: Path, name: str, count: int) -> Path:
    """Render words of known and new characters, and return their folder, with ``train.txt``."""
    draw = random.Random(name)
    words = []
    for number in range(count):
        letters = [*draw.choices(KNOWN, k=draw.randint(2, 5)), NEW[number % len(NEW)], *draw.choices(NEW, k=1)]
        draw.shuffle(letters)
        words.append("".join(letters))
    file = output / f"{name}_texts.txt"
    file.write_text("\n".join(words) + "\n", encoding="utf-8")
    run("tools/render_words.py", "--output", str(output / name), "--words_file", str(file), "--count", str(count),
        "--test_count", "0", "--difficulty", "0.2", "--seed", str(len(name)))
    return output / name


def fit(folder: Path, options: list[str]) -> None:
    """Train into a folder and export the result."""
    common = ["-c", CONFIG, "-o", *options, f"Global.save_model_dir={folder}"]
    run("tools/train.py", *common)
    run("tools/export_model.py", *common, f"Global.pretrained_model={folder / 'latest'}")


def read_real(model: str, pictures: Path, output: Path) -> list[str]:
    """Return the texts of real words."""
    run("tools/infer/predict_rec.py", "--rec_model_dir", model, "--image_dir", str(pictures), "--output", str(output))
    return [str(json.loads(line)["text"]) for line in output.read_text("utf-8").splitlines()]


def last_evaluation(folder: Path) -> float:
    """Return the accuracy of a run's last evaluation."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return float([line for line in lines if line["kind"] == "eval"][-1]["acc"])


def run(script: str, *arguments: str) -> None:
    """Print and run one of the project's scripts; end with its exit code when it fails."""
    print("$ python " + shlex.join([script, *arguments]), flush=True)
    code = subprocess.run([sys.executable, script, *arguments], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
