from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest

import ppocr.data.loader as loader_module
from ppocr.charset import UnknownCharacterError
from ppocr.data import DataLoader, LoaderOptions
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import ConfigError, DatasetError, SampleError
from tests.data.toy import CONTEXT, encode, flat, lines_of, make_loader, picture, section, transforms, write_set

WORKERS = pytest.mark.parametrize("workers", [0, 2])
LABELS = ["0", "1a", "abc", "22", "9", "b0", "77", "c", "5", "aa"]


def append(loader: DataLoader, transform: Any) -> DataLoader:
    """Let a user's transform run after the decoding."""
    steps = loader.dataset.pipeline.transforms
    loader.dataset.pipeline = Pipeline([steps[0], transform, *steps[1:]])
    return loader


def arrays(loader: DataLoader) -> list[dict[str, np.ndarray]]:
    return [{key: value.numpy() for key, value in batch.items() if isinstance(value, paddle.Tensor)}
            for batch in loader]


def assert_equal(first: list[dict[str, np.ndarray]], second: list[dict[str, np.ndarray]]) -> None:
    assert len(first) == len(second)
    for left, right in zip(first, second, strict=True):
        assert left.keys() == right.keys()
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])


def no_children_left() -> bool:
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not multiprocessing.active_children()


@WORKERS
class TestBatches:
    def test_contents(self, tmp_path: Path, workers: int) -> None:
        loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": workers}), "Eval")
        batches = list(loader)
        assert [tuple(batch["image"].shape) for batch in batches] == [(4, 3, 8, 16), (4, 3, 8, 16), (2, 3, 8, 16)]
        assert len(loader) == 3
        first = batches[0]
        keys = ("image", "label", "length", "valid_ratio")
        assert [first[key].dtype for key in keys] == [paddle.float32, paddle.int64, paddle.int64, paddle.float32]
        assert first["length"].numpy().tolist() == [1, 2, 3, 2]
        assert first["label"].numpy()[1].tolist() == [2, 11, 0, 0, 0, 0]
        assert [info.label for info in first["info"]] == LABELS[:4]
        assert first["failed"] == []
        np.testing.assert_allclose(first["image"].numpy()[:, 0, 0, -1], np.arange(0, 8, 2) / 127.5 - 1, atol=1e-6)

    def test_without_shared_memory(self, tmp_path: Path, workers: int) -> None:
        file = write_set(tmp_path, LABELS)
        loader = make_loader(section(file, {"num_workers": workers, "use_shared_memory": False}), "Eval")
        assert_equal(arrays(loader), arrays(make_loader(section(file), "Eval")))

    def test_evaluation_counts_failures(self, tmp_path: Path, workers: int) -> None:
        labels = ["0", "x", "1", "2", "?", "!", "-", "+", "3"]
        loader = make_loader(section(write_set(tmp_path, labels), {"num_workers": workers}), "Eval")
        batches = list(loader)
        assert [len(batch["info"]) for batch in batches] == [3, 0, 1]
        assert [[failure.info.line for failure in batch["failed"]] for batch in batches] == [[2], [5, 6, 7, 8], []]
        assert "image" not in batches[1]
        assert loader.report.counts == {"unknown character": 5}

    def test_training_leaves_bad_samples_out(self, tmp_path: Path, workers: int) -> None:
        labels = ["0", "x", "1", "2"] * 3
        loader = make_loader(section(write_set(tmp_path, labels), {"num_workers": workers}))
        for epoch in range(2):
            loader.set_epoch(epoch)
            assert sorted(flat(lines_of(loader))) == [1, 3, 4, 5, 7, 8, 9, 11, 12]
        assert loader.report.counts == {"unknown character": 3}

    def test_check_of_the_finished_sample(self, tmp_path: Path, workers: int) -> None:
        def check(sample: dict[str, Any]) -> None:
            if sample["length"] > 2:
                raise SampleError("too long for CTC", f"{sample['length']} characters")

        config = section(write_set(tmp_path, LABELS), {"num_workers": workers})
        loader = make_loader(config, "Eval", check=check)
        assert [len(batch["info"]) for batch in loader] == [3, 4, 2]
        assert loader.report.counts == {"too long for CTC": 1}

    def test_replaced_characters_are_reported(self, tmp_path: Path, workers: int) -> None:
        steps = transforms()
        steps[1] = {"CTCLabelEncode": {"unknown": "replace"}}
        config = section(write_set(tmp_path, ["1-2", "3", "--4"]), {"num_workers": workers}, transforms=steps)
        loader = make_loader(config, "Eval")
        assert [info.label for batch in loader for info in batch["info"]] == ["1-2", "3", "--4"]
        assert loader.report.events == {"replaced characters": 3}


