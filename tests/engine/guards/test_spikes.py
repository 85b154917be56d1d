"""Which losses stand out."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from ppocr.engine.guards.finite import FiniteGuard, SeenBatch, Update
from ppocr.engine.guards.spikes import SpikeDetector
from tests.engine.stubs import make_run


def told(losses: list[float], detector: SpikeDetector | None = None) -> list[int]:
    detector = detector or SpikeDetector()
    return [number for number, loss in enumerate(losses) if detector.add(loss) is not None]


def noisy(count: int, mean: float = 2.0, spread: float = 0.2) -> list[float]:
    return (mean + spread * np.random.default_rng(1).normal(size=count)).tolist()


def test_a_steady_training_has_no_spikes() -> None:
    assert told(noisy(2000)) == []
    falling = [10 * 0.99**step * (1 + noise - 2) for step, noise in enumerate(noisy(1000))]
    assert told(falling) == []
    assert told([1.0] * 100 + [1.4]) == []  # Less than 10 x 5 % of the median above it.


def test_a_spike_is_told_with_the_median_of_those_before() -> None:
    # Median 2, every deviation from it 1: the limit is 2 + 10 x 1.4826.
    for loss, expected in ((16.82, None), (16.83, 2.0)):
        detector = SpikeDetector()
        assert told([1.0, 3.0] * 50, detector) == []
        assert detector.add(loss) == expected


def test_the_first_losses_are_not_judged() -> None:
    assert told([1.0] * 29 + [100.0]) == []
    assert told([1.0] * 30 + [100.0]) == [30]


def test_spikes_in_a_row_are_told_once_and_counted() -> None:
    detector = SpikeDetector(quiet=50)
    assert told([1.0] * 100 + [50.0] * 5 + [1.0] * 60 + [50.0], detector) == [100, 165]
    assert detector.untold == 4


def test_the_warning_names_the_samples(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    guard, run = FiniteGuard(tmp_path, 10), make_run(tmp_path)
    with caplog.at_level(logging.WARNING, logger="ppocr"):
        for step in range(1, 60):
            loss = 90.0 if step == 50 else 1.5
            batch = SeenBatch(step, {"loss": loss, "part": 1.0}, [f"{step}.jpg"] * 5)
            guard._complete.append(Update(2, step, 0.0, [batch]))
        guard.before_eval(run)
    assert [record.getMessage() for record in caplog.records] == [
        "Loss spike at epoch 2, batch 50 (step 50): loss 90, part 1, where the median of the last losses is 1.5; "
        "samples of that batch: 50.jpg, 50.jpg, 50.jpg and 2 more"]
