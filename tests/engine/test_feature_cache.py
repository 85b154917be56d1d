"""Cached features: the same training as without the cache, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr.config import load_config
from ppocr.data.sample import Failure, SampleInfo
from ppocr.engine import feature_store
from ppocr.engine.builder import build_training
from ppocr.engine.feature_cache import FeatureCaching, flattened
from ppocr.engine.feature_store import FEATURE, Entry, FeatureStore
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.seeding import seed_everything
from ppocr.errors import ConfigError, DatasetError, TrainingError
from tests.small_detection import write_pictures, write_user_config
from tests.small_run import write_small_run
from tools.program import train

AUGMENTED = ("Train.dataset.transforms=[{DecodeImage: {img_mode: BGR}}, {RecAug: {}}, {CTCLabelEncode: {}}, "
             "{RecResizeImg: {image_shape: [3, 32, 64]}}, {KeepKeys: {keep_keys: [image, label, length]}}]")
MULTI_HEAD = ("Architecture={model_type: rec, algorithm: CRNN, Backbone: {name: VGG, scale: 0.0625}, Head: "
              "{name: MultiHead, head_list: [{CTCHead: {Neck: {name: svtr, dims: 8, depth: 1, hidden_dims: 8, "
              "kernel_size: [1, 3]}, Head: {}}}]}}")
STAGED = ("Architecture={model_type: rec, algorithm: SVTR_LCNet, Backbone: {name: PPLCNetV3, scale: 0.0625, "
          "reparameterized: true}, Head: {name: MultiHead, head_list: [{CTCHead: {Neck: {name: reshape}}}]}}")
SIZE_48 = ("Train.dataset.transforms=[{DecodeImage: {img_mode: BGR}}, {CTCLabelEncode: {}}, "
           "{RecResizeImg: {image_shape: [3, 48, 64]}}, {KeepKeys: {keep_keys: [image, label, length]}}]")


class Record(Hook):
    """Keeps the losses and the sources of the samples."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.samples: list[list[int]] = []

    def after_step(self, run: TrainingRun) -> None:
        assert run.last is not None
        self.losses.append(float(run.last.losses["loss"]))
        self.samples.append([info.line for info in run.last.batch["info"]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feature_cache")
    write_small_run(folder, count=20, test_count=4)
    return folder


def build(folder: Path, output: str, *options: str, file: str = "small.yml") -> TrainingRun:
    config = load_config(folder / file, [f"Global.save_model_dir={folder / output}", *options], {})
    seed_everything(config["Global"]["seed"])
    (folder / output).mkdir(exist_ok=True)
    return build_training(config, "cpu")


def trained(folder: Path, output: str, *options: str, file: str = "small.yml") -> tuple[Record, TrainingRun]:
    run = build(folder, output, *options, file=file)
    record = Record()
    run.hooks.hooks.append(record)
    train(run)
    return record, run


def both(folder: Path, *options: str, file: str = "small.yml") -> tuple[Record, Record, TrainingRun]:
    """Train without and with the cache."""
    plain, _ = trained(folder, "plain", *options, file=file)
    cached, run = trained(folder, "cached", "Global.cache_features=true", *options, file=file)
    assert not (folder / "cached" / "feature_cache").exists()
    return plain, cached, run


class TestTraining:
    @pytest.mark.parametrize(("frozen", "parts"), [
        ("[backbone.*]", "backbone"), ("[backbone, neck]", "backbone and neck"),
    ])
    def test_equals_that_without_a_cache(self, folder: Path, frozen: str, parts: str,
                                         caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, logger="ppocr"):
            plain, cached, run = both(folder, f"Global.freeze={frozen}", "Global.epoch_num=3")
        assert cached.samples == plain.samples
        assert len(cached.losses) == 6
        np.testing.assert_allclose(cached.losses, plain.losses, rtol=1e-4)
        assert cached.losses != plain.losses, "the features were not rounded: was the cache used?"
        assert f"computing the output of {parts} once" in caplog.text
        assert "Feature cache: 20 samples x 1 epochs, features [" in caplog.text
        assert "From epoch 2 on the samples of the first 1 are used again" in caplog.text
        assert run.progress.best["acc"] >= 0  # The whole network was evaluated.

    def test_equals_it_with_augmentation_when_all_epochs_are_kept(self, folder: Path) -> None:
        options = ["Global.freeze=backbone", AUGMENTED, "Global.epoch_num=2", "Global.cache_augmentations=2",
                   "Train.dataset.ratio_list=0.6", "Global.accumulation_steps=2"]
        plain, cached, _ = both(folder, *options)
        assert cached.samples == plain.samples
        np.testing.assert_allclose(cached.losses, plain.losses, rtol=1e-4)

    def test_later_epochs_use_the_kept_ones_in_turn(self, folder: Path) -> None:
        record, _ = trained(folder, "turns", "Global.cache_features=true", "Global.freeze=backbone", AUGMENTED,
                            "Global.epoch_num=4", "Global.cache_augmentations=2", "Train.dataset.ratio_list=0.4",
                            "Optimizer.lr={learning_rate: 0.0}")
        drawn = [sorted(sample) for sample in record.samples]
        assert drawn[0] == drawn[2] != drawn[1] == drawn[3]
        assert record.losses[0] == pytest.approx(record.losses[2], rel=1e-5)
        assert record.losses[0] != pytest.approx(record.losses[1], rel=1e-3)

    def test_within_the_head(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        options = [MULTI_HEAD, "Global.freeze=[backbone.*, head.ctc_encoder.*]", "Global.epoch_num=2"]
        with caplog.at_level(logging.INFO, logger="ppocr"):
            plain, cached, _ = both(folder, *options)
        assert "computing the output of backbone and head.ctc_encoder once" in caplog.text
        np.testing.assert_allclose(cached.losses, plain.losses, rtol=1e-4)

    def test_within_the_backbone(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        options = [STAGED, SIZE_48, "Global.freeze=[backbone.conv1.*, 'backbone.blocks[2345].*']", "Global.epoch_num=2"]
        with caplog.at_level(logging.INFO, logger="ppocr"):
            plain, cached, _ = both(folder, *options)
        assert "computing the output of backbone.blocks5 once" in caplog.text
        np.testing.assert_allclose(cached.losses, plain.losses, rtol=1e-4)

    def test_dropout_behind_the_cut(self, folder: Path) -> None:
        plain, cached, _ = both(folder, MULTI_HEAD, "Global.freeze=backbone.*", "Global.epoch_num=2")
        np.testing.assert_allclose(cached.losses, plain.losses, rtol=1e-4)

    def test_a_detector(self, tmp_path: Path) -> None:
        write_pictures(tmp_path)
        file = write_user_config(tmp_path)
        options = ["Global.freeze=backbone.*", "Global.epoch_num=1", "Train.loader.num_workers=1",
                   "Train.loader.batch_size_per_card=2", "Global.use_gpu=false", "Architecture.Backbone.scale=0.35",
                   "Architecture.Neck.out_channels=16", "Train.dataset.transforms.EastRandomCropData.size=[96, 96]"]
        plain, cached, _ = both(tmp_path, *options, file=file.name)
        assert len(cached.losses) == 2
        np.testing.assert_allclose(cached.losses, plain.losses, rtol=1e-4)

    def test_a_resumed_run_equals_an_uninterrupted_one(self, folder: Path) -> None:
        options = ["Global.cache_features=true", "Global.freeze=backbone", AUGMENTED, "Global.cache_augmentations=2",
                   "Optimizer.lr={learning_rate: 0.01}"]
        whole, run = trained(folder, "whole", *options, "Global.epoch_num=4")
        trained(folder, "half", *options, "Global.epoch_num=2")
        rest, again = trained(folder, "half", *options, "Global.epoch_num=4",
                              f"Global.checkpoints={folder / 'half' / 'latest'}")
        assert rest.losses == whole.losses[-len(rest.losses):]
        for name, value in run.network.state_dict().items():
            np.testing.assert_array_equal(again.network.state_dict()[name].numpy(), value.numpy())

    def test_bad_samples_are_counted_as_ever(self, folder: Path) -> None:
        labels = (folder / "words" / "train.txt").read_text(encoding="utf-8").splitlines()
        labels[2], labels[7] = "none.png\t1", labels[7].split("\t")[0] + "\té"
        (folder / "words" / "bad.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
        options = ["Global.freeze=backbone", "Global.epoch_num=2",
                   f"Train.dataset.label_file_list=[{folder / 'words' / 'bad.txt'}]"]
        plain, cached, run = both(folder, *options)
        assert cached.samples == plain.samples
        assert dict(run.train_loader.report.counts) == {"missing image": 1, "unknown character": 1}
        assert "bad.txt:3" in (folder / "cached" / "bad_samples.txt").read_text(encoding="utf-8")

    def test_too_many_bad_samples_are_told_before_any_step(self, folder: Path) -> None:
        labels = (folder / "words" / "train.txt").read_text(encoding="utf-8").splitlines()
        labels[:12] = [f"none{number}.png\t1" for number in range(12)]
        (folder / "words" / "bad.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
        run = build(folder, "spoilt", "Global.freeze=backbone", "Global.cache_features=true",
                    f"Train.dataset.label_file_list=[{folder / 'words' / 'bad.txt'}]")
        with pytest.raises(DatasetError, match="of 20 samples more than 10 cannot be used .12 bad samples"):
            train(run)
        assert run.progress.step == 0
        assert not (folder / "spoilt" / "feature_cache").exists()

    def test_the_cache_is_removed_when_the_run_ends_by_an_error(self, folder: Path) -> None:
        class Stop(Hook):
            def after_step(self, run: TrainingRun) -> None:
                assert (folder / "stopped" / "feature_cache").is_dir()
                raise KeyboardInterrupt

        run = build(folder, "stopped", "Global.cache_features=true", "Global.freeze=backbone")
        run.hooks.hooks.append(Stop())
        with pytest.raises(KeyboardInterrupt):
            train(run)
        assert not (folder / "stopped" / "feature_cache").exists()


class TestRefusals:
    @pytest.mark.parametrize(("options", "message"), [
        ([], "the backbone is not frozen"),
        (["Global.freeze=head.*"], "the backbone is not frozen"),
        (["Global.freeze=[backbone.*.weight]"], "the backbone is not frozen"),
        (["Global.freeze=backbone", "Global.cache_augmentations=0"], "cache_augmentations .* is 0"),
        (["Global.freeze=backbone", "Train.dataset.name=MultiScaleDataSet",
          "Train.dataset.transforms=[{DecodeImage: {img_mode: BGR}}, {CTCLabelEncode: {}}, {KeepKeys: {keep_keys: "
          "[image, label, length]}}]", "Train.sampler={name: MultiScaleSampler, scales: [[64, 32]], first_bs: 4}"],
         "chooses another image size for each batch"),
    ])
    def test_what_cannot_be_cached(self, folder: Path, options: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            build(folder, "refused", "Global.cache_features=true", *options)

    def test_a_number_of_epochs_without_a_cache_is_told(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        build(folder, "refused", "Global.cache_augmentations=3", "Global.pretrained_dict_path=former.txt")
        assert "cache_augmentations (-o Global.cache_augmentations=3) has no effect" in caplog.text
        assert "pretrained_dict_path=former.txt) has no effect without Global.pretrained_model" in caplog.text

    def test_several_processes(self, folder: Path) -> None:
        run = build(folder, "refused", "Global.cache_features=true", "Global.freeze=backbone")
        hook = next(hook for hook in run.hooks.hooks if isinstance(hook, FeatureCaching))
        with pytest.raises(ConfigError, match="2 processes train"):
            FeatureCaching.from_options(run.config["Global"], run.network, hook.freezing, run.train_loader, 2)

    @pytest.mark.parametrize("what", ["disk", "memory"])
    def test_no_room(self, folder: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
        class Usage:
            free = 1 << 20

        if what == "disk":
            monkeypatch.setattr(feature_store.shutil, "disk_usage", lambda path: Usage)
        else:
            monkeypatch.setattr(feature_store, "available_memory", lambda: 1 << 20)
        run = build(folder, "room", "Global.cache_features=true", "Global.freeze=backbone")
        expected = "1.0 MiB are free on the disk" if what == "disk" else "1.0 MiB of memory are available"
        with pytest.raises(ConfigError, match=f"cache_features needs .* MiB, and {expected}"):
            train(run)
        assert not (folder / "room" / "feature_cache").exists()

    def test_no_usable_sample(self, folder: Path) -> None:
        (folder / "words" / "none.txt").write_text("a.png\tx\nb.png\ty\n")
        run = build(folder, "none", "Global.cache_features=true", "Global.freeze=backbone",
                    "Train.loader.drop_last=false",
                    f"Train.dataset.label_file_list=[{folder / 'words' / 'none.txt'}]")
        with pytest.raises(DatasetError, match="no usable sample was found .2 bad samples: 2 missing image"):
            train(run)

    def test_what_is_no_feature(self) -> None:
        with pytest.raises(ConfigError, match="gives a int"):
            flattened(3)


class TestStore:
    INFO = SampleInfo("a.txt", 1, "a.png", "a")

    def test_samples_come_back(self, tmp_path: Path) -> None:
        store = FeatureStore(tmp_path / "store", 2, 3)
        features = np.array([[[1.5, 2.0]], [[3.0, 0.1]]], np.float32)
        store.put(1, [0, 2], [Entry(self.INFO, {"n": 1}, ("r",), {"polygons": [1]}), Entry(self.INFO)],
                  {f"{FEATURE}0": features, "label": np.array([[7, 8], [9, 0]]), "length": np.array([2, 1])})
        store.put_failures(1, {1: Failure(self.INFO, "missing image", "no")})
        sample = store.get(3, 0)  # Epoch 1 again.
        assert isinstance(sample, dict)
        np.testing.assert_array_equal(sample[f"{FEATURE}0"], [[1.5, 2.0]])
        assert sample[f"{FEATURE}0"].dtype == np.float32
        assert sample["label"].tolist() == [7, 8]
        assert (sample["length"], sample["info"], sample["counts"]) == (2, self.INFO, {"n": 1})
        assert (sample["remarks"], sample["polygons"]) == (("r",), [1])
        second = store.get(1, 2)
        assert isinstance(second, dict)
        assert second[f"{FEATURE}0"][0, 1] == np.float16(0.1)
        assert isinstance(store.get(1, 1), Failure)
        with pytest.raises(IndexError):
            store.get(0, 0)
        sizes = sorted(path.stat().st_size for path in (tmp_path / "store").iterdir())
        assert sizes == [2 * 3 * 2 * 2, 2 * 3 * 8, 2 * 3 * 2 * 8]
        store.remove()
        assert not (tmp_path / "store").exists()

    @pytest.mark.parametrize("value", [1e5, -1e5, np.inf, np.nan])
    def test_features_too_large_for_half_precision(self, tmp_path: Path, value: float) -> None:
        with pytest.raises(TrainingError, match="too large for the float16"):
            FeatureStore(tmp_path / "s", 1, 1).put(0, [0], [Entry(self.INFO)],
                                                   {f"{FEATURE}0": np.array([[value]], np.float32)})

    def test_samples_of_another_shape(self, tmp_path: Path) -> None:
        store = FeatureStore(tmp_path / "s", 1, 2)
        store.put(0, [0], [Entry(self.INFO)], {f"{FEATURE}0": np.zeros((1, 4), np.float32)})
        with pytest.raises(ConfigError, match=r"has the shape \[5\] in a.txt:1 .*, and \[4\] in the first"):
            store.put(0, [1], [Entry(self.INFO)], {f"{FEATURE}0": np.zeros((1, 5), np.float32)})

    def test_forms_of_features(self) -> None:
        tensor = paddle.zeros([1])
        assert flattened([tensor, tensor])[1] == "list"
        tensors, form = flattened({"fuse": tensor, "aux": tensor})
        assert (len(tensors), form) == (2, ("fuse", "aux"))
        assert flattened(tensor)[1] == "tensor"
