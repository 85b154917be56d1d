"""What a training keeps in memory, against what is really kept, and the dry run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ppocr.engine.logger import stop_logging
from ppocr.engine.memory_estimate import STATES, device_memory, memory_line, training_memory
from tests.engine.stubs import make_run
from tests.small_run import write_small_run
from tools.program import train
from tools.train import main

NUMBERS = 3 * 5 + 5 + 5 * 1 + 1


@pytest.mark.parametrize("name", sorted(STATES))
def test_the_state_of_each_optimizer(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path, "Global.epoch_num=1", f"Optimizer.name={name}", batches=1)
    expected = training_memory(run)
    train(run)
    kept = sum(int(tensor.size) for group in run.optimizer._accumulators.values() for tensor in group.values()
               if tensor.size > 1 or "pow" not in tensor.name)
    # Powers of the betas, one number for each parameter, are not worth counting.
    assert (expected.parameters, expected.gradients) == (4 * NUMBERS, 4 * NUMBERS)
    assert expected.optimizer == 4 * kept


def test_what_is_frozen_has_no_gradient(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.network.first.weight.stop_gradient = True
    needed = training_memory(run)
    assert (needed.parameters, needed.gradients, needed.optimizer) == (104, 4 * 11, 8 * 11)
    assert needed.total == 104 + 44 + 88


def test_the_line(tmp_path: Path) -> None:
    line = memory_line(make_run(tmp_path))
    assert line.startswith("Memory: 0.0 MiB weights + 0.0 MiB gradients + 0.0 MiB optimizer = 0.0 MiB")
    assert device_memory()[0] > 0


def test_the_dry_run_measures_and_saves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_small_run(tmp_path, count=40)
    assert main(["-c", str(config), "--dry-run", "-o", "Global.epoch_num=3"]) == 0
    stop_logging()
    printed = capsys.readouterr().out.splitlines()
    lines = [line.partition("] ")[2] for line in printed if "Dry run" in line]
    assert lines[:4] == [
        "Dry run, batch: image [8, 3, 32, 64], label [8, 25], length [8]",
        "Dry run, output of backbone (VGG): [8, 32, 1, 16]",
        "Dry run, output of neck (SequenceEncoder): [8, 16, 16]",
        "Dry run, output of head (CTCHead): [8, 16, 37]",
    ]
    assert re.match(r"Dry run, first losses: loss \d+\.\d{4}$", lines[4])
    assert "outputs of layers" in lines[5]
    assert "(mean of 3; " in lines[6]
    assert "for an epoch of 5 batches" in lines[6]
    assert {path.suffix for path in (tmp_path / "output").iterdir()} == {".log"}
