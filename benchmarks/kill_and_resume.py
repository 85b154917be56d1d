"""Kill trainings with SIGKILL at random moments, also while they write a checkpoint, and compare what they end with.

``python benchmarks/kill_and_resume.py --runs 30``: each run is a small recognizer in a folder of its own, killed one to
three times, started again every time with ``Global.checkpoints=latest``, until it is done. Its final parameters must be
those of a run that was never killed, bit by bit; no kill may lose more steps than lie between two checkpoints.

``--config FILE -o KEY=VALUE ...`` does the same with a training of one's own, such as a detector on real photos.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from ppocr.data.synth import SynthSettings, write_dataset
from ppocr.engine.checkpoint_files import candidates, check_files, finish_saves, newest_complete
from ppocr.errors import CheckpointError
from ppocr.weights import read_weights

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
Global: {{use_gpu: false, epoch_num: {epochs}, print_batch_step: 1, save_epoch_step: 2, keep_checkpoints: 1,
         save_model_dir: {folder}/output}}
Architecture:
  model_type: rec
  algorithm: CRNN
  Backbone: {{name: VGG, scale: 0.125}}
  Neck: {{name: SequenceEncoder, encoder_type: rnn, hidden_size: 16}}
  Head: {{name: CTCHead}}
Loss: {{name: CTCLoss}}
Optimizer: {{name: Adam, lr: {{name: Cosine, learning_rate: 0.01}}}}
PostProcess: {{name: CTCLabelDecode}}
Metric: {{name: RecMetric}}
Train:
  dataset:
    name: SimpleDataSet
    data_dir: {folder}/words
    label_file_list: ["{folder}/words/train.txt"]
    transforms:
      - DecodeImage: {{img_mode: BGR}}
      - RecAug:
      - CTCLabelEncode:
      - RecResizeImg: {{image_shape: [3, 32, 100]}}
      - KeepKeys: {{keep_keys: [image, label, length]}}
  loader: {{batch_size_per_card: 8, num_workers: 2}}
Eval:
  dataset:
    name: SimpleDataSet
    data_dir: {folder}/words
    label_file_list: ["{folder}/words/test.txt"]
    transforms:
      - DecodeImage: {{img_mode: BGR}}
      - CTCLabelEncode:
      - RecResizeImg: {{image_shape: [3, 32, 100]}}
      - KeepKeys: {{keep_keys: [image, label, length]}}
  loader: {{batch_size_per_card: 8, num_workers: 0}}
"""
LINE = re.compile(r"Epoch: (\d+)/\d+, Step: (\d+)/(\d+)")
POLL_SECONDS = 0.0005
LONGEST_SECONDS = 600.0


@dataclass
class Figures:
    """What was seen.

    Attributes:
        runs: Trainings that were killed and resumed until they were done.
        kills: Processes killed.
        kills_in_write: Of these, in the middle of a save: files that a save had not yet put into their place were
            there when the process was dead.
        lost_steps: For each kill, steps that were done and in no checkpoint.
        corrupt: States whose weights or optimizer were not theirs, or that could not be read, over all kills.
        equal: Trainings whose final parameters are those of the one that was never killed.
    """

    runs: int = 0
    kills: int = 0
    kills_in_write: int = 0
    lost_steps: list[int] = field(default_factory=list)
    corrupt: int = 0
    equal: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its figures; return 1 if they are not as they must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="trainings that are killed (30)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of each training (4)")
    parser.add_argument("--interval", type=int, default=5, help="optimizer steps between two checkpoints (5)")
    parser.add_argument("--words", type=int, default=96, help="words in the training set (96), 8 to a step")
    parser.add_argument("--most_kills", type=int, default=3, help="most kills of one training (3)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (0)")
    parser.add_argument("-c", "--config", type=Path, help="a training of at least 20 steps; default: a small one of "
                        "its own, for which --epochs and --words count")
    parser.add_argument("-o", "--opt", nargs="+", default=[], metavar="KEY=VALUE", help="options of that training")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kill_and_resume_") as name:
        folder = Path(name)
        config = options.config.resolve() if options.config else small_training(folder, options)
        command = [str(ROOT / "tools" / "train.py"), "-c", str(config), "-o", *options.opt,
                   "Global.print_batch_step=1", f"Global.save_batch_step={options.interval}",
                   "Global.checkpoints=latest"]
        figures = measure(command, folder, options)
    report(figures, options.interval, as_json=options.json)
    lost = max(figures.lost_steps, default=0)
    return int(figures.corrupt > 0 or figures.equal != figures.runs or lost > options.interval)


def small_training(folder: Path, options: argparse.Namespace) -> Path:
    """Write words and the configuration of a training on them, and return its path."""
    write_dataset(folder / "words", options.words, SynthSettings(seed=3, height=32, min_length=2, max_length=5),
                  test_count=8)
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder, epochs=options.epochs), encoding="utf-8")
    return config


