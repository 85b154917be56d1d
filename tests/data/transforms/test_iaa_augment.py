from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from ppocr.compat import import_imgaug
from ppocr.data.transforms.deferred import DeferredImage
from ppocr.data.transforms.iaa_augment import IaaAugment
from ppocr.data.transforms.imgaug_step import ImgaugStep
from ppocr.data.transforms.pipeline import Pipeline, build_transforms
from ppocr.errors import ConfigError, SampleError
from ppocr.geometry import signed_area
from tests.data.transforms.scenes import overlap, parallel, scene
from tests.source_tree import ROOT


def spec(kind: str, **args: Any) -> dict[str, Any]:
    return {"type": kind, "args": args}


CHAIN = [spec("Fliplr", p=0.5), spec("Affine", rotate=[-10, 10]), spec("Resize", size=[0.5, 3.0])]


class TestAlignment:
    """A region's polygon covers the region's colour after whatever was done."""

    @pytest.mark.parametrize("augmenters", [
        None, [], [spec("Fliplr", p=1)], [spec("Flipud", p=1)], [spec("Affine", rotate=[-45, 45])],
        [spec("Affine", rotate=[-45, 45], fit_output=True, p=0.7)], [spec("Resize", size=[0.7, 2.0])],
        [spec("Affine", scale=[0.8, 1.2], shear=[-10, 10], translate_percent=[-0.1, 0.1])],
        [spec("Sometimes", p=0.5, then_list=CHAIN, else_list=[spec("Flipud")])],
        # Those that imgaug runs, alone and between ours:
        [spec("PerspectiveTransform", scale=[0.05, 0.1])], [spec("Affine", rotate=20, mode="edge")],
        [spec("Rot90", k=1)], [spec("CropAndPad", percent=[-0.05, 0.1])], [spec("GaussianBlur", sigma=[0.0, 1.0])],
        [spec("Fliplr", p=1), spec("PerspectiveTransform"), spec("Affine", rotate=[-30, 30], fit_output=True)],
        [spec("OneOf", children=[spec("Rot90", k=2), spec("Fliplr", p=1.0)])],
    ])
    def test_polygons_move_with_the_image(self, augmenters: Any) -> None:
        transform = IaaAugment(augmenters)
        for seed in range(6):
            sample = transform(scene(seed=seed))
            parallel(sample)
            assert len(sample["polys"]) == 3
            assert min(overlap(sample)) >= 0.9, (seed, overlap(sample))

    def test_bent_pictures(self) -> None:
        # Points are moved exactly, but the lines between them bend.
        transform = IaaAugment([spec("PiecewiseAffine", scale=[0.01, 0.02])])
        assert min(overlap(transform(scene(seed=1)))) >= 0.8

    @pytest.mark.parametrize("augmenters", [[spec("Fliplr", p=1)], [spec("Flipud", p=1)], [spec("Affine", scale=1.2)],
                                            [spec("OneOf", children=[spec("Fliplr", p=1.0), spec("Flipud", p=1.0)])]])
    def test_polygons_stay_clockwise(self, augmenters: Any) -> None:
        assert all(signed_area(polygon) > 0 for polygon in IaaAugment(augmenters)(scene())["polys"])

    def test_points_may_leave_the_picture(self) -> None:
        sample = IaaAugment([spec("Affine", translate_px={"x": 200})])(scene())
        assert len(sample["polys"]) == 3
        assert sample["polys"][1].max() > 240
        np.testing.assert_allclose(sample["polys"][1][0], [350, 30])

    def test_sizes(self) -> None:
        for seed in range(20):
            height, width = IaaAugment(None)(scene(seed=seed))["image"].shape[:2]
            assert 80 <= height <= 480
            assert abs(width / height - 1.5) < 0.02

    def test_fit_output_keeps_every_corner(self) -> None:
        sample = scene([((0, 0), (239, 0), (239, 159), (0, 159))])
        sample = IaaAugment([spec("Affine", rotate=30, fit_output=True)])(sample)
        height, width = sample["image"].shape[:2]
        assert sample["polys"][0].min() >= -0.01
        assert (sample["polys"][0] <= np.array([width - 1, height - 1]) + 0.01).all()
        assert overlap(sample)[0] > 0.97


