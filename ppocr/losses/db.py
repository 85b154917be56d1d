"""The loss of differentiable binarisation (Liao et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.errors import ConfigError
from ppocr.losses.mining import hard_negatives
from ppocr.losses.targets import from_batch, from_outputs
from ppocr.registry import LOSSES

TARGETS = ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask")
NO_LOG_OF_ZERO = 1e-7


@LOSSES.register()
class DBLoss(nn.Layer):
    """Loss of text detectors that predict a probability, a threshold and a binary map.

    ``alpha * loss_shrink_maps + beta * loss_threshold_maps + loss_binary_maps``: the main loss of the text probability,
    the mean absolute error of the threshold, and the Dice loss of the binary map. A head that gives ``cbn_maps``
    (PFHeadLocal) adds `loss_cbn`, their main loss. With DiceFocalLoss the binary map has the focal part as well. Pixels
    whose mask is 0 do not count. Sums run over the whole batch.

    Auxiliary heads (`DBHead.aux_in_channels`) add the same sum of their own maps, times their weight.

    With `balance_loss` the main loss sees all text pixels but only the hardest background pixels, `ohem_ratio` for
    each text pixel: those of the highest loss, which are those of the highest probability. This holds for the Dice
    loss too, whose negatives other toolkits do not select although they have the same option; for their Dice loss set
    ``balance_loss: false``. The focal loss weighs pixels by difficulty itself and always sees all of them.

    Args:
        balance_loss: Mine hard negatives in the main loss.
        main_loss_type: DiceLoss (Milletari et al. 2016), BCELoss (cross entropy), FocalLoss (Lin et al. 2017) or
            DiceFocalLoss, a weighted sum.
        alpha: Weight of the main loss of the text probability.
        beta: Weight of the threshold loss.
        ohem_ratio: Background pixels for each text pixel.
        eps: Added to denominators.
        focal_alpha: Weight of text pixels in the focal loss, 0 to 1; background pixels have the rest.
        focal_gamma: Exponent of the focal loss, at least 1 or exactly 0.
        dice_weight: Weight of the Dice part of DiceFocalLoss.
        focal_weight: Weight of the focal part of DiceFocalLoss.
        aux_weight_p4: Weight of the auxiliary head on the neck's map at stride 16; 0 for none.
        aux_weight_p3: The same at stride 8.
        aux_weight_p2: The same at stride 4.

    Raises:
        ConfigError: A weight or ratio out of its range.
    """

    def __init__(
        self,
        balance_loss: bool = True,
        main_loss_type: Literal["DiceLoss", "BCELoss", "FocalLoss", "DiceFocalLoss"] = "DiceLoss",
        alpha: float = 5,
        beta: float = 10,
        ohem_ratio: float = 3,
        eps: float = 1e-6,
        focal_alpha: float = 0.25,
        focal_gamma: float = 2.0,
        dice_weight: float = 1.0,
        focal_weight: float = 1.0,
        aux_weight_p4: float = 0.0,
        aux_weight_p3: float = 0.0,
        aux_weight_p2: float = 0.0,
    ) -> None:
        super().__init__()
        _require(ohem_ratio > 0, "ohem_ratio", ohem_ratio, "a number above 0")
        _require(eps > 0, "eps", eps, "a small number above 0")
        _require(0 <= focal_alpha <= 1, "focal_alpha", focal_alpha, "a share, 0 to 1")
        _require(focal_gamma == 0 or focal_gamma >= 1, "focal_gamma", focal_gamma, "0, or at least 1")
        self.aux_weights = {"p4": aux_weight_p4, "p3": aux_weight_p3, "p2": aux_weight_p2}
        for name, weight in self.aux_weights.items():
            _require(weight >= 0, f"aux_weight_{name}", weight, "0 or more")
        self.balance_loss, self.main_loss_type, self.ohem_ratio = balance_loss, main_loss_type, ohem_ratio
        self.alpha, self.beta, self.eps = alpha, beta, eps
        self.focal_alpha, self.focal_gamma = focal_alpha, focal_gamma
        self.dice_weight, self.focal_weight = dice_weight, focal_weight

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the total under ``loss`` and its parts, float32 scalars.

        Args:
            outputs: ``maps`` float ``[N, 3, H, W]``, 0 to 1: probability, threshold, binary; perhaps ``cbn_maps``
                ``[N, 1, H, W]``; where they have a weight, ``aux_maps_p4``, ``aux_maps_p3`` and ``aux_maps_p2`` of the
                shape of ``maps``.
            batch: ``shrink_map`` (0 or 1), ``threshold_map`` (0 to 1) and their masks ``shrink_mask`` and
                ``threshold_mask`` (1 counts, 0 is ignored), ``[N, H, W]`` each.
        """
        targets = {key: from_batch(batch, key, "DBLoss").astype("float32") for key in TARGETS}
        parts = self._parts(from_outputs(outputs, "maps", "DBLoss"), targets)
        if "cbn_maps" in outputs:
            refined = from_outputs(outputs, "cbn_maps", "DBLoss").squeeze(1)
            parts["loss_cbn"] = self._main(refined, targets["shrink_map"], targets["shrink_mask"])
        for level, weight in self.aux_weights.items():
            if weight:
                auxiliary = self._parts(from_outputs(outputs, f"aux_maps_{level}", "DBLoss"), targets)
                parts[f"loss_aux_{level}"] = weight * paddle.add_n(list(auxiliary.values()))
        return {"loss": paddle.add_n(list(parts.values())), **parts}

    def _parts(self, maps: Any, targets: Mapping[str, Any]) -> dict[str, Any]:
        """Return the three parts for probability, threshold and binary map, `[N, 3, H, W]`."""
        if maps.shape[1] != 3:
            raise ConfigError(f"DBLoss gets {maps.shape[1]} maps", expected="probability, threshold and binary map",
                              cure="use a head of DB, in training mode")
        text, mask, threshold, threshold_mask = (targets[key] for key in TARGETS)
        probability, predicted_threshold, binary = paddle.unbind(maps, axis=1)
        return {
            "loss_shrink_maps": self.alpha * self._main(probability, text, mask),
            "loss_threshold_maps": self.beta * masked_l1(predicted_threshold, threshold, threshold_mask, self.eps),
            "loss_binary_maps": self._unmined(binary, text, mask),
        }

    def _unmined(self, binary: Any, text: Any, mask: Any) -> Any:
        if self.main_loss_type == "DiceFocalLoss":
            return self._dice_focal(binary, text, mask, mask)
        return dice(binary, text, mask, self.eps)

    def _dice_focal(self, probability: Any, text: Any, weights: Any, mask: Any) -> Any:
        """Return the weighted sum of a Dice loss that sees `weights` and a focal loss that sees `mask`."""
        focal = mean_focal(probability, text, mask, self.focal_alpha, self.focal_gamma, self.eps)
        return self.dice_weight * dice(probability, text, weights, self.eps) + self.focal_weight * focal

    def _main(self, probability: Any, text: Any, mask: Any) -> Any:
        weights = mask
        if self.balance_loss and self.main_loss_type != "FocalLoss":
            # The loss of a background pixel rises with its probability, so that this ranks as the loss does.
            weights = hard_negatives(probability.detach(), text * mask, (1.0 - text) * mask, self.ohem_ratio)
        if self.main_loss_type == "DiceLoss":
            return dice(probability, text, weights, self.eps)
        if self.main_loss_type == "BCELoss":
            return mean_bce(probability, text, weights, self.eps)
        if self.main_loss_type == "FocalLoss":
            return mean_focal(probability, text, mask, self.focal_alpha, self.focal_gamma, self.eps)
        return self._dice_focal(probability, text, weights, mask)


