from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.cv import cv2
from ppocr.data.transforms.det_crop import EastRandomCropData, RandomCrop
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.data.transforms.region_clip import visible_part
from ppocr.errors import ConfigError
from ppocr.geometry import signed_area
from ppocr.registry import TRANSFORMS
from tests.data.transforms.scenes import COLOURS, overlap, parallel, scene

SEEDS = range(40)

APART = (((10, 10), (60, 20), (55, 50), (5, 40)), ((90, 60), (160, 60), (160, 85), (90, 85)),
         ((180, 100), (200, 95), (225, 150), (205, 155)))
"""Regions with gaps between their projections on both axes."""


def covered(sample: dict[str, Any], number: str) -> int:
    """Return how many pixels have about the colour of a region."""
    return int((np.abs(sample["image"].astype(int) - COLOURS[int(number)]).max(axis=2) < 40).sum())


class TestEast:
    def test_polygons_move_with_the_image(self) -> None:
        transform = EastRandomCropData((200, 150))
        for seed in SEEDS:
            sample = transform(scene(APART, seed=seed))
            parallel(sample)
            assert sample["image"].shape == (150, 200, 3)
            assert sample["texts"]
            assert min(overlap(sample)) >= 0.9

    def test_no_text_is_cut(self) -> None:
        transform = EastRandomCropData((240, 240))
        seen = set()
        for seed in SEEDS:
            sample = transform(scene(APART, seed=seed))
            seen.add(tuple(sample["texts"]))
            for polygon in sample["polys"]:
                assert polygon.min() >= -0.5
                assert polygon.max() <= 239.5
            # A region that is not in the list does not show: its colour is nowhere.
            for number in {"0", "1", "2"} - set(sample["texts"]):
                assert covered(sample, number) == 0
        assert len(seen) >= 4  # not always the whole picture

    def test_ignored_regions_may_be_cut(self) -> None:
        transform, cut = EastRandomCropData((100, 100), min_crop_side_ratio=0.3), 0
        wide = ((0, 70), (239, 70), (239, 90), (0, 90))
        for seed in SEEDS:
            sample = scene([((20, 15), (60, 15), (60, 40), (20, 40)), wide], seed=seed)
            sample["ignore_tags"] = [False, True]
            sample = transform(sample)
            assert sample["texts"][0] == "0"
            cut += "1" in sample["texts"] and sample["polys"][-1][:, 0].max() > 101
            if "1" in sample["texts"]:
                assert sample["ignore_tags"] == [False, True]
        assert cut > 10

    def test_the_window_is_scaled_to_fit_and_padded(self) -> None:
        for seed in SEEDS:
            sample = scene([((100, 60), (140, 60), (140, 100), (100, 100))], seed=seed)
            sample["image"] |= 1  # so that padding can be told from the picture
            sample = EastRandomCropData((120, 90))(sample)
            filled = sample["image"].any(axis=2)
            height, width = int(filled.any(axis=1).sum()), int(filled.any(axis=0).sum())
            assert width == 120 or height == 90
            assert filled[:height, :width].all()
            side = sample["polys"][0].max(axis=0) - sample["polys"][0].min(axis=0)
            assert abs(side[0] / side[1] - 1) < 0.05

    def test_stretched(self) -> None:
        sample = scene([((0, 0), (239, 0), (239, 159), (0, 159))])
        sample = EastRandomCropData((120, 160), keep_ratio=False)(sample)
        np.testing.assert_allclose(sample["polys"][0].max(axis=0), [239.5 / 2 - 0.5, 159], atol=0.3)
        assert overlap(sample)[0] > 0.97

    def test_least_size(self) -> None:
        transform = EastRandomCropData((1000, 1000), min_crop_side_ratio=0.5)
        for seed in SEEDS:
            sample = scene([((100, 60), (140, 60), (140, 100), (100, 100))], seed=seed)
            side = np.ptp(transform(sample)["polys"][0], axis=0)
            # The region is 40 wide, the window at least 120 x 80: at most 1000 / 120 times larger.
            assert side.max() <= 40 * 1000 / 120 + 1

    def test_text_at_the_border_does_not_hinder(self) -> None:
        border = [((0, 0), (30, 0), (30, 20), (0, 20)), ((200, 140), (239, 140), (239, 159), (200, 159))]
        found = {tuple(EastRandomCropData((100, 100), 50)(scene(border, seed=seed))["texts"]) for seed in SEEDS}
        assert {("0",), ("1",), ("0", "1")} <= found

    def test_text_everywhere_gives_the_whole_picture(self) -> None:
        sample = EastRandomCropData((240, 160), 50)(scene([((0, 0), (239, 0), (239, 159), (0, 159))]))
        np.testing.assert_allclose(sample["polys"][0], [[0, 0], [239, 0], [239, 159], [0, 159]], atol=1e-4)


