from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.losses import build_loss, mining
from ppocr.losses.db import dice, masked_l1, mean_bce, mean_focal
from ppocr.losses.mining import hard_negatives

Floats = npt.NDArray[np.float32]
TYPES = ["DiceLoss", "BCELoss", "FocalLoss", "DiceFocalLoss"]

# One image of 2x4 pixels: two of text, one ignored, five of background.
TEXT = np.array([[[1, 1, 0, 0], [0, 0, 0, 0]]], np.float32)
MASK = np.array([[[1, 1, 1, 1], [1, 1, 1, 0]]], np.float32)
P = np.array([[[0.9, 0.6, 0.8, 0.1], [0.4, 0.3, 0.2, 0.95]]], np.float32)


def tensor(array: Floats) -> Any:
    return paddle.to_tensor(array.copy())


def loss(**options: Any) -> Any:
    return build_loss({"name": "DBLoss", **options}, task="det")


def batch(text: Floats = TEXT, mask: Floats = MASK) -> dict[str, Any]:
    return {"shrink_map": tensor(text), "shrink_mask": tensor(mask), "threshold_map": tensor(0.3 + 0.4 * text),
            "threshold_mask": tensor(mask)}


def maps(probability: Floats = P) -> Any:
    """Return probability, threshold 0.5 everywhere, and as binary map the probability again."""
    value = tensor(np.stack([probability, np.full_like(probability, 0.5), probability], 1))
    value.stop_gradient = False
    return value


def dice_of(p: Floats, t: Floats, w: Floats) -> float:
    return float(1 - 2 * (p * t * w).sum() / ((p * w).sum() + (t * w).sum() + 1e-6))


def focal_of(p: Floats, t: Floats, w: Floats, alpha: float, gamma: float) -> float:
    q = np.where(t == 1, p, 1 - p)
    a = np.where(t == 1, alpha, 1 - alpha)
    return float((-a * (1 - q) ** gamma * np.log(q) * w).sum() / w.sum())


class TestMining:
    def test_takes_the_hardest(self) -> None:
        found = hard_negatives(tensor(P), tensor(TEXT * MASK), tensor((1 - TEXT) * MASK), 1.5)
        # Three places: 0.8, 0.4 and 0.3. The ignored 0.95 is none of them.
        np.testing.assert_array_equal(found.numpy(), [[[1, 1, 1, 0], [1, 1, 0, 0]]])
        assert found.stop_gradient

    @pytest.mark.parametrize(("ratio", "negatives"), [(0.4, 0), (0.5, 1), (1, 2), (2.5, 5), (3, 5), (100, 5)])
    def test_number_of_places(self, ratio: float, negatives: int) -> None:
        found = hard_negatives(tensor(P), tensor(TEXT * MASK), tensor((1 - TEXT) * MASK), ratio).numpy()
        assert (found * (1 - TEXT)).sum() == negatives
        assert (found * TEXT).sum() == 2
        assert (found * (1 - MASK)).sum() == 0

    def test_equally_hard_pixels_share_the_places(self) -> None:
        difficulty = np.array([[[0.9, 0.9, 0.7, 0.2], [0.2, 0.2, 0.2, 0.9]]], np.float32)
        found = hard_negatives(tensor(difficulty), tensor(TEXT), tensor((1 - TEXT) * MASK), 1.5).numpy()
        np.testing.assert_allclose(found, [[[1, 1, 1, 0.5], [0.5, 0.5, 0.5, 0]]])

    def test_pixels_of_the_whole_batch_compete(self) -> None:
        text = np.concatenate([TEXT, np.zeros_like(TEXT)])
        difficulty = np.concatenate([np.full_like(P, 0.1), P])
        found = hard_negatives(tensor(difficulty), tensor(text), tensor(1 - text), 1).numpy()
        np.testing.assert_array_equal(found[0], TEXT[0])  # Its background is easier than that of the other image.
        np.testing.assert_array_equal(found[1], [[1, 0, 0, 0], [0, 0, 0, 1]])

    def test_nothing_to_mine(self) -> None:
        zeros = np.zeros_like(TEXT)
        for positive, negative in ((zeros, 1 - zeros), (zeros, zeros)):
            assert not hard_negatives(tensor(P), tensor(positive), tensor(negative), 3).numpy().any()
        np.testing.assert_array_equal(hard_negatives(tensor(P), tensor(TEXT), tensor(zeros), 3).numpy(), TEXT)

    @pytest.mark.parametrize("count", [0, 1, 7, 50])
    def test_selection_equals_sorting(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        values = np.random.default_rng(0).integers(0, 20, 50).astype(np.float32) / 20
        expected = np.sort(values)[::-1][count - 1] if count else np.inf

        class Elsewhere:
            """A tensor that says it is not on CPU, so that the form for other devices runs."""

            place = type("Place", (), {"is_cpu_place": lambda self: False})()

            def __init__(self, value: Any) -> None:
                self.value = value

        given = tensor(values)
        assert float(mining._nth_largest(given, paddle.to_tensor(float(count)))) == expected
        sort = paddle.sort
        monkeypatch.setattr(paddle, "sort", lambda value, descending: sort(value.value, descending=descending))
        assert float(mining._nth_largest(Elsewhere(given), paddle.to_tensor(float(count)))) == expected


class TestParts:
    def test_dice(self) -> None:
        assert float(dice(tensor(P), tensor(TEXT), tensor(MASK), 1e-6)) == pytest.approx(1 - 2 * 1.5 / (3.3 + 2))

    def test_cross_entropy(self) -> None:
        right = np.array([0.9, 0.6, 0.2, 0.9, 0.6, 0.7, 0.8])
        found = float(mean_bce(tensor(P), tensor(TEXT), tensor(MASK), 1e-6))
        assert found == pytest.approx(-np.log(right).mean(), rel=1e-5)

    @pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.1, 2.5)])
    def test_focal(self, alpha: float, gamma: float) -> None:
        found = float(mean_focal(tensor(P), tensor(TEXT), tensor(MASK), alpha, gamma, 1e-6))
        assert found == pytest.approx(focal_of(P, TEXT, MASK, alpha, gamma), rel=1e-5)

    def test_focal_without_exponent_is_half_the_cross_entropy(self) -> None:
        given = tensor(P), tensor(TEXT), tensor(MASK)
        assert float(mean_focal(*given, 0.5, 0.0, 1e-6)) == pytest.approx(float(mean_bce(*given, 1e-6)) / 2, rel=1e-5)

    def test_masked_l1(self) -> None:
        target = np.full_like(P, 0.5)
        found = float(masked_l1(tensor(P), tensor(target), tensor(MASK), 1e-6))
        assert found == pytest.approx((0.4 + 0.1 + 0.3 + 0.4 + 0.1 + 0.2 + 0.3) / 7, rel=1e-5)


