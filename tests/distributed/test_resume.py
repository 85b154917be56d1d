"""Two processes that are stopped in the middle of an epoch and go on equal two that never were, bit by bit.

With batch norms, whose running statistics are each rank's own, dropout, whose random numbers are too, and workers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.launching import ROOT, Job, launch
from tests.small_run import write_small_run

DRIVER = ROOT / "tests/distributed/driver.py"


def train(folder: Path, output: str, *more: str, fault: tuple[str, ...] = ()) -> Job:
    return launch(folder, DRIVER, "-c", folder / "small.yml", "--dropout", *fault,
                  "-o", f"Global.save_model_dir={folder / output}", "Global.epoch_num=3",
                  "Train.loader.batch_size_per_card=4", "Train.loader.drop_last=true", "Train.loader.num_workers=2",
                  *more)


def digests(folder: Path, rank: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"record.2.{rank}.json").read_text())
    return content["digests"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 9 steps in one go; and 5 steps, after which rank 1 wants to stop, and then the other 4."""
    folder = tmp_path_factory.mktemp("resume")
    write_small_run(folder, count=26, test_count=5)
    for output, exit_code, more, fault in (
        ("whole", 0, (), ()),
        ("first", 0, (), ("--fault", "stop", "--rank", "1", "--step", "5")),
        ("second", 0, (f"Global.checkpoints={folder / 'first' / 'latest'}",), ()),
    ):
        job = train(folder, output, *more, fault=fault)
        assert job.exit_code == exit_code, job.console[-4000:]
    return folder


def test_both_ranks_stop_together_where_one_of_them_asks_for_it(folder: Path) -> None:
    state = json.loads((folder / "first" / "latest.state").read_text())
    progress = state["progress"]
    assert (progress["epoch"], progress["batch"], progress["step"]) == (1, 2, 5)
    assert state["world_size"] == len(state["random"]) == 2
    assert state["random"][0]["paddle"] != state["random"][1]["paddle"]
    for rank in range(2):
        record = json.loads((folder / "first" / f"record.2.{rank}.json").read_text())
        assert len(record["batches"]) == 5


@pytest.mark.parametrize("rank", [0, 1])
def test_the_resumed_run_equals_the_uninterrupted_one(folder: Path, rank: int) -> None:
    whole, second = digests(folder / "whole", rank), digests(folder / "second", rank)
    assert len(whole) == len(second) > 20
    assert [name for name in whole if whole[name] != second[name]] == []
    assert whole != digests(folder / "first", rank)


def test_each_rank_has_statistics_of_its_own(folder: Path) -> None:
    first, second = digests(folder / "whole", 0), digests(folder / "whole", 1)
    differing = [name for name in first if first[name] != second[name]]
    assert differing
    assert all(name.endswith(("_mean", "_variance")) for name in differing)
