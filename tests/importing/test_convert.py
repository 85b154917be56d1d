"""From exported models to training checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ppocr.charset import Charset
from ppocr.engine.builder import build_model_parts, load_trained
from ppocr.engine.checkpoint import resume, stored_charset
from ppocr.errors import CheckpointError
from ppocr.importing import import_model
from ppocr.weights import read_weights
from tests.tiny_recognizer import exported, weights_file, write_config
from tools.import_model import main


def test_an_export_comes_back_as_the_checkpoint_that_it_was_made_of(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    report = import_model(config, exported(), tmp_path / "imported/model")
    assert report.checkpoint == tmp_path / "imported/model.pdparams"
    assert (report.load.loaded, report.load.missing, report.agreement.different) == (report.load.total, (), ())
    assert report.agreement.max_difference <= 1e-4 + report.agreement.own_difference
    before, after = read_weights(weights_file()), read_weights(report.checkpoint)
    assert set(after) == set(before)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_the_checkpoint_knows_its_characters_and_its_origin(tmp_path: Path) -> None:
    import_model(write_config(tmp_path), exported(), tmp_path / "model")
    charset = stored_charset(tmp_path / "model")
    assert charset is not None
    assert charset.symbols == Charset.default().symbols
    state = json.loads((tmp_path / "model.state").read_text("utf-8"))
    assert state["imported_from"]["model"] == str(exported())
    load_trained(build_model_parts(write_config(tmp_path)), str(tmp_path / "model"))
    with pytest.raises(CheckpointError, match="is an imported model"):
        resume(None, tmp_path / "model")  # type: ignore[arg-type]


def test_weights_of_an_export_are_evaluated_without_an_import(tmp_path: Path) -> None:
    parts = build_model_parts(write_config(tmp_path))
    assert load_trained(parts, str(exported())).share == 1.0


def test_another_network_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config["Architecture"]["Neck"]["hidden_size"] = 8
    with pytest.raises(CheckpointError, match="do not fit the model") as caught:
        import_model(config, exported(), tmp_path / "model")
    assert "of another shape" in caught.value.what
    assert not list(tmp_path.glob("model*"))


def test_the_same_weights_in_a_network_that_computes_something_else(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config["Architecture"]["Backbone"]["small_stride"] = [2, 1, 2, 2]
    with pytest.raises(CheckpointError, match="computes something else"):
        import_model(config, exported(), tmp_path / "model")
    assert not list(tmp_path.glob("model*"))


def test_another_kind_of_model(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config["Architecture"]["model_type"] = "cls"
    with pytest.raises(CheckpointError, match=r"of type 'rec', the configuration is for 'cls'"):
        import_model(config, exported(), tmp_path / "model")


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no exported model"):
        import_model(write_config(tmp_path), tmp_path / "absent", tmp_path / "model")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(tmp_path)
    assert main(["-c", str(tmp_path / "tiny.yml"), "--model", str(exported()), "--output", str(tmp_path / "m")]) == 0
    assert f"{tmp_path / 'm'}.pdparams: " in capsys.readouterr().out
    assert (tmp_path / "m.state").is_file()


def test_the_characters_are_those_of_the_model_whatever_the_configuration_adds(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config["Global"]["use_space_char"] = True
    report = import_model(config, exported(), tmp_path / "model.pdparams")
    assert report.checkpoint == tmp_path / "model.pdparams"
    charset = stored_charset(tmp_path / "model")
    assert charset is not None
    assert charset.symbols == Charset.default().symbols


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        import_model(write_config(tmp_path), exported(), tmp_path / "file" / "model")
