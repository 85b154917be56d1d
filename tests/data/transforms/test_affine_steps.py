from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr.compat import import_imgaug
from ppocr.cv import cv2
from ppocr.data.transforms.affine_steps import Chain, Mirror, Resize, Sometimes, affine_step, fitted
from ppocr.data.transforms.deferred import map_points, scaling, translation, warp
from ppocr.data.transforms.iaa_spec import Spec
from ppocr.errors import ConfigError

SIZE = 80, 50
POINTS = np.array([[0.0, 0.0], [79, 0], [12.5, 33.25], [70, 49]])


def draw(kind: str, args: dict[str, Any], seed: int = 0, size: tuple[int, int] = SIZE) -> Any:
    step = affine_step(Spec(kind, args))
    assert step is not None
    return step.draw(np.random.default_rng(seed), size)


def draws(kind: str, args: dict[str, Any], number: int = 400) -> list[Any]:
    rng, step = np.random.default_rng(1), affine_step(Spec(kind, args))
    assert step is not None
    return [step.draw(rng, SIZE) for _ in range(number)]


class TestAgainstImgaug:
    """The same arguments without chance move the points of a picture as imgaug does."""

    @pytest.mark.parametrize(("kind", "args"), [
        ("Fliplr", {"p": 1}), ("Flipud", {"p": 1.0}), ("Fliplr", {}), ("Fliplr", {"p": 0}),
        ("Affine", {"rotate": 30}), ("Affine", {"rotate": -7.5, "fit_output": True}),
        ("Affine", {"rotate": 90, "fit_output": True}),
        ("Affine", {"scale": 1.5}), ("Affine", {"scale": {"x": 0.5, "y": 2.0}}),
        ("Affine", {"translate_px": 6}), ("Affine", {"translate_px": {"x": 3, "y": -4}}),
        ("Affine", {"translate_percent": {"x": 0.25, "y": -0.5}}), ("Affine", {"translate_percent": 0.1}),
        ("Affine", {"shear": 12}), ("Affine", {"shear": {"y": 9.0}}), ("Affine", {"shear": {"x": 5, "y": -9.0}}),
        ("Affine", {"rotate": 20, "shear": {"x": 10, "y": 5}, "scale": {"x": 1.2, "y": 0.8},
                    "translate_px": {"x": 3, "y": -2}}),
        ("Affine", {"rotate": 20, "shear": 10, "scale": 0.7, "fit_output": True, "translate_px": 50}),
        ("Resize", {"size": 0.37}), ("Resize", {"size": 2.5}), ("Resize", {"size": 64}),
        ("Resize", {"size": {"height": 20, "width": "keep"}}), ("Resize", {"size": {"width": 1.5}}),
        ("Resize", {"size": {"height": 20, "width": "keep-aspect-ratio"}}),
        ("Resize", {"size": {"shorter-side": 100, "longer-side": "keep-aspect-ratio"}}),
        ("Resize", {"size": {"longer-side": 2.0, "shorter-side": 0.5}}),
        ("Identity", {}),
    ])
    @pytest.mark.parametrize("size", [(80, 50), (50, 80)])
    def test_points_and_size(self, kind: str, args: dict[str, Any], size: tuple[int, int]) -> None:
        imgaug = import_imgaug()
        matrix, new_size = draw(kind, args, size=size)
        shape = (size[1], size[0], 3)
        keypoints = imgaug.augmentables.kps.KeypointsOnImage.from_xy_array(POINTS + 0.5, shape=shape)
        augmenter = getattr(imgaug.augmenters, kind)(**args, seed=1)
        image, moved = augmenter(image=np.zeros(shape, np.uint8), keypoints=keypoints)
        assert new_size == (image.shape[1], image.shape[0])
        # With fit_output imgaug's points and pixels are up to a pixel apart; here they are not (see the next test).
        tolerance = 1.01 if args.get("fit_output") else 1e-3
        np.testing.assert_allclose(map_points(matrix, POINTS), moved.to_xy_array() - 0.5, atol=tolerance)

    @pytest.mark.parametrize("args", [
        {"rotate": 33}, {"rotate": 33, "fit_output": True}, {"rotate": 90, "fit_output": True},
        {"shear": {"x": 12, "y": -5}, "scale": {"x": 0.8, "y": 1.3}, "translate_percent": 0.1},
    ])
    def test_pixels(self, args: dict[str, Any]) -> None:
        imgaug = import_imgaug()
        image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8), (0, 0), 4)
        expected = imgaug.augmenters.Affine(**args, seed=1)(image=image)
        matrix, size = draw("Affine", args)
        result = warp(image, matrix, size)
        assert result.shape == expected.shape
        assert np.quantile(np.abs(result.astype(int) - expected), 0.99) <= 2

    def test_single_number_shears_x_only_but_an_interval_both(self) -> None:
        assert draw("Affine", {"shear": 10})[0][1, 0] == 0
        matrix, _ = draw("Affine", {"shear": (10, 10)})
        assert matrix[0, 1] < 0 < matrix[1, 0]