def measure(command: Sequence[str], work: Path, options: argparse.Namespace) -> Figures:
    """Train once without a kill, then all others with kills, in folders below `work`, and compare."""
    started = time.perf_counter()
    whole = work / "whole"
    process = start(command, whole)
    if process.wait(LONGEST_SECONDS):
        raise SystemExit(f"the training that is not killed failed:\n{log_of(whole)[-2000:]}")
    expected = read_weights(whole / "latest.pdparams")
    rng = random.Random(options.seed)
    figures = Figures()
    tell = sys.stderr.write
    tell(f"a training that is not killed takes {time.perf_counter() - started:.0f} s\n")
    for number in range(options.runs):
        folder = work / f"run_{number}"
        kill_until_done(command, folder, rng, figures, kills=1 + number % options.most_kills)
        found = read_weights(folder / "latest.pdparams")
        figures.runs += 1
        figures.equal += found.keys() == expected.keys() and all(np.array_equal(found[key], expected[key])
                                                                 for key in expected)
        tell(f"run {number + 1}: {figures.kills} kills so far, {figures.kills_in_write} in a save, {figures.equal} of "
             f"{figures.runs} equal, {figures.corrupt} corrupt, lost {figures.lost_steps}{evaluation(folder, whole)}\n")
        shutil.rmtree(folder)
    return figures


def evaluation(folder: Path, whole: Path) -> str:
    """Return the figures of the last evaluation of a killed training and of the whole one, as text."""
    last = [[json.loads(line) for line in (one / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
            for one in (folder, whole)]
    found = [[record for record in records if record["kind"] == "eval"] for records in last]
    if not all(found):
        return ""
    plain = [{key: value for key, value in records[-1].items() if key not in ("time", "fps", "kind")}
             for records in found]
    return f"; last evaluation {plain[0]}, " + ("as of the whole one" if plain[0] == plain[1] else f"not {plain[1]}")


def kill_until_done(command: Sequence[str], folder: Path, rng: random.Random, figures: Figures, *, kills: int) -> None:
    """Start a training again and again, kill it so many times, and let it end."""
    for number in range(kills):
        process = start(command, folder)
        in_save = (number + figures.runs) % 2 == 0
        at = rng.randint(1, 16)
        moment = saving(folder, rng) if in_save else after_steps(folder, at, rng.uniform(0.0, 0.2))
        while process.poll() is None and not moment():
            time.sleep(POLL_SECONDS)
        if process.poll() is not None:
            break  # It was faster.
        process.kill()
        process.wait()
        wait_for_workers(process.pid)
        look_at_wreck(folder, figures)
    process = start(command, folder)
    if process.wait(LONGEST_SECONDS):
        raise SystemExit(f"a resumed training failed:\n{log_of(folder)[-2000:]}")


def start(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a training that goes on with the newest checkpoint in its folder."""
    return subprocess.Popen([sys.executable, *command, f"Global.save_model_dir={folder}"],
                            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


def after_steps(folder: Path, steps: int, seconds: float) -> Callable[[], bool]:
    """Return the moment some time after this process has done so many steps."""
    before, since = len(LINE.findall(log_of(folder))), 0.0

    def is_now() -> bool:
        nonlocal since
        if not since and len(LINE.findall(log_of(folder))) >= before + steps:
            since = time.perf_counter()
        return bool(since) and time.perf_counter() - since >= seconds

    return is_now


def saving(folder: Path, rng: random.Random) -> Callable[[], bool]:
    """Return the moment at which some file of a save, one of the first few, is there and not yet in its place."""
    saves, suffix = rng.randint(0, 3), rng.choice((".pdparams", ".pdopt", ".state"))
    seen: set[str] = set()

    def is_now() -> bool:
        for path in folder.glob(f".*next{suffix}*"):
            seen.add(path.name if path.name.endswith(".tmp") else f"{path.name} {_written(path)}")
        return len(seen) > saves

    return is_now


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def wait_for_workers(group: int) -> None:
    """Wait until the loader's processes, which end by themselves, are gone too."""
    end = time.perf_counter() + 30.0
    while time.perf_counter() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        except PermissionError:
            pass
        time.sleep(0.05)


def look_at_wreck(folder: Path, figures: Figures) -> None:
    """Count what a kill has left: unfinished saves, corrupt checkpoints, lost steps."""
    figures.kills += 1
    if not folder.is_dir():
        return
    figures.kills_in_write += any(True for _ in folder.glob(".*next.*"))
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "wreck"  # The look at it must not change what the next start finds.
        shutil.copytree(folder, copy)
        finish_saves(copy)
        found, faults = candidates(copy)
        figures.corrupt += len(faults)
        for one in found:
            try:
                check_files(one.prefix, one.content)
            except CheckpointError as error:
                sys.stderr.write(f"corrupt: {error.what}\n")
                figures.corrupt += 1
        newest = newest_complete(copy, warn=False) if found else None
        saved = next((one.position[0] for one in found if one.prefix == newest), 0)
    figures.lost_steps.append(max(0, steps_done(folder) - saved))


def steps_done(folder: Path) -> int:
    """Return the optimizer steps that the last start of a training had told of in its log."""
    lines = LINE.findall(log_of(folder).rpartition("Effective configuration")[2])
    if not lines:
        return 0
    epoch, batch, batches = map(int, lines[-1])
    return (epoch - 1) * batches + batch


def log_of(folder: Path) -> str:
    """Return the log of a training, empty if there is none yet."""
    try:
        return (folder / "train.log").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def report(figures: Figures, interval: int, *, as_json: bool) -> None:
    """Print the figures."""
    lost = max(figures.lost_steps, default=0)
    if as_json:
        print(json.dumps({**asdict(figures), "most_lost_steps": lost, "interval": interval}))
        return
    print(f"kills (SIGKILL)                      {figures.kills}, of which {figures.kills_in_write} in a save")
    print(f"steps lost by a kill, at most        {lost} (a checkpoint every {interval} steps)")
    print(f"corrupt checkpoints                  {figures.corrupt}")
    print(f"final parameters as without a kill   {figures.equal} of {figures.runs}")


if __name__ == "__main__":
    sys.exit(main())