class TestRandomCrop:
    def test_polygons_move_with_the_image(self) -> None:
        transform = RandomCrop((200, 150))
        for seed in SEEDS:
            sample = transform(scene(seed=seed))
            parallel(sample)
            assert sample["image"].shape == (150, 200, 3)
            assert not all(sample["ignore_tags"])
            for polygon, share in zip(sample["polys"], overlap(sample), strict=True):
                assert share >= 0.85 or signed_area(polygon) < 300
                assert polygon.min() >= -0.51
                assert (polygon <= np.array([199.51, 149.51])).all()

    def test_text_is_cut_and_slivers_are_ignored(self) -> None:
        block = ((60, 40), (180, 40), (180, 120), (60, 120))
        cut, ignored = 0, 0
        for seed in range(200):
            sample = RandomCrop((240, 160), max_tries=1)(scene([block, ((200, 5), (235, 5), (235, 35), (200, 35))],
                                                               seed=seed))
            for polygon, text, tag in zip(sample["polys"], sample["texts"], sample["ignore_tags"], strict=True):
                if text == "0":
                    height = min(np.ptp(polygon, axis=0))
                    # The text is 80 high. Below 35 % of it, what shows cannot be read.
                    assert tag == (height < 0.35 * 80)
                    cut += not tag and signed_area(polygon) < 9000
                    ignored += tag
        assert cut > 40
        assert ignored > 2

    def test_small_area_is_ignored(self) -> None:
        specks = [((20, 20), (27, 20), (27, 27), (20, 27)), ((100, 50), (140, 50), (140, 70), (100, 70))]
        sample = RandomCrop((240, 160), min_crop_side_ratio=1.0)(scene(specks))  # 7 x 7 = 49 square pixels
        assert sample["ignore_tags"] == [True, False]

    def test_only_shrinks(self) -> None:
        square = [((100, 60), (140, 60), (140, 100), (100, 100))]
        for seed in SEEDS:
            side = np.ptp(RandomCrop((500, 500))(scene(square, seed=seed))["polys"][0], axis=0)
            assert side.max() <= 40.01
        # The whole picture of 240 x 160 in 60 x 60: a quarter.
        side = np.ptp(RandomCrop((60, 60), min_crop_side_ratio=1.0)(scene(square))["polys"][0], axis=0)
        np.testing.assert_allclose(side, [10, 10], atol=0.1)

    def test_random_place(self) -> None:
        places = set()
        for seed in SEEDS:
            sample = scene(seed=seed)
            sample["image"] |= 1
            rows, columns = np.nonzero(RandomCrop((400, 300))(sample)["image"].any(axis=2))
            places.add((int(rows.min()), int(columns.min())))
        assert len(places) > 30

    def test_stretched(self) -> None:
        sample = RandomCrop((480, 80), min_crop_side_ratio=1.0, keep_ratio=False)(scene())
        assert min(overlap(sample)) > 0.85
        assert sample["polys"][1].max() > 400


class TestVisiblePart:
    def test_inside_and_outside(self) -> None:
        quad = np.array([[10, 10], [20, 10], [20, 20], [10, 20]], np.float32)
        part, area = visible_part(quad, (0, 0, 30, 30))
        assert part is quad
        assert area == 100
        assert visible_part(quad, (30, 0, 60, 30)) == (None, 0.0)

    def test_cut(self) -> None:
        quad = np.array([[10, 10], [20, 10], [20, 20], [10, 20]], np.float32)
        part, area = visible_part(quad, (0, 0, 15, 30))  # up to x = 14.5
        assert part is not None
        np.testing.assert_allclose(part, [[10, 10], [14.5, 10], [14.5, 20], [10, 20]])
        assert area == 45

    def test_the_largest_piece(self) -> None:
        horseshoe = np.array([[0, 0], [30, 0], [30, 40], [20, 40], [20, 10], [10, 10], [10, 20], [0, 20]], np.float32)
        part, area = visible_part(horseshoe, (0, 15, 50, 50))
        assert part is not None
        assert area == 10 * 25.5
        assert part[:, 0].min() == 20
        assert signed_area(part) > 0

    def test_crossing_outline(self) -> None:
        bow = np.array([[0, 0], [20, 20], [20, 0], [0, 20]], np.float32)
        assert visible_part(bow, (0, 0, 5, 30))[1] > 0


