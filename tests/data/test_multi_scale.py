from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.data.multi_scale_dataset import MultiScaleDataSet
from ppocr.data.multi_scale_sampler import MultiScaleSampler
from ppocr.data.sample import Failure, Index
from ppocr.errors import ConfigError
from tests.data.toy import CONTEXT, flat, make_loader, section, transforms, write_set

SCALES = [(320, 32), (320, 48), (320, 64)]
TRANSFORMS = [{"DecodeImage": None}, {"CTCLabelEncode": None},
              {"KeepKeys": {"keep_keys": ["image", "label", "length", "valid_ratio"]}}]


def batches(sampler: MultiScaleSampler, epoch: int = 0, start: int = 0) -> list[tuple[Any, list[int]]]:
    sampler.set_epoch(epoch, start)
    found = []
    for batch in sampler:
        sizes = {index.size for index in batch}
        assert len(sizes) == 1
        found.append((sizes.pop(), [index.position for index in batch]))
    return found


class TestSampler:
    def test_batches_of_equal_pixels(self) -> None:
        sampler = MultiScaleSampler(range(380), SCALES, first_bs=96, fix_bs=False)
        # 96 * 32 / 48 = 64 and 96 * 32 / 64 = 48; a round takes 208, then 96 and 64 of 172, and 12 are left.
        expected = Counter({((320, 32), 96): 2, ((320, 48), 64): 2, ((320, 64), 48): 1, ((320, 64), 12): 1})
        for epoch in range(3):
            found = batches(sampler, epoch)
            assert Counter((size, len(positions)) for size, positions in found) == expected
            assert sorted(flat(positions for _, positions in found)) == list(range(380))
        assert len(sampler) == 6

    def test_drop_last(self) -> None:
        sampler = MultiScaleSampler(range(380), SCALES, first_bs=96, fix_bs=False, drop_last=True)
        assert sorted(len(positions) for _, positions in batches(sampler)) == [48, 64, 64, 96, 96]

    def test_fixed_batch_size(self) -> None:
        sampler = MultiScaleSampler(range(40), SCALES, first_bs=10)
        assert Counter((size[1], len(positions)) for size, positions in batches(sampler)) == {
            (32, 10): 2, (48, 10): 1, (64, 10): 1}

    def test_every_epoch_draws_anew(self) -> None:
        sampler = MultiScaleSampler(range(300), SCALES, first_bs=10, run_seed=3)
        epochs = [batches(sampler, epoch) for epoch in range(4)]
        assert len({str([size for size, _ in epoch]) for epoch in epochs}) == 4
        assert len({str(sorted(epoch[0][1])) for epoch in epochs}) == 4
        assert batches(MultiScaleSampler(range(300), SCALES, first_bs=10, run_seed=3), 2) == epochs[2]
        assert batches(MultiScaleSampler(range(300), SCALES, first_bs=10, seed=4, run_seed=3), 2) != epochs[2]

    def test_start_batch(self) -> None:
        sampler = MultiScaleSampler(range(90), SCALES, first_bs=20, fix_bs=False)
        assert batches(sampler, 1, 3) == batches(sampler, 1)[3:]

    @pytest.mark.parametrize("drop_last", [False, True])
    def test_ranks_have_the_same_sizes(self, drop_last: bool) -> None:
        ranks = [batches(MultiScaleSampler(range(101), SCALES, first_bs=12, fix_bs=False, drop_last=drop_last,
                                           rank=rank, world_size=2), 5) for rank in range(2)]
        shapes = [[(size, len(positions)) for size, positions in rank] for rank in ranks]
        assert shapes[0] == shapes[1]
        seen = [position for rank in ranks for _, positions in rank for position in positions]
        assert len(set(seen)) == (len(seen) if drop_last else 101)

    def test_evaluation_is_exact_in_any_order(self) -> None:
        ranks = [batches(MultiScaleSampler(range(21), SCALES, first_bs=5, rank=rank, world_size=2, exact=True), 3)
                 for rank in range(2)]
        assert sorted(position for rank in ranks for _, positions in rank for position in positions) == list(range(21))

    def test_rounding(self) -> None:
        sampler = MultiScaleSampler(range(4), [(100, 30), (3, 3)], first_bs=2, divided_factor=(8, 16))
        # 100 / 8 = 12.5 rounds to the even 12; 30 / 16 = 1.875 rounds to 2.
        assert sorted(size for size, _ in batches(sampler)) == [(8, 16), (96, 32)]

    def test_not_training(self) -> None:
        sampler = MultiScaleSampler(range(5), SCALES, first_bs=2, is_training=False)
        assert batches(sampler, 3) == [((320, 32), [0, 1]), ((320, 32), [2, 3]), ((320, 32), [4])]

    @pytest.mark.parametrize("arguments", [{"scales": []}, {"scales": [(320, 0)]}, {"first_bs": 0}, {"max_w": 0}])
    def test_wrong_arguments(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ConfigError):
            MultiScaleSampler(range(4), **{"scales": SCALES, **arguments})


def with_sizes(folder: Path, widths: list[int]) -> Path:
    file = write_set(folder, ["1"] * len(widths))
    lines = [f"{line}\t{width}\t10\n" for line, width in zip(file.read_text().splitlines(), widths, strict=True)]
    file.write_text("".join(lines))
    return file


