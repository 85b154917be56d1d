"""``Global.checkpoints=latest``: the newest complete checkpoint of the training that saved last."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from ppocr.engine.checkpoint import load_start, named_weights, resume, save_checkpoint
from ppocr.engine.checkpoint_files import checkpoint_files, finish_saves, newest_complete
from ppocr.engine.checkpointing import Checkpointing
from ppocr.engine.run import TrainingRun
from ppocr.errors import CheckpointError
from tests.engine.stubs import make_run, weights
from tools.program import train

OUTPUT = "output"


def trained(folder: Path, *options: str, epochs: int = 2, every: int = 1) -> TrainingRun:
    """Return a run that has left ``latest``, ``previous`` and an ``iter_epoch_N`` for each epoch."""
    run = make_run(folder, f"Global.epoch_num={epochs}", *options, hooks=[Checkpointing(folder / OUTPUT, every)])
    train(run)
    return run


def spoil(prefix: Path, suffix: str = ".pdparams", size: int = 100) -> None:
    """Cut a file short, without changing the files that share its content."""
    path = Path(f"{prefix}{suffix}")
    content = path.read_bytes()[:size]
    path.unlink()
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trained(tmp_path)
    return tmp_path / OUTPUT


def test_the_furthest_is_the_newest(folder: Path) -> None:
    assert newest_complete(folder) == folder / "latest"
    for suffix in (".pdparams", ".pdopt", ".state"):
        Path(f"{folder / 'latest'}{suffix}").unlink()
    assert newest_complete(folder) == folder / "iter_epoch_2"
    assert newest_complete(folder / "nothing") is None


@pytest.mark.parametrize("suffix", [".pdparams", ".pdopt", ".state"])
def test_what_is_not_complete_is_named_and_passed_over(
    folder: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(folder / "latest", suffix)
    spoil(folder / "iter_epoch_2", suffix)
    assert newest_complete(folder) == folder / "previous"
    for name in ("latest", "iter_epoch_2"):
        assert f"Passed over: {folder / name}{suffix}" in caplog.text
    resumed = make_run(folder.parent, "Global.epoch_num=2", "Global.checkpoints=latest")
    load_start(resumed, "rec")
    assert resumed.progress.epoch == 1


def test_a_missing_file_is_no_complete_checkpoint(folder: Path) -> None:
    (folder / "latest.pdopt").unlink()
    assert newest_complete(folder) == folder / "iter_epoch_2"


def test_when_nothing_is_complete_the_training_is_not_begun_anew(folder: Path) -> None:
    for path in folder.glob("*.pdopt"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"none of the checkpoints in .* complete:\n(.*\n)*.*epoch_1.pdopt"):
        load_start(make_run(folder.parent, "Global.checkpoints=latest"), "rec")


def test_an_explicit_checkpoint_that_is_damaged_is_an_error_that_names_another(folder: Path) -> None:
    spoil(folder / "latest")
    with pytest.raises(CheckpointError, match=r"latest.pdparams is missing or.*\n.*\n.*one there is .*iter_epoch_2"):
        resume(make_run(folder.parent), folder / "latest")
    spoil(folder / "latest", ".state")
    with pytest.raises(CheckpointError, match=r"latest.state cannot be read.*\n.*\n.*one there is .*iter_epoch_2"):
        resume(make_run(folder.parent), folder / "latest")
    with pytest.raises(CheckpointError, match=r"no .*lates.state\n.*\n.*one there is .*iter_epoch_2"):
        resume(make_run(folder.parent), folder / "lates")


def test_a_staged_save_takes_its_place(folder: Path) -> None:
    run = make_run(folder.parent, "Global.epoch_num=3", "Global.checkpoints=latest")
    load_start(run, "rec")
    train(run)
    save_checkpoint(run, folder / "new")
    for source, staged in zip(checkpoint_files(folder / "new"), checkpoint_files(folder / "latest", staged=True),
                              strict=True):
        source.rename(staged)
    assert named_weights(run.config["Global"]) == ("checkpoints", str(folder / "latest"))
    again = make_run(folder.parent, "Global.epoch_num=3", "Global.checkpoints=latest")
    load_start(again, "rec")
    assert again.progress.epoch == 3
    assert weights(again) == weights(run)
    finish_saves(folder)
    assert not list(folder.glob(".*"))


def test_an_older_training_in_the_same_folder_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trained(tmp_path, epochs=4)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    second = trained(tmp_path, epochs=1, every=0)
    assert second.progress.run != first.progress.run
    assert newest_complete(tmp_path / OUTPUT) == tmp_path / OUTPUT / "latest"
    assert (tmp_path / OUTPUT / "iter_epoch_4.state").is_file()
    resumed = make_run(tmp_path, "Global.checkpoints=latest")
    load_start(resumed, "rec")
    assert (resumed.progress.epoch, resumed.progress.run) == (1, second.progress.run)


def test_states_of_weights_alone_are_no_candidates(folder: Path) -> None:
    (folder / "imported.state").write_text(json.dumps({"schema": 1, "imported_from": {}, "files": {}}))
    (folder / "zzz.state").write_text("[]")
    assert newest_complete(folder, warn=False) == folder / "latest"


def test_without_a_checkpoint_the_training_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path, "Global.checkpoints=latest")
    with caplog.at_level(logging.INFO, logger="ppocr"):
        load_start(run, "rec")
    assert f"there is no checkpoint in {tmp_path / OUTPUT} yet" in caplog.text
    assert "Training from random weights" in caplog.text
    assert run.checkpoint is None


def test_pretrained_weights_count_until_there_is_a_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_run(tmp_path, "Global.epoch_num=1")
    train(source)
    save_checkpoint(source, tmp_path / "elsewhere")
    options = ["Global.checkpoints=latest", f"Global.pretrained_model={tmp_path / 'elsewhere'}", "Global.epoch_num=1"]
    run = make_run(tmp_path, *options, hooks=[Checkpointing(tmp_path / OUTPUT, 0)])
    with caplog.at_level(logging.INFO, logger="ppocr"):
        load_start(run, "rec")
    assert weights(run) == weights(source)
    assert run.progress.step == 0
    assert "Only weights are taken" in caplog.text
    train(run)
    again = make_run(tmp_path, *options)
    load_start(again, "rec")
    assert again.progress.epoch == 1
    assert weights(again) == weights(run) != weights(source)


def test_the_word_is_not_a_file_in_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = folder.parent / "other"
    other.mkdir()
    run = make_run(folder.parent, "Global.epoch_num=1")
    train(run)
    save_checkpoint(run, other / "latest")
    monkeypatch.chdir(other)

    def found(name: str) -> Any:
        return named_weights(make_run(folder.parent, f"Global.checkpoints={name}").config["Global"])

    with caplog.at_level(logging.INFO, logger="ppocr"):
        assert found("latest") == ("checkpoints", str(folder / "latest"))
    assert "For the one in the current folder write ./latest" in caplog.text
    assert found("./latest") == ("checkpoints", "./latest")
