"""Detection crops whose size the sampler chooses batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.data import DataLoader, build_dataloader
from ppocr.errors import ConfigError
from tests.small_detection import write_pictures

CROP = {"EastRandomCropData": {"size": [64, 64], "max_tries": 10, "keep_ratio": True}}
SAMPLER = {"name": "MultiScaleSampler", "scales": [[96, 96], [64, 64], [128, 96]], "divided_factor": [32, 32],
           "first_bs": 2}


def make_loader(folder: Path, sampler: dict[str, Any] | None, crop: dict[str, Any] | None = CROP, split: Any = "Train",
                workers: int = 0) -> DataLoader:
    steps: list[Any] = [{"DecodeImage": None}, {"DetLabelEncode": None}, *([crop] if crop else []),
                        {"MakeShrinkMap": {"shrink_ratio": 0.4, "min_text_size": 4}}, {"ToCHWImage": None},
                        {"KeepKeys": {"keep_keys": ["image", "shrink_map", "shrink_mask"]}}]
    section = {"dataset": {"name": "SimpleDataSet", "data_dir": str(folder), "transforms": steps,
                           "label_file_list": [str(folder / "train_list.txt")]},
               "loader": {"batch_size_per_card": 3, "num_workers": workers}}
    if sampler is not None:
        section["sampler"] = sampler
    return build_dataloader(section, split=split, seed=1, task="det")


def shapes(loader: DataLoader, epoch: int) -> list[tuple[int, ...]]:
    loader.set_epoch(epoch)
    found = []
    for batch in loader:
        assert batch["image"].shape[2:] == batch["shrink_map"].shape[-2:] == batch["shrink_mask"].shape[-2:]
        found.append((batch["image"].shape[0], *batch["image"].shape[2:]))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("multi_scale_det")
    write_pictures(folder, count=7)
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_every_batch_has_one_of_the_sizes(folder: Path, workers: int) -> None:
    loader = make_loader(folder, SAMPLER, workers=workers)
    first, second = shapes(loader, 0), shapes(loader, 1)
    # Batches, height, width; the fourth has what is left, at the first size again.
    assert sorted(first) == sorted(second) == [(1, 96, 96), (2, 64, 64), (2, 96, 96), (2, 96, 128)]
    assert shapes(loader, 0) == first


def test_with_as_many_pixels_in_each_batch(folder: Path) -> None:
    loader = make_loader(folder, {**SAMPLER, "scales": [[128, 128], [64, 64]], "first_bs": 1, "fix_bs": False})
    assert sorted(shapes(loader, 0)) == [(1, 64, 64), (1, 128, 128), (1, 128, 128), (4, 64, 64)]
    assert loader.sampler.batch_size == 1


def test_the_middle_of_an_epoch_is_the_same_after_a_resume(folder: Path) -> None:
    loader = make_loader(folder, SAMPLER)
    loader.set_epoch(3)
    whole = [batch["image"].numpy() for batch in loader]
    loader.set_epoch(3, start_batch=2)
    rest = [batch["image"].numpy() for batch in loader]
    assert len(rest) == 2
    for one, other in zip(rest, whole[2:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_the_sampler_the_size_is_that_of_the_transform(folder: Path) -> None:
    assert set(shapes(make_loader(folder, None), 0)) == {(3, 64, 64), (1, 64, 64)}


@pytest.mark.parametrize("keep_ratio", [True, False])
def test_the_polygons_follow_the_size(folder: Path, keep_ratio: bool) -> None:
    crop = {"EastRandomCropData": {"size": [64, 64], "max_tries": 10, "keep_ratio": keep_ratio}}
    loader = make_loader(folder, {**SAMPLER, "scales": [[256, 192]]}, crop)
    for batch in loader:
        assert batch["image"].shape[2:] == [192, 256]
        # Text beyond the 64 x 64 of the transform's own argument is there too.
        assert float(batch["shrink_map"][..., 64:, :].sum() + batch["shrink_map"][..., 64:].sum()) > 0


def test_data_that_heed_no_size_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="EastRandomCropData"):
        make_loader(folder, SAMPLER, crop=None)
