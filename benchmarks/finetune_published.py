"""Fine-tune the published PP-OCRv4 recognizer on words of photos: ``benchmarks/finetune_published.py --data DIR``.

``DIR`` holds ``rec/train.txt`` and ``rec/test.txt``. ``--words 300`` trains on the first 300 words only. Besides the
words, lines of English prose are rendered: some are mixed into the training so that what the model could read before is
not forgotten, others are read before and after to see whether it was. The result is the average of the fine-tuned and
the published weights. Prints accuracies, gains and minutes.

Two processes train, with one thread each: on two cores they read nearly twice as many words as one process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/rec/PP-OCRv4_mobile_rec_finetune_all.yml"
MODEL = "PP-OCRv4_mobile_rec"
LONGEST_LINE, REPLAYED, CHECKED = 20, 1000, 500
BATCH = 32
FIGURES = {"acc_alnum": "letters and digits", "acc": "exact", "cer": "character error rate"}


def main() -> int:
    """Prepare the data, evaluate, train, evaluate again, and print what changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--words", type=int, help="so many of the training words (default: all)")
    parser.add_argument("--output", type=Path, default=Path("output/finetune_published"))
    parser.add_argument("--processes", type=int, default=2, help="processes that train together")
    parser.add_argument("--replay", type=float, default=0.2, help="share of the replayed lines in each epoch")
    parser.add_argument("-o", "--opt", nargs="+", default=[], help="further options for training")
    arguments = parser.parse_args()
    data, output = arguments.data.resolve(), arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    words = few_words(data / "rec/train.txt", arguments.words, output)
    replayed, checked = (rendered_lines(output, name) for name in ("replayed", "checked"))
    before = evaluate(data, checked, output, MODEL, "before")
    start = time.monotonic()
    run("tools/train.py", "-c", CONFIG, "-o", f"Global.save_model_dir={output}",
        f"Train.dataset.data_dir=[{data},{replayed}]",
        f"Train.dataset.label_file_list=[{words},{replayed / 'train.txt'}]",
        f"Train.dataset.ratio_list=[1.0,{arguments.replay}]",
        f"Eval.dataset.data_dir={data}", f"Eval.dataset.label_file_list=[{data / 'rec/test.txt'}]",
        f"Train.loader.batch_size_per_card={BATCH // arguments.processes}", *arguments.opt,
        launcher=launcher(arguments.processes, output))
    run("tools/average_checkpoints.py", str(output / "latest"), MODEL, "--output", str(output / "average"))
    minutes = (time.monotonic() - start) / 60
    after = evaluate(data, checked, output, str(output / "average"), "after")
    print(f"\n{sum(1 for _ in words.open(encoding='utf-8'))} words, {minutes:.1f} minutes of training")
    for name, figures in before.items():
        for key, label in FIGURES.items():
            print(f"{name:13} {label:20} {figures[key]:.4f} -> {after[name][key]:.4f} "
                  f"({after[name][key] - figures[key]:+.4f})")
    return 0


def few_words(labels: Path, count: int | None, output: Path) -> Path:
    """Return a label file with the first lines of another; the other itself for all."""
    if count is None:
        return labels
    file = output / "words.txt"
    file.write_text("".join(labels.read_text("utf-8").splitlines(keepends=True)[:count]), encoding="utf-8")
    return file


def rendered_lines(output: Path, name: str) -> Path:
    """Render lines of prose and return their folder, with ``train.txt``; the two names share no line."""
    prose = prose_lines()
    is_replay = name == "replayed"
    chosen = prose[:REPLAYED] if is_replay else prose[-CHECKED:]
    file = output / f"{name}_texts.txt"
    file.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    folder = output / name
    run("tools/render_words.py", "--output", str(folder), "--words_file", str(file), "--count", str(len(chosen)),
        "--test_count", "1", "--workers", "2", "--max_length", str(LONGEST_LINE), "--seed", "1" if is_replay else "2")
    return folder


def prose_lines() -> list[str]:
    """Return short lines of the English text that comes with Python: its help topics."""
    from pydoc_data.topics import topics

    lines: list[str] = []
    for _, text in sorted(topics.items()):
        taken: list[str] = []
        for word in re.findall(r"[\x21-\x7e]+", text):
            if len(" ".join([*taken, word])) > LONGEST_LINE:
                if len(taken) > 1:
                    lines.append(" ".join(taken))
                taken = []
            taken.append(word)
    readable = [line for line in dict.fromkeys(lines) if sum(map(str.isalpha, line)) > 0.7 * len(line)]
    step = len(readable) // (REPLAYED + CHECKED)
    return readable[::step][:REPLAYED + CHECKED]


def evaluate(data: Path, checked: Path, output: Path, weights: str, name: str) -> dict[str, dict[str, float]]:
    """Return the metrics of weights on the test words and on the rendered lines."""
    sets = {"test words": (data, data / "rec/test.txt"), "lines": (checked, checked / "train.txt")}
    figures = {}
    for kind, (folder, labels) in sets.items():
        file = output / f"{name}_{kind.replace(' ', '_')}.json"
        run("tools/eval.py", "-c", CONFIG, "--json", str(file), "-o", f"Global.pretrained_model={weights}",
            f"Global.save_model_dir={output / 'evaluation'}", f"Eval.dataset.data_dir={folder}",
            f"Eval.dataset.label_file_list=[{labels}]")
        figures[kind] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def launcher(processes: int, output: Path) -> list[str]:
    """Return what starts several processes; nothing for one."""
    if processes == 1:
        return []
    return ["-m", "paddle.distributed.launch", "--nproc_per_node", str(processes),
            "--log_dir", str(output / "launcher")]


def run(script: str, *arguments: str, launcher: Sequence[str] = ()) -> None:
    """Print and run one of the project's scripts; end with its exit code when it fails."""
    command = [*launcher, script, *arguments]
    print("$ python " + shlex.join(command), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if launcher else None
    code = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
