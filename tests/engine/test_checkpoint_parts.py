"""What is said of weights that fill a model only in part."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ppocr.engine.checkpoint import load_pretrained
from ppocr.modeling import build_model
from ppocr.weights import write_weights

BACKBONE = {"name": "MobileNetV3", "model_name": "small", "scale": 0.35, "disable_se": True}


def detector(channels: int) -> object:
    return build_model({"model_type": "det", "Backbone": BACKBONE, "Head": {"name": "DBHead"},
                        "Neck": {"name": "DBFPN", "out_channels": channels}}, num_classes={})


@pytest.mark.parametrize(("channels", "warned"), [(16, False), (24, True)])
def test_parts_that_start_from_random_numbers_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, channels: int, warned: bool
) -> None:
    write_weights(tmp_path / "w.pdparams", detector(channels).state_dict())  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, logger="ppocr"):
        load_pretrained(detector(16), tmp_path / "w", None, 0.5)
    assert ("Most of the neck and the head starts from random numbers" in caplog.text) == warned
