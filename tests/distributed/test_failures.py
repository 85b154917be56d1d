"""A rank that fails ends the job, within a minute, and everybody learns what of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.distributed.launching import ROOT, launch
from tests.small_run import write_small_run

DRIVER = ROOT / "tests/distributed/driver.py"

CASES = {
    "raise": "RuntimeError: rank 1 is broken on purpose",
    "exit": "SystemExit: 7",
    "kill": "it ended without a word: killed",
    "evaluation": "RuntimeError: rank 1 is broken on purpose",
    "config": "ConfigError: this machine has no data",
}


@pytest.mark.parametrize("fault", CASES)
def test_the_error_of_rank_1_is_on_the_console_of_rank_0(tmp_path: Path, fault: str) -> None:
    write_small_run(tmp_path, count=16, test_count=3)
    step = "2" if fault == "evaluation" else "3"
    job = launch(tmp_path, DRIVER, "-c", tmp_path / "small.yml", "--fault", fault, "--step", step,
                 "-o", f"Global.save_model_dir={tmp_path / 'output'}", "Global.epoch_num=20",
                 "Train.loader.batch_size_per_card=4", f"Train.loader.num_workers={2 if fault == 'kill' else 0}")
    assert job.exit_code != 0
    assert job.seconds < 60
    assert "ERROR: Rank 1 failed, which ends the training" in job.console
    assert f"TrainingError: rank 1 failed: {CASES[fault]}" in job.logs[0]
    log = (tmp_path / "output" / "train.log").read_text(encoding="utf-8")
    assert CASES[fault] in log
    if fault in ("raise", "exit", "kill"):
        assert "continue with -o Global.checkpoints=" in log
