"""What ranks share, with the exchange replaced: real ranks are in tests/distributed."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.data.report import BadSampleReport
from ppocr.data.sample import Failure, Remark, SampleInfo
from ppocr.engine import ranks
from ppocr.engine.bad_samples import merged
from ppocr.engine.stopping import Stop, agree_on_stop
from ppocr.errors import TrainingError
from tests.engine.stubs import make_run


class Network(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.fc = paddle.nn.Linear(2, 2)
        self.norm = paddle.nn.BatchNorm1D(2)
        self.norm._mean.set_value(np.float32([1, 2]))
        self.norm._variance.set_value(np.float32([3, 4]))


def test_a_single_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paddle.distributed, "all_reduce", None)
    network = Network()
    with ranks.averaged_statistics(network, 1):
        np.testing.assert_array_equal(network.norm._mean.numpy(), [1, 2])
    assert ranks.gather("a", 1) == ranks.exchange("a", 1) == ["a"]
    assert ranks.statistics_arrays(network, 1) == {}
    ranks.check_same_weights(network, 1)
    ranks.wait_for_all()
    with ranks.sharing_failures():
        pass
    error = ValueError()
    assert ranks.cause_of(error) is error


def test_the_mean_of_the_statistics_holds_within_the_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_the_other(flat: Any) -> None:
        flat.set_value(flat + paddle.to_tensor(np.float32([3, 0, 1, 0])))  # Means 3 and 0, variances 1 and 0.

    monkeypatch.setattr(paddle.distributed, "all_reduce", add_the_other)
    network = Network()
    with pytest.raises(KeyError), ranks.averaged_statistics(network, 2):
        np.testing.assert_array_equal(network.norm._mean.numpy(), [2, 1])
        np.testing.assert_array_equal(network.norm._variance.numpy(), [2, 2])
        raise KeyError
    np.testing.assert_array_equal(network.norm._mean.numpy(), [1, 2])
    np.testing.assert_array_equal(network.norm._variance.numpy(), [3, 4])


def test_each_rank_gets_its_own_statistics_back(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    other = {"norm._mean": np.float32([5, 6]), "norm._variance": np.float32([7, 8])}
    monkeypatch.setattr(ranks, "gather", lambda value, size: [value, other])
    arrays = {**ranks.statistics_arrays(network, 2), "fc.weight|moment1_0": np.zeros(4)}
    assert len(arrays) == 5
    resumed = Network()
    ranks.restore_statistics(resumed, arrays, rank=1, world_size=2)
    np.testing.assert_array_equal(resumed.norm._mean.numpy(), [5, 6])
    np.testing.assert_array_equal(resumed.norm._variance.numpy(), [7, 8])
    assert list(arrays) == ["fc.weight|moment1_0"]


def test_with_another_number_of_ranks_the_mean_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    other = {"norm._mean": np.float32([5, 6]), "norm._variance": np.float32([7, 8])}
    monkeypatch.setattr(ranks, "gather", lambda value, size: [value, other])
    for world_size in (1, 3):
        arrays = ranks.statistics_arrays(network, 2)
        ranks.restore_statistics(network, arrays, rank=0, world_size=world_size)
        np.testing.assert_array_equal(network.norm._mean.numpy(), [1, 2])
        assert arrays == {}


@pytest.mark.parametrize(("shift", "is_apart"), [(0.0, False), (1e-6, False), (0.01, True)])
def test_weights_that_drift_apart_are_an_error(monkeypatch: pytest.MonkeyPatch, shift: float, is_apart: bool) -> None:
    network, other = Network(), Network()
    other.set_state_dict(network.state_dict())
    other.fc.weight.set_value(other.fc.weight + shift)
    other.norm._mean.set_value(np.float32([9, 9]))  # These may differ.
    values: list[Any] = []
    monkeypatch.setattr(ranks, "exchange", lambda value, size: values.append(value) or [value])
    ranks.check_same_weights(other, 2)
    monkeypatch.setattr(ranks, "exchange", lambda value, size: [value, *values])
    if not is_apart:
        ranks.check_same_weights(network, 2)
        return
    with pytest.raises(TrainingError, match="drifted apart: fc.weight\n") as caught:
        ranks.check_same_weights(network, 2)
    assert "find_unused_parameters" in caught.value.cure


@pytest.mark.parametrize(("requests", "expected"), [
    ([None, None], None),
    ([None, Stop("SIGTERM", 143, True)], Stop("SIGTERM", 143, True)),
    ([Stop("early"), Stop("SIGINT", 130, True)], Stop("SIGINT", 130, True)),
    ([Stop("early"), None], Stop("early")),
])
def test_the_ranks_stop_for_the_same_reason(tmp_path: Any, monkeypatch: pytest.MonkeyPatch,
                                            requests: list[Stop | None], expected: Stop | None) -> None:
    run = make_run(tmp_path)
    run.world_size = 2
    plain = [vars(request) if request else None for request in requests]
    monkeypatch.setattr("ppocr.engine.stopping.exchange", lambda value, size: plain)
    assert agree_on_stop(run) == (expected is not None)
    assert run.stop == expected


def test_the_bad_samples_of_all_ranks_make_one_report() -> None:
    infos = [SampleInfo("train.txt", line, f"{line}.jpg", "x") for line in range(4)]
    first, second = BadSampleReport(), BadSampleReport()
    first.add([Failure(infos[0], "missing image", ""), Failure(infos[1], "missing image", "")])
    second.add([Failure(infos[1], "missing image", ""), Failure(infos[2], "text too long", "")])
    second.add_remarks([Remark(infos[3], "one"), Remark(infos[3], "two")])
    first.events["replaced"] += 2
    second.events["replaced"] += 3
    whole = merged([first, second])
    assert whole.summary() == "3 bad samples: 2 missing image, 1 text too long"
    assert [remark.text for remark in whole.remarks["train.txt", 3]] == ["one", "two"]
    assert whole.events["replaced"] == 5
    assert merged([first]) is first
