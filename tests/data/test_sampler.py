from __future__ import annotations

import numpy as np
import pytest

from ppocr.data.sample import Index
from ppocr.data.sampler import BatchSampler
from ppocr.errors import ConfigError
from tests.data.toy import flat


def positions(sampler: BatchSampler, epoch: int = 0, start: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch, start)
    batches = list(sampler)
    assert all(index.epoch == epoch and index.size is None for batch in batches for index in batch)
    return [[index.position for index in batch] for batch in batches]


class TestOrder:
    def test_without_shuffling(self) -> None:
        sampler = BatchSampler(range(5), 2, shuffle=False)
        assert list(sampler) == [[Index(0, 0), Index(0, 1)], [Index(0, 2), Index(0, 3)], [Index(0, 4)]]

    def test_depends_on_seed_and_epoch_only(self) -> None:
        runs = {(seed, epoch): positions(BatchSampler(range(30), 4, seed=seed), epoch)
                for seed in (0, 1) for epoch in (0, 1)}
        assert len({str(run) for run in runs.values()}) == 4
        assert all(sorted(flat(run)) == list(range(30)) for run in runs.values())
        np.random.seed(3)  # noqa: NPY002 - the global generator must not matter
        assert positions(BatchSampler(range(30), 4, seed=1), 1) == runs[1, 1]

    def test_start_batch_leaves_out_the_first(self) -> None:
        sampler = BatchSampler(range(10), 3, seed=2)
        whole = positions(sampler, 5)
        assert [positions(sampler, 5, start) for start in range(5)] == [whole[start:] for start in range(5)]
        assert len(sampler) == 4


class TestRanks:
    @pytest.mark.parametrize("samples", [1, 7, 8, 9, 16])
    @pytest.mark.parametrize("world_size", [1, 2, 3])
    def test_evaluation_is_exact(self, samples: int, world_size: int) -> None:
        ranks = [positions(BatchSampler(range(samples), 2, shuffle=False, drop_last=True, rank=rank,
                                        world_size=world_size, exact=True)) for rank in range(world_size)]
        assert sorted(flat(flat(ranks))) == list(range(samples))

    @pytest.mark.parametrize("drop_last", [False, True])
    @pytest.mark.parametrize("batch_size", [1, 3])
    @pytest.mark.parametrize("samples", [1, 10, 12, 13])
    def test_training_ranks_take_equal_steps(self, samples: int, batch_size: int, drop_last: bool) -> None:
        samplers = [BatchSampler(range(samples), batch_size, seed=1, drop_last=drop_last, rank=rank, world_size=2)
                    for rank in range(2)]
        ranks = [positions(sampler, 4) for sampler in samplers]
        sizes = [[len(batch) for batch in rank] for rank in ranks]
        assert sizes[0] == sizes[1]
        assert [len(rank) for rank in ranks] == [len(sampler) for sampler in samplers]
        seen = flat(flat(ranks))
        if drop_last:
            assert len(seen) == len(set(seen)) == samples // (2 * batch_size) * 2 * batch_size
            assert all(size == batch_size for size in sizes[0])
        else:
            assert set(seen) == set(range(samples))
            assert len(seen) == samples + samples % 2

    def test_drop_last_by_hand(self) -> None:
        sampler = BatchSampler(range(11), 2, shuffle=False, drop_last=True, rank=1, world_size=2)
        assert positions(sampler) == [[1, 3], [5, 7]]


def test_wrong_batch_size() -> None:
    with pytest.raises(ConfigError, match="batch_size_per_card is 0"):
        BatchSampler(range(3), 0)
