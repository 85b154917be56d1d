"""The merged forms of published backbones have the names, shapes and numbers of parameters of published exports.

For the forms that are trained, see the tests of the published detectors and recognizers.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest

from ppocr.modeling import build_model
from ppocr.modeling.common.reparam import reparameterize
from ppocr.registry import BACKBONES
from tests.modeling.sections import DB, det, neck

MOBILE_DET = {"name": "PPLCNetV3", "scale": 0.75, "det": True}
MOBILE_REC = {"name": "PPLCNetV3", "scale": 0.95}
# 26 layers of each: tensors of the merged backbone; digest of its names and shapes; parameters that merging saves,
# batch statistics included.
MERGED = {
    "det": (MOBILE_DET, 189, "9b877908125bf9633587a7926c71482a58e95c3b751b10c32d42c95fc72465b7"),
    "rec": (MOBILE_REC, 181, "b9080353d0c5102881ea4135c53458b492c8b4836039119992ba32a4b11b38c4"),
}
# The published count of the detector also has the four batch norms of the head folded, which give two convolutions a
# bias.
HEAD = 4 * 4 * 24 - 2 * 24
SAVED = {"det": 3570810 - 1194746 - HEAD, "rec": 21071389 - 17431981}


def count(model: Any) -> int:
    return sum(math.prod(value.shape) for value in model.parameters())


@pytest.mark.parametrize("task", MERGED)
def test_merged_backbone(task: str) -> None:
    section, tensors, digest = MERGED[task]
    branches = BACKBONES.build(section, task=task, in_channels=3)
    before = count(branches)
    merged = reparameterize(branches, inplace=True)
    assert before - count(merged) == SAVED[task]
    lines = "".join(f"{name} {list(value.shape)}\n" for name, value in sorted(merged.state_dict().items()))
    assert (len(merged.state_dict()), hashlib.sha256(lines.encode()).hexdigest()) == (tensors, digest)
    built = BACKBONES.build({**section, "reparameterized": True}, task=task, in_channels=3)
    assert "".join(f"{name} {list(value.shape)}\n" for name, value in sorted(built.state_dict().items())) == lines


def test_merged_detector() -> None:
    section = det({**MOBILE_DET, "reparameterized": True}, neck("RSEFPN", 96, shortcut=True), DB)
    model = build_model(section, num_classes=1)
    assert count(model) == 1194746 + HEAD
    # The published export has 234 of these: neither the threshold's map nor what stride 2 leaves unused.
    assert len(model.state_dict()) == 255
    left_out = {name for name in model.state_dict() if name.startswith("head.thresh.")}
    left_out |= {f"backbone.blocks{stage}.0.dw_conv.act.lab.{name}" for stage in (3, 4, 5, 6)
                 for name in ("scale", "bias")}
    assert len(left_out) == 21
    assert {name for name in left_out if name.startswith("backbone.")} <= model.training_only


def test_shape_of_an_exported_weight() -> None:
    state = BACKBONES.build({**MOBILE_DET, "reparameterized": True}, task="det", in_channels=3).state_dict()
    assert list(state["blocks5.1.dw_conv.reparam_conv.weight"].shape) == [192, 1, 5, 5]
    assert list(state["blocks6.0.pw_conv.reparam_conv.bias"].shape) == [384]
    assert list(state["layer_list.3.weight"].shape) == [360, 384, 1, 1]
    assert list(state["blocks6.0.pw_conv.act.lab.scale"].shape) == [1]
