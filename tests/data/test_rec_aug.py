"""Augmentation of text lines: pixel operations, warps, and the transforms made of them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ppocr.charset import Charset
from ppocr.cv import cv2
from ppocr.data import pixels
from ppocr.data.transforms import rand_augment, rec_aug, svtr_aug, tia
from ppocr.data.transforms.rand_augment import RandAugment, RawRandAugment
from ppocr.data.transforms.rec_aug import BaseDataAugmentation, RecAug
from ppocr.data.transforms.rec_con_aug import RecConAug
from ppocr.data.transforms.svtr_aug import ABINetRecAug, SVTRRecAug
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (19, 40), (20, 20), (32, 100), (48, 300)]

OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(rec_aug, name)
       for name in ("warp", "crop", "blur", "change_colour", "jitter", "add_noise", "reverse")},
    **{f"svtr_{name}": getattr(svtr_aug, name)
       for name in ("rotate", "affine", "tilt", "add_noise", "blur_motion", "lose_resolution", "jitter_colour")},
    **{f"rand_{operation.__name__}_{sign:+.0f}_{strength}":
       (lambda image, rng, f=operation, s=strength, sign=sign: f(image, s, sign, (1, 2, 3)))
       for operation in rand_augment.OPERATIONS for sign in (-1.0, 1.0) for strength in (0.5, 1.0)},
}

ALWAYS: dict[str, Callable[[], Any]] = {
    "RecAug": lambda: RecAug(*[1.0] * 7),
    "BaseDataAugmentation": lambda: BaseDataAugmentation(*[1.0] * 6),
    "SVTRRecAug 0": lambda: SVTRRecAug(0, 1.0, 1.0, 1.0),
    "SVTRRecAug 1": lambda: SVTRRecAug(1, 1.0, 1.0, 1.0),
    "ABINetRecAug": lambda: ABINetRecAug(1.0, 1.0, 1.0),
    "RandAugment": lambda: RandAugment(1.0, num_layers=3),
    "RawRandAugment": lambda: RawRandAugment(num_layers=3, magnitude=10),
}


NEVER = dict.fromkeys(
    ("tia_prob", "crop_prob", "reverse_prob", "noise_prob", "jitter_prob", "blur_prob", "hsv_aug_prob"), 0.0)


def picture(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def smooth_picture(height: int, width: int) -> Any:
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 9 + 1), 128 + 100 * np.cos(y / 7), 128 + 90 * np.sin((x + y) / 11)]
    return np.rint(np.stack(waves, axis=-1)).astype(np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestEveryOperation:
    @pytest.mark.parametrize("size", SIZES, ids=str)
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_keeps_type_and_input_for_any_size(self, name: str, size: tuple[int, int]) -> None:
        image = picture(*size)
        before = image.copy()
        for seed in range(3):
            result = OPERATIONS[name](image, rng(seed))
            assert result.dtype == np.uint8
            assert result.ndim == 3
            assert result.shape[2] == 3
            assert min(result.shape) >= 1
            assert np.array_equal(image, before), "the input was changed"

    @pytest.mark.parametrize("name", ALWAYS)
    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_transform_depends_on_the_generator_alone(self, name: str, size: tuple[int, int]) -> None:
        transform = ALWAYS[name]()
        states = random.getstate(), copy.deepcopy(np.random.get_state(legacy=True))  # noqa: NPY002
        first, again, other = (
            transform({"image": picture(*size), "rng": rng(seed), "label": "a"}) for seed in (5, 5, 6))
        assert np.array_equal(first["image"], again["image"])
        assert first["image"].dtype == np.uint8
        assert first["label"] == "a"
        if min(size) >= 20:
            assert first["image"].shape != other["image"].shape or (first["image"] != other["image"]).any()
        assert random.getstate() == states[0]
        now = np.random.get_state(legacy=True)  # noqa: NPY002
        assert all(np.array_equal(a, b) for a, b in zip(states[1], now, strict=True))

    @pytest.mark.parametrize("transform", [
        RecAug(*[0.0] * 7), BaseDataAugmentation(*[0.0] * 6), SVTRRecAug(0, 0.0, 0.0, 0.0), ABINetRecAug(0.0, 0.0, 0.0),
        RandAugment(0.0), RawRandAugment(num_layers=0),
    ], ids=lambda transform: type(transform).__name__)
    def test_probability_zero_changes_nothing(self, transform: Any) -> None:
        for seed in range(20):
            result = transform({"image": picture(32, 100), "rng": rng(seed)})
            assert np.array_equal(result["image"], picture(32, 100))

    def test_every_probability_is_met(self) -> None:
        """Each operation alone acts in about 40 % of 2,000 samples (a deviation of 5 sigma is 5.5 %)."""
        for key in sorted(NEVER.keys() - {"jitter_prob"}):  # A jitter may draw a shift by (0, 0).
            transform = RecAug(**{**NEVER, key: 0.4})
            image, generator = picture(20, 24), rng(1)
            changed = sum(
                not np.array_equal(transform({"image": image, "rng": generator})["image"], image) for _ in range(2000))
            assert changed / 2000 == pytest.approx(0.4, abs=0.055), key

    @pytest.mark.parametrize("name", ["RecAug", "BaseDataAugmentation", "RecConAug", "SVTRRecAug", "ABINetRecAug",
                                      "ParseQRecAug", "RandAugment", "RawRandAugment"])
    def test_is_registered_and_builds_without_arguments(self, name: str) -> None:
        assert TRANSFORMS.build({"name": name}, charset=Charset.default(), max_text_length=25) is not None

    @pytest.mark.parametrize(("section", "what"), [
        ({"name": "RecAug", "tia_prob": 1.5}, "RecAug: tia_prob is 1.5"),
        ({"name": "RecAug", "blur_prob": -0.1}, "blur_prob is -0.1"),
        ({"name": "BaseDataAugmentation", "noise_prob": 40}, "BaseDataAugmentation: noise_prob"),
        ({"name": "SVTRRecAug", "geometry_p": 2}, "geometry_p"),
        ({"name": "SVTRRecAug", "aug_type": 2}, "aug_type is 2"),
        ({"name": "RandAugment", "magnitude": 11}, "magnitude 11"),
        ({"name": "RandAugment", "num_layers": -1}, "num_layers -1"),
        ({"name": "RecConAug", "prob": 3}, "prob is 3"),
        ({"name": "RecConAug", "ext_data_num": -1}, "ext_data_num is -1"),
        ({"name": "RecConAug", "image_shape": [3, 48, 320]}, "does not end with 3 channels"),
        ({"name": "RecConAug", "image_shape": [0, 320, 3]}, "image_shape is"),
    ])
    def test_bad_argument_is_named(self, section: dict[str, Any], what: str) -> None:
        with pytest.raises(ConfigError) as caught:
            TRANSFORMS.build(section, max_text_length=25)
        assert what in caught.value.what
        assert caught.value.expected


class TestPixels:
    @pytest.mark.parametrize("per_channel", [True, False])
    def test_noise_has_the_stated_deviation_and_no_bias(self, per_channel: bool) -> None:
        grey = np.full((100, 400, 3), 128, np.uint8)
        noise = pixels.gaussian_noise(grey, 10.0, rng(), per_channel=per_channel).astype(float) - 128
        assert noise.std() == pytest.approx(10, rel=0.02)
        assert noise.mean() == pytest.approx(0, abs=0.2)
        assert np.abs(noise).max() <= 29
        flat = noise.reshape(-1, 3)
        same = abs(np.corrcoef(flat.T)[0, 1])
        assert same == pytest.approx(0 if per_channel else 1, abs=0.02)
        assert abs(np.corrcoef(noise[:, :-1, 0].ravel(), noise[:, 1:, 0].ravel())[0, 1]) < 0.02

    def test_noise_saturates_instead_of_wrapping(self) -> None:
        assert pixels.gaussian_noise(np.full((20, 20, 3), 255, np.uint8), 30.0, rng()).min() > 150
        assert pixels.gaussian_noise(np.zeros((20, 20, 3), np.uint8), 30.0, rng()).max() < 100

    def test_invert(self) -> None:
        assert np.array_equal(pixels.invert(picture(5, 6)), 255 - picture(5, 6))

    @pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.5, 10.0), (2.0, -60.0)])
    def test_linear(self, gain: float, offset: float) -> None:
        image = picture(5, 6)
        expected = np.clip(np.rint(image * gain + offset), 0, 255)
        assert np.array_equal(pixels.linear(image, gain, offset), expected)

    def test_gamma(self) -> None:
        image = np.array([[[0, 64, 255]]], np.uint8)
        assert pixels.gamma(image, 2.0).ravel().tolist() == [0, 16, 255]  # 255 (64 / 255)^2 = 16.06

    def test_contrast_keeps_the_mean(self) -> None:
        image = np.array([[[100] * 3, [200] * 3]], np.uint8)
        assert pixels.contrast(image, 0.5)[0, :, 0].tolist() == [125, 175]

    def test_hsv_factors(self) -> None:
        blue = np.full((2, 2, 3), (200, 100, 100), np.uint8)
        assert pixels.adjust_hsv(blue, 0, 1, 1)[0, 0].tolist() == [200, 100, 100]
        assert pixels.adjust_hsv(blue, 0, 1, 0.5)[0, 0].tolist() == [100, 50, 50]
        assert pixels.adjust_hsv(blue, 0, 0, 1)[0, 0].tolist() == [200, 200, 200]
        assert pixels.adjust_hsv(blue, 120, 1, 1)[0, 0].tolist() == [100, 100, 200]  # Blue turns into red.

    @pytest.mark.parametrize(("dx", "dy"), [(0, 0), (2, 1), (-3, 0), (0, -2), (50, -50)])
    def test_shift_repeats_the_border(self, dx: int, dy: int) -> None:
        image = picture(6, 8)
        rows, columns = np.clip(np.arange(6) - dy, 0, 5), np.clip(np.arange(8) - dx, 0, 7)
        assert np.array_equal(pixels.shift(image, dx, dy), image[rows][:, columns])

    @pytest.mark.parametrize("angle", [-90, -45, 0, 30, 90])
    def test_motion_blur_keeps_brightness(self, angle: float) -> None:
        grey = np.full((20, 30, 3), 77, np.uint8)
        assert np.array_equal(pixels.motion_blur(grey, 5, angle), grey)

    def test_motion_blur_direction(self) -> None:
        dot = np.zeros((9, 9, 3), np.uint8)
        dot[4, 4] = 250
        assert pixels.motion_blur(dot, 5, 0)[4, :, 0].tolist() == [0, 0, 50, 50, 50, 50, 50, 0, 0]
        assert pixels.motion_blur(dot, 5, 90)[:, 4, 0].tolist() == [0, 0, 50, 50, 50, 50, 50, 0, 0]

    def test_lower_resolution_averages(self) -> None:
        image = np.tile(np.array([0, 200], np.uint8)[None, :, None], (4, 8, 3))
        assert set(pixels.lower_resolution(image, 2.0).ravel().tolist()) == {100}
        assert np.array_equal(pixels.lower_resolution(image, 1.0), image)

    def test_sharpen_end_points(self) -> None:
        image = smooth_picture(20, 30)
        assert np.array_equal(pixels.sharpen(image, 1.0), image)
        assert pixels.sharpen(picture(20, 30), 0.0).std() < picture(20, 30).std()


class TestWarps:
    def test_no_movement_leaves_every_pixel(self) -> None:
        image = picture(37, 101)
        points = tia._edge_points(101, 37, 4)
        assert np.array_equal(tia.apply_warps(image, [tia.Warp(points, points)] * 3), image)

    def test_translation_is_exact(self) -> None:
        image = picture(40, 90)
        points = tia._edge_points(90, 40, 3)
        moved = tia.apply_warps(image, [tia.Warp(points, points + (5 + 2j))])
        assert np.array_equal(moved[2:, 5:], image[:-2, :-5])

    def test_control_points_arrive(self) -> None:
        warp = tia.distort(200, 48, 5, rng())
        assert np.abs(warp.target - warp.source).max() > 1
        assert tia.move_points(warp.source, warp.source, warp.target) == pytest.approx(warp.target, abs=1e-6)

    def test_similarity_is_reproduced(self) -> None:
        """A rotation with scale and shift of the control points moves the whole plane by the same similarity."""
        source = np.array([0, 100, 100 + 40j, 40j])
        turn, shift = 1.2 * np.exp(0.3j), 7 - 3j
        plane = rng().uniform(-20, 120, 50) + 1j * rng(1).uniform(-20, 60, 50)
        assert tia.move_points(plane, source, turn * source + shift) == pytest.approx(turn * plane + shift)

    def test_agrees_with_the_matrix_form_of_the_paper(self) -> None:
        """Schaefer et al. 2006, equations 1 to 6, solved per point by weighted least squares."""
        warp = tia.distort(120, 40, 3, rng(3))
        plane = rng().uniform(0, 120, 20) + 1j * rng(1).uniform(0, 40, 20)
        expected = []
        for point in plane:
            root = 1 / np.abs(warp.source - point)
            rows, right = [], []
            for p, q, w in zip(warp.source, warp.target, root, strict=True):
                # Unknowns a, b, tx, ty of x' = a x - b y + tx, y' = b x + a y + ty.
                rows += [[w * p.real, -w * p.imag, w, 0], [w * p.imag, w * p.real, 0, w]]
                right += [w * q.real, w * q.imag]
            a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
            expected.append((a + 1j * b) * point + tx + 1j * ty)
        assert tia.move_points(plane, warp.source, warp.target) == pytest.approx(np.array(expected), abs=1e-6)

    def test_coarse_grid_is_close_to_the_dense_solution(self) -> None:
        image = smooth_picture(48, 200)
        warps = [tia.distort(200, 48, 4, rng(1)), tia.stretch(200, 48, 4, rng(2)), tia.perspective(200, 48, rng(3))]
        dense = tia._pixel_positions(200, 48)
        positions = dense[..., 0] + 1j * dense[..., 1].astype(float)
        for warp in reversed(warps):
            positions = tia.move_points(positions, warp.target, warp.source)
        expected = cv2.remap(image, positions.real.astype(np.float32), positions.imag.astype(np.float32),
                             cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        difference = np.abs(tia.apply_warps(image, warps).astype(int) - expected)
        assert np.mean(difference) < 1.0
        assert np.abs(expected.astype(int) - image).mean() > 10, "the warps moved something"

    def test_first_warp_of_the_list_acts_first(self) -> None:
        image = smooth_picture(40, 120)
        first, second = tia.stretch(120, 40, 3, rng(1)), tia.perspective(120, 40, rng(2))
        together = tia.apply_warps(image, [first, second]).astype(int)
        in_turn = tia.apply_warps(tia.apply_warps(image, [first]), [second]).astype(int)
        swapped = tia.apply_warps(tia.apply_warps(image, [second]), [first]).astype(int)
        assert np.abs(together - in_turn).mean() < 1.5
        assert np.abs(together - in_turn).mean() < np.abs(together - swapped).mean()

    @pytest.mark.parametrize("segments", [3, 4, 5, 6])
    def test_movements_stay_within_their_bounds(self, segments: int) -> None:
        width, height = 240, 48
        for seed in range(30):
            moved = tia.distort(width, height, segments, rng(seed))
            assert np.abs((moved.target - moved.source).real).max() <= width / segments / 6 + 1e-9
            assert np.abs((moved.target - moved.source).imag).max() <= height / 6 + 1e-9
            stretched = tia.stretch(width, height, segments, rng(seed))
            upper = stretched.target[:segments + 1]
            assert np.all(np.diff(upper.real) > 0), "borders do not pass each other"
            assert stretched.target.imag == pytest.approx(stretched.source.imag)
            assert np.allclose(stretched.target[segments + 1:].real, upper.real)
            tilted = tia.perspective(width, height, rng(seed)).target
            assert (tilted[2:].imag - tilted[:2].imag).min() >= height / 2 - 1 - 1e-9

    def test_crop_takes_an_eighth_at_most(self) -> None:
        for height in (20, 24, 32, 48, 100):
            taken = {height - rec_aug.crop(picture(height, 60), rng(seed)).shape[0] for seed in range(100)}
            assert taken == set(range(1, min(8, height // 8) + 1))

    def test_small_crops_are_neither_warped_nor_cropped(self) -> None:
        for size in ((19, 60), (60, 19)):
            assert np.array_equal(rec_aug.warp(picture(*size), rng()), picture(*size))
            assert np.array_equal(rec_aug.crop(picture(*size), rng()), picture(*size))


class TestGeometryOfSVTR:
    @pytest.mark.parametrize("operation", [svtr_aug.rotate, svtr_aug.affine])
    def test_nothing_is_cut_off(self, operation: Callable[..., Any]) -> None:
        """The dark frame of the picture is still there on all four sides: the darkest pixels reach every edge."""
        image = np.full((40, 120, 3), 255, np.uint8)
        for y, x in ((1, 1), (1, 118), (38, 1), (38, 118)):
            image[y - 1:y + 2, x - 1:x + 2] = 0
        for seed in range(20):
            result = operation(image, rng(seed))
            count, *_ = cv2.connectedComponents((result[..., 0] < 128).astype(np.uint8))
            assert count == 5, "background and four corners"

    def test_quarter_turn(self) -> None:
        image = picture(4, 6)
        turned = svtr_aug._linear_map(image, svtr_aug._rotation(90.0))
        assert np.array_equal(turned, np.rot90(image))

    def test_large_canvas_is_bounded(self) -> None:
        shapes = [svtr_aug.affine(picture(32, 320), rng(seed)).shape for seed in range(50)]
        assert max(max(shape) for shape in shapes) <= 2 * 1.5 * 352


class TestRandAugmentOperations:
    def test_values(self) -> None:
        image = np.array([[[0, 100, 200], [255, 128, 64]]], np.uint8)
        grey = (9, 9, 9)
        assert np.array_equal(rand_augment.posterize(image, 1.0, 1.0, grey), image & 0xF0)
        assert np.array_equal(rand_augment.solarize(image, 0.5, 1.0, grey), np.where(image >= 128, 255 - image, image))
        assert np.array_equal(rand_augment.brightness(image, 0.5, -1.0, grey), np.rint(image * 0.55))
        assert np.array_equal(rand_augment.invert(image, 0.5, 1.0, grey), 255 - image)

    def test_autocontrast_fills_the_range_of_each_channel(self) -> None:
        image = np.array([[[10, 7, 50], [70, 7, 100], [110, 7, 80]]], np.uint8)
        assert rand_augment.autocontrast(image, 0.5, 1.0, (0, 0, 0))[0].tolist() == [
            [0, 7, 0], [153, 7, 255], [255, 7, 153]]

    def test_translation_fills_with_the_colour(self) -> None:
        image = picture(10, 20)
        moved = rand_augment.translate_x(image, 1.0, 1.0, (1, 2, 3))
        assert np.array_equal(moved[:, 9:], image[:, :11])
        assert np.all(moved[:, :9] == (1, 2, 3))

    def test_strength_zero_changes_nothing(self) -> None:
        image = picture(16, 24)
        strength_free = ("autocontrast", "equalize", "invert")
        for operation in rand_augment.OPERATIONS:
            if operation.__name__ not in strength_free:
                difference = np.abs(operation(image, 0.0, 1.0, (0, 0, 0)).astype(int) - image)
                # The detour through 8-bit HSV rounds.
                assert difference.max() <= (6 if operation.__name__ == "colour" else 0), operation.__name__


def line(text: str, height: int = 48, width: int = 96, seed: int = 0) -> dict[str, Any]:
    return {"image": picture(height, width, seed), "label": text, "rng": rng(seed), "info": text}


class TestRecConAug:
    def transform(self, **changes: Any) -> RecConAug:
        arguments = {"prob": 1.0, "image_shape": (48, 320, 3), "max_text_length": 25, "ext_data_num": 2} | changes
        return RecConAug(**arguments)

    def test_lines_stand_side_by_side(self) -> None:
        sample = line("ab") | {"extra": [line("cd", seed=1), line("ef", seed=2)]}
        result = self.transform()(sample)
        assert result["label"] == "abcdef"
        assert result["info"] == "ab"
        assert "extra" not in result
        assert np.array_equal(result["image"], np.concatenate([picture(48, 96, seed) for seed in range(3)], axis=1))

    def test_all_get_the_height_of_the_network(self) -> None:
        result = self.transform()(line("ab", 24, 30) | {"extra": [line("cd", 96, 100), line("e", 1, 1)]})
        assert result["image"].shape == (48, 60 + 50 + 48, 3)
        assert result["label"] == "abcde"

    def test_text_length_decides(self) -> None:
        extra = [line("c" * 20), line("dd")]
        result = self.transform()(line("ab" * 3) | {"extra": extra})
        assert result["label"] == "abababdd", "26 characters do not fit, 8 do"
        assert result["image"].shape == (48, 192, 3)

    def test_width_decides(self) -> None:
        result = self.transform()(line("ab", 48, 200) | {"extra": [line("cd", 48, 121), line("ef", 48, 120)]})
        assert result["label"] == "abef"
        assert result["image"].shape == (48, 320, 3)

    def test_probability(self) -> None:
        joined = 0
        transform, generator = self.transform(prob=0.5), rng()
        for _ in range(1000):
            sample = line("ab") | {"extra": [line("cd")], "rng": generator}
            joined += transform(sample)["label"] == "abcd"
        assert joined / 1000 == pytest.approx(0.5, abs=0.08)

    def test_no_more_than_asked_for(self) -> None:
        assert self.transform(ext_data_num=1)(line("a") | {"extra": [line("b"), line("c")]})["label"] == "ab"
        assert self.transform(ext_data_num=1).num_extra == 1

    @pytest.mark.parametrize("extra", [{}, {"extra": []}])
    def test_alone_it_stays_as_it_is(self, extra: dict[str, Any]) -> None:
        result = self.transform()(line("ab", 30, 50) | extra)
        assert result["image"].shape == (30, 50, 3)
        assert result["label"] == "ab"

    def test_right_to_left_texts_read_from_the_right(self) -> None:
        charset = Charset(tuple("אבגד"), right_to_left=True)
        sample = line("אב") | {"extra": [line("גד", seed=1)]}
        result = self.transform(charset=charset)(sample)
        # In the picture the second line is at the right, hence read first; encoded, the characters run like the pixels.
        assert result["label"] == "גדאב"
        assert charset.normalize(result["label"]) == "בא" + "דג"

    def test_right_to_left_lines_of_numbers_stay_in_their_places(self) -> None:
        charset = Charset(tuple("אב1234"), right_to_left=True)
        result = self.transform(charset=charset)(line("34 א") | {"extra": [line("ב 12", seed=1)]})
        assert charset.normalize(result["label"]) == "א 34" + "12 ב"

    def test_own_length_wins_over_that_of_the_context(self) -> None:
        section = {"name": "RecConAug", "max_text_length": 10}
        assert TRANSFORMS.build(section, max_text_length=25).max_text_length == 10
        assert TRANSFORMS.build({"name": "RecConAug"}, max_text_length=40).max_text_length == 40