class TestReproducibility:
    @pytest.mark.parametrize("augmenters", [
        None, [spec("PerspectiveTransform"), spec("AdditiveGaussianNoise", scale=[5, 20])],
        [spec("SomeOf", n=[1, 2], children=[spec("Dropout", p=[0.0, 0.2]), spec("Multiply", mul=[0.5, 1.5])])],
        [spec("Fog", p=0.9)],
    ])
    def test_the_samples_generator_decides(self, augmenters: Any) -> None:
        first, again, other = (IaaAugment(augmenters)(scene(seed=seed)) for seed in (3, 3, 4))
        np.testing.assert_array_equal(first["image"], again["image"])
        np.testing.assert_array_equal(first["polys"][0], again["polys"][0])
        assert first["image"].shape != other["image"].shape or (first["image"] != other["image"]).any()

    def test_what_went_before_does_not_matter(self) -> None:
        used = IaaAugment([spec("ElasticTransformation", alpha=[1.0, 20.0], sigma=3.0)])
        for seed in range(3):
            used(scene(seed=seed))
        fresh = IaaAugment([spec("ElasticTransformation", alpha=[1.0, 20.0], sigma=3.0)])
        np.testing.assert_array_equal(used(scene(seed=9))["image"], fresh(scene(seed=9))["image"])

    def test_another_process_makes_the_same(self) -> None:
        transform = IaaAugment([spec("PerspectiveTransform"), *CHAIN])
        expected = transform(scene(seed=2))["image"]
        copy = pickle.loads(pickle.dumps(transform))
        np.testing.assert_array_equal(copy(scene(seed=2))["image"], expected)

    def test_the_randomness_of_others_is_left_alone(self) -> None:
        imgaug = import_imgaug()
        imgaug.seed(7)
        before = imgaug.random.get_global_rng().generator.bit_generator.state
        legacy = np.random.get_state()[1].copy()  # noqa: NPY002
        transform = IaaAugment([spec("SomeOf", n=1, children=[spec("PerspectiveTransform"), spec("Clouds")])])
        transform(scene(seed=2))
        assert str(imgaug.random.get_global_rng().generator.bit_generator.state) == str(before)
        np.testing.assert_array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002

    def test_imgaug_is_imported_only_where_it_is_needed(self) -> None:
        code = ("import sys; from ppocr.data.transforms import build_transforms\n"
                "build_transforms([{'IaaAugment': None}])\nassert 'imgaug' not in sys.modules\n"
                "build_transforms([{'IaaAugment': {'augmenter_args': [{'type': 'GaussianBlur'}]}}])\n"
                "assert 'imgaug' in sys.modules")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False,
                              timeout=120)
        assert done.returncode == 0, done.stderr


class TestDeferring:
    def test_deferred_and_rendered_are_one(self) -> None:
        for seed in range(5):
            late, now = IaaAugment(CHAIN).defer(scene(seed=seed)), IaaAugment(CHAIN)(scene(seed=seed))
            assert isinstance(late["image"], DeferredImage)
            np.testing.assert_array_equal(late["image"].render(), now["image"])
            for first, second in zip(late["polys"], now["polys"], strict=True):
                np.testing.assert_array_equal(first, second)

    def test_others_are_rendered_before(self) -> None:
        late = IaaAugment([*CHAIN, spec("Invert", p=1.0), spec("Fliplr", p=1)]).defer(scene())["image"]
        assert (late.pixels == 255).any()
        np.testing.assert_array_equal(np.abs(late.matrix[:2, :2]), np.eye(2))

    def test_the_pipeline_defers_only_before_one_that_takes_it(self) -> None:
        crop = {"EastRandomCropData": {"size": [64, 64]}}
        seen = []

        def look(sample: dict[str, Any]) -> dict[str, Any]:
            seen.append(type(sample["image"]))
            return sample

        steps = build_transforms([{"IaaAugment": None}, crop]).transforms
        Pipeline([steps[0], look, steps[1]])(scene())
        assert seen == [np.ndarray]
        assert isinstance(Pipeline(steps)(scene(), stop=1)["image"], np.ndarray)
        look.takes_deferred = True  # type: ignore[attr-defined]
        Pipeline([steps[0], look])(scene())
        assert seen[1] is DeferredImage
        assert Pipeline(steps)(scene())["image"].shape == (64, 64, 3)

    def test_two_in_a_row(self) -> None:
        pipeline = build_transforms([{"IaaAugment": None}, {"IaaAugment": {"augmenter_args": [spec("Flipud")]}}])
        sample = pipeline(scene())
        assert min(overlap(sample)) >= 0.9