def dice(probability: Any, text: Any, weights: Any, eps: float) -> Any:
    """Return 1 minus the Dice coefficient, ``1 - 2 sum(p t) / (sum(p) + sum(t))``, of weighted pixels.

    Args:
        probability: float32 ``[N, H, W]``, 0 to 1.
        text: 0 or 1, of that shape.
        weights: 0 to 1, of that shape.
        eps: Added to the denominator; without any text the loss is 1 and has no slope.
    """
    weighted = probability * weights
    both = (weighted * text).sum()
    return 1.0 - 2.0 * both / (weighted.sum() + (text * weights).sum() + eps)


def mean_bce(probability: Any, text: Any, weights: Any, eps: float) -> Any:
    """Return the weighted mean of the binary cross entropy; shapes as for `dice`."""
    loss = F.binary_cross_entropy(probability, text, reduction="none")
    return (loss * weights).sum() / (weights.sum() + eps)


def mean_focal(probability: Any, text: Any, weights: Any, alpha: float, gamma: float, eps: float) -> Any:
    """Return the weighted mean of the focal loss ``-a (1 - q) ** gamma log(q)``; shapes as for `dice`.

    `q` is the probability of the true class, `a` is `alpha` at text and ``1 - alpha`` at background.
    """
    right = (probability * text + (1.0 - probability) * (1.0 - text)).clip(min=NO_LOG_OF_ZERO)
    share = alpha * text + (1.0 - alpha) * (1.0 - text)
    loss = -share * (1.0 - right) ** gamma * paddle.log(right)
    return (loss * weights).sum() / (weights.sum() + eps)


def masked_l1(values: Any, target: Any, mask: Any, eps: float) -> Any:
    """Return the mean absolute difference of the pixels whose mask is 1; shapes as for `dice`."""
    return ((values - target).abs() * mask).sum() / (mask.sum() + eps)


def _require(fulfilled: bool, key: str, value: float, expected: str) -> None:
    if not fulfilled:
        raise ConfigError(f"Loss.{key} is {value}", expected=expected, cure="correct the value")
