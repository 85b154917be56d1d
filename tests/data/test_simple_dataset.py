from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr.data.randomness import generator
from ppocr.data.sample import Failure, Index
from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import ConfigError, DatasetError
from ppocr.registry import DATASETS
from tests.data.toy import CONTEXT, encode, make_loader, picture, section, transforms, write_set


def make(file: Path, **arguments: Any) -> SimpleDataSet:
    return SimpleDataSet(str(file), str(file.parent), arguments.pop("transforms", transforms()), seed=5,
                         transform_context=CONTEXT, **arguments)


def lines(dataset: SimpleDataSet, epoch: int = 0) -> list[tuple[str, int]]:
    """Return the label files (their names) and line numbers of an epoch."""
    found = [dataset.describe(Index(epoch, i), np.random.default_rng(0)) for i in range(len(dataset))]
    return [(Path(info.source).stem, info.line) for info in found]  # type: ignore[union-attr]


class TestSamples:
    def test_a_finished_sample(self, tmp_path: Path) -> None:
        dataset = make(write_set(tmp_path, ["0", "ab"]))
        sample = dataset[Index(0, 1)]
        assert isinstance(sample, dict)
        assert set(sample) == {"image", "label", "length", "valid_ratio", "info"}
        assert sample["label"].tolist() == [11, 12, 0, 0, 0, 0]
        assert sample["valid_ratio"] == 1.0  # 20 x 40 pixels on 8 x 16
        np.testing.assert_allclose(sample["image"][:, :, -4:], 2 / 127.5 - 1, atol=1e-6)
        assert str(sample["info"]) == f"{tmp_path / 'train.txt'}:2 ({tmp_path / 'img/1.png'})"
        assert sample["info"].label == "ab"

    def test_absolute_paths(self, tmp_path: Path) -> None:
        write_set(tmp_path / "data", ["0"])
        file = tmp_path / "list.txt"
        file.write_text(f"{tmp_path / 'data/img/0.png'}\t0\n")
        assert isinstance(make(file)[Index(0, 0)], dict)
        without_folder = SimpleDataSet([str(file)], transforms=transforms(), transform_context=CONTEXT)
        assert isinstance(without_folder[Index(0, 0)], dict)

    def test_one_of_a_list_of_paths_per_epoch(self, tmp_path: Path) -> None:
        file = write_set(tmp_path, ["0", "1", "2"])
        file.write_text(json.dumps([f"img/{i}.png" for i in range(3)]) + "\ta\n")
        dataset = make(file)
        paths = [Path(dataset[Index(epoch, 0)]["info"].path).name for epoch in range(20)]  # type: ignore[index]
        assert set(paths) == {"0.png", "1.png", "2.png"}
        assert paths == [Path(dataset[Index(epoch, 0)]["info"].path).name  # type: ignore[index]
                         for epoch in range(20)]

    def test_aliases(self) -> None:
        for name in ("TextRecDataset", "TextDetDataset"):
            assert DATASETS.get(name) is SimpleDataSet


class TestBadSamples:
    @pytest.mark.parametrize(("line", "kind", "reason"), [
        ("img/none.png\t0", "missing image", "there is no file"),
        ("http://x/y.png\t0", "missing image", "addresses are not downloaded"),
        ("img\t0", "unreadable image", "Is a directory"),
        ("img/text.png\t0", "unreadable image", "not a readable image"),
        ("img/short.jpg\t0", "unreadable image", "ends too early"),
        ("img/0.png", "malformed line", "no text"),
        ("img/0.png\ta!b", "unknown character", "'!' in 'a!b'"),
        ("img/0.png\t", "empty text", ""),
        ("img/0.png\t0123456", "text too long", "7 characters, at most 6"),
    ])
    def test_kind_and_reason(self, tmp_path: Path, line: str, kind: str, reason: str) -> None:
        file = write_set(tmp_path, ["0"])
        (tmp_path / "img/text.png").write_text("no image at all")
        (tmp_path / "img/short.jpg").write_bytes(encode(picture(0), ".jpg")[:-20])
        file.write_text(file.read_text() + line + "\n")
        failure = make(file)[Index(0, 1)]
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.info.line) == (kind, 2)
        assert reason in failure.reason
        assert str(failure).startswith(f"{file}:2")

    def test_a_fault_in_a_transform_is_not_a_bad_sample(self, tmp_path: Path) -> None:
        dataset = make(write_set(tmp_path, ["0"]), transforms=[{"ToCHWImage": None}])
        with pytest.raises(AttributeError):
            dataset[Index(0, 0)]


