"""Changes of a data set that are noticed without opening a picture."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ppocr.data.dataset import SampleDataset
from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.engine.monitoring import fingerprint as module
from ppocr.engine.monitoring.fingerprint import differences, fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"x" * (10 + number))
    (tmp_path / "train.txt").write_text("".join(f"{number}.png\tword{number}\n" for number in range(4)))
    return tmp_path


def dataset(folder: Path, *names: str) -> SampleDataset:
    return SimpleDataSet([str(folder / name) for name in names or ("train.txt",)], str(folder))


def test_what_a_fingerprint_holds(folder: Path) -> None:
    found = fingerprint(dataset(folder))
    lines = "".join(f"{number}.png\0{10 + number}\n" for number in range(4))
    assert found == {"dataset": "SimpleDataSet", "samples": 4, "sources": [{
        "path": str(folder / "train.txt"), "lines": 4, "bytes": 48,
        "sha256": hashlib.sha256((folder / "train.txt").read_bytes()).hexdigest(),
        "pictures": {"looked_at": 4, "missing": 0, "bytes": 10 + 11 + 12 + 13,
                     "sha256": hashlib.sha256(lines.encode()).hexdigest()}}]}


def test_of_many_pictures_some_are_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKED_AT", 2)
    pictures = fingerprint(dataset(folder))["sources"][0]["pictures"]
    assert (pictures["looked_at"], pictures["bytes"]) == (2, 10 + 12)


def test_nothing_changes_by_itself(folder: Path) -> None:
    before = fingerprint(dataset(folder))
    os.utime(folder / "train.txt", (1, 1))
    assert differences(before, fingerprint(dataset(folder))) == []


def test_changes_are_told(folder: Path) -> None:
    before = fingerprint(dataset(folder))
    name = folder / "train.txt"

    (folder / "1.png").write_bytes(b"another picture")
    assert differences(before, fingerprint(dataset(folder))) == \
        [f"{name} has changed: the labels are the same, pictures are not"]

    (folder / "1.png").unlink()
    assert differences(before, fingerprint(dataset(folder))) == \
        [f"{name} has changed: 1 pictures fewer of 4 that were looked at"]

    text = name.read_text()
    name.write_text(text.replace("word3", "drow3"))
    assert differences(before, fingerprint(dataset(folder))) == [f"{name} has changed: other content in its 4 lines"]

    name.write_text(text + "0.png\tagain\n")
    assert differences(before, fingerprint(dataset(folder))) == [f"{name} has changed: 4 lines before, 5 now"]

    name.rename(folder / "b.txt")
    assert differences(before, fingerprint(dataset(folder, "b.txt"))) == \
        [f"{folder / 'b.txt'} is new (5 lines)", f"{name} is not used any more (4 lines)"]


def test_another_share_of_the_same_lines(folder: Path) -> None:
    half = SimpleDataSet(str(folder / "train.txt"), str(folder), ratio_list=0.5)
    assert differences(fingerprint(dataset(folder)), fingerprint(half)) == ["an epoch has 2 samples, it had 4"]


def test_databases(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    from ppocr.data.lmdb_dataset import LMDBDataSet

    with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as environment, environment.begin(write=True) as writing:
        writing.put(b"num-samples", b"2")
    found = fingerprint(LMDBDataSet(str(tmp_path / "db")))
    size = (tmp_path / "db" / "data.mdb").stat().st_size
    assert found["sources"] == [{"path": str(tmp_path / "db"), "lines": 2, "bytes": size}]
    grown = {**found, "sources": [{**found["sources"][0], "bytes": size + 4096}]}
    assert differences(found, grown) == [f"{tmp_path / 'db'} has changed: other content in its 2 lines"]
