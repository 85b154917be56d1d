"""The DB detectors of published configurations build, train a step and give maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from ppocr.losses import build_loss
from ppocr.modeling import build_model
from tests.shared_files import SHARED, needs_shared

FOLDER = SHARED / "reference/peer_configs/det"
HERE = ["det_mv3_db", "det_r50_vd_db", "det_res18_db_v2.0", "det_r50_db++_td_tr", "PP-OCRv3/PP-OCRv3_mobile_det",
        "ch_PP-OCRv2/ch_PP-OCRv2_det_student"]
# Models of a distillation, by configuration and name.
STUDENTS = [("PP-OCRv3/PP-OCRv3_det_cml", "Student"), ("PP-OCRv3/PP-OCRv3_det_cml", "Teacher"),
            ("ch_PP-OCRv2/ch_PP-OCRv2_det_cml", "Teacher")]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@needs_shared("reference/peer_configs/det")
@pytest.mark.parametrize("name", HERE)
def test_trains_a_step(name: str) -> None:
    config = load(FOLDER / f"{name}.yml")
    paddle.seed(0)
    model = build_model(config["Architecture"], num_classes=1)
    loss = build_loss(config["Loss"], task="det")
    text = (paddle.rand([2, 64, 64]) < 0.2).astype("float32")
    ones = paddle.ones([2, 64, 64])
    batch = {"image": paddle.rand([2, 3, 64, 64]), "shrink_map": text, "shrink_mask": ones, "threshold_mask": ones,
             "threshold_map": 0.3 + 0.4 * text}
    model.train()
    parts = loss(model(batch["image"], batch), batch)
    parts["loss"].backward()
    assert set(parts) == {"loss", "loss_shrink_maps", "loss_threshold_maps", "loss_binary_maps"}
    assert all(np.isfinite(float(value)) for value in parts.values())
    assert all(np.isfinite(value.grad.numpy()).all() for value in model.parameters() if value.grad is not None)
    model.eval()
    assert list(model(batch["image"])["maps"].shape) == [2, 1, 64, 64]


@needs_shared("reference/peer_configs/det")
@pytest.mark.parametrize(("name", "member"), STUDENTS)
def test_members_of_distillations_build(name: str, member: str) -> None:
    section = load(FOLDER / f"{name}.yml")["Architecture"]["Models"][member]
    kept = {key: value for key, value in section.items() if key not in ("freeze_params", "pretrained")}
    model = build_model(kept, num_classes=1)
    assert (model.output_name, model.dynamic_height) == ("maps", True)