class TestRatios:
    def test_a_fresh_subset_in_every_epoch(self, tmp_path: Path) -> None:
        dataset = make(write_set(tmp_path, ["0"] * 40), ratio_list=0.25)
        assert len(dataset) == 10
        epochs = [lines(dataset, epoch) for epoch in range(30)]
        assert all(len(set(epoch)) == 10 for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 30
        assert len({line for epoch in epochs for line in epoch}) == 40  # a line is left out 30 times with p = 0.0002
        assert lines(dataset, 3) == epochs[3]

    def test_repeats(self, tmp_path: Path) -> None:
        dataset = make(write_set(tmp_path, ["0"] * 4), ratio_list=[2.5])
        first = [line for _, line in lines(dataset, 0)]
        assert len(first) == len(dataset) == 10
        counts = np.bincount(first)[1:]
        assert sorted(counts) == [2, 2, 3, 3]

    def test_several_files(self, tmp_path: Path) -> None:
        files = [write_set(tmp_path, ["0"] * 4, "a.txt"), write_set(tmp_path, ["1"] * 10, "b.txt"),
                 write_set(tmp_path, ["2"] * 3, "c.txt")]
        dataset = SimpleDataSet([str(file) for file in files], str(tmp_path), transforms(), ratio_list=[1, 0.2, 0],
                                transform_context=CONTEXT)
        found = lines(dataset)
        assert found[:4] == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
        assert [name for name, _ in found[4:]] == ["b", "b"]

    def test_a_small_share_is_at_least_one_line(self, tmp_path: Path) -> None:
        assert len(make(write_set(tmp_path, ["0"] * 3), ratio_list=0.01)) == 1

    def test_own_words_with_a_share_of_old_ones_of_another_folder(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        own, old = write_set(tmp_path / "own", ["a"] * 5, "own.txt"), write_set(tmp_path / "old", ["b"] * 40, "old.txt")
        given = section([own, old], data_dir=[str(own.parent), str(old.parent)], ratio_list=[2, 0.05])
        with caplog.at_level(logging.INFO, logger="ppocr"):
            loader = make_loader(given)
        assert f"Train: {own}: 10 lines in an epoch, of 5 (ratio 2, repeated)" in caplog.text
        assert f"Train: {old}: 2 lines in an epoch, of 40 (ratio 0.05, drawn anew for each)" in caplog.text
        drawn = set()
        for epoch in range(4):
            loader.set_epoch(epoch)
            infos = [info for batch in loader for info in batch["info"]]
            assert sorted(info.line for info in infos if info.source == str(own)) == sorted([1, 2, 3, 4, 5] * 2)
            replay = [info for info in infos if info.source == str(old)]
            assert len(replay) == 2
            assert all(info.label == "b" and info.path.startswith(str(old.parent)) for info in replay)
            drawn.add(tuple(sorted(info.line for info in replay)))
        assert len(drawn) > 1
        assert not loader.report.total

    @pytest.mark.parametrize("ratios", [[1.0, 0.5], -0.5, [0.0]])
    def test_wrong_ratios(self, tmp_path: Path, ratios: Any) -> None:
        with pytest.raises(ConfigError, match="ratio_list"):
            make(write_set(tmp_path, ["0"]), ratio_list=ratios)


class Spy:
    """Records what it is given, and uses its further samples."""

    def __init__(self, num_extra: int = 2, every: int = 1) -> None:
        self.num_extra, self.every = num_extra, every
        self.seen: list[Any] = []

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        if sample["info"].line % self.every == 0:
            self.seen.append([(extra["info"].line, type(extra["image"]).__name__, extra["rng"].random())
                              for extra in sample["extra"]])
        return sample


class TestExtraSamples:
    def with_spy(self, file: Path, spy: Spy, **arguments: Any) -> SimpleDataSet:
        dataset = make(file, **arguments)
        first, *others = dataset.pipeline.transforms
        dataset.pipeline = Pipeline([first, spy, *others])
        dataset.extra_stop = dataset._extra_stop(arguments.get("ext_op_transform_idx"))
        return dataset

    def test_others_decoded_and_reproducible(self, tmp_path: Path) -> None:
        spy = Spy()
        dataset = self.with_spy(write_set(tmp_path, ["0"] * 5), spy)
        for _ in range(2):
            dataset[Index(3, 2)]
        first, second = spy.seen
        assert first == second
        assert [kind for _, kind, _ in first] == ["ndarray", "ndarray"]
        assert all(line != 3 for line, _, _ in first)
        assert first[0][2] != first[1][2]

    def test_fewer_transforms_on_demand(self, tmp_path: Path) -> None:
        spy = Spy()
        dataset = self.with_spy(write_set(tmp_path, ["0"] * 5), spy)
        dataset.extra_stop = 0
        dataset[Index(0, 0)]
        assert [kind for _, kind, _ in spy.seen[0]] == ["bytes", "bytes"]

    def test_nothing_is_read_when_they_are_not_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        dataset = self.with_spy(write_set(tmp_path, ["0"] * 5), Spy(every=100))
        read = []
        original = dataset.read_image
        monkeypatch.setattr(dataset, "read_image", lambda info: read.append(info.line) or original(info))
        dataset[Index(0, 0)]
        assert read == [1]

    def test_bad_ones_are_passed_over(self, tmp_path: Path) -> None:
        file = write_set(tmp_path, ["0"] * 4)
        for number in (1, 2):
            (tmp_path / f"img/{number}.png").unlink()
        spy = Spy(num_extra=1)
        dataset = self.with_spy(file, spy)
        for epoch in range(8):
            dataset[Index(epoch, 0)]
        # The only usable other sample is line 4; each of three tries finds it with probability 1/3.
        assert {line for seen in spy.seen for line, _, _ in seen} == {4}

    def test_a_single_sample_has_no_others(self, tmp_path: Path) -> None:
        spy = Spy()
        self.with_spy(write_set(tmp_path, ["0"]), spy)[Index(0, 0)]
        assert spy.seen == [[]]

    @pytest.mark.parametrize(("given", "expected"), [(None, 1), (0, 0), (1, 1)])
    def test_index_of_the_configuration(self, tmp_path: Path, given: int | None, expected: int) -> None:
        dataset = make(write_set(tmp_path, ["0"]), transforms=transforms({"RecConAug": {"prob": 1.0}}),
                       ext_op_transform_idx=given)
        assert dataset.extra_stop == expected

    def test_wrong_index(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="ext_op_transform_idx is 2"):
            make(write_set(tmp_path, ["0"]), transforms=transforms({"RecConAug": None}), ext_op_transform_idx=2)

    def test_joined_lines_change_the_ground_truth(self, tmp_path: Path) -> None:
        augmentation = {"RecConAug": {"prob": 1.0, "image_shape": [8, 800, 3], "ext_data_num": 1}}
        sample = make(write_set(tmp_path, ["1", "2"]), transforms=transforms(augmentation))[Index(0, 0)]
        assert isinstance(sample, dict)
        assert sample["info"].label == "12"
        assert sample["label"].tolist() == [2, 3, 0, 0, 0, 0]


class TestArguments:
    def test_a_typed_tab_is_read_as_one(self, tmp_path: Path) -> None:
        dataset = make(write_set(tmp_path, ["0"]), delimiter="\\t")
        assert isinstance(dataset[Index(0, 0)], dict)
        assert any("backslash and t" in note for note in dataset.notes)

    @pytest.mark.parametrize(("arguments", "error", "match"), [
        ({"label_file_list": []}, ConfigError, "label_file_list is empty"),
        ({"data_dir": "no/such/folder"}, DatasetError, "no/such/folder is not a folder"),
        ({"data_dir": ["a", "b"]}, ConfigError, "data_dir names 2 folders for 1 label files"),
        ({"data_dir": ["no/such/folder"]}, DatasetError, "no/such/folder is not a folder"),
        ({"delimiter": ""}, ConfigError, "delimiter is empty"),
    ])
    def test_wrong_ones(self, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], match: str) -> None:
        file = write_set(tmp_path, ["0"])
        with pytest.raises(error, match=match):
            SimpleDataSet(**{"label_file_list": str(file), **arguments})


class TestRandomness:
    def test_purposes_have_streams_of_their_own(self) -> None:
        draws = {generator(1, epoch, index, purpose).random()
                 for epoch in (0, 1) for index in (0, 1) for purpose in (0, 1, 1 << 30)}
        assert len(draws) == 12

    def test_the_stream_is_that_of_seed_epoch_and_index(self) -> None:
        assert generator(7, 3, 5).random() == np.random.default_rng([7, 3, 5]).random()

    def test_negative_seeds(self) -> None:
        assert generator(-1, 0).random() == generator(2**32 - 1, 0).random()
