"""What weights a training can start from, besides weights files."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ppocr.errors import CharsetError, CheckpointError, HubError, InferenceError
from ppocr.infer.folder import InferenceFolder
from ppocr.pretrained import configured_charset, read_pretrained, structured_weights
from ppocr.pretrained.exported import today
from ppocr.pretrained.sources import exported_folder
from ppocr.sections import Section
from ppocr.weights import read_weights
from tests.legacy_program import program, tensor
from tests.tiny_recognizer import exported, weights_file

NAMES = {"conv2d_1.w_0": "backbone.conv.weight", "block_0.w_0": "backbone.blocks2.0.dw_conv.w"}


def legacy(folder: Path, names: dict[str, str] | None = None, info: Any = None) -> Path:
    """Write an export of PaddleOCR 2 with two weights."""
    folder.mkdir(exist_ok=True)
    (folder / "inference.pdmodel").write_bytes(program(dict.fromkeys(NAMES, 1)))
    arrays = {"block_0.w_0": np.full(1, 3, np.float32), "conv2d_1.w_0": np.arange(4, dtype=np.float32).reshape(2, 2)}
    params = folder / "inference.pdiparams"
    params.write_bytes(b"".join(tensor(arrays[name], 5, packed=False) for name in sorted(arrays)))
    if info is None:
        info = {variable: {"structured_name": name, "stop_gradient": False}
                for variable, name in (names or {**NAMES, "unused.w_0": "backbone.unused.weight"}).items()}
    (folder / "inference.pdiparams.info").write_bytes(pickle.dumps(info))
    return folder


class TestStructuredWeights:
    def test_names_from_the_info_file_are_those_of_today(self, tmp_path: Path) -> None:
        weights = structured_weights(InferenceFolder.open(legacy(tmp_path / "m")))
        assert set(weights) == {"backbone.conv.weight", "backbone.blocks2.0.dw_conv.lab.scale"}
        np.testing.assert_array_equal(weights["backbone.conv.weight"], [[0, 1], [2, 3]])
        assert weights["backbone.blocks2.0.dw_conv.lab.scale"] == 3
        assert len(weights.sha256) == 64

    @pytest.mark.parametrize(("name", "expected"), [
        ("backbone.blocks6.0.pw_conv.w", "backbone.blocks6.0.pw_conv.lab.scale"),
        ("backbone.blocks6.0.pw_conv.b", "backbone.blocks6.0.pw_conv.lab.bias"),
        ("backbone.blocks6.0.dw_conv.activation.scale", "backbone.blocks6.0.dw_conv.act.lab.scale"),
        ("backbone.blocks6.0.dw_conv.activation.bias", "backbone.blocks6.0.dw_conv.act.lab.bias"),
        ("head.ctc_head.fc.weight", "head.ctc_head.fc.weight"),
        ("backbone.conv1.bn.bias", "backbone.conv1.bn.bias"),
    ])
    def test_renamed_parameters(self, name: str, expected: str) -> None:
        assert today(name) == expected

    def test_without_names(self, tmp_path: Path) -> None:
        folder = legacy(tmp_path / "m")
        (folder / "inference.pdiparams.info").unlink()
        with pytest.raises(CheckpointError, match=r"does not say which weight is which.*inference\.pdiparams\.info"):
            structured_weights(InferenceFolder.open(folder))

    def test_a_weight_without_a_name(self, tmp_path: Path) -> None:
        folder = legacy(tmp_path / "m", {"conv2d_1.w_0": "backbone.conv.weight"})
        with pytest.raises(CheckpointError, match=r"does not name the weights block_0\.w_0"):
            structured_weights(InferenceFolder.open(folder))

    @pytest.mark.parametrize("content", [b"", b"\x80\x04", pickle.dumps([1, 2])])
    def test_damaged_names(self, tmp_path: Path, content: bytes) -> None:
        folder = legacy(tmp_path / "m")
        (folder / "inference.pdiparams.info").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"info (cannot be read|holds a list)"):
            structured_weights(InferenceFolder.open(folder))

    def test_names_that_ask_for_code_are_not_run(self, tmp_path: Path) -> None:
        class Harm:
            def __reduce__(self) -> Any:
                return os.mkdir, (str(tmp_path / "harmed"),)

        with pytest.raises(CheckpointError, match="mkdir to be called"):
            structured_weights(InferenceFolder.open(legacy(tmp_path / "m", info={"a": Harm()})))
        assert not (tmp_path / "harmed").exists()


class TestReadPretrained:
    def test_a_weights_file(self) -> None:
        pretrained = read_pretrained(str(weights_file()).removesuffix(".pdparams"))
        assert pretrained.folder is None
        assert set(pretrained.weights) == set(read_weights(weights_file()))

    def test_an_exported_folder_brings_its_charset(self) -> None:
        pretrained = read_pretrained(exported())
        assert pretrained.charset is not None
        assert len(pretrained.charset) == 36
        for name, array in read_weights(weights_file()).items():
            np.testing.assert_array_equal(pretrained.weights[name], array)

    def test_neither_file_nor_folder_nor_name(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="there are no weights at"):
            read_pretrained(tmp_path / "absent")

    @pytest.mark.parametrize(("name", "meant"), [("PP-OCRv4_mobil_rec", "'PP-OCRv4_mobile_rec'"),
                                                 ("pp-ocrv4_mobile_DET", "'PP-OCRv4_mobile_det'")])
    def test_nearly_a_published_name(self, name: str, meant: str) -> None:
        with pytest.raises(HubError, match=f"no published model of that name .did you mean {meant}"):
            read_pretrained(name)

    def test_a_system_is_several_models(self) -> None:
        with pytest.raises(HubError, match="not one model but several: PP-OCRv4_mobile_det, PP-OCRv4_mobile_rec"):
            read_pretrained("PP-OCRv4_mobile")

    def test_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(exported())
        assert set(read_pretrained(".").weights) == set(read_weights(weights_file()))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CheckpointError, match="it is a folder"):
            read_pretrained(".")

    def test_an_onnx_file_alone_is_an_exported_model(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"")
        folder = exported_folder(tmp_path)
        assert folder is not None
        assert (folder.model_file, folder.description) == (tmp_path / "model.onnx", None)

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="it is a folder"):
            read_pretrained(tmp_path)

    def test_an_onnx_model_names_the_command_that_converts_it(self, tmp_path: Path) -> None:
        (tmp_path / "inference.onnx").write_bytes(b"")
        (tmp_path / "inference.yml").write_text(yaml.safe_dump({"PostProcess": {"name": "CTCLabelDecode"}}))
        with pytest.raises(CheckpointError, match="ppocr import -c CONFIG"):
            read_pretrained(tmp_path)


class TestConfiguredCharset:
    def options(self, path: str | Path | None, use_space: bool = False) -> Section:
        return Section({"character_dict_path": None if path is None else str(path), "use_space_char": use_space},
                       path="Global")

    def test_a_dictionary_file(self, tmp_path: Path) -> None:
        (tmp_path / "d.txt").write_text("x\ny\n", encoding="utf-8")
        assert configured_charset(self.options(tmp_path / "d.txt", True)).symbols == ("x", "y", " ")
        assert len(configured_charset(self.options(None))) == 36

    def test_the_characters_of_an_exported_model(self) -> None:
        charset = configured_charset(self.options(exported()))
        assert charset == read_pretrained(exported()).charset
        with_space = configured_charset(self.options(exported(), True))
        assert with_space.symbols == (*charset.symbols, " ")

    def test_an_exported_model_without_characters(self, tmp_path: Path) -> None:
        with pytest.raises(CharsetError, match="does not tell its characters"):
            configured_charset(self.options(legacy(tmp_path / "m")))

    def test_nearly_a_published_name(self) -> None:
        with pytest.raises(HubError, match="did you mean 'PP-OCRv4_mobile_rec'"):
            configured_charset(self.options("PP-OCRv4_mobil_rec"))

    def test_a_missing_dictionary(self, tmp_path: Path) -> None:
        with pytest.raises(CharsetError, match=r"absent\.txt cannot be read"):
            configured_charset(self.options(tmp_path / "absent.txt"))

    def test_a_damaged_folder(self, tmp_path: Path) -> None:
        folder = legacy(tmp_path / "m")
        (folder / "inference.pdmodel").unlink()
        with pytest.raises(InferenceError):
            configured_charset(self.options(folder))
