"""Training on the cached output of the frozen front part of a network: ``Global.cache_features``.

Where backbone (and neck) are frozen, their output for an image never changes. It is computed once for each sample, and
each epoch trains what follows on it. Evaluation uses the whole network.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paddle

from ppocr.data.loader import DataLoader
from ppocr.data.sample import Failure, Index, Sample
from ppocr.data.sampler import BatchSampler
from ppocr.engine.consistency import check_images
from ppocr.engine.console import clock
from ppocr.engine.evaluator import evaluation_mode
from ppocr.engine.feature_store import FEATURE, Entry, FeatureStore, StoredDataset, WrappedDataset
from ppocr.engine.freezing import Freezing
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")

FOLDER = "feature_cache"
PARTS = ("transform", "backbone", "neck")
ENTRY = "entry"
PRIVATE = ("info", "failed")
TOLD_EVERY = 30.0
"""Seconds between two lines that tell how far the filling is."""


class Cut:
    """The place between the frozen front part of a network and the rest, as far behind as possible.

    The front part ends with the transform network, backbone or neck, or within backbone or head. A backbone whose
    parts run one after another names them in ``chain``, and has ``up_to``, from images to what one of them gives, and
    ``after``, from there to its output. A head that reads the features through a single first part names it in
    ``front_layer`` (else None), and has ``encode``, from features to what that part gives, and ``classify``, from
    there to the outputs.

    Args:
        network: An `OCRModel`.
        freezing: What is frozen of it.
        place: Where the cache is asked for in the configuration.

    Attributes:
        parts: Names of the front's parts, of which the last is where the cut is.

    Raises:
        ConfigError: Not even the first part of the backbone is frozen.
    """

    def __init__(self, network: Any, freezing: Freezing | None, place: str) -> None:
        self.network = network
        held = [] if freezing is None else self._held_parts(freezing)
        if not any(part.split(".")[0] == "backbone" for part in held):
            chain = getattr(network.backbone, "chain", ())
            raise ConfigError(f"{place} is true, but the backbone is not frozen",
                              expected="a frozen front part: Global.freeze with backbone.* (and transform.*, if any)"
                              + (f", or with the first of {', '.join(chain)}" if chain else ""),
                              cure="freeze the backbone, or set Global.cache_features=false")
        self.parts = tuple(held)

    def _held_parts(self, freezing: Freezing) -> list[str]:
        network = self.network
        names = [name for name in PARTS if getattr(network, name) is not None]
        if network.return_all_feats and "neck" in names:
            names.remove("neck")  # The output of the backbone is wanted too.
        held: list[str] = []
        for name in names:
            part = getattr(network, name)
            if not freezing.is_held(part):
                chain = getattr(part, "chain", ()) if name == "backbone" else ()
                stages = list(itertools.takewhile(lambda stage: freezing.is_held(getattr(network.backbone, stage)),
                                                  chain))
                return [*held, f"backbone.{stages[-1]}"] if stages else held
            held.append(name)
        front = getattr(network.head, "front_layer", None)
        if front is not None and not network.return_all_feats and freezing.is_held(getattr(network.head, front)):
            held.append(f"head.{front}")
        return held

    def front(self, images: Any) -> Any:
        """Return what the front part makes of images."""
        x = images
        for part in self.parts:
            name, _, inner = part.partition(".")
            layer = getattr(self.network, name)
            x = layer(x) if not inner else layer.encode(x) if name == "head" else layer.up_to(x, inner)
        return x

    def rest(self, x: Any, batch: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the network's outputs for what the front part made."""
        last, _, inner = self.parts[-1].partition(".")
        if last == "backbone":
            features = self.network.backbone.after(x, inner) if inner else x
            outputs: dict[str, Any] = self.network.after_backbone(features, batch)
        elif last == "neck":
            outputs = self.network.after_neck(x, batch)
        else:
            outputs = self.network.head.classify(x)
        return outputs


