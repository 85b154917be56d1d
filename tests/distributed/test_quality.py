"""One process and two, with parts frozen at first, an average of the weights, scaled rates and an early stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.engine.checkpoint_files import load_checkpoint_meta
from ppocr.weights import read_weights
from tests.distributed.launching import ROOT, alone, launch
from tests.small_run import write_small_run

DRIVER = ROOT / "tests/distributed/driver.py"
BATCHES, EPOCHS = 3, 3
"""The first evaluation counts as an improvement, none after it does; a patience of 2 makes epoch 3 the last."""


def options(folder: Path, output: str, ranks: int) -> list[str]:
    return ["-c", str(folder / "small.yml"), "--no-batch-norm", "-o", f"Global.save_model_dir={folder / output}",
            f"Train.loader.batch_size_per_card={8 // ranks}", "Train.loader.drop_last=true", "Global.epoch_num=6",
            "Global.freeze=backbone.*", "Global.unfreeze_epoch=2", "Global.ema_decay=0.5",
            "Global.early_stop_patience=2", "Global.early_stop_min_delta=1000",
            "Optimizer.lr={name: Const, learning_rate: 0.0015, scaling: linear, base_batch_size: 4}"]


def records(folder: Path, ranks: int) -> list[dict[str, Any]]:
    return [json.loads((folder / f"record.{ranks}.{rank}.json").read_text()) for rank in range(ranks)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    write_small_run(folder, count=24, test_count=7)
    alone(DRIVER, *options(folder, "one", 1))
    job = launch(folder, DRIVER, *options(folder, "two", 2))
    assert job.exit_code == 0, job.console[-4000:]
    return folder


def test_all_stop_after_the_same_step(folder: Path) -> None:
    for record in (*records(folder / "one", 1), *records(folder / "two", 2)):
        assert record["batches"][-1]["step"] == len(record["batches"]) == BATCHES * EPOCHS
        assert len(record["metrics"]) == EPOCHS
    for name in ("one/train.log", "two/train.log", "two/train.rank1.log"):
        assert "Training stopped (early stopping" in (folder / name).read_text(encoding="utf-8")


def test_the_rate_is_that_of_the_samples_of_all_ranks(folder: Path) -> None:
    for record in (*records(folder / "one", 1), *records(folder / "two", 2)):
        assert {batch["rate"] for batch in record["batches"]} == {0.003}


def test_the_gradients_of_what_was_frozen_are_exchanged(folder: Path) -> None:
    one, = records(folder / "one", 1)
    first, second = records(folder / "two", 2)
    assert first["digests"] == second["digests"]
    assert first["sums"] == pytest.approx(one["sums"], rel=1e-4)
    for whole, left, right in zip(one["batches"], first["batches"], second["batches"], strict=True):
        assert (left["loss"] + right["loss"]) / 2 == pytest.approx(whole["loss"], rel=1e-5)


def test_the_averages_are_equal(folder: Path) -> None:
    one, two = (read_weights(folder / name / "latest") for name in ("one", "two"))
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, rtol=1e-3, atol=1e-5, err_msg=name)
    meta = load_checkpoint_meta(folder / "two" / "latest")
    assert meta is not None
    assert meta["hooks"]["average"] == {"updates": BATCHES * EPOCHS}
    assert meta["hooks"]["unfreezing"] == {"lifted": True}
    start, end = read_weights(folder / "two" / "best_accuracy"), two
    moved = [name for name in end if name.startswith("backbone.") and not np.array_equal(start[name], end[name])]
    assert moved
