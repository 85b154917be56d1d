"""Measure how fast a recognizer trains: the whole loop with its loader, after a warm-up.

The model is the CRNN that PaddleOCR's benchmark configurations train: MobileNetV3 large x0.5, two bidirectional LSTM
layers of 96, CTC over 37 classes, images 3x32x100, Adam, no augmentation.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paddle
import yaml

from ppocr.commands import run_command
from ppocr.config import load_config
from ppocr.data.synth import SynthSettings, write_dataset
from ppocr.engine.builder import build_training
from ppocr.engine.device import select_device
from ppocr.engine.hooks import Hook, HookList
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import seed_everything
from ppocr.errors import DatasetError
from tools.program import train_epoch


@dataclass(frozen=True)
class Result:
    """What was measured.

    Args:
        samples_per_second: Samples of the measured batches by the time from the end of the warm-up to their end.
        data_share: Share of that time that the loop waited for the loader, 0 to 1.
        step_share: Share spent in forward, backward and optimizer step, 0 to 1.
        milliseconds_per_step: Median over the measured batches, without waiting.
        loss: Of the last batch; a benchmark of a broken model would be worth nothing.
    """

    samples_per_second: float
    data_share: float
    step_share: float
    milliseconds_per_step: float
    loss: float


class Meter(Hook):
    """Notes the times of every batch after the warm-up.

    Args:
        warmup: Number of batches that are not counted: threads start, kernels are chosen, memory is taken.
    """

    def __init__(self, warmup: int) -> None:
        self.warmup = warmup
        self.seen = 0
        self.started = 0.0
        self.data: list[float] = []
        self.steps: list[float] = []
        self.samples = 0
        self.loss: Any = None

    def after_step(self, run: TrainingRun) -> None:
        """Take down the batch."""
        record = run.last
        assert record is not None
        self.seen += 1
        self.loss = record.losses["loss"]
        if self.seen == self.warmup:
            float(self.loss)  # Waits for the device: work of the warm-up must not count.
            self.started = time.perf_counter()
        elif self.seen > self.warmup:
            self.data.append(record.data_seconds)
            self.steps.append(record.step_seconds)
            self.samples += record.samples

    def result(self) -> Result:
        """Return the figures, once the device has finished the last batch."""
        loss = float(self.loss)
        elapsed = time.perf_counter() - self.started
        median = sorted(self.steps)[len(self.steps) // 2]
        return Result(self.samples / elapsed, sum(self.data) / elapsed, sum(self.steps) / elapsed, median * 1e3, loss)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a line for people and, with ``--json``, one for programs."""
    options = parse(argv)
    logging.getLogger("ppocr").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        labels, data_dir = options.labels, options.data_dir
        if labels is None:
            data_dir = folder
            labels = render_words(Path(folder), options.batch_size * (options.warmup + options.steps))
        result = measure(Path(folder), Path(labels), Path(data_dir or Path(labels).parent), options)
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    if options.json:
        settings = {"batch_size": options.batch_size, "steps": options.steps, "workers": options.workers,
                    "processors": os.cpu_count(), "omp_num_threads": threads, "paddle": paddle.__version__,
                    "python": platform.python_version()}
        print(json.dumps({**{key: round(value, 4) for key, value in asdict(result).items()}, **settings}))
    else:
        print(f"{result.samples_per_second:.1f} samples/s, {result.milliseconds_per_step:.0f} ms per step of "
              f"{options.batch_size}; waiting for data {result.data_share:.0%}, step {result.step_share:.0%}; "
              f"last loss {result.loss:.3f}; OMP_NUM_THREADS {threads}")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=64, help="samples per step")
    parser.add_argument("--steps", type=int, default=30, help="batches that are measured")
    parser.add_argument("--warmup", type=int, default=5, help="batches before those")
    parser.add_argument("--workers", type=int, default=1, help="loader processes; 0 loads in the main process")
    parser.add_argument("--labels", help="label file (image<TAB>text) in place of rendered words")
    parser.add_argument("--data_dir", help="folder that its image paths start from; default: the label file's")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(argv)
    if options.steps < 1 or options.warmup < 1:
        parser.error("--steps and --warmup must be at least 1")
    return options


def render_words(folder: Path, count: int) -> str:
    """Write `count` rendered words of lower-case letters and digits and return their label file."""
    write_dataset(folder, count, SynthSettings(case="lower", max_length=8), workers=os.cpu_count() or 1)
    return str(folder / "train.txt")


def measure(folder: Path, labels: Path, data_dir: Path, options: argparse.Namespace) -> Result:
    """Train for one epoch of ``warmup + steps`` batches and return the figures of the latter.

    Raises:
        DatasetError: The label file has too few lines.
    """
    wanted = options.batch_size * (options.warmup + options.steps)
    lines = labels.read_text(encoding="utf-8").splitlines(keepends=True)
    if len(lines) < wanted:
        raise DatasetError(f"{labels} has {len(lines)} lines", expected=f"at least {wanted}",
                           cure="lower --steps or --batch_size")
    used = folder / "used.txt"
    used.write_text("".join(lines[:wanted]), encoding="utf-8")
    path = folder / "benchmark.yml"
    path.write_text(yaml.safe_dump(configuration(folder, used, data_dir, options)), encoding="utf-8")
    config = load_config(path, environ={})
    device = select_device(None)
    seed_everything(0)
    run = build_training(config, device)
    meter = Meter(options.warmup)
    run.hooks = HookList([meter])
    run.model.train()
    train_epoch(run)
    if len(meter.steps) < options.steps:
        raise DatasetError(f"only {len(meter.steps)} of {options.steps} batches could be used",
                           expected="labels whose characters are letters and digits, and images that can be read",
                           cure="correct the label file")
    return meter.result()


def configuration(folder: Path, labels: Path, data_dir: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration of the run."""
    transforms = [
        {"DecodeImage": {"img_mode": "BGR"}},
        {"CTCLabelEncode": {}},
        {"RecResizeImg": {"image_shape": [3, 32, 100]}},
        {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
    ]
    data = {
        "dataset": {"name": "SimpleDataSet", "data_dir": str(data_dir), "label_file_list": [str(labels)],
                    "transforms": transforms},
        "loader": {"shuffle": True, "batch_size_per_card": options.batch_size, "drop_last": True,
                   "num_workers": options.workers},
    }
    return {
        "Global": {"epoch_num": 1, "save_model_dir": str(folder / "output"), "seed": 0},
        "Architecture": {
            "model_type": "rec", "algorithm": "CRNN", "Transform": None,
            "Backbone": {"name": "MobileNetV3", "scale": 0.5, "model_name": "large"},
            "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 96},
            "Head": {"name": "CTCHead", "fc_decay": 0},
        },
        "Loss": {"name": "CTCLoss"},
        "Optimizer": {"name": "Adam", "lr": {"name": "Const", "learning_rate": 0.0005},
                      "regularizer": {"name": "L2", "factor": 0}},
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric"},
        "Train": data,
        "Eval": data,
    }


if __name__ == "__main__":
    sys.exit(run_command(main))
