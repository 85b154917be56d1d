"""Deterministic training: two runs are equal, and what the setting does to Paddle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paddle
import pytest

from ppocr.engine.determinism import GPU_FLAGS, THREADS, make_deterministic
from ppocr.engine.logger import stop_logging
from ppocr.engine.run import TrainingRun
from ppocr.weights import read_weights
from tests.engine.stubs import config_for
from tests.small_run import write_small_run
from tools.program import prepare, start_training, train


@pytest.fixture(autouse=True)
def _log_ends() -> Iterator[None]:
    yield
    stop_logging()


def trained(config: Path, output: str, *options: str) -> TrainingRun:
    prepared, device = prepare(str(config), ["Global.deterministic=true", "Global.epoch_num=2",
                                             "Global.print_batch_step=1", *options,
                                             f"Global.save_model_dir={config.parent / output}"], name="train")
    run = start_training(prepared, device)
    train(run)
    return run


def losses(run: TrainingRun) -> list[float]:
    lines = (Path(run.config["Global"]["save_model_dir"]) / "metrics.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines) if record["kind"] == "train"]


def test_two_runs_are_equal_and_another_seed_is_not(tmp_path: Path) -> None:
    config = write_small_run(tmp_path, count=24, test_count=4)
    first, second, other = (trained(config, name, option) for name, option in (
        ("a", "Global.seed=5"), ("b", "Global.seed=5"), ("c", "Global.seed=6")))
    assert len(losses(first)) == 6
    assert losses(first) == losses(second) != losses(other)
    weights = [{name: array.tobytes() for name, array in read_weights(tmp_path / folder / "latest").items()}
               for folder in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_the_number_of_threads_is_told_unless_it_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = config_for(tmp_path, "Global.deterministic=true")["Global"]
    monkeypatch.setenv(THREADS, "2")
    make_deterministic(options, "cpu")
    assert not caplog.text
    monkeypatch.delenv(THREADS)
    make_deterministic(options, "cpu")
    assert f"Set {THREADS} to pin it" in caplog.text


def test_flags_of_the_gpu_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, object] = {}

    def set_flags(flags: dict[str, object]) -> None:
        if "FLAGS_embedding_deterministic" in flags:
            raise ValueError("no such flag")
        given.update(flags)

    monkeypatch.setattr(paddle, "set_flags", set_flags)
    make_deterministic(config_for(tmp_path)["Global"], "gpu")
    assert not given
    make_deterministic(config_for(tmp_path, "Global.deterministic=true")["Global"], "gpu")
    assert given == {flag: value for flag, value in GPU_FLAGS.items() if flag != "FLAGS_embedding_deterministic"}
    assert given["FLAGS_cudnn_deterministic"] is True
    assert "this Paddle has no FLAGS_embedding_deterministic" in caplog.text
