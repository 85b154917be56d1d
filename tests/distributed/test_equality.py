"""One process and two with the same samples in each step: equal losses, rates, metrics and lists of bad samples.

The batch norms use their running statistics: with those of the batch, each rank would normalise its share for itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.launching import ROOT, alone, launch
from tests.small_detection import write_pictures, write_user_config
from tests.small_run import write_small_run

DRIVER = ROOT / "tests/distributed/driver.py"
EVALUATION = ROOT / "tests/distributed/evaluation.py"
EPOCHS = 6


def damage(path: Path) -> str:
    """Make an image unreadable and return its name."""
    path.write_bytes(b"not an image")
    return path.name


def options(folder: Path, output: str, ranks: int, *more: str) -> list[str]:
    return ["-c", str(folder / "small.yml"), "--no-batch-norm", "-o", f"Global.save_model_dir={folder / output}",
            f"Train.loader.batch_size_per_card={8 // ranks}", "Train.loader.drop_last=true",
            f"Global.epoch_num={EPOCHS}", "Optimizer.lr.learning_rate=0.003", *more]


def records(folder: Path, ranks: int) -> list[dict[str, Any]]:
    return [json.loads((folder / f"record.{ranks}.{rank}.json").read_text()) for rank in range(ranks)]


def train_both(folder: Path, *more: str) -> Path:
    """Train 26 words, of which two cannot be read, and evaluate 13, of which one cannot; alone and by two."""
    write_small_run(folder, count=26, test_count=13)
    for list_name, numbers in (("train.txt", (3, 11)), ("test.txt", (4,))):
        lines = (folder / "words" / list_name).read_text(encoding="utf-8").splitlines()
        for number in numbers:
            damage(folder / "words" / lines[number].split("\t")[0])
    alone(DRIVER, *options(folder, "one", 1, *more))
    job = launch(folder, DRIVER, *options(folder, "two", 2, *more))
    assert job.exit_code == 0, job.console[-4000:]
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_both(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_both(tmp_path_factory.mktemp("accumulated"), "Global.accumulation_steps=2")


@pytest.fixture(params=["plain", "accumulated"])
def runs(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def test_the_steps_are_those_of_one_process(runs: Path) -> None:
    one, = records(runs / "one", 1)
    first, second = records(runs / "two", 2)
    assert len(one["batches"]) == len(first["batches"]) == len(second["batches"]) == EPOCHS * 3
    orders = set()
    for whole, left, right in zip(one["batches"], first["batches"], second["batches"], strict=True):
        assert sorted(whole["lines"]) == sorted(left["lines"] + right["lines"])
        assert not set(left["lines"]) & set(right["lines"])
        assert whole["failed"] == left["failed"] + right["failed"]
        assert whole["step"] == left["step"] == right["step"]
        assert whole["rate"] == left["rate"] == right["rate"]
        usable = len(left["lines"]) + len(right["lines"])
        together = (left["loss"] * len(left["lines"]) + right["loss"] * len(right["lines"])) / usable
        assert together == pytest.approx(whole["loss"], rel=1e-5)
        orders.add(tuple(whole["lines"]))
    assert len(orders) == EPOCHS * 3  # Drawn anew for each epoch.
    assert any(left["failed"] != right["failed"] for left, right in zip(first["batches"], second["batches"],
                                                                        strict=True))


def test_the_weights_are_those_of_one_process(runs: Path) -> None:
    one, = records(runs / "one", 1)
    first, second = records(runs / "two", 2)
    assert first["digests"] == second["digests"]
    assert first["sums"] == pytest.approx(one["sums"], rel=1e-4)


def test_the_metrics_are_those_of_one_process_to_the_last_digit(plain: Path) -> None:
    """Of equal weights, which those of a training are only nearly."""
    more = ["-c", plain / "small.yml", "-o", f"Global.save_model_dir={plain / 'evaluated'}",
            f"Global.pretrained_model={plain / 'one' / 'latest'}"]
    alone(ROOT / "tools/eval.py", *more, "--json", plain / "one.json")
    job = launch(plain, ROOT / "tools/eval.py", *more, "--json", plain / "two.json")
    assert job.exit_code == 0, job.console[-4000:]
    one, two = (json.loads((plain / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one.pop("fps") > 0
    assert two.pop("fps") > 0
    assert one == two
    assert (one["samples"], one["failed"]) == (13, 1)


def test_the_bad_samples_of_all_ranks_are_in_one_file(runs: Path) -> None:
    for name, number in (("bad_samples.txt", 2), ("bad_eval_samples.txt", 1)):
        one, two = (sorted((runs / folder / name).read_text(encoding="utf-8").splitlines()) for folder in
                    ("one", "two"))
        assert one == two
        assert sum("unreadable" in line for line in one if not line.startswith("#")) == number
    assert not list((runs / "two").glob("rank1_*"))
    assert (runs / "two" / "train.rank1.log").is_file()
    assert len((runs / "two" / "metrics.jsonl").read_text().splitlines()) == \
        len((runs / "one" / "metrics.jsonl").read_text().splitlines())


def test_detection_is_measured_to_the_last_digit(tmp_path: Path) -> None:
    write_pictures(tmp_path, count=1, test_count=5)
    damage(tmp_path / "images" / "3.png")
    config = write_user_config(tmp_path)
    arguments = [tmp_path / "metrics", "-c", config, "-o", "Global.use_gpu=false",
                 f"Global.save_model_dir={tmp_path / 'output'}", "Eval.loader.num_workers=0",
                 "Architecture.Neck.out_channels=16", "Architecture.Backbone.scale=0.35"]
    alone(EVALUATION, *arguments)
    job = launch(tmp_path, EVALUATION, *arguments)
    assert job.exit_code == 0, job.console[-4000:]
    one, first, second = (json.loads((tmp_path / f"metrics.{name}.json").read_text()) for name in
                          ("1.0", "2.0", "2.1"))
    assert first == second  # Even the speed, so that no rank can decide otherwise.
    for metrics in (one, first):
        assert metrics.pop("fps") > 0
    assert one == first
    assert (one["samples"], one["failed"], one["regions"]) == (5, 1, 10)