class TestDistributions:
    def test_flip(self) -> None:
        mirrored = [matrix[0, 0] == -1 for matrix, _ in draws("Fliplr", {"p": 0.3}, 2000)]
        assert abs(np.mean(mirrored) - 0.3) < 0.04  # four standard deviations

    def test_rotation(self) -> None:
        matrices = [matrix for matrix, _ in draws("Affine", {"rotate": [-10, 10]})]
        angles = [np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])) for matrix in matrices]
        assert -10 <= min(angles) < -9
        assert 9 < max(angles) <= 10
        assert abs(np.mean(angles)) < 1.2

    def test_scale_is_the_same_for_both_axes_unless_they_are_named(self) -> None:
        assert all(matrix[0, 0] == matrix[1, 1] for matrix, _ in draws("Affine", {"scale": [0.5, 1.5]}, 20))
        both = {"scale": {"x": [0.5, 1.5], "y": [0.5, 1.5]}}
        assert all(matrix[0, 0] != matrix[1, 1] for matrix, _ in draws("Affine", both, 20))

    def test_resize_factor(self) -> None:
        sizes = [size for _, size in draws("Resize", {"size": [0.5, 3]})]
        assert all(abs(width / height - 1.6) < 0.05 for width, height in sizes)
        widths = [width for width, _ in sizes]
        assert 40 <= min(widths) < 45
        assert 230 < max(widths) <= 240
        assert abs(np.mean(widths) - 140) < 12

    def test_whole_numbers_are_pixels_with_both_ends(self) -> None:
        assert {size for _, size in draws("Resize", {"size": [30, 32]})} == {(30, 30), (31, 31), (32, 32)}
        moved = {matrix[0, 2] for matrix, _ in draws("Affine", {"translate_px": [-1, 1]})}
        np.testing.assert_allclose(sorted(moved), [-1, 0, 1], atol=1e-9)

    def test_more_numbers_are_a_choice(self) -> None:
        assert {size for _, size in draws("Resize", {"size": [0.5, 1.0, 2.0]})} == {(40, 25), (80, 50), (160, 100)}

    def test_p_of_an_augmenter_without_one(self) -> None:
        matrices = [matrix for matrix, _ in draws("Affine", {"rotate": [20, 30], "p": 0.25}, 2000)]
        assert abs(np.mean([(matrix == np.eye(3)).all() for matrix in matrices]) - 0.75) < 0.04

    def test_affine_without_arguments(self) -> None:
        matrices = [matrix for matrix, _ in draws("Affine", {})]
        assert all(abs(np.linalg.det(matrix[:2, :2]) - 1) < 0.3 for matrix in matrices)
        assert len({float(matrix[0, 1]) for matrix in matrices}) > 300

    def test_the_generator_decides(self) -> None:
        first, second = draw("Affine", {"rotate": [-10, 10]}, 3), draw("Affine", {"rotate": [-10, 10]}, 3)
        np.testing.assert_array_equal(first[0], second[0])
        assert (draw("Affine", {"rotate": [-10, 10]}, 4)[0] != first[0]).any()