class TestUnusualSamples:
    @pytest.mark.parametrize("augmenters", [None, [spec("PerspectiveTransform")], [spec("GaussianBlur")]])
    def test_without_regions(self, augmenters: Any) -> None:
        sample = IaaAugment(augmenters)(scene([]))
        parallel(sample)
        assert sample["polys"] == []

    def test_without_polygons_at_all(self) -> None:
        sample = IaaAugment([spec("Resize", size=2.0)])({"image": np.zeros((5, 7, 3), np.uint8),
                                                         "rng": np.random.default_rng(0)})
        assert sample["image"].shape == (10, 14, 3)
        assert "polys" not in sample

    def test_one_pixel(self) -> None:
        sample = IaaAugment(None)(scene([((0, 0), (0, 0), (0, 0))], size=(1, 1)))
        assert min(sample["image"].shape[:2]) >= 1

    def test_20000_pixels(self) -> None:
        sample = IaaAugment([spec("Affine", rotate=[-2, 2]), spec("Resize", size=3.0)]).defer(scene(size=(20000, 50)))
        assert sample["image"].shape == (150, 60000, 3)
        with pytest.raises(SampleError, match="image too large"):
            sample["image"].render()


class TestErrors:
    @pytest.mark.parametrize(("augmenters", "match"), [
        ([spec("Fliplrr")], "imgaug has no augmenter named 'Fliplrr' .did you mean 'Fliplr'"),
        ([spec("RandomBrightnessContrast")], "imgaug has no augmenter named"),
        ([spec("Augmenter")], "imgaug has no augmenter named 'Augmenter'"),
        ([spec("meta.handle_children_list")], "imgaug has no augmenter named"),
        ([spec("__loader__")], "imgaug has no augmenter named"),
        ([spec("Affine", rotat=[-10, 10])], "Affine has no argument 'rotat' .did you mean 'rotate'"),
        ([spec("GaussianBlur", sigma="much")], "GaussianBlur refuses its arguments"),
        ([spec("CropToFixedSize")], "CropToFixedSize refuses its arguments"),
        ([spec("ChangeColorspace", to_colorspace="XYZ")], "ChangeColorspace refuses its arguments"),
        ([spec("AssertShape", shape=[None, 9, 9, 3])], "AssertShape fails on a picture"),
        ([spec("pillike.Affine", rotate=5)], "pillike.Affine fails on a picture of 64 x 64"),
        ([spec("GaussianBlur", p=2)], "p of GaussianBlur is 2"),
        (["Fliplr"], r"augmenter_args\[0\] is 'Fliplr'"),
        ([{"args": {"p": 1}}], r"augmenter_args\[0\] does not name its augmenter"),
        ([{"type": "Fliplr", "p": 0.5}], r"augmenter_args\[0\] has a key 'p'"),
        ([{"type": "Fliplr", "arg": {"p": 0.5}}], "has a key 'arg' .did you mean 'args'"),
        ([{"type": "Fliplr", "args": [0.5]}], r"the arguments of Fliplr are \[0.5\]"),
        ("Fliplr", "augmenter_args is 'Fliplr'"),
    ])
    def test_wrong_lists(self, augmenters: Any, match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            IaaAugment(augmenters)

    def test_an_augmenter_that_fails_on_a_sample_names_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        transform = IaaAugment([spec("GaussianBlur", sigma=1.0)])
        step = transform.steps[0]
        assert isinstance(step, ImgaugStep)

        def fail(**_: Any) -> None:
            raise AttributeError("module 'numpy' has no attribute 'float_'")

        fail.seed_ = lambda seed: None  # type: ignore[attr-defined]
        monkeypatch.setattr(step, "_augmenter", fail)
        with pytest.raises(SampleError, match="augmentation failed: GaussianBlur of imgaug on 240 x 160.*float_"):
            transform(scene())

    def test_configuration_with_lists_for_tuples(self) -> None:
        entries = [{"IaaAugment": {"augmenter_args": [spec("GaussianBlur", sigma=[0.5, 0.5]), spec("Dropout", p=0.5)]}}]
        sample = build_transforms(entries)(scene())
        assert (sample["image"] == 0).mean() > 0.5

    def test_p_of_any_augmenter(self) -> None:
        transform = IaaAugment([spec("Invert", p=1.0), spec("Rot90", k=1, keep_size=False, p=0.3)])
        turned = [transform(scene(seed=seed))["image"].shape == (240, 160, 3) for seed in range(200)]
        assert 0.15 < np.mean(turned) < 0.45
