"""The learning-rate range test: its rates, its end, and what it reads from a curve."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr.engine.hooks import HookList
from ppocr.engine.lr_picture import BLUE, GREEN, ORANGE, draw_range_test
from ppocr.engine.lr_range import RangeResult, RangeTest, centred, find_rates, has_diverged, smooth
from ppocr.errors import ConfigError
from tests.engine.stubs import Batches, make_run
from tools.program import train

RATES = np.logspace(-6, 0, 121).tolist()


def valley(rate: float) -> float:
    """A loss that falls from 3 to 1 around a rate of 1e-3, and rises steeply from 1e-1 on."""
    return 3 - 2 / (1 + math.exp(-3 * (math.log10(rate) + 3))) + 40 * max(0.0, math.log10(rate) + 1) ** 2


def result() -> RangeResult:
    return find_rates(RATES, [valley(rate) for rate in RATES])


def test_the_rate_rises_by_the_same_factor(tmp_path: Path) -> None:
    test = RangeTest(1e-5, 1e-2, 13)
    run = make_run(tmp_path, batches=5)
    run.hooks = HookList([test])
    train(run)
    rates = test.result().rates
    assert rates == pytest.approx(np.logspace(-5, -2, 13).tolist(), rel=1e-6)
    assert run.progress.step == 13  # Two epochs of five and three steps.
    assert not test.result().diverged


def test_a_step_of_accumulated_batches_has_their_mean_loss(tmp_path: Path) -> None:
    test = RangeTest(1e-9, 1e-8, 10)
    run = make_run(tmp_path, "Global.accumulation_steps=2", batches=4)
    run.network.drop.p = 0.0
    run.hooks = HookList([test])
    train(run)
    assert len(test.result().losses) == 10
    loader = Batches(4)
    losses = []
    for images, targets in loader.data:
        value = run.network(paddle.to_tensor(images))["value"].numpy()
        losses.append(float(((value - targets) ** 2).mean()))
    loader.set_epoch(0)
    expected = (losses[loader.order[0]] + losses[loader.order[1]]) / 2
    assert test.result().losses[0] == pytest.approx(expected, rel=1e-4)


def test_divergence_ends_the_test(tmp_path: Path) -> None:
    test = RangeTest(1e-3, 1e6, 60)
    run = make_run(tmp_path, "Optimizer.name=SGD", "Optimizer.clip_norm_global=null", batches=5)
    run.hooks = HookList([test])
    train(run)
    found = test.result()
    assert found.diverged
    assert 10 < len(found.losses) < 60
    assert run.stop is not None
    assert run.stop.reason == "the loss has diverged"


def test_a_loss_that_is_not_finite_ends_the_test_and_is_kept_out_of_the_curve(tmp_path: Path) -> None:
    loader = Batches(20)
    loader.set_epoch(0)
    loader.data[loader.order[14]][0][:] = float("nan")
    test = RangeTest(1e-6, 1e-4, 20)
    run = make_run(tmp_path, loader=loader)
    run.hooks = HookList([test])
    train(run)
    found = test.result()
    assert (len(found.losses), len(found.smoothed), found.diverged) == (15, 14, True)
    assert math.isnan(found.losses[-1])
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["losses"][-1] is None


def test_smoothing_by_hand() -> None:
    np.testing.assert_allclose(smooth([2.0, 4.0]), [2.0, (0.9 * 0.1 * 2 + 0.1 * 4) / (1 - 0.81)])
    np.testing.assert_allclose(smooth([3.0] * 7), [3.0] * 7)


def test_the_curve_lags_behind_neither_end() -> None:
    # From the start 2 and (0.16 * 2 + 0.2 * 4) / 0.36, from the end (0.2 * 2 + 0.16 * 4) / 0.36 and 4.
    np.testing.assert_allclose(centred([2.0, 4.0]), [(2 + 1.04 / 0.36) / 2, (1.12 / 0.36 + 4) / 2], rtol=1e-6)
    falling = centred([3.0] * 40 + [1.0] * 40)
    np.testing.assert_allclose(falling + falling[::-1], np.full(80, 4.0))  # Its middle is where the step is.
    # 1000 counts as 2, twice the level of the start.
    np.testing.assert_allclose(centred([1.0] * 20 + [1000.0]), centred([1.0] * 20 + [2.0]))
    assert len(centred([])) == 0


def test_when_a_loss_has_diverged() -> None:
    assert not has_diverged([])
    assert has_diverged([1.0, math.inf])
    assert not has_diverged([1.0] * 9 + [50.0])  # Too early to tell.
    assert has_diverged([1.0] * 10 + [50.0])  # Smoothed 1 + 49 * 0.1 / (1 - 0.9**11) = 8.1, above 4.
    assert not has_diverged([1.0] * 10 + [20.0])  # 3.8.
    assert not has_diverged([5.0] * 10 + [0.01] * 60 + [1.0])  # Ten times the minimum, but far below the start.


def test_the_suggestion_is_the_smaller_of_two() -> None:
    found = result()
    assert found.steepest is not None
    assert found.minimum is not None
    assert math.log10(found.steepest) == pytest.approx(-3, abs=0.1)
    assert -1.8 < math.log10(found.minimum) < -0.9  # Smoothed, the steep rise begins a little before -1.
    assert found.tenth_of_minimum == pytest.approx(found.minimum / 10)
    assert found.suggestion == float(f"{min(found.steepest, found.minimum / 10):.1e}")


def test_a_loss_that_never_falls_gives_no_suggestion() -> None:
    found = find_rates(RATES, [1.0 + 0.01 * step for step in range(len(RATES))])
    assert (found.steepest, found.minimum, found.suggestion) == (None, None, None)
    assert find_rates(RATES[:3], [3.0, 2.0, 1.0]).suggestion is None


@pytest.mark.parametrize(("start", "end", "steps"), [(0.0, 1.0, 50), (1e-3, 1e-3, 50), (1e-3, 1e-4, 50),
                                                     (1e-3, math.inf, 50), (1e-4, 1e-3, 9)])
def test_senseless_numbers_are_refused(start: float, end: float, steps: int) -> None:
    with pytest.raises(ConfigError, match="--st"):
        RangeTest(start, end, steps)


def test_the_picture_shows_the_curve_and_the_two_rates() -> None:
    found = result()
    picture = draw_range_test(found)
    assert (picture.shape, picture.dtype) == ((540, 960, 3), np.uint8)
    width = 930 - 80
    assert found.steepest is not None
    for rate, colour in ((found.steepest, GREEN), (found.tenth_of_minimum, ORANGE)):
        assert rate is not None
        column = round(80 + (math.log10(rate) + 6) / 6 * width)
        assert (picture[100:440, column] == colour).all(axis=1).mean() > 0.9
    blue = (picture[60:481, 80:931] == BLUE).all(axis=2)
    assert blue.any(axis=0).mean() > 0.8
    rows = [np.flatnonzero(blue[:, column]).mean() for column in (100, 600)]
    assert rows[0] < rows[1]  # The loss is higher at the left.


def test_a_picture_without_suggestion() -> None:
    picture = draw_range_test(find_rates(RATES[:30], [1.0] * 30))
    assert not (picture == ORANGE).all(axis=2).any()
    assert (picture != 255).any()