class TestFittedWidth:
    def dataset(self, file: Path, **arguments: Any) -> MultiScaleDataSet:
        return MultiScaleDataSet(str(file), str(file.parent), TRANSFORMS, ds_width=True, transform_context=CONTEXT,
                                 **arguments)

    def test_similar_ratios_share_a_batch(self, tmp_path: Path) -> None:
        dataset = self.dataset(with_sizes(tmp_path, [20, 200, 19, 60, 61, 190]))
        sampler = MultiScaleSampler(dataset, [(320, 32)], first_bs=2, max_w=480)
        for epoch in range(3):
            # Widths 32 * 2, 32 * 6.1 = 195.2 -> 200 and 32 * 20 -> 480.
            assert sorted((size, sorted(positions)) for size, positions in batches(sampler, epoch)) == [
                ((64, 32), [0, 2]), ((200, 32), [3, 4]), ((480, 32), [1, 5])]

    def test_with_a_subset(self, tmp_path: Path) -> None:
        dataset = self.dataset(with_sizes(tmp_path, [10 * i for i in range(1, 21)]), ratio_list=0.2)
        ratios = dataset.aspect_ratios(1)
        assert ratios is not None
        lines = [dataset.locate(Index(1, i))[1] for i in range(4)]
        assert ratios.tolist() == [line + 1 for line in lines]

    def test_lines_without_size(self, tmp_path: Path) -> None:
        file = with_sizes(tmp_path, [20, 30])
        file.write_text("img/0.png\t1\n" + file.read_text())
        failure = self.dataset(file)[Index(0, 0, (16, 8))]
        assert isinstance(failure, Failure)
        assert failure.kind == "malformed line"

    def test_no_line_with_size(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="ds_width"):
            self.dataset(write_set(tmp_path, ["1"]))


class TestDataset:
    SAMPLER = {"name": "MultiScaleSampler", "scales": [[32, 8], [32, 16]], "first_bs": 4, "fix_bs": False,
               "divided_factor": [8, 8], "is_training": True}

    def test_image_sizes_of_batches(self, tmp_path: Path) -> None:
        config = section(write_set(tmp_path, ["12"] * 12), name="MultiScaleDataSet", transforms=TRANSFORMS)
        loader = make_loader({**config, "sampler": self.SAMPLER})
        shapes = sorted(tuple(batch["image"].shape) for batch in loader)
        assert shapes == [(2, 3, 16, 32), (2, 3, 16, 32), (4, 3, 8, 32), (4, 3, 8, 32)]
        for batch in loader:  # images of 20 x 40 pixels
            expected = 0.5 if batch["image"].shape[2] == 8 else 1.0
            assert batch["valid_ratio"].numpy().tolist() == [expected] * len(batch["info"])

    def test_subsets_change_from_epoch_to_epoch(self, tmp_path: Path) -> None:
        config = section(write_set(tmp_path, ["1"] * 30), name="MultiScaleDataSet", transforms=TRANSFORMS,
                         ratio_list=0.2)
        loader = make_loader({**config, "sampler": self.SAMPLER})
        seen = []
        for epoch in range(3):
            loader.set_epoch(epoch)
            seen.append({info.line for batch in loader for info in batch["info"]})
        assert [len(lines) for lines in seen] == [6, 6, 6]
        assert seen[0] != seen[1] != seen[2]

    @pytest.mark.parametrize(("dataset", "sampler", "match"), [
        ("MultiScaleDataSet", None, "needs a sampler"), ("SimpleDataSet", SAMPLER, "does not heed")])
    def test_dataset_and_sampler_must_agree(self, tmp_path: Path, dataset: str, sampler: Any, match: str) -> None:
        config = {**section(write_set(tmp_path, ["1"]), name=dataset, transforms=TRANSFORMS), "sampler": sampler}
        with pytest.raises(ConfigError, match=match):
            make_loader(config)

    @pytest.mark.parametrize(("steps", "match"), [(transforms(), "remove RecResizeImg"), ([], "is not decoded")])
    def test_a_resize_among_the_transforms(self, tmp_path: Path, steps: list[Any], match: str) -> None:
        file = write_set(tmp_path, ["1"])
        dataset = MultiScaleDataSet(str(file), str(tmp_path), steps, transform_context=CONTEXT)
        with pytest.raises(ConfigError, match=match):
            dataset[Index(0, 0, (32, 8))]

    def test_no_size(self, tmp_path: Path) -> None:
        file = write_set(tmp_path, ["1"])
        dataset = MultiScaleDataSet(str(file), str(tmp_path), TRANSFORMS, transform_context=CONTEXT)
        with pytest.raises(ConfigError, match="no image size"):
            dataset[Index(0, 0)]


class WithRatios:
    """Samples of which only the aspect ratios are known."""

    def __init__(self, samples: int) -> None:
        self.ratios = np.random.default_rng(5).uniform(0.5, 9.0, samples)

    def __len__(self) -> int:
        return len(self.ratios)

    def aspect_ratios(self, epoch: int) -> np.ndarray:
        return self.ratios


@pytest.mark.parametrize("with_ratios", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_the_batches_of_two_ranks_are_those_of_one_process(with_ratios: bool, drop_last: bool) -> None:
    data: Any = WithRatios(102) if with_ratios else range(102)

    def epoch(rank: int, world_size: int) -> list[tuple[tuple[int, int], list[int]]]:
        return batches(MultiScaleSampler(data, SCALES, first_bs=12 // world_size, drop_last=drop_last, rank=rank,
                                         world_size=world_size), 5)

    one, first, second = epoch(0, 1), epoch(0, 2), epoch(1, 2)
    assert [size for size, _ in one] == [size for size, _ in first] == [size for size, _ in second]
    together = [sorted(left + right) for (_, left), (_, right) in zip(first, second, strict=True)]
    assert together == [sorted(positions) for _, positions in one]
    assert len(one) == (8 if drop_last else 9)
    if with_ratios:
        assert len({width for (width, _), _ in one}) > 3