@pytest.mark.parametrize("name", ["EastRandomCropData", "RandomCrop"])
class TestBoth:
    def build(self, name: str, **arguments: Any) -> Any:
        return TRANSFORMS.build({"name": name, "size": [64, 48], **arguments})

    def test_reproducible(self, name: str) -> None:
        transform = self.build(name)
        for seed in range(5):
            first, second = transform(scene(seed=seed)), transform(scene(seed=seed))
            np.testing.assert_array_equal(first["image"], second["image"])
            assert first["texts"] == second["texts"]

    @pytest.mark.parametrize("size", [(240, 160), (1, 1), (3, 200), (20000, 50)])
    def test_without_regions(self, name: str, size: tuple[int, int]) -> None:
        sample = self.build(name)(scene([], size=size))
        assert sample["image"].shape == (48, 64, 3)
        assert sample["polys"] == sample["texts"] == sample["ignore_tags"] == []

    def test_without_regions_the_window_is_random(self, name: str) -> None:
        ramp = np.arange(240, dtype=np.uint8)[None, :, None].repeat(160, axis=0).repeat(3, axis=2)
        values = {int(self.build(name)({**scene([], seed=seed), "image": ramp})["image"].max()) for seed in range(10)}
        assert len(values) > 5

    def test_only_ignored_regions(self, name: str) -> None:
        for seed in range(10):
            sample = scene(seed=seed)
            sample["ignore_tags"] = [True] * 3
            sample = self.build(name)(sample)
            parallel(sample)
            assert all(sample["ignore_tags"])

    def test_regions_outside_are_gone(self, name: str) -> None:
        sample = scene([((300, 200), (340, 200), (340, 220), (300, 220)), ((20, 20), (60, 20), (60, 50), (20, 50))])
        sample = self.build(name)(sample)
        assert sample["texts"] == ["1"]

    @pytest.mark.parametrize(("arguments", "match"), [
        ({"size": [0, 640]}, r"size is \[0, 640\]"), ({"max_tries": 0}, "max_tries is 0"),
        ({"min_crop_side_ratio": 0}, "min_crop_side_ratio is 0"), ({"min_crop_side_ratio": 1.1}, "ratio is 1.1"),
        ({"size": [640]}, "wrong type"), ({"max_try": 5}, "no argument 'max_try'"),
    ])
    def test_wrong_arguments(self, name: str, arguments: dict[str, Any], match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            self.build(name, **arguments)

    def test_after_a_deferred_augmentation(self, name: str) -> None:
        chain = [{"type": "Fliplr", "args": {"p": 0.5}}, {"type": "Affine", "args": {"rotate": [-10, 10]}},
                 {"type": "Resize", "args": {"size": [0.8, 3.0]}}]
        entries = [{"IaaAugment": {"augmenter_args": chain}}, {name: {"size": [200, 200], "max_tries": 50}}]
        pipeline = build_transforms(entries)
        augment, crop = pipeline.transforms
        for seed in range(12):
            late, early = pipeline(scene(seed=seed)), crop(augment(scene(seed=seed)))
            assert late["texts"] == early["texts"]
            for first, second in zip(late["polys"], early["polys"], strict=True):
                np.testing.assert_allclose(first, second, atol=1e-3)
            # Interpolating once is sharper than twice: only the edges of the colours differ.
            assert (np.abs(late["image"].astype(int) - early["image"]).max(axis=2) > 100).mean() < 0.02
            whole = [cv2.contourArea(polygon) > 400 for polygon in late["polys"]]
            assert min((share for share, large in zip(overlap(late), whole, strict=True) if large), default=1) > 0.85