class TestTotal:
    def test_sum_and_weights_of_the_parts(self) -> None:
        parts = {key: float(value) for key, value in loss(alpha=5, beta=10, balance_loss=False)(
            {"maps": maps()}, batch()).items()}
        assert parts["loss_shrink_maps"] == pytest.approx(5 * dice_of(P, TEXT, MASK), rel=1e-5)
        assert parts["loss_threshold_maps"] == pytest.approx(10 * 0.2, rel=1e-5)
        assert parts["loss_binary_maps"] == pytest.approx(dice_of(P, TEXT, MASK), rel=1e-5)
        assert parts["loss"] == pytest.approx(sum(value for key, value in parts.items() if key != "loss"), rel=1e-6)

    def test_mined_dice_leaves_easy_background_out(self) -> None:
        chosen = np.array([[[1, 1, 1, 0], [1, 0, 0, 0]]], np.float32)
        mined = loss(ohem_ratio=1)({"maps": maps()}, batch())
        assert float(mined["loss_shrink_maps"]) == pytest.approx(5 * dice_of(P, TEXT, chosen), rel=1e-5)
        assert float(mined["loss_binary_maps"]) == pytest.approx(dice_of(P, TEXT, MASK), rel=1e-5)

    @pytest.mark.parametrize("kind", TYPES)
    def test_gradient_reaches_the_chosen_pixels_only(self, kind: str) -> None:
        given = maps()
        loss(main_loss_type=kind, ohem_ratio=1)({"maps": given}, batch())["loss_shrink_maps"].backward()
        touched = given.grad.numpy()[0, 0] != 0
        focal = "Focal" in kind
        np.testing.assert_array_equal(touched, [[1, 1, 1, focal], [1, focal, focal, 0]])

    @pytest.mark.parametrize(("kind", "expected"), [
        ("BCELoss", -np.log([0.9, 0.6, 0.2, 0.6]).mean()),
        ("FocalLoss", focal_of(P, TEXT, MASK, 0.25, 2.5)),
        ("DiceFocalLoss", 2 * dice_of(P, TEXT, np.array([[[1, 1, 1, 0], [1, 0, 0, 0]]], np.float32))
         + 3 * focal_of(P, TEXT, MASK, 0.25, 2.5)),
    ])
    def test_other_main_losses(self, kind: str, expected: float) -> None:
        options = {"main_loss_type": kind, "ohem_ratio": 1, "focal_gamma": 2.5, "dice_weight": 2, "focal_weight": 3}
        found = loss(alpha=1, **options)({"maps": maps()}, batch())
        assert float(found["loss_shrink_maps"]) == pytest.approx(float(expected), rel=1e-5)

    def test_refined_map(self) -> None:
        outputs = {"maps": maps(), "cbn_maps": tensor(P[:, None])}
        parts = {key: float(value) for key, value in loss(balance_loss=False)(outputs, batch()).items()}
        assert parts["loss_cbn"] == pytest.approx(dice_of(P, TEXT, MASK), rel=1e-5)
        assert parts["loss"] == pytest.approx(sum(value for key, value in parts.items() if key != "loss"), rel=1e-6)

    def test_the_binary_map_has_the_focal_part_too(self) -> None:
        options = {"main_loss_type": "DiceFocalLoss", "focal_gamma": 2.5, "dice_weight": 2, "focal_weight": 3}
        mined = loss(ohem_ratio=1, **options)({"maps": maps()}, batch())  # Background of the binary map is not mined.
        expected = 2 * dice_of(P, TEXT, MASK) + 3 * focal_of(P, TEXT, MASK, 0.25, 2.5)
        assert float(mined["loss_binary_maps"]) == pytest.approx(expected, rel=1e-5)

    def test_auxiliary_maps(self) -> None:
        other = np.clip(P + 0.05, 0, 1)
        outputs = {"maps": maps(), "aux_maps_p4": maps(other), "aux_maps_p3": maps(), "aux_maps_p2": maps(other)}
        plain = {key: float(value) for key, value in loss()({"maps": maps()}, batch()).items()}
        alone = {key: float(value) for key, value in loss()({"maps": maps(other)}, batch()).items()}
        found = {key: float(value) for key, value in loss(aux_weight_p4=0.2, aux_weight_p3=0.3)(
            outputs, batch()).items()}
        assert {key: value for key, value in found.items() if key in plain and key != "loss"} == pytest.approx(
            {key: value for key, value in plain.items() if key != "loss"})
        assert found["loss_aux_p4"] == pytest.approx(0.2 * alone["loss"], rel=1e-5)
        assert found["loss_aux_p3"] == pytest.approx(0.3 * plain["loss"], rel=1e-5)
        assert found["loss"] == pytest.approx(plain["loss"] + 0.2 * alone["loss"] + 0.3 * plain["loss"], rel=1e-5)
        assert "loss_aux_p2" not in found
        with pytest.raises(ConfigError, match="needs the output 'aux_maps_p2'"):
            loss(aux_weight_p2=0.4)({"maps": maps()}, batch())

    @pytest.mark.parametrize("kind", TYPES)
    @pytest.mark.parametrize("balance", [True, False])
    @pytest.mark.parametrize(("text", "mask", "probability"), [
        (np.zeros_like(TEXT), MASK, P),
        (TEXT, np.zeros_like(MASK), P),
        (np.ones_like(TEXT), MASK, P),
        (TEXT, MASK, np.zeros_like(P)),
        (TEXT, MASK, 1 - TEXT),
        (TEXT, MASK, TEXT),
    ], ids=["no text", "all ignored", "only text", "all zero", "all wrong", "all right"])
    def test_extremes_are_finite(self, kind: str, balance: bool, text: Floats, mask: Floats, probability: Floats
                                 ) -> None:
        logits = tensor(np.stack([np.where(probability > 0.5, 200, -200)] * 3, 1).astype(np.float32)
                        if set(np.unique(probability)) <= {0, 1} else np.stack([probability] * 3, 1))
        logits.stop_gradient = False
        parts = loss(main_loss_type=kind, balance_loss=balance)({"maps": paddle.nn.functional.sigmoid(logits)},
                                                                batch(text, mask))
        parts["loss"].backward()
        assert all(np.isfinite(float(value)) for value in parts.values())
        assert np.isfinite(logits.grad.numpy()).all()

    def test_half_precision_maps_are_summed_in_float32(self) -> None:
        found = loss()({"maps": maps().astype("float16")}, batch())["loss"]
        assert found.dtype == paddle.float32
        assert float(found) == pytest.approx(float(loss()({"maps": maps()}, batch())["loss"]), rel=1e-2)


@pytest.mark.parametrize(("options", "words"), [
    ({"main_loss_type": "DiceLos"}, "'DiceLoss' or 'BCELoss'"),
    ({"ohem_ratio": 0}, "ohem_ratio is 0"),
    ({"eps": 0}, "eps is 0"),
    ({"focal_alpha": 1.5}, "focal_alpha is 1.5"),
    ({"focal_gamma": 0.5}, "focal_gamma is 0.5"),
    ({"aux_weight_p4": -0.2}, "aux_weight_p4 is -0.2"),
    ({"ohem_rati": 3}, "did you mean 'ohem_ratio'"),
])
def test_bad_sections(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loss(**options)


def test_bad_outputs_and_batches() -> None:
    with pytest.raises(ConfigError, match="needs the output 'maps'"):
        loss()({"logits": maps()}, batch())
    with pytest.raises(ConfigError, match="gets 1 maps"):
        loss()({"maps": maps()[:, :1]}, batch())
    with pytest.raises(ConfigError, match="needs 'shrink_mask'"):
        loss()({"maps": maps()}, {key: value for key, value in batch().items() if key != "shrink_mask"})
