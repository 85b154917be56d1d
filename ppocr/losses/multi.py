"""Weighted sum of the losses of a head with several branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.losses.targets import from_batch, from_outputs
from ppocr.registry import LOSSES
from ppocr.sections import named_section, where


@LOSSES.register()
class MultiLoss(nn.Layer):
    """Loss of a ``MultiHead``: CTC, and the branch that guides it (SAR or transformer).

    A member says by its attribute ``branch`` what it reads: the output ``<branch>_logits`` and the label
    ``label_<branch>``. ``length`` is common to all.

    Args:
        loss_config_list: Mappings of one loss name to its arguments, such as ``[{CTCLoss: null}, {SARLoss: null}]``.
        weight_1: Weight of the CTC branch.
        weight_2: Weight of every other branch.
    """

    def __init__(self, loss_config_list: list[dict[str, Any]], weight_1: float = 1.0, weight_2: float = 1.0) -> None:
        super().__init__()
        members = [_build_member(entry) for entry in loss_config_list]
        if not members:
            raise ConfigError("MultiLoss has an empty loss_config_list", expected="at least one loss",
                              cure="write for example loss_config_list: [{CTCLoss: null}, {NRTRLoss: null}]")
        self.names = [name for name, _ in members]
        self.members = nn.LayerList([loss for _, loss in members])
        self.needs_alignment = any(loss.branch == "ctc" for loss in self.members)
        self.weights = [weight_1 if loss.branch == "ctc" else weight_2 for loss in self.members]

    def forward(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the weighted total under ``loss`` and each member, unweighted, under its name.

        Args:
            outputs: ``ctc_logits`` and ``sar_logits`` or ``gtc_logits``, float ``[N, T, C]`` each.
            batch: ``label_ctc`` and ``label_sar`` or ``label_gtc``, int ``[N, L]`` each; ``length`` int ``[N]``.
        """
        parts = {}
        total = None
        for name, loss, weight in zip(self.names, self.members, self.weights, strict=True):
            own_outputs = {"logits": from_outputs(outputs, f"{loss.branch}_logits", name)}
            own_batch = {**batch, "label": from_batch(batch, f"label_{loss.branch}", name)}
            parts[name] = loss(own_outputs, own_batch)["loss"]
            weighted = parts[name] * weight
            total = weighted if total is None else total + weighted
        return {"loss": total, **parts}


def _build_member(entry: Mapping[str, Any]) -> tuple[str, Any]:
    section = named_section(entry, path="Loss.loss_config_list")
    name, loss = section["name"], LOSSES.build(section)
    if not hasattr(loss, "branch"):
        raise ConfigError(f"{where(section)}: {name} cannot be a part of MultiLoss",
                          expected="a loss with a branch: CTCLoss, SARLoss, NRTRLoss or AttentionLoss",
                          cure="correct Loss.loss_config_list")
    return name, loss