class TestNesting:
    def test_sometimes(self) -> None:
        branches = {"p": 0.5, "then_list": [{"type": "Resize", "args": {"size": 0.5}}],
                    "else_list": {"type": "Resize", "args": {"size": 2.0}}}
        assert {size for _, size in draws("Sometimes", branches)} == {(40, 25), (160, 100)}
        assert {size for _, size in draws("Sometimes", {"p": 0.5})} == {SIZE}

    def test_sequential_is_in_order(self) -> None:
        children = [{"type": "Affine", "args": {"translate_px": {"x": 10}}}, {"type": "Resize", "args": {"size": 2.0}}]
        matrix, size = draw("Sequential", {"children": children})
        assert size == (160, 100)
        np.testing.assert_allclose(matrix, scaling(2, 2) @ translation(10, 0), atol=1e-9)

    def test_one_other_augmenter_among_them_is_too_much(self) -> None:
        children = [{"type": "Fliplr"}, {"type": "GaussianBlur"}]
        assert affine_step(Spec("Sequential", {"children": children})) is None
        assert affine_step(Spec("Sometimes", {"then_list": children})) is None

    def test_types(self) -> None:
        assert isinstance(affine_step(Spec("VerticalFlip")), Mirror)
        assert isinstance(affine_step(Spec("Sequential", {"children": []})), Chain)
        assert isinstance(affine_step(Spec("Resize", {"size": 2.0, "p": 0.5})), Sometimes)
        assert isinstance(affine_step(Spec("Resize", {"size": 2.0, "p": 1})), Resize)


@pytest.mark.parametrize(("kind", "args"), [
    ("GaussianBlur", {"sigma": 1.0}), ("Dropout", {"p": [0.0, 0.1]}), ("PerspectiveTransform", {}),
    ("Affine", {"rotate": 5, "cval": 255}), ("Affine", {"rotate": 5, "mode": "edge"}), ("Affine", {"rotate": "5"}),
    ("Affine", {"rotate": 5, "order": 3}), ("Affine", {"rotat": 5}), ("Affine", {"scale": {"z": 2}}),
    ("Affine", {"translate_px": 1.5}), ("Affine", {"translate_px": 1, "translate_percent": 0.1}),
    ("Resize", {}), ("Resize", {"size": 2.0, "interpolation": "cubic"}), ("Resize", {"size": -1.0}),
    ("Resize", {"size": {"height": "keep-aspect-ratio", "width": "keep-aspect-ratio"}}), ("Fliplr", {"seed": 5}),
    ("Resize", {"size": {"height": 50, "shorter-side": 20}}), ("Sequential", {"children": [], "random_order": True}),
])
def test_the_rest_is_left_to_imgaug(kind: str, args: dict[str, Any]) -> None:
    assert affine_step(Spec(kind, args)) is None


@pytest.mark.parametrize(("kind", "args", "match"), [
    ("Fliplr", {"p": 1.5}, "p of Fliplr is 1.5"), ("Fliplr", {"p": True}, "p of Fliplr is True"),
    ("Affine", {"p": -1}, "p of Affine is -1"), ("Sometimes", {"p": "often"}, "p of Sometimes is 'often'"),
    ("Resize", {"size": [1, 3]}, r"size of Resize is \[1, 3\], whole numbers"), ("Resize", {"size": 2}, "2, whole"),
    ("Affine", {"scale": [0, 1]}, "scale of Affine is not positive"),
    ("Sequential", {"children": "Fliplr"}, "augmenter_args is 'Fliplr'"),
])
def test_nonsense_is_told(kind: str, args: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        affine_step(Spec(kind, args))


def test_a_right_angle_fits_exactly() -> None:
    turn = np.array([[0.0, -1, 0], [1, 1e-17, 0], [0, 0, 1]])
    assert fitted(turn, (80, 50))[1] == (50, 80)
