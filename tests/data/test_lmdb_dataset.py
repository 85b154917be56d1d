from __future__ import annotations

import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from ppocr.data.lmdb_dataset import LMDBDataSet
from ppocr.data.sample import Failure, Index
from ppocr.errors import DatasetError, DependencyError
from tests.data.toy import CONTEXT, encode, lines_of, make_loader, picture, transforms


def write_database(folder: Path, labels: list[str], **entries: bytes | None) -> None:
    folder.mkdir(parents=True)
    values: dict[str, bytes | None] = {"num-samples": str(len(labels)).encode()}
    for number, label in enumerate(labels, start=1):
        values[f"image-{number:09d}"] = encode(picture(2 * number))
        values[f"label-{number:09d}"] = label.encode()
    values |= {key.replace("_", "-"): value for key, value in entries.items()}
    with lmdb.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            if value is not None:
                transaction.put(key.encode(), value)


def make(folder: Path) -> LMDBDataSet:
    return LMDBDataSet(str(folder), transforms(), transform_context=CONTEXT)


def test_round_trip_through_nested_folders(tmp_path: Path) -> None:
    write_database(tmp_path / "b/two", ["c"])
    write_database(tmp_path / "a", ["1", "22"])
    dataset = make(tmp_path)
    assert len(dataset) == 3
    samples: list[Any] = [dataset[Index(0, i)] for i in range(3)]
    assert [(Path(s["info"].source).name, s["info"].line, s["info"].label) for s in samples] == [
        ("a", 1, "1"), ("a", 2, "22"), ("two", 1, "c")]
    assert samples[1]["label"].tolist() == [3, 3, 0, 0, 0, 0]
    np.testing.assert_allclose(samples[1]["image"][:, :, -4:], 4 / 127.5 - 1, atol=1e-6)
    assert str(samples[2]["info"]) == f"{tmp_path / 'b/two'}:1 (image-000000001)"


def test_bad_entries(tmp_path: Path) -> None:
    write_database(tmp_path / "a", ["1"] * 5, image_000000002=None, label_000000003=None, image_000000004=b"junk",
                   label_000000005=b"\xff\xfe")
    dataset = make(tmp_path)
    found = [dataset[Index(0, i)] for i in range(5)]
    assert [item.kind if isinstance(item, Failure) else "good" for item in found] == [
        "good", "missing image", "malformed line", "unreadable image", "malformed line"]


@pytest.mark.parametrize(("entries", "match"), [({"num_samples": b"many"}, "num-samples b'many'"),
                                                ({"num_samples": None}, "num-samples None"),
                                                ({"num_samples": b"0"}, "hold no sample")])
def test_unusable_databases(tmp_path: Path, entries: dict[str, Any], match: str) -> None:
    write_database(tmp_path / "a", ["1"], **entries)
    with pytest.raises(DatasetError, match=match):
        make(tmp_path)


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no LMDB database"):
        make(tmp_path)


def test_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database")
    with pytest.raises(DatasetError, match="cannot be opened"):
        make(tmp_path)


def test_training_and_evaluation_may_share_one(tmp_path: Path) -> None:
    write_database(tmp_path / "a", ["1", "2"])
    first, second = make(tmp_path), make(tmp_path)
    assert isinstance(first[Index(0, 0)], dict)
    assert isinstance(second[Index(0, 1)], dict)


def test_pickling(tmp_path: Path) -> None:
    write_database(tmp_path / "a", ["1"])
    assert isinstance(pickle.loads(pickle.dumps(make(tmp_path)))[Index(0, 0)], dict)


def test_reading_after_a_fork(tmp_path: Path) -> None:
    write_database(tmp_path / "a", ["1", "2"])
    dataset = make(tmp_path)
    dataset[Index(0, 0)]  # the database is open in this process
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(dataset[Index(0, 1)], dict) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert isinstance(dataset[Index(0, 1)], dict)


@pytest.mark.parametrize("workers", [0, 2])
def test_with_the_loader(tmp_path: Path, workers: int) -> None:
    write_database(tmp_path / "a", [str(i) for i in range(6)])
    section = {"dataset": {"name": "LMDBDataSet", "data_dir": str(tmp_path), "transforms": transforms()},
               "loader": {"batch_size_per_card": 4, "num_workers": workers}}
    assert lines_of(make_loader(section, "Eval")) == [[1, 2, 3, 4], [5, 6]]


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_database(tmp_path / "a", ["1"])
    original = builtins.__import__

    def without_lmdb(name: str, *arguments: Any) -> Any:
        if name == "lmdb":
            raise ImportError("No module named 'lmdb'")
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_lmdb)
    with pytest.raises(DependencyError, match="pip install lmdb"):
        make(tmp_path)
