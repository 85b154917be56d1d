"""Files that are either complete or not there."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest

from ppocr.errors import ConfigError, did_you_mean
from ppocr.fileio import atomic_write, sha256


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    with atomic_write(target, "w") as file:
        file.write("old")
    with pytest.raises(RuntimeError), atomic_write(target, "w") as file:
        file.write("half of the new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_errors_have_three_parts_and_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("what", expected="this", cure="do that")))
    assert str(error) == "what\n  expected: this\n  to do: do that"
    assert isinstance(error, ConfigError)


def test_did_you_mean() -> None:
    assert did_you_mean("ctcloss", ["CTCLoss", "MeanSquares"]) == "did you mean 'CTCLoss'?"
    assert did_you_mean("zebra", ["CTCLoss"]) == ""
