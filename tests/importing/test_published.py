"""The published models as starting points of a training. Skips those whose files are not on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr import hub
from ppocr.config import load_config
from ppocr.engine.builder import build_model_parts, load_trained, section
from ppocr.errors import CheckpointError
from ppocr.export import export_from_config
from ppocr.export.tasks import TASKS
from ppocr.importing import import_model
from ppocr.infer.images import read_images
from ppocr.losses import build_loss
from tests.shared_files import SHARED
from tests.source_tree import ROOT

MERGED = ["Architecture.Backbone.reparameterized=true"]
MERGED_NECK = ["Architecture.Neck.reparameterized=true"]
MODELS = {
    "PP-OCRv4_mobile_rec": ("rec/PP-OCRv4_mobile_rec_finetune.yml", ["Global.freeze=null"]),
    "PP-OCRv4_mobile_det": ("det/PP-OCRv4_mobile_det.yml", MERGED),
    "ch_ppocr_mobile_v2.0_cls": ("cls/direction_mv3.yml", []),
    "PP-OCRv5_mobile_rec": ("rec/PP-OCRv5_mobile_rec.yml", MERGED),
    "PP-OCRv5_mobile_det": ("det/PP-OCRv5_mobile_det.yml", MERGED),
    "PP-OCRv6_tiny_rec": ("rec/PP-OCRv6_tiny_rec.yml", MERGED),
    "PP-OCRv6_tiny_det": ("det/PP-OCRv6_tiny_det.yml", [*MERGED, *MERGED_NECK]),
    "PP-OCRv6_small_rec": ("rec/PP-OCRv6_small_rec.yml", MERGED),
    "PP-OCRv6_small_det": ("det/PP-OCRv6_small_det.yml", [*MERGED, *MERGED_NECK]),
}
"""For each model its configuration and the options with which its export fits."""


def local(name: str) -> bool:
    return any(model.name == name and model.is_local for model in hub.available())


def loaded(name: str, folder: Path, *options: str) -> Any:
    file, further = MODELS[name]
    return load_config(ROOT / "configs" / file, [*further, *options, f"Global.save_model_dir={folder}",
                                                 "Global.use_gpu=false", "Global.pretrained_model=null"])


def pictures(task: str) -> list[Any]:
    """Return some real pictures of the kind, or rendered ones where there are none."""
    labels = SHARED / "data" / ("det" if task == "det" else "rec") / "test.txt"
    if not labels.is_file():
        return TASKS[task].pictures()
    count = 1 if task == "det" else 8
    lines = labels.read_text("utf-8").splitlines()[20:20 + count]
    return read_images([SHARED / "data" / line.split("\t")[0] for line in lines])


@pytest.mark.parametrize("name", MODELS)
def test_imported_it_computes_the_same(name: str, tmp_path: Path) -> None:
    if not local(name):
        pytest.skip(f"the files of {name} are not on this machine (ppocr models tells which package brings them)")
    config = loaded(name, tmp_path)
    task = config["Architecture"]["model_type"]
    report = import_model(config, name, tmp_path / "imported", images=pictures(task))
    assert not report.load.unexpected
    assert set(report.load.missing) == set(report.load.dispensable)
    assert report.agreement.holds


def batch(task: str, classes: int) -> tuple[Any, dict[str, Any]]:
    """Return images and labels of a training step, random but the same in every run."""
    random = np.random.default_rng(0)
    if task == "det":
        maps = {name: random.integers(0, 2, (2, 96, 96)).astype(np.float32)
                for name in ("shrink_map", "shrink_mask", "threshold_mask")}
        maps["threshold_map"] = random.uniform(0.3, 0.7, (2, 96, 96)).astype(np.float32)
        labels: dict[str, Any] = maps
        size = (96, 96)
    elif task == "cls":
        labels, size = {"label": np.array([0, 1])}, (48, 192)
    else:
        labels = {"label": random.integers(1, min(classes, 90), (2, 25)), "length": np.array([5, 9])}
        size = (48, 192)
    images = random.normal(0, 1, (2, 3, *size)).astype(np.float32)
    return paddle.to_tensor(images), {key: paddle.to_tensor(value) for key, value in labels.items()}


@pytest.mark.parametrize("name", list(MODELS)[:3])
def test_one_step_changes_every_parameter_that_is_not_frozen(name: str, tmp_path: Path) -> None:
    if not local(name):
        pytest.skip(f"the files of {name} are not on this machine")
    paddle.seed(1)
    folder = str(hub.load(name))
    options = [f"Global.character_dict_path={folder}"] if name.endswith("_rec") else []
    config = loaded(name, tmp_path, *options)
    parts = build_model_parts(config)
    load_trained(parts, name)
    model, task = parts.model, config["Architecture"]["model_type"]
    optimizer = paddle.optimizer.SGD(0.1, parameters=[item for item in model.parameters() if not item.stop_gradient])
    before = {key: value.numpy().copy() for key, value in model.named_parameters() if not value.stop_gradient}
    model.train()
    images, labels = batch(task, len(parts.charset))
    outputs = model(images, labels)
    build_loss(section(config, "Loss"), charset=parts.charset)(outputs, labels)["loss"].backward()
    optimizer.step()
    unchanged = [key for key, value in model.named_parameters()
                 if key in before and np.array_equal(before[key], value.numpy())]
    assert not unchanged


@pytest.mark.parametrize("name", list(MODELS)[:3])
def test_exported_again_it_agrees_with_the_original(name: str, tmp_path: Path) -> None:
    if not local(name):
        pytest.skip(f"the files of {name} are not on this machine")
    folder = hub.load(name)
    options = [f"Global.character_dict_path={folder}"] if name.endswith("_rec") else []
    config = loaded(name, tmp_path, *options)
    config["Global"]["pretrained_model"] = str(folder)
    task = config["Architecture"]["model_type"]
    again = export_from_config(config, parity_images=pictures(task), out_dir=tmp_path / "again")
    kind = TASKS[task]
    original, exported = (kind.predictor(path, 1, False) for path in (folder, again))
    for picture in pictures(task):
        # The transforms of evaluation may bring a page to another size than the publisher's.
        tensor = original.preprocess(picture)
        difference = np.abs(original.run([tensor]) - exported.run([tensor])).max()
        assert difference <= 1e-3
    assert np.isfinite(difference)


def test_the_training_form_of_the_network_names_the_cure(tmp_path: Path) -> None:
    if not local("PP-OCRv4_mobile_rec"):
        pytest.skip("the files of PP-OCRv4_mobile_rec are not on this machine")
    config = loaded("PP-OCRv4_mobile_rec", tmp_path, "Architecture.Backbone.reparameterized=false")
    with pytest.raises(CheckpointError, match=r"set reparameterized: true in Architecture.Backbone"):
        import_model(config, "PP-OCRv4_mobile_rec", tmp_path / "imported")
