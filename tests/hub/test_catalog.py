"""The catalog: every entry can be used, and names that are wrong are explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ppocr import hub
from ppocr.errors import HubError
from ppocr.hub.catalog import METADATA, TASKS, Model, SourceFile, shipped_catalog
from ppocr.infer.operators import build_operators
from ppocr.registry import POSTPROCESSES, check_arguments
from tests.hub import toys

MODELS = list(shipped_catalog().models.values())


def test_the_names_of_the_field_are_there() -> None:
    assert {"PP-OCRv4_mobile_det", "PP-OCRv4_mobile_rec", "ch_ppocr_mobile_v2.0_cls", "PP-OCRv5_mobile_det",
            "PP-OCRv6_small_rec", "PP-OCRv6_tiny_det"} <= set(hub.names())
    assert hub.systems()[0] == "PP-OCRv4_mobile"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_model_can_be_described(model: Model) -> None:
    assert model.task in TASKS
    assert (model.classes is None) == (model.task != "rec")
    build_operators([dict(operator) for operator in model.operators])
    check_arguments(POSTPROCESSES.get(model.postprocess["name"], task=model.task), model.postprocess,
                    kind="post-process", name=model.postprocess["name"], supplied={"charset": None})
    assert model.url.startswith("https://")
    assert model.url.endswith("_infer.tar")


@pytest.mark.parametrize("model", [model for model in MODELS if model.packages], ids=lambda model: model.name)
def test_files_of_packages_are_pinned(model: Model) -> None:
    for source in model.packages:
        dictionary = source.dictionary
        assert (dictionary is not None) == (model.task == "rec")
        if dictionary == METADATA:
            assert source.format == "onnx"
        files = [*source.files.values(), *([dictionary] if isinstance(dictionary, SourceFile) else [])]
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size > 0 for file in files)
        assert not any(Path(file.path).is_absolute() or ".." in file.path for file in files)
        assert sum(file.size for file in source.files.values()) / 1e6 < 1.1 * model.size
        wanted = {"inference.onnx"} if source.format == "onnx" else {"inference.pdmodel", "inference.pdiparams"}
        assert wanted <= set(source.files)


@pytest.mark.parametrize("name", hub.systems())
def test_systems_consist_of_models_of_their_tasks(name: str) -> None:
    parts = hub.system(name).parts
    assert {"det", "rec"} <= set(parts)
    assert all(shipped_catalog().model(part).task == task for task, part in parts.items())


class TestNames:
    def test_unknown_model(self) -> None:
        with pytest.raises(HubError, match=r"'PP-OCRv4_mobil_rec' \(did you mean 'PP-OCRv4_mobile_rec'") as caught:
            hub.load("PP-OCRv4_mobil_rec")
        assert "PP-OCRv5_mobile_det" in caught.value.expected
        assert "ppocr models" in caught.value.cure

    def test_unknown_system(self) -> None:
        with pytest.raises(HubError, match=r"did you mean .*'PP-OCRv4_mobile'"):
            hub.system("PP-OCRv4_mobil")

    def test_a_system_is_not_one_model(self) -> None:
        with pytest.raises(HubError, match="not one model but several: PP-OCRv5_mobile_det"):
            hub.load("PP-OCRv5_mobile")

    def test_a_system_stands_for_its_part_where_the_task_is_known(self, tmp_path: Path) -> None:
        assert toys.catalog(tmp_path).model("toy", "rec").name == "toy_rec"

    def test_of_another_task(self) -> None:
        with pytest.raises(HubError, match="PP-OCRv4_mobile_det is a model for det, not for rec"):
            hub.load("PP-OCRv4_mobile_det", task="rec")

    def test_unknown_format(self) -> None:
        with pytest.raises(HubError, match="no format 'torch'"):
            hub.load("PP-OCRv4_mobile_det", format="torch")


def test_a_recipe_changes_with_what_is_described(tmp_path: Path) -> None:
    one, other = toys.catalog(tmp_path).models["toy_rec"], toys.catalog(tmp_path, classes=6).models["toy_rec"]
    assert one.recipe == toys.catalog(tmp_path).models["toy_rec"].recipe
    assert one.recipe != other.recipe


def test_a_task_that_does_not_exist(tmp_path: Path) -> None:
    for name in ("toy", "toy_rec"):
        with pytest.raises(HubError, match="there is no task 'ocr'"):
            toys.catalog(tmp_path).model(name, "ocr")


def test_a_system_without_a_part(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="the system toy has no model for cls"):
        toys.catalog(tmp_path).model("toy", "cls")