class RestOfNetwork(paddle.nn.Layer):
    """What training calls in place of the network: the part behind the cut.

    Args:
        cut: The cut.
        freezing: Its layers are held in evaluation mode.
        form: How the features of the front part are put together, see `flattened`.
    """

    def __init__(self, cut: Cut, freezing: Freezing, form: Any) -> None:
        super().__init__()
        self.network = cut.network
        self._cut, self._freezing, self._form = cut, freezing, form

    def forward(self, features: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs of the network for a batch of cached features, of which the first is given."""
        self._freezing.hold()
        return self._cut.rest(_together(self._form, [features, *_feature_list(batch)[1:]]), batch)


class FeatureCaching(Hook):
    """Fills the cache before the training, puts it in the place of the training data, and removes it at the end.

    Args:
        cut: Where the network is cut.
        freezing: What is frozen of it.
        folder: Folder of the cache.
        epochs: Number of epochs of training samples that are kept.
    """

    def __init__(self, cut: Cut, freezing: Freezing, folder: Path, epochs: int) -> None:
        self.cut, self.freezing, self.folder, self.epochs = cut, freezing, folder, epochs
        self._store: FeatureStore | None = None

    @classmethod
    def from_options(cls, options: Section, network: Any, freezing: Freezing | None, loader: DataLoader,
                     world_size: int) -> FeatureCaching | None:
        """Return the hook that ``Global.cache_features`` asks for; None if it does not.

        Raises:
            ConfigError: The network is not frozen far enough, or the data have no fixed size or are shared by several
                processes.
        """
        place = where(options, "cache_features")
        if not options["cache_features"]:
            if options["cache_augmentations"] != 1:
                LOGGER.warning("%s has no effect without Global.cache_features.", where(options, "cache_augmentations"))
            return None
        if options["cache_augmentations"] < 1:
            raise ConfigError(f"{where(options, 'cache_augmentations')} is {options['cache_augmentations']}",
                              expected="a number of at least 1", cure="set how many epochs of samples are kept")
        cut = Cut(network, freezing, place)
        if world_size > 1:
            raise ConfigError(f"{place} is true, and {world_size} processes train", expected="one process",
                              cure="train with one process, or set Global.cache_features=false")
        if loader.sampler.sizes:
            raise ConfigError(f"{place} is true, but the sampler {type(loader.sampler).__name__} chooses another image "
                              "size for each batch", expected="images of one size",
                              cure="use SimpleDataSet with RecResizeImg and no sampler, or set "
                              "Global.cache_features=false")
        assert freezing is not None
        epochs = min(options["cache_augmentations"], max(options["epoch_num"], 1))
        return cls(cut, freezing, Path(options["save_model_dir"]) / FOLDER, epochs)

    def before_train(self, run: TrainingRun) -> None:
        """Fill the cache and let the run train on it.

        Raises:
            ConfigError: There is no room for it, or samples differ in shape.
            DatasetError: No sample can be used.
        """
        if run.progress.epoch >= run.epochs:
            return  # Nothing is left to train.
        loader: DataLoader = run.train_loader
        self._store = FeatureStore(self.folder, self.epochs, len(loader.dataset))
        try:
            form = self._fill(run, loader, self._store)
        except BaseException:
            self._store.remove()
            raise
        if run.stop is not None:
            return
        options = dataclasses.replace(loader.options, num_workers=0)  # Reading is faster than starting workers.
        cached = DataLoader(StoredDataset(loader.dataset, self._store), loader.sampler, options)
        cached.report = loader.report
        run.train_loader, run.input_key = cached, f"{FEATURE}0"
        run.model = RestOfNetwork(self.cut, self.freezing, form)
        run.model.train()

    def after_train(self, run: TrainingRun) -> None:
        """Remove the cache."""
        self._remove()

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Remove the cache."""
        self._remove()

    def _remove(self) -> None:
        if self._store is not None:
            self._store.remove()

    def _fill(self, run: TrainingRun, loader: DataLoader, store: FeatureStore) -> Any:
        """Compute the features of all samples and return their form."""
        LOGGER.info("Feature cache: computing the output of %s once for each sample; what follows is trained on it.%s",
                    " and ".join(self.cut.parts),
                    "" if self.epochs >= run.epochs else f" From epoch {self.epochs + 1} on the samples of the first "
                    f"{self.epochs} are used again, with their augmentation and the lines that were drawn for them.")
        once = _once(loader)
        form: Any = None
        started = told = time.perf_counter()
        with evaluation_mode(run.network):
            for epoch in range(self.epochs):
                once.set_epoch(epoch)
                for number, batch in enumerate(once):
                    if run.stop is not None:
                        return form
                    form = self._keep(run, store, epoch, number * once.options.batch_size_per_card, batch) or form
                    if time.perf_counter() - told > TOLD_EVERY:
                        told = time.perf_counter()
                        done = (epoch * len(once) + number + 1) / (self.epochs * len(once))
                        LOGGER.info("Feature cache: %.0f %% done, ETA: %s", 100 * done,
                                    clock((told - started) * (1 / done - 1)))
                # Here all of an epoch was seen; the training would stop somewhere in its midst.
                drawn = min(loader.dataset.num_distinct, (epoch + 1) * len(loader.dataset))
                once.report.check(drawn, loader.options.max_bad_ratio)
        if form is None:
            raise once.report.error(f"no usable sample was found ({once.report.summary()})", "correct the label files")
        LOGGER.info("Feature cache: filled in %s.", clock(time.perf_counter() - started))
        return form

    def _keep(self, run: TrainingRun, store: FeatureStore, epoch: int, first: int, batch: dict[str, Any]) -> Any:
        """Keep a batch whose first sample is at position `first`; return the form of its features, if it has any."""
        tags = batch.pop(ENTRY, [])
        positions = [position for position, _, _ in tags]
        count = len(tags) + len(batch["failed"])
        missing = sorted(set(range(first, first + count)) - set(positions))
        store.put_failures(epoch, dict(zip(missing, batch["failed"], strict=True)))
        if not tags:
            return None
        images = batch.pop("image")
        check_images(images, run.network)
        with run.precision.autocast():
            features, form = flattened(self.cut.front(images))
        arrays = {f"{FEATURE}{number}": feature.astype("float32").numpy() for number, feature in enumerate(features)}
        arrays |= {key: value.numpy() for key, value in batch.items() if isinstance(value, paddle.Tensor)}
        infos = batch["info"]
        lists = {key: value for key, value in batch.items() if isinstance(value, list) and key not in PRIVATE}
        entries = [Entry(info, counts, remarks, {key: value[row] for key, value in lists.items()})
                   for row, (info, (_, counts, remarks)) in enumerate(zip(infos, tags, strict=True))]
        store.put(epoch, positions, entries, arrays)
        return form


class _Tagged(WrappedDataset):
    """Gives every good sample the entry that tells its position and what belongs into the report."""

    def prepare(self, epoch: int) -> None:
        """Prepare for an epoch."""
        self.inner.prepare(epoch)

    def __getitem__(self, index: Index) -> Sample | Failure:
        sample = self.inner[index]
        if isinstance(sample, Failure):
            return sample
        # Lists are not stacked, and travel with the batch.
        return {**sample, ENTRY: [index.position, dict(sample.get("counts", {})), tuple(sample.get("remarks", ()))]}


def _once(loader: DataLoader) -> DataLoader:
    """Return a loader that gives every sample of an epoch in order, the bad ones as such."""
    tagged = _Tagged(loader.dataset)
    sampler = BatchSampler(tagged, loader.options.batch_size_per_card, shuffle=False, exact=True)
    return DataLoader(tagged, sampler, loader.options, split="Eval", check=loader.check)


def flattened(features: Any) -> tuple[list[Any], Any]:
    """Return the tensors of a tensor, list or mapping of tensors, and the form from which it is made again.

    Raises:
        ConfigError: It is something else.
    """
    if isinstance(features, paddle.Tensor):
        return [features], "tensor"
    values = list(features.values()) if isinstance(features, Mapping) else features
    if isinstance(values, (list, tuple)) and values and all(isinstance(value, paddle.Tensor) for value in values):
        return list(values), tuple(features) if isinstance(features, Mapping) else "list"
    raise ConfigError(f"Global.cache_features: the frozen part gives a {type(features).__name__}",
                      expected="tensors, a list or a mapping of them", cure="set Global.cache_features=false")


def _together(form: Any, tensors: list[Any]) -> Any:
    if form == "tensor":
        return tensors[0]
    return tensors if form == "list" else dict(zip(form, tensors, strict=True))


def _feature_list(batch: Mapping[str, Any]) -> list[Any]:
    numbers = range(sum(key.startswith(FEATURE) for key in batch))
    return [batch[f"{FEATURE}{number}"] for number in numbers]
