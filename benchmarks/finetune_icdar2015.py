"""Fine-tune a published model on ICDAR2015 and draw the curve: ``python benchmarks/finetune_icdar2015.py --task rec``.

``--data DIR`` holds ``rec/train.txt`` and ``rec/test.txt`` (words), or ``det/train.txt`` and ``det/test.txt``
(photos); ``--weights DIR`` holds ``en_number_mobile_v2.0_rec_train`` and ``en_dict.txt``, or
``ch_ppocr_mobile_v2.0_det_train``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Task:
    """A published model and how it is fine-tuned.

    Attributes:
        published: Configuration by which the published weights are evaluated.
        config: Configuration of the training.
        weights: Folder of the published checkpoint.
        figures: Metrics to print, in order.
        curves: Metrics to draw, each with its label.
        options: Further options, with the folder of the weights for ``{weights}``.
    """

    published: str
    config: str
    weights: str
    figures: tuple[str, ...]
    curves: dict[str, str]
    options: tuple[str, ...] = field(default=())


TASKS = {
    "rec": Task(
        "configs/rec/en_number_mobile_v2.yml", "configs/rec/en_number_mobile_v2_finetune.yml",
        "en_number_mobile_v2.0_rec_train", ("acc", "acc_alnum", "norm_edit_dis", "cer"),
        {"acc": "exact", "acc_alnum": "letters and digits, case-insensitive"},
        ("Global.character_dict_path={weights}/en_dict.txt",),
    ),
    "det": Task(
        "configs/det/ch_mobile_v2.yml", "configs/det/ch_mobile_v2_finetune.yml",
        "ch_ppocr_mobile_v2.0_det_train", ("hmean", "precision", "recall"),
        {"hmean": "hmean", "precision": "precision", "recall": "recall"},
    ),
}


def main() -> int:
    """Run the evaluation before, the training and the evaluation after; print both and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=tuple(TASKS), default="rec")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("output/icdar2015"))
    parser.add_argument("-o", "--opt", nargs="+", default=[], help="further options for training")
    arguments = parser.parse_args()
    task = TASKS[arguments.task]
    data, weights, output = (path.resolve() for path in (arguments.data, arguments.weights, arguments.output))
    common = [
        f"Global.save_model_dir={output}",
        f"Train.dataset.data_dir={data}",
        f"Train.dataset.label_file_list=[{data / arguments.task / 'train.txt'}]",
        f"Eval.dataset.data_dir={data}",
        f"Eval.dataset.label_file_list=[{data / arguments.task / 'test.txt'}]",
        *(option.format(weights=weights) for option in task.options),
    ]
    published = f"Global.pretrained_model={weights / task.weights / 'best_accuracy'}"
    tuned = f"Global.pretrained_model={output / 'best_accuracy'}"
    run("tools/eval.py", "-c", task.published, "--json", str(output / "before.json"), "-o", published, *common)
    run("tools/train.py", "-c", task.config, "-o", published, *common, *arguments.opt)
    run("tools/eval.py", "-c", task.config, "--json", str(output / "after.json"), "-o", tuned, *common)
    before, after = (json.loads((output / f"{name}.json").read_text()) for name in ("before", "after"))
    for name in task.figures:
        print(f"{name:14} {before[name]:.4f} -> {after[name]:.4f} ({after[name] - before[name]:+.4f})")
    draw_curve(output / "metrics.jsonl", before, task.curves, output / "curve.png")
    return 0


def run(script: str, *arguments: str) -> None:
    """Print and run one of the project's scripts; end with its exit code when it fails."""
    print("$ python " + shlex.join([script, *arguments]), flush=True)
    code = subprocess.run([sys.executable, script, *arguments], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


def draw_curve(records: Path, before: dict[str, float], curves: dict[str, str], picture: Path) -> None:
    """Draw metrics over epochs from ``metrics.jsonl``, starting with the published model."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in records.read_text().splitlines()]
    evaluations = [{"epoch": 0.0, **before}] + [line for line in lines if line["kind"] == "eval"]
    figure = Figure(figsize=(7, 4), layout="tight")
    axes = figure.subplots()
    for name, label in curves.items():
        axes.plot([line["epoch"] for line in evaluations], [line[name] for line in evaluations], marker="o",
                  label=label)
    axes.set(xlabel="epoch", ylabel="ICDAR2015 test", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    FigureCanvasAgg(figure).print_png(str(picture))
    print(f"curve: {picture}")


if __name__ == "__main__":
    sys.exit(main())
