"""Detection samples from label file to batch: lists of polygons, bad labels, images of several sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.data import DataLoader, build_dataloader
from ppocr.errors import DatasetError
from tests.data.toy import encode, picture

WORKERS = pytest.mark.parametrize("workers", [0, 2])

STEPS: list[Any] = [{"DecodeImage": None}, {"DetLabelEncode": None}, {"ToCHWImage": None}]
KEEP = ["image", "polys", "texts", "ignore_tags"]

GOOD = [[1, 2], [9, 2], [9, 8], [1, 8]]
BOW_TIE = [[10, 1], [20, 9], [20, 1], [10, 9]]


def label(*polygons: Any) -> str:
    return json.dumps([{"transcription": f"t{i}", "points": points} for i, points in enumerate(polygons)])


def write(folder: Path, labels: list[str], sizes: dict[int, tuple[int, int]] | None = None) -> Path:
    """Write an image of 20 x 40 pixels (or of `sizes`) per label and return the label file."""
    for number in range(len(labels)):
        (folder / f"{number}.png").write_bytes(encode(picture(number, (sizes or {}).get(number, (20, 40)))))
    file = folder / "train.txt"
    file.write_text("".join(f"{number}.png\t{text}\n" for number, text in enumerate(labels)))
    return file


def make_loader(
    file: Path, split: Any = "Eval", policy: str = "ignore", keep: list[str] | None = None, **options: Any
) -> DataLoader:
    steps = [*STEPS, {"KeepKeys": {"keep_keys": keep or KEEP}}]
    steps[1] = {"DetLabelEncode": {"bad_polygon": policy}}
    section = {"dataset": {"name": "SimpleDataSet", "data_dir": str(file.parent), "label_file_list": [str(file)],
                           "transforms": steps},
               "loader": {"batch_size_per_card": 3, "num_workers": 0, **options}}
    return build_dataloader(section, split=split, seed=1, task="det")


@WORKERS
class TestLists:
    def test_one_entry_per_sample(self, tmp_path: Path, workers: int) -> None:
        triangle = [[3, 3], [9, 3], [9, 9]]
        labels = [label(GOOD, triangle), "[]", label(GOOD), "[no json]", label(triangle)]
        batches = list(make_loader(write(tmp_path, labels), num_workers=workers))
        assert [type(batches[0][key]) for key in KEEP] == [paddle.Tensor, list, list, list]
        assert batches[0]["image"].shape == [3, 3, 20, 40]
        polys = [[[poly.tolist() for poly in of_sample] for of_sample in batch["polys"]] for batch in batches]
        assert polys == [[[GOOD, triangle], [], [GOOD]], [[triangle]]]
        assert all(isinstance(poly, np.ndarray) and poly.dtype == np.float32 for poly in batches[0]["polys"][0])
        assert [batch["texts"] for batch in batches] == [[["t0", "t1"], [], ["t0"]], [["t0"]]]
        assert [batch["ignore_tags"] for batch in batches] == [[[False, False], [], [False]], [[False]]]
        assert [failure.kind for failure in batches[1]["failed"]] == ["malformed label"]

    def test_without_any_array(self, tmp_path: Path, workers: int) -> None:
        loader = make_loader(write(tmp_path, [label(GOOD), "[]"]), keep=["ignore_tags"], num_workers=workers)
        batch, = loader
        assert set(batch) == {"ignore_tags", "info", "failed"}
        assert batch["ignore_tags"] == [[False], []]

    def test_without_shared_memory(self, tmp_path: Path, workers: int) -> None:
        loader = make_loader(write(tmp_path, [label(GOOD), "[]"]), num_workers=workers, use_shared_memory=False)
        batch, = loader
        assert [len(polys) for polys in batch["polys"]] == [1, 0]

    def test_images_of_several_sizes(self, tmp_path: Path, workers: int) -> None:
        file = write(tmp_path, [label(GOOD), label(GOOD)], {1: (30, 50)})
        batch, = make_loader(file, num_workers=workers)
        assert [image.shape for image in batch["image"]] == [(3, 20, 40), (3, 30, 50)]
        assert len(batch["polys"]) == 2
        batches = list(make_loader(file, num_workers=workers, batch_size_per_card=1))
        assert [batch["image"].shape for batch in batches] == [[1, 3, 20, 40], [1, 3, 30, 50]]


@WORKERS
class TestReport:
    def test_bad_polygons_are_listed_once_with_file_and_line(self, tmp_path: Path, workers: int) -> None:
        file = write(tmp_path, ["[]", label(GOOD, BOW_TIE, [[1, 1]]), label([[-3, 1], [9, 1], [9, 9]]), "[no json]"])
        loader = make_loader(file, num_workers=workers)
        for _ in range(2):
            batches = list(loader)
        assert batches[0]["ignore_tags"] == [[], [False, True], [False]]
        report = loader.report
        assert report.counts == {"malformed label": 1}
        assert report.events == {"bad polygons, taken as don't-care": 2, "bad polygons, left out": 2,
                                 "points outside the image, moved to its border": 2}  # of two epochs
        report.write(tmp_path / "bad.txt")
        place = f"{file}:2 ({tmp_path / '1.png'}): region"
        lines = (tmp_path / "bad.txt").read_text().splitlines()
        assert f"{file}:4 ({tmp_path / '3.png'}): malformed label: not JSON: " in lines[4]
        assert lines[5:] == ["# 1 partly bad sample, used all the same",
                             f"{place} 2: self-crossing, taken as don't-care",
                             f"{place} 3: fewer than 3 points, left out"]

    def test_drop_sample(self, tmp_path: Path, workers: int) -> None:
        file = write(tmp_path, [label(GOOD), label(GOOD, BOW_TIE)])
        loader = make_loader(file, "Train", "drop_sample", num_workers=workers)
        batch, = loader
        assert [info.line for info in batch["info"]] == [1]
        assert [str(failure) for failure in loader.report.examples()] == [
            f"{file}:2 ({tmp_path / '1.png'}): bad polygon: region 2: self-crossing"]

    def test_error(self, tmp_path: Path, workers: int) -> None:
        file = write(tmp_path, [label(GOOD), label(BOW_TIE)])
        with pytest.raises(DatasetError, match="train.txt:2 .*: bad polygon: region 1: self-crossing"):
            list(make_loader(file, "Eval", "error", num_workers=workers))

    def test_training_on_nothing_but_broken_labels(self, tmp_path: Path, workers: int) -> None:
        with pytest.raises(DatasetError, match=r"no usable sample was found \(2 bad samples: 2 malformed label\)"):
            list(make_loader(write(tmp_path, ["[1]", "[2]", "[]"][:2]), "Train", num_workers=workers))

    def test_training_on_images_without_text(self, tmp_path: Path, workers: int) -> None:
        batch, = make_loader(write(tmp_path, ["[]", "[]"]), "Train", num_workers=workers)
        assert batch["polys"] == [[], []]


class TestLabelFileOfTheLoader:
    def test_columns(self, tmp_path: Path) -> None:
        file = write(tmp_path, ["1,2,9,2,9,8,1,8,a, b\t1,2,9,2,9,8,1,8,###", "1,2,9,2,9,8"])
        batch, = make_loader(file)
        assert [poly.tolist() for poly in batch["polys"][0]] == [GOOD, GOOD]
        assert batch["texts"] == [["a, b", "###"]]
        assert batch["ignore_tags"] == [[False, True]]
        assert json.loads(batch["info"][0].label)[0]["transcription"] == "a, b"
        assert [str(failure) for failure in batch["failed"]] == [
            f"{file}:2: malformed line: region 1 is '1,2,9,2,9,8', not 8 numbers and a text"]

    def test_mixed_formats(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="mixes two formats"):
            make_loader(write(tmp_path, [label(GOOD), "1,2,9,2,9,8,1,8,a"]))
