"""Data whose files vanish while a run goes on: an error that says so, and no evaluation of nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ppocr.errors import DatasetError
from tests.data.toy import make_loader, section, write_set


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("count", "size", "message"), [
    (8, 4, r"the images can no longer be read: none of 2\d in a row"),  # A batch of 4 and 20 others.
    (60, 16, "the images can no longer be read: none of 36 in a row"),
])
def test_training(tmp_path: Path, workers: int, count: int, size: int, message: str) -> None:
    file = write_set(tmp_path, ["1"] * count)
    loader = make_loader(section(file, {"num_workers": workers, "batch_size_per_card": size}))
    assert len(list(loader)) == -(-count // size)
    shutil.rmtree(tmp_path / "img")
    loader.set_epoch(1)
    with pytest.raises(DatasetError, match=message) as caught:
        list(loader)
    assert "train.txt:" in caught.value.what
    assert "look whether the disk or folder of the data is there" in caught.value.cure


def test_a_part_that_vanishes_is_not_only_a_matter_of_labels(tmp_path: Path) -> None:
    file = write_set(tmp_path, ["1"] * 60)
    loader = make_loader(section(file, {"batch_size_per_card": 16}))
    list(loader)
    for number in range(40):
        (tmp_path / "img" / f"{number}.png").unlink()
    loader.set_epoch(1)
    with pytest.raises(DatasetError, match="of 60 samples more than 10 cannot be used") as caught:
        list(loader)
    assert "look whether their disk or folder still is" in caught.value.cure


def test_evaluation(tmp_path: Path) -> None:
    file = write_set(tmp_path, ["1"] * 6)
    loader = make_loader(section(file), "Eval")
    assert sum(len(batch["info"]) for batch in loader) == 6
    for number in range(4):  # A batch as a whole: its samples count as wrong.
        (tmp_path / "img" / f"{number}.png").unlink()
    assert sum(len(batch["failed"]) for batch in loader) == 4
    shutil.rmtree(tmp_path / "img")
    with pytest.raises(DatasetError, match="6 missing image.: no image can be read"):
        list(loader)
