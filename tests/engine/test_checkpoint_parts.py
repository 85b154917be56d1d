"""What is said of weights that fill a model only in part."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from ppocr.charset import Charset
from ppocr.config import load_config
from ppocr.engine.builder import build_model_parts, build_training, load_trained
from ppocr.engine.checkpoint import load_pretrained, resume, stored_charset
from ppocr.errors import CharsetError, CheckpointError
from ppocr.fileio import sha256
from ppocr.modeling import build_model
from ppocr.weights import write_weights
from tests.engine.stubs import make_run
from tests.small_run import write_small_run

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


def test_a_part_of_which_only_the_small_tensors_fit_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """PP-LCNetV3 has four scalars for each layer, beside the two tensors of a merged convolution."""
    narrow, wide = (build_model({
        "model_type": "det", "Backbone": {"name": "PPLCNetV3", "det": True, "scale": scale, "reparameterized": True},
        "Neck": {"name": "DBFPN", "out_channels": 16}, "Head": {"name": "DBHead"}}, num_classes={})
        for scale in (0.35, 0.75))
    write_weights(tmp_path / "w.pdparams", narrow.state_dict())
    with caplog.at_level(logging.WARNING, logger="ppocr"):
        load_pretrained(wide, tmp_path / "w", None, 0.5)
    assert "Most of the backbone and the neck starts from random numbers" in caplog.text


def test_an_imported_model_is_no_run_to_go_on_with(tmp_path: Path) -> None:
    (tmp_path / "w.state").write_text(json.dumps({"schema": 1, "imported_from": {}, "charset": None, "files": {}}))
    with pytest.raises(CheckpointError, match="an imported model.*\n.*\n.*Global.pretrained_model"):
        resume(make_run(tmp_path), tmp_path / "w")


@pytest.mark.parametrize("digest", ["", "another"])
def test_a_state_beside_other_weights_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, digest: str
) -> None:
    write_weights(tmp_path / "w.pdparams", {})
    charset = Charset.default()
    (tmp_path / "w.state").write_text(json.dumps({
        "schema": 1, "charset": charset.to_dict(),
        "files": {".pdparams": digest or sha256(tmp_path / "w.pdparams")}}))
    assert stored_charset(tmp_path / "w", sha256(tmp_path / "w.pdparams")) == charset
    assert ("was written with other weights" in caplog.text) == bool(digest)


def test_training_carries_another_charset_over_and_evaluation_refuses_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_small_run(tmp_path, count=8, test_count=4)
    weights = build_model_parts(load_config(file, [], {})).model.state_dict()
    write_weights(tmp_path / "w.pdparams", weights)
    default = "".join(Charset.default().symbols)
    for name, characters in (("old", default), ("new", "é" + default[:-3])):
        (tmp_path / f"{name}.txt").write_text("".join(f"{character}\n" for character in characters), encoding="utf-8")
    options = [f"Global.pretrained_model={tmp_path / 'w'}", f"Global.character_dict_path={tmp_path / 'new.txt'}"]
    config = load_config(file, [*options, f"Global.pretrained_dict_path={tmp_path / 'old.txt'}",
                                "Global.pretrained_use_space_char=false"], {})
    with caplog.at_level(logging.INFO, logger="ppocr"):
        run = build_training(config, "cpu")
    assert "33 kept, 1 new, 3 dropped" in caplog.text
    assert run.network.head.fc.bias.numpy()[2] == weights["head.fc.bias"].numpy()[1]  # The place of 0 after the blank.
    (tmp_path / "w.state").write_text(json.dumps({"schema": 1, "charset": Charset.default().to_dict()}))
    with pytest.raises(CharsetError, match="was trained with another charset"):
        load_trained(build_model_parts(load_config(file, options, {})), str(tmp_path / "w"))
