"""SIGTERM to the launcher: what a scheduler, ``kill`` and, by way of the launcher, Ctrl-C come to."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.distributed.launching import ROOT, finish, start
from tests.small_run import write_small_run

DRIVER = ROOT / "tests/distributed/driver.py"


def wait_for(path: Path, text: str, seconds: float = 120.0) -> None:
    """Wait until a file contains a text."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.is_file() and text in path.read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} does not say {text!r}")


def test_the_job_ends_with_a_checkpoint_of_where_it_stood(tmp_path: Path) -> None:
    write_small_run(tmp_path, count=33, test_count=3)
    output = tmp_path / "output"
    started = time.monotonic()
    process = start(tmp_path, DRIVER, "-c", tmp_path / "small.yml", "--pace", "0.2", "-o",
                    f"Global.save_model_dir={output}", "Global.epoch_num=1000", "Global.print_batch_step=1",
                    "Train.loader.num_workers=1", "Train.loader.batch_size_per_card=4")
    wait_for(output / "train.log", "Step: 3/")
    process.send_signal(signal.SIGTERM)
    job = finish(tmp_path, process, started)
    assert job.exit_code == signal.SIGTERM  # The launcher's own way to say it.
    state = json.loads((output / "latest.state").read_text())
    for name in ("train.log", "train.rank1.log"):
        log = (output / name).read_text(encoding="utf-8")
        assert "SIGTERM" in log
        assert "continue with -o Global.checkpoints=" in log
    records = [json.loads((output / f"record.2.{rank}.json").read_text()) for rank in range(2)]
    assert [len(record["batches"]) for record in records] == [state["progress"]["step"]] * 2