class TestImageSize:
    def test_of_the_resize(self, tmp_path: Path) -> None:
        assert make_loader(section(write_set(tmp_path, LABELS))).image_size == (8, 16)

    def test_of_the_sampler(self, tmp_path: Path) -> None:
        steps = transforms()
        del steps[2]
        config = section(write_set(tmp_path, LABELS), name="MultiScaleDataSet", transforms=steps)
        config["sampler"] = {"name": "MultiScaleSampler", "scales": [[40, 16], [32, 32]], "first_bs": 2}
        assert make_loader(config).image_size == (16, 40)

    def test_unknown(self, tmp_path: Path) -> None:
        assert make_loader(section(write_set(tmp_path, LABELS), transforms=[{"DecodeImage": None}])).image_size is None


class TestReproducibility:
    AUGMENTED = transforms({"RecConAug": {"prob": 0.5, "image_shape": [8, 64, 3], "ext_data_num": 2}}, {"RecAug": None})

    def loader(self, folder: Path, workers: int, **options: Any) -> DataLoader:
        config = section(folder / "train.txt", {"num_workers": workers, "batch_size_per_card": 3, **options},
                         transforms=self.AUGMENTED, ratio_list=1.5)
        return make_loader(config)

    def test_any_number_of_workers_any_start(self, tmp_path: Path) -> None:
        write_set(tmp_path, LABELS)
        alone, workers = self.loader(tmp_path, 0), self.loader(tmp_path, 2)
        epochs = []
        for epoch in range(2):
            alone.set_epoch(epoch)
            workers.set_epoch(epoch)
            epochs.append(arrays(alone))
            assert len(epochs[epoch]) == 5
            assert_equal(epochs[epoch], arrays(workers))
        assert not np.array_equal(epochs[0][0]["image"], epochs[1][0]["image"])
        for start, loader in ((2, alone), (3, workers)):
            loader.set_epoch(1, start_batch=start)
            assert_equal(arrays(loader), epochs[1][start:])

    def test_skipped_batches_are_not_read(self, tmp_path: Path) -> None:
        loader = make_loader(section(write_set(tmp_path, LABELS), {"shuffle": False}))
        for path in (tmp_path / "img").glob("[0-7].png"):
            path.unlink()
        loader.set_epoch(0, start_batch=2)
        assert lines_of(loader) == [[9, 10]]
        assert loader.report.total == 0

    def test_global_generators_do_not_matter(self, tmp_path: Path) -> None:
        write_set(tmp_path, LABELS)
        first = arrays(self.loader(tmp_path, 0))
        np.random.seed(99)  # noqa: NPY002
        assert_equal(first, arrays(self.loader(tmp_path, 0)))

    def test_ranks_share_the_data(self, tmp_path: Path) -> None:
        config = section(write_set(tmp_path, LABELS), {"batch_size_per_card": 2})
        ranks = [flat(lines_of(make_loader(config, "Eval", rank=rank, world_size=3))) for rank in range(3)]
        assert ranks == [[1, 4, 7, 10], [2, 5, 8], [3, 6, 9]]


