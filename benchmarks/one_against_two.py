"""Compare the training of one process with that of two: the same samples in each step, losses and metrics compared.

One process trains with ``--batch_size``, two (Paddle's launcher, gloo, CPU) with half of it each. The batch norms use
their running statistics in training too: on CPU each process would normalise by its own half of the batch, which is
another computation. ``--batch_norm`` shows what that makes.

The two sum the same gradients in another order, so that they differ by rounding. Momentum lets that be; Adam divides by
the size of a gradient, however small, and blows up what rounding makes of the smallest (``--optimizer Adam``), between
any two computations: one process that accumulates half batches differs from one that does not as much.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml

from ppocr.commands import run_command
from ppocr.errors import DatasetError, TrainingError

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """What was compared.

    Args:
        steps: Optimizer steps.
        largest_difference: Largest relative difference of a step's loss.
        equal_samples: Whether both sides had the same samples in each step.
        equal_metrics: Whether evaluation by two gives exactly the metrics of evaluation by one.
        first_loss: Of one process.
        last_loss: Of one process.
        samples: Evaluated samples.
        failed: Those of them that could not be read.
        milliseconds_one: Median of a step of one process, without waiting for data.
        milliseconds_two: The same of rank 0 of two.
    """

    steps: int
    largest_difference: float
    equal_samples: bool
    equal_metrics: bool
    first_loss: float
    last_loss: float
    samples: int
    failed: int
    milliseconds_one: float
    milliseconds_two: float


def main(argv: Sequence[str] | None = None) -> int:
    """Train and evaluate both ways and print the comparison."""
    options = parse(argv)
    if options.worker:
        return work(options)
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Path(folder), options)
    if options.json:
        print(json.dumps(asdict(result)))
        return 0
    print(f"{result.steps} steps, loss {result.first_loss:.3f} to {result.last_loss:.3f}: largest relative difference "
          f"{result.largest_difference:.1e}; the same samples in each step: {'yes' if result.equal_samples else 'NO'}")
    print(f"evaluation of {result.samples} samples, {result.failed} unreadable: metrics "
          + ("equal to the last digit" if result.equal_metrics else "DIFFER"))
    print(f"a step: {result.milliseconds_one:.0f} ms by one process, {result.milliseconds_two:.0f} ms by two")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the label files train.txt and test.txt (image<TAB>text)")
    parser.add_argument("--data_dir", help="folder that their image paths start from; default: the same")
    parser.add_argument("--batch_size", type=int, default=32, help="samples per step, of all processes together")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--eval_samples", type=int, default=501)
    parser.add_argument("--optimizer", choices=["Momentum", "Adam"], default="Momentum")
    parser.add_argument("--batch_norm", action="store_true", help="normalise by the statistics of each batch")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not options.worker and not options.data:
        parser.error("--data is required")
    if options.batch_size % 2:
        parser.error("--batch_size must be even")
    return options


def work(options: argparse.Namespace) -> int:
    """Train in one of the processes, and note each batch."""
    from ppocr.engine.hooks import Hook
    from ppocr.engine.ranks import sharing_failures
    from ppocr.engine.run import TrainingRun
    from tools.program import prepare, start_training, train

    batches: list[dict[str, Any]] = []

    class Notes(Hook):
        """Notes samples, loss and time of each batch."""

        def after_step(self, run: TrainingRun) -> None:
            record = run.last
            assert record is not None
            batches.append({"lines": [info.line for info in record.batch["info"]],
                            "loss": float(record.losses["loss"]), "seconds": record.step_seconds})

    config, device = prepare(options.worker, [], name="train")
    with sharing_failures():
        run = start_training(config, device)
        for layer in run.network.sublayers():
            if hasattr(layer, "_use_global_stats") and not options.batch_norm:
                layer._use_global_stats = True
        run.hooks.hooks.append(Notes())
        train(run)
    path = Path(config["Global"]["save_model_dir"]) / f"batches.{run.rank}.json"
    path.write_text(json.dumps(batches), encoding="utf-8")
    return 0


def compare(folder: Path, options: argparse.Namespace) -> Result:
    """Train with one process and with two, and evaluate the weights of the first with both."""
    configs = {ranks: write_config(folder, ranks, options) for ranks in (1, 2)}
    flags = ["--batch_norm"] if options.batch_norm else []
    for ranks, config in configs.items():
        run_processes(folder, ranks, [str(Path(__file__).resolve()), "--worker", str(config), *flags])
    metrics = []
    for ranks, config in configs.items():
        file = folder / f"metrics{ranks}.json"
        run_processes(folder, ranks, [str(ROOT / "tools/eval.py"), "-c", str(config), "--json", str(file), "-o",
                                      f"Global.pretrained_model={folder / 'output1' / 'latest'}"])
        metrics.append({key: value for key, value in json.loads(file.read_text()).items() if key != "fps"})
    one, = records(folder, 1)
    first, second = records(folder, 2)
    together = [(left["lines"] + right["lines"],
                 (left["loss"] * len(left["lines"]) + right["loss"] * len(right["lines"]))
                 / (len(left["lines"]) + len(right["lines"]))) for left, right in zip(first, second, strict=True)]
    return Result(
        steps=len(one),
        largest_difference=max(abs(loss - whole["loss"]) / abs(whole["loss"])
                               for whole, (_, loss) in zip(one, together, strict=True)),
        equal_samples=all(sorted(whole["lines"]) == sorted(lines)
                          for whole, (lines, _) in zip(one, together, strict=True)),
        equal_metrics=metrics[0] == metrics[1], first_loss=one[0]["loss"], last_loss=one[-1]["loss"],
        samples=metrics[0]["samples"], failed=metrics[0]["failed"],
        milliseconds_one=median_milliseconds(one), milliseconds_two=median_milliseconds(first),
    )


def run_processes(folder: Path, ranks: int, command: list[str]) -> float:
    """Run a script in one process or in several; return the seconds it took.

    Raises:
        TrainingError: It failed.
    """
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(ranks), "--log_dir", str(folder / "log")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    done = subprocess.run([sys.executable, *(launcher if ranks > 1 else []), *command], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise TrainingError(f"{' '.join(command)} on {ranks} process(es) failed:\n{done.stdout[-3000:]}")
    return time.monotonic() - started


def records(folder: Path, ranks: int) -> list[list[dict[str, Any]]]:
    """Return what each process has noted."""
    paths = [folder / f"output{ranks}" / f"batches.{rank}.json" for rank in range(ranks)]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def median_milliseconds(batches: list[dict[str, Any]]) -> float:
    """Return the median time of a step."""
    return float(sorted(batch["seconds"] for batch in batches)[len(batches) // 2] * 1e3)


def write_config(folder: Path, ranks: int, options: argparse.Namespace) -> Path:
    """Write the configuration for a number of processes.

    Raises:
        DatasetError: There are too few words.
    """
    data = Path(options.data)
    lines = (data / "train.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    wanted = options.batch_size * options.steps
    if len(lines) < wanted:
        raise DatasetError(f"{data / 'train.txt'} has {len(lines)} lines", expected=f"at least {wanted}",
                           cure="lower --steps or --batch_size")
    test = (data / "test.txt").read_text(encoding="utf-8").splitlines(keepends=True)[:options.eval_samples - 2]
    (folder / "train.txt").write_text("".join(lines[:wanted]), encoding="utf-8")
    (folder / "test.txt").write_text("".join(test) + "not there.png\ta\nnor this one.png\tb\n", encoding="utf-8")
    transforms = [{"DecodeImage": {"img_mode": "BGR"}}, {"CTCLabelEncode": {}},
                  {"RecResizeImg": {"image_shape": [3, 32, 100]}},
                  {"KeepKeys": {"keep_keys": ["image", "label", "length"]}}]
    loader = {"batch_size_per_card": options.batch_size // ranks, "num_workers": 0}
    images = options.data_dir or str(data)
    splits = {split: {"dataset": {"name": "SimpleDataSet", "data_dir": images, "transforms": transforms,
                                  "label_file_list": [str(folder / f"{name}.txt")]}, "loader": loader}
              for split, name in (("Train", "train"), ("Eval", "test"))}
    splits["Train"]["loader"] = {**loader, "shuffle": True, "drop_last": True, "max_bad_ratio": 1.0}
    config = {
        "Global": {"epoch_num": 1, "save_model_dir": str(folder / f"output{ranks}"), "seed": 0, "use_gpu": False,
                   "save_epoch_step": 0, "print_batch_step": options.steps},
        "Architecture": {"model_type": "rec", "algorithm": "CRNN", "Transform": None,
                         "Backbone": {"name": "VGG", "scale": 0.25},
                         "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 48},
                         "Head": {"name": "CTCHead"}},
        "Loss": {"name": "CTCLoss"},
        "Optimizer": {"name": options.optimizer, "lr": {"name": "Cosine", "learning_rate": 0.0005}},
        "PostProcess": {"name": "CTCLabelDecode"}, "Metric": {"name": "RecMetric"}, **splits,
    }
    path = folder / f"config{ranks}.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(run_command(main))
