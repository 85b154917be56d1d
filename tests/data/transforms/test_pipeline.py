from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppocr.data  # noqa: F401 - registers
from ppocr.charset import Charset
from ppocr.data.transforms.iaa_augment import IaaAugment
from ppocr.data.transforms.pipeline import Pipeline, build_transforms
from ppocr.data.transforms.random_scale import RandomScale
from ppocr.errors import ConfigError, SampleError
from ppocr.registry import TRANSFORMS
from ppocr.sections import Section
from ppocr.yaml_files import read_yaml


class Add:
    def __init__(self, value: int, num_extra: int = 0) -> None:
        self.value, self.num_extra = value, num_extra

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        sample["sum"] += self.value + sum(sample.get("extra", []))
        return sample


def entries_of(folder: Path, text: str) -> Any:
    file = folder / "c.yml"
    file.write_text(f"transforms:\n{text}")
    section = read_yaml(file)
    return section["transforms"]


class TestBuild:
    def test_arguments_and_context(self) -> None:
        entries = [{"DecodeImage": None}, {"CTCLabelEncode": None}, {"KeepKeys": {"keep_keys": ["a"]}}]
        pipeline = build_transforms(entries, charset=Charset.default(), max_text_length=9)
        assert [type(step).__name__ for step in pipeline.transforms] == ["DecodeImage", "CTCLabelEncode", "KeepKeys"]
        assert pipeline.transforms[1].max_text_length == 9  # type: ignore[attr-defined]

    def test_nothing(self) -> None:
        assert len(build_transforms(None)) == 0

    @pytest.mark.parametrize(("text", "match"), [
        ("- DecodImage: null\n", r"c.yml:2.*no transform named 'DecodImage' \(did you mean 'DecodeImage'"),
        ("- DecodeImage: null\n- RecResizeImg: {image_shap: [3, 4, 5]}\n", r"c.yml:3.*no argument 'image_shap'"),
        ("- DecodeImage: {img_mode: CMYK}\n", r"c.yml:2.*'CMYK' has the wrong type"),
        ("- DecodeImage\n", r"c.yml:2.*not as 'DecodeImage'"),
        ("- {DecodeImage: null, ToCHWImage: null}\n", r"c.yml:2.*several keys: DecodeImage, ToCHWImage"),
        ("- KeepKeys: [image]\n", r"c.yml:2.*the arguments of KeepKeys are \['image'\]"),
        ("- KeepKeys: null\n", r"c.yml:2.*needs the argument 'keep_keys'"),
    ])
    def test_errors_name_the_place(self, tmp_path: Path, text: str, match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            build_transforms(entries_of(tmp_path, text))

    def test_not_a_list(self) -> None:
        with pytest.raises(ConfigError, match="is not a list"):
            build_transforms(Section({"DecodeImage": None}, path="Train.dataset.transforms"))

    def test_the_configuration_stays_as_it_was(self) -> None:
        entries = [{"KeepKeys": {"keep_keys": ["image"]}}]
        build_transforms(entries)
        assert entries == [{"KeepKeys": {"keep_keys": ["image"]}}]


class TestRun:
    def test_parts(self) -> None:
        pipeline = Pipeline([Add(1), Add(10), Add(100)])
        assert pipeline({"sum": 0})["sum"] == 111
        assert pipeline({"sum": 0}, stop=2)["sum"] == 11
        assert pipeline({"sum": 0}, start=2)["sum"] == 100

    def test_extra_samples(self) -> None:
        pipeline = Pipeline([Add(1), Add(10, num_extra=2), Add(100), Add(0, num_extra=1)])
        assert pipeline.extra_at == 1
        asked = []

        def draw(number: int) -> list[Any]:
            asked.append(number)
            return [1000] * number

        sample = pipeline({"sum": 0}, draw)
        assert asked == [2, 1]
        assert sample == {"sum": 3111}
        assert pipeline({"sum": 0})["sum"] == 111

    def test_unfinished_work_goes_only_to_one_that_takes_it(self) -> None:
        class Maker(Add):
            def defer(self, sample: dict[str, Any]) -> dict[str, Any]:
                sample["sum"] += 1000
                return sample

        class Taker(Add):
            takes_deferred = True

        pipeline = Pipeline([Maker(1), Maker(10), Taker(100), Maker(1)])
        assert pipeline({"sum": 0}) == {"sum": 1102}
        assert pipeline({"sum": 0}, stop=2) == {"sum": 11}  # what follows a part may be anything
        assert pipeline({"sum": 0}, start=1, stop=3) == {"sum": 1100}
        copy = pickle.loads(pickle.dumps(Pipeline([IaaAugment(), RandomScale((1, 1))])))
        assert copy._before_next[0] == copy.transforms[0].defer

    def test_none_drops_the_sample(self) -> None:
        with pytest.raises(SampleError, match="returned None"):
            Pipeline([lambda sample: None])({})  # type: ignore[arg-type, return-value, list-item]


@pytest.mark.parametrize(("name", "transform"), [(name, component) for name, _, component in TRANSFORMS.entries()])
def test_docstrings_tell_the_keys(name: str, transform: Any) -> None:
    documentation = inspect.getdoc(transform) or ""
    assert "Required keys:" in documentation, f"{name} does not tell which keys it needs"
    assert any(word in documentation for word in ("Modified keys:", "Added keys:", "Removed keys:"))


def test_all_randomness_comes_from_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(3).integers(0, 256, (40, 120, 3), np.uint8)

    def run(name: str) -> Any:
        transform = TRANSFORMS.build({"name": name}, charset=Charset.default(), max_text_length=25)
        return [transform({"image": image.copy(), "label": "ab", "rng": np.random.default_rng(seed), "extra": [],
                           "epoch": 0})["image"] for seed in range(5)]

    for name in ("RecAug", "BaseDataAugmentation", "RecConAug", "SVTRRecAug", "RandAugment"):
        for first, second in zip(run(name), run(name), strict=True):
            np.testing.assert_array_equal(first, second, err_msg=name)