@WORKERS
class TestTooManyBadSamples:
    def test_cap(self, tmp_path: Path, workers: int) -> None:
        labels = ["?" if i % 4 == 0 else "1" for i in range(60)]
        loader = make_loader(section(write_set(tmp_path, labels), {"num_workers": workers}))
        with pytest.raises(DatasetError, match=r"of 60 samples more than 10 cannot be used \(1\d bad samples") as error:
            list(loader)
        assert f"{tmp_path / 'train.txt'}:" in str(error.value)
        assert no_children_left()

    def test_a_higher_cap(self, tmp_path: Path, workers: int) -> None:
        labels = ["?" if i % 4 == 0 else "1" for i in range(60)]
        config = section(write_set(tmp_path, labels), {"num_workers": workers, "max_bad_ratio": 0.25})
        assert len(flat(lines_of(make_loader(config)))) >= 45

    def test_subsets_of_many_epochs(self, tmp_path: Path, workers: int) -> None:
        """An epoch draws 40 of 160 lines; a tenth of the lines is bad, which is less than the allowed 12 %."""
        labels = ["?" if i % 10 == 0 else "1" for i in range(160)]
        file = write_set(tmp_path, labels)
        config = section(file, {"num_workers": workers, "max_bad_ratio": 0.12}, ratio_list=0.25)
        loader = make_loader(config)
        for epoch in range(12):
            loader.set_epoch(epoch)
            list(loader)
        assert loader.report.total > 12

    def test_no_good_sample_at_all(self, tmp_path: Path, workers: int) -> None:
        loader = make_loader(section(write_set(tmp_path, ["?"] * 5), {"num_workers": workers}))
        with pytest.raises(DatasetError, match=r"no usable sample was found \(5 bad samples: 5 unknown character\)"):
            list(loader)

    def test_all_texts_too_long(self, tmp_path: Path, workers: int) -> None:
        loader = make_loader(section(write_set(tmp_path, ["01234567"] * 30), {"num_workers": workers}))
        with pytest.raises(DatasetError, match="text too long"):
            list(loader)


def raise_value_error(sample: dict[str, Any]) -> dict[str, Any]:
    if sample["info"].line == 6:
        raise ValueError("a bug in the transform")
    return sample


def exit_at_once(sample: dict[str, Any]) -> dict[str, Any]:
    if sample["info"].line == 6:
        os._exit(3)
    return sample


@WORKERS
class TestFaults:
    def test_a_users_transform_raises(self, tmp_path: Path, workers: int) -> None:
        loader = append(make_loader(section(write_set(tmp_path, LABELS), {"num_workers": workers}), "Eval"),
                        raise_value_error)
        seen = []
        with pytest.raises(ValueError, match="a bug in the transform") as error:
            seen.extend(loader)
        assert len(seen) == 1
        cause = str(error.value.__cause__)
        assert f"{tmp_path / 'train.txt'}:6 ({tmp_path / 'img/5.png'})" in cause
        assert "in raise_value_error" in cause
        assert no_children_left()

    def test_an_error_for_the_user(self, tmp_path: Path, workers: int) -> None:
        steps = transforms()
        steps[1] = {"CTCLabelEncode": {"unknown": "error"}}
        config = section(write_set(tmp_path, ["1", "?"]), {"num_workers": workers}, transforms=steps)
        with pytest.raises(UnknownCharacterError, match=r"train.txt:2 \(.*1.png\): text '\?' holds characters"):
            list(make_loader(config))

    def test_shapes_that_differ(self, tmp_path: Path, workers: int) -> None:
        steps = transforms()
        steps[2] = {"RecResizeImg": {"image_shape": [3, 8, 8], "eval_mode": True}}
        file = write_set(tmp_path, ["1", "2"])
        (tmp_path / "img/1.png").write_bytes(encode(picture(0, (20, 100))))
        config = section(file, {"num_workers": workers}, transforms=steps)
        with pytest.raises(DatasetError, match=r"train.txt:\d .*shape \[3, 8, (40|16)\].*batch has") as error:
            list(make_loader(config, "Train"))
        assert "loader.batch_size_per_card: 1" in error.value.cure
        batch, = make_loader(config, "Eval")  # Evaluation takes them by size.
        assert [image.shape for image in batch["image"]] == [(3, 8, 16), (3, 8, 40)]


