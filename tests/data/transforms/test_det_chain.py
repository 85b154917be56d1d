"""The transforms of the published detection configurations in a row, from label files to batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.data import build_dataloader
from ppocr.data.sample import Index
from ppocr.data.simple_dataset import SimpleDataSet
from tests.data.toy import encode
from tests.data.transforms.scenes import POLYGONS, as_polygons, draw, overlap, parallel
from tests.shared_files import SHARED, needs_shared

SMALL_AUGMENTATION = [{"type": "Fliplr", "args": {"p": 0.5}}, {"type": "Affine", "args": {"rotate": [-10, 10]}},
                      {"type": "Resize", "args": {"size": [0.5, 3]}}]
LARGE_AUGMENTATION = [{"type": "Fliplr", "args": {"p": 0.5}},
                      {"type": "Affine", "args": {"p": 0.5, "rotate": [-45, 45], "fit_output": True}},
                      {"type": "Resize", "args": {"size": [0.3, 2]}}]

MV3_DB = [{"IaaAugment": {"augmenter_args": SMALL_AUGMENTATION}},
          {"EastRandomCropData": {"size": [160, 160], "max_tries": 50, "keep_ratio": True}}]
PP_OCRV4 = [{"CopyPaste": None}, *MV3_DB]
PP_OCRV6 = [{"CopyPaste": None}, {"ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.7, "hue": 0.1}},
            {"IaaAugment": {"augmenter_args": LARGE_AUGMENTATION}},
            {"RandomPerspective": {"prob": 0.3, "scale": 0.0, "shear": 20.0, "perspective": 0.001, "fit_output": True,
                                   "fill_value": [0, 0, 0]}},
            {"RandomCrop": {"size": [160, 160], "max_tries": 50, "keep_ratio": True}}]
CHAINS = {"mv3_db": MV3_DB, "v4": PP_OCRV4, "v6": PP_OCRV6}


def write_scenes(folder: Path, number: int) -> Path:
    """Write scenes and their label file; every third has no cared-for region, and one has none at all."""
    regions = [{"transcription": str(position), "points": [list(map(float, point)) for point in outline]}
               for position, outline in enumerate(POLYGONS)]
    lines = []
    for position in range(number):
        (folder / f"{position}.png").write_bytes(encode(draw(as_polygons(), (240, 160 + position))))
        own = [{**region, "transcription": "###"} for region in regions] if position % 3 == 2 else regions
        lines.append(f"{position}.png\t{json.dumps(own if position != 1 else [])}\n")
    file = folder / "train.txt"
    file.write_text("".join(lines), encoding="utf-8")
    return file


def entries(name: str, *end: Any) -> list[Any]:
    return [{"DecodeImage": {"img_mode": "BGR"}}, {"DetLabelEncode": None}, *CHAINS[name], *end]


@pytest.mark.parametrize("name", CHAINS)
def test_samples(tmp_path: Path, name: str) -> None:
    dataset = SimpleDataSet(str(write_scenes(tmp_path, 6)), str(tmp_path), entries(name))
    for epoch in range(3):
        for position in range(6):
            sample, again = dataset[Index(epoch, position)], dataset[Index(epoch, position)]
            assert isinstance(sample, dict)
            assert isinstance(again, dict)
            np.testing.assert_array_equal(sample["image"], again["image"])
            assert sample["image"].shape == (160, 160, 3)
            assert isinstance(sample["image"], np.ndarray)
            parallel(sample)
            # Pasting uses the colours twice, and jitter changes them.
            if name == "mv3_db" and position % 3 != 2:
                sizes = [np.ptp(polygon, axis=0).min() for polygon in sample["polys"]]
                assert all(share > 0.8 for share, size in zip(overlap(sample), sizes, strict=True) if size > 15)


@pytest.mark.parametrize("name", ["v4", "v6"])
def test_the_number_of_workers_makes_no_difference(tmp_path: Path, name: str) -> None:
    file = write_scenes(tmp_path, 6)
    end = [{"NormalizeImage": {"order": "hwc"}}, {"ToCHWImage": None}, {"KeepKeys": {"keep_keys": ["image"]}}]
    batches = []
    for workers in (0, 2):
        section = {"dataset": {"name": "SimpleDataSet", "data_dir": str(tmp_path), "label_file_list": [str(file)],
                               "transforms": entries(name, *end)},
                   "loader": {"batch_size_per_card": 2, "num_workers": workers, "shuffle": True}}
        loader = build_dataloader(section, split="Train", seed=3, task="det")
        batches.append([batch["image"].numpy() for batch in loader])
    assert len(batches[0]) == 3
    for first, second in zip(*batches, strict=True):
        np.testing.assert_array_equal(first, second)


@needs_shared("data/det/train.txt")
@pytest.mark.parametrize("name", CHAINS)
def test_real_photos(name: str) -> None:
    dataset = SimpleDataSet(str(SHARED / "data/det/train.txt"), str(SHARED / "data"), entries(name))
    regions = 0
    for position in range(0, 200, 20):
        sample = dataset[Index(0, position)]
        assert isinstance(sample, dict), sample
        parallel(sample)
        assert sample["image"].shape == (160, 160, 3)
        assert all(np.isfinite(polygon).all() for polygon in sample["polys"])
        regions += len(sample["polys"])
    assert regions > 15