class TestProcesses:
    def test_a_worker_that_dies(self, tmp_path: Path) -> None:
        loader = append(make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 2}), "Eval"), exit_at_once)
        with pytest.raises(DatasetError, match="a worker process of the data loader died"):
            list(loader)
        assert no_children_left()

    def test_leaving_early_ends_the_workers(self, tmp_path: Path) -> None:
        loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 2, "batch_size_per_card": 1}), "Eval")
        for _ in loader:
            assert len(multiprocessing.active_children()) == 2
            break
        assert no_children_left()

    def test_an_interrupt_is_for_the_main_process(self, tmp_path: Path) -> None:
        loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 2, "batch_size_per_card": 1}), "Eval")
        batches = iter(loader)
        next(batches)
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGINT)  # What Ctrl-C in a terminal does.
        assert len(list(batches)) == len(LABELS) - 1
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def test_a_second_iteration_ends_the_first(self, tmp_path: Path) -> None:
        loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 2, "batch_size_per_card": 1}), "Eval")
        first = iter(loader)
        next(first)
        second = iter(loader)
        assert next(second)["info"][0].line == 1
        assert len(multiprocessing.active_children()) == 2
        assert list(first) == []
        assert len(list(second)) == 9

    @pytest.mark.parametrize(("free", "warned"), [(1 << 40, False), (100, True)])
    def test_small_shared_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free: int, warned: bool
    ) -> None:
        monkeypatch.setattr(loader_module.os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
        loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 1}), "Eval")
        with caplog.at_level(logging.WARNING, "ppocr"):
            assert flat(lines_of(loader)) == list(range(1, 11))
            assert flat(lines_of(loader)) == list(range(1, 11))
        messages = [record.getMessage() for record in caplog.records]
        assert len(messages) == int(warned)
        assert all("use_shared_memory is taken as false: 1 workers need about" in message for message in messages)

    def test_no_workers_where_paddle_has_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loader_module.sys, "platform", "win32")
        loader = make_loader(section(write_set(tmp_path, LABELS), {"num_workers": 2}), "Eval")
        assert len(list(loader)) == 3


class TestOptions:
    def test_defaults(self, tmp_path: Path) -> None:
        config = section(write_set(tmp_path, LABELS))
        del config["loader"]
        loader = make_loader(config)
        assert loader.options == LoaderOptions(64, None, False, 2, True, None, 0.01)
        assert loader.sampler.shuffle
        assert not make_loader(config, "Eval").sampler.shuffle

    @pytest.mark.parametrize(("options", "match"), [
        ({"shufle": True}, "loader of Train has no argument 'shufle' .did you mean 'shuffle'"),
        ({"batch_size_per_card": 0}, "batch_size_per_card is 0"),
        ({"batch_size_per_card": "many"}, "'many' has the wrong type"),
        ({"num_workers": -1}, "num_workers is -1"),
        ({"collate_fn": "ListCollator"}, "collate_fn: 'ListCollator'"),
        ({"max_bad_ratio": 1.5}, "max_bad_ratio is 1.5"),
    ])
    def test_wrong_ones(self, tmp_path: Path, options: dict[str, Any], match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            make_loader(section(write_set(tmp_path, LABELS), options))

    def test_peer_keys(self, tmp_path: Path) -> None:
        options = {"shuffle": True, "batch_size_per_card": "2", "drop_last": True, "collate_fn": "DictCollator"}
        assert len(make_loader(section(write_set(tmp_path, LABELS[:5]), options))) == 2

    def test_too_few_samples_for_a_batch(self, tmp_path: Path) -> None:
        config = section(write_set(tmp_path, LABELS), {"batch_size_per_card": 8, "drop_last": True})
        with pytest.raises(DatasetError, match="10 samples do not fill a single batch on 2 processes"):
            make_loader(config, world_size=2)
        assert len(make_loader(config, "Eval", world_size=2)) == 1  # evaluation drops nothing

    def test_no_dataset(self) -> None:
        with pytest.raises(ConfigError, match="no section dataset"):
            make_loader({"loader": {}})

    def test_the_configuration_stays_as_it_was(self, tmp_path: Path) -> None:
        config = section(write_set(tmp_path, LABELS))
        before = repr(config)
        make_loader(config)
        assert repr(config) == before

    def test_notes_of_the_data_are_logged(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = write_set(tmp_path, LABELS)
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
        with caplog.at_level(logging.WARNING, "ppocr"):
            make_loader(section(file))
        assert "begins with a byte-order mark" in caplog.text


def test_importing_needs_no_paddle() -> None:
    code = "import sys; sys.modules['paddle'] = None; import ppocr.data, ppocr.data.transforms"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_context_reaches_the_transforms(tmp_path: Path) -> None:
    loader = make_loader(section(write_set(tmp_path, LABELS)))
    encoder: Any = loader.dataset.pipeline.transforms[1]
    assert encoder.charset is CONTEXT["charset"]
    assert encoder.max_text_length == 6
