from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from ppocr.charset import Charset
from ppocr.config import load_config
from ppocr.cv import cv2
from ppocr.data.transforms.pipeline import build_transforms
from ppocr.engine import checkpoint
from ppocr.engine.builder import build_model_parts, load_trained
from ppocr.errors import CharsetError, CheckpointError, ConfigError, ExportError, InferenceError
from ppocr.export import (
    ModelIdentity,
    Provenance,
    check_parity,
    export_from_config,
    export_model,
    exported_weights,
    resolved_operators,
    resolved_postprocess,
)
from ppocr.export.exporter import DESCRIPTION_FILE
from ppocr.export.from_config import evaluation_operators
from ppocr.export.program import input_shape
from ppocr.export.tasks import rendered_lines
from ppocr.fileio import sha256
from ppocr.infer import TextRecognizer
from ppocr.infer.operators import build_operators
from ppocr.weights import write_weights
from tests.source_tree import ROOT
from tests.tiny_recognizer import HEIGHT, TRANSFORMS, WIDTH, config, exported, weights_file, workplace, write_config
from tools.infer_rec import main


class Tiny(paddle.nn.Layer):
    """Columns of the image to probabilities of 37 classes; with a branch that `rep` merges."""

    output_name, dynamic_height = "probs", False

    def __init__(self, width: int | None = None) -> None:
        super().__init__()
        self.branch = Branches()
        self.fc = paddle.nn.Linear(3 * HEIGHT, 37)
        self.unused = paddle.nn.Linear(2, 2)
        self.width = width

    def forward(self, images: Any) -> dict[str, Any]:
        if self.width is not None and images.shape[3] != self.width:
            raise ConfigError("another width")
        columns = self.branch(images).transpose([0, 3, 1, 2]).flatten(2)
        return {"probs": paddle.nn.functional.softmax(self.fc(columns) * 5, -1)}


class Branches(paddle.nn.Layer):
    """``x + 0.5 x`` in two branches, ``1.5 x`` in one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.create_parameter([1], default_initializer=paddle.nn.initializer.Constant(0.5))
        self.is_repped = False

    def forward(self, x: Any) -> Any:
        return x * self.scale if self.is_repped else x + x * self.scale

    def rep(self) -> None:
        self.scale.set_value(self.scale + 1)
        self.is_repped = True


PROVENANCE = Provenance("best_accuracy.pdparams", "ab" * 32, {"acc": 0.5})


def export_tiny(folder: Path, model: Any = None, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "input_spec": (3, HEIGHT, WIDTH), "identity": ModelIdentity("rec", "Tiny"),
        "transforms": resolved_operators(TRANSFORMS, {"charset": Charset.default(), "max_text_length": 25}, task="rec"),
        "postprocess": {"name": "CTCLabelDecode"}, "charset": Charset.default(), "provenance": PROVENANCE, **changes,
    }
    return export_model(model or Tiny(), folder, **arguments)


def description(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / DESCRIPTION_FILE).read_text(encoding="utf-8")))


class TestDescription:
    def test_content(self) -> None:
        content = description(exported())
        assert content["schema"] == 1
        assert content["Global"] == {"model_name": "CRNN", "model_type": "rec", "algorithm": "CRNN"}
        assert content["Model"] == {
            "inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 3, HEIGHT, -1]}],
            "outputs": [{"name": "probs", "dtype": "float32", "shape": [-1, -1, 37]}],
        }
        assert content["PreProcess"]["transform_ops"] == [
            {"DecodeImage": {"img_mode": "BGR", "channel_first": False, "ignore_orientation": False}},
            {"RecResizeImg": {"image_shape": [3, HEIGHT, WIDTH], "padding": True, "infer_mode": False,
                              "eval_mode": False}},
        ]
        assert content["PostProcess"] == {"name": "CTCLabelDecode"}
        assert Charset.from_dict(content["Charset"]) == Charset.default()
        assert content["Provenance"]["sha256"] == sha256(weights_file())
        assert content["Provenance"]["checkpoint"] == "tiny.pdparams"
        assert content["Provenance"]["versions"]["paddle"] == paddle.__version__

    def test_odd_characters_survive(self, tmp_path: Path) -> None:
        symbols = (*"=~yn:'\"#\\{}[]-?!%@`\t\u3000\u2028\x85\ufeffé中\U0001f600", " ")
        charset = Charset(symbols)
        folder = export_tiny(tmp_path / "model", charset=charset)
        assert Charset.from_dict(description(folder)["Charset"]) == charset

    def test_metrics_travel(self, tmp_path: Path) -> None:
        assert description(export_tiny(tmp_path / "model"))["Provenance"]["metrics"] == {"acc": 0.5}

    def test_arguments_from_the_context_are_written_out(self) -> None:
        section = {"name": "CTCLabelDecode"}
        assert resolved_postprocess(section, {"charset": Charset.default()}, task="rec") == section
        with pytest.raises(ConfigError, match="no argument 'blank'"):
            resolved_postprocess({**section, "blank": 3}, {"charset": Charset.default()}, task="rec")


class TestParameters:
    def test_structured_names_are_kept(self) -> None:
        state = build_model_parts(config()).model.state_dict()
        assert set(description(exported())["Parameters"]) == set(state)

    def test_unused_weights_are_left_out(self, tmp_path: Path) -> None:
        model = Tiny()
        weights = exported_weights(export_tiny(tmp_path / "model", model))
        assert set(weights) == {"branch.scale", "fc.weight", "fc.bias"}
        np.testing.assert_array_equal(weights["fc.weight"], model.fc.weight.numpy())


class TestForm:
    def test_branches_are_merged_in_a_copy(self, tmp_path: Path) -> None:
        model = Tiny()
        weights = exported_weights(export_tiny(tmp_path / "model", model))
        np.testing.assert_array_equal(weights["branch.scale"], [1.5])
        assert model.branch.scale.item() == 0.5
        assert not model.branch.is_repped

    @pytest.mark.parametrize(("width", "expected"), [(None, -1), (WIDTH, WIDTH)])
    def test_the_model_says_whether_widths_vary(self, tmp_path: Path, width: int | None, expected: int) -> None:
        model = Tiny(width)
        assert input_shape(model, (3, HEIGHT, WIDTH)) == [-1, 3, HEIGHT, expected]
        content = description(export_tiny(tmp_path / "model", model))
        assert content["Model"]["inputs"][0]["shape"] == [-1, 3, HEIGHT, expected]
        assert content["Model"]["outputs"][0]["shape"] == [-1, expected, 37]

    def test_the_older_format_needs_a_process_of_its_own(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match=r"this process writes inference\.json") as caught:
            export_tiny(tmp_path / "model", with_pir=False)
        assert "FLAGS_enable_pir_api=0" in caught.value.cure

    def test_a_model_that_cannot_be_translated(self, tmp_path: Path) -> None:
        class Odd(Tiny):
            def forward(self, images: Any) -> dict[str, Any]:
                return {"probs": paddle.to_tensor(images.numpy()[:, :, 0, :])}

        with pytest.raises(ExportError, match="lost its weights"):
            export_tiny(tmp_path / "model", Odd())
        assert list(tmp_path.iterdir()) == []


class TestPlace:
    def test_without_weights_nothing_is_exported(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match="no weights were loaded"):
            export_tiny(tmp_path / "model", provenance=None)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(CheckpointError, match="no weights are named"):
            export_from_config(write_config(tmp_path))

    def test_failure_leaves_the_earlier_export(self, tmp_path: Path) -> None:
        folder = export_tiny(tmp_path / "model")
        before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}

        def refuse(draft: Path) -> None:
            assert (draft / DESCRIPTION_FILE).is_file()
            raise ExportError("not good")

        with pytest.raises(ExportError, match="not good"):
            export_tiny(folder, check=refuse)
        assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before
        assert list(tmp_path.iterdir()) == [folder]

    def test_an_earlier_export_is_replaced_as_a_whole(self, tmp_path: Path) -> None:
        folder = export_tiny(tmp_path / "model")
        (folder / "inference.onnx").touch()
        export_tiny(folder, identity=ModelIdentity("rec", "Tiny", "second"))
        assert description(folder)["Global"]["model_name"] == "second"
        assert sorted(entry.name for entry in folder.iterdir()) == ["inference.json", "inference.pdiparams",
                                                                    "inference.yml"]
        assert list(tmp_path.iterdir()) == [folder]

    def test_rename_that_fails_brings_the_earlier_one_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = export_tiny(tmp_path / "model")
        rename = os.rename

        def failing(source: Any, target: Any) -> None:
            if str(source).endswith(".tmp"):
                raise OSError("disk full")
            rename(source, target)

        monkeypatch.setattr(os, "rename", failing)
        with pytest.raises(OSError, match="disk full"):
            export_tiny(folder, identity=ModelIdentity("rec", "Tiny", "second"))
        assert description(folder)["Global"]["model_name"] == "Tiny"
        assert list(tmp_path.iterdir()) == [folder]

    def test_a_folder_with_other_files_is_not_touched(self, tmp_path: Path) -> None:
        (tmp_path / "latest.pdparams").touch()
        with pytest.raises(ExportError, match=r"other files than an export: latest\.pdparams"):
            export_tiny(tmp_path)
        with pytest.raises(ExportError, match="is a file"):
            export_tiny(tmp_path / "latest.pdparams")


class TestWeights:
    def test_of_another_charset(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="the head has 38 classes, the file 37"):
            export_from_config(write_config(tmp_path, weights=weights_file(), use_space_char=True))

    def test_charset_beside_the_checkpoint_is_compared(self, tmp_path: Path) -> None:
        (tmp_path / "w.pdparams").write_bytes(weights_file().read_bytes())
        stored = Charset(tuple("zyxwvutsrqponmlkjihgfedcba9876543210"))
        state = {"schema": checkpoint.SCHEMA, "charset": stored.to_dict(), "metrics": {}}
        (tmp_path / "w.state").write_text(json.dumps(state), encoding="utf-8")
        with pytest.raises(CharsetError, match="the same characters in another order"):
            export_from_config(write_config(tmp_path, weights=tmp_path / "w"))


class TestDirectionClassifier:
    def test_folder(self, tmp_path: Path) -> None:
        content = {
            "Global": {"save_model_dir": str(tmp_path), "pretrained_model": str(tmp_path / "w"),
                       "label_list": ["0", "180"], "use_gpu": False},
            "Architecture": {"model_type": "cls", "algorithm": "CLS"},
        }
        (tmp_path / "cls.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
        loaded = load_config(tmp_path / "cls.yml", (), {})
        write_weights(tmp_path / "w.pdparams", build_model_parts(loaded).model.state_dict())
        written = description(export_from_config(loaded))
        assert written["PostProcess"] == {"name": "ClsPostProcess", "label_list": ["0", "180"]}
        assert written["Model"]["outputs"][0]["shape"] == [-1, 2]
        assert [list(operator) for operator in written["PreProcess"]["transform_ops"]] == [["DecodeImage"],
                                                                                            ["ClsResizeImg"]]
        assert "Charset" not in written
        with pytest.raises(InferenceError, match="model of type 'cls'"):
            TextRecognizer(tmp_path / "inference")


class TestParity:
    def parts(self) -> tuple[Any, Any, Any]:
        parts = build_model_parts(config())
        load_trained(parts, str(weights_file()))
        operators = build_operators(evaluation_operators(config(), parts, "rec"), **parts.transform_context)
        return parts.model, operators, parts.postprocess

    def test_equal(self) -> None:
        model, operators, postprocess = self.parts()
        parity = check_parity(model, exported(), task="rec", operators=operators, postprocess=postprocess)
        assert parity.max_difference <= 1e-5
        # Six pictures one by one, in threes, and three further widths.
        assert parity.batches == 6 + 2 + 3
        assert len(parity.results) == len(rendered_lines()) == 6

    @pytest.mark.parametrize("change", [0.01, float("nan")])
    def test_other_weights_are_noticed(self, change: float) -> None:
        model, operators, postprocess = self.parts()
        model.head.fc.bias.set_value(model.head.fc.bias + change * paddle.arange(37, dtype="float32"))
        if np.isnan(change):
            # A network that gives no numbers fails in decoding already.
            with pytest.raises(InferenceError, match="NaN"):
                check_parity(model, exported(), task="rec", operators=operators, postprocess=postprocess)
        else:
            with pytest.raises(ExportError, match="differs from the trained one"):
                check_parity(model, exported(), task="rec", operators=operators, postprocess=postprocess)

    def test_other_preprocessing_is_noticed(self) -> None:
        model, _, postprocess = self.parts()
        operators = build_transforms([{"RecResizeImg": {"image_shape": [3, HEIGHT, 64]}}])
        with pytest.raises(ExportError, match="prepares a picture otherwise"):
            check_parity(model, exported(), task="rec", operators=operators, postprocess=postprocess)


class TestCommands:
    def run(self, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(ROOT / "tools" / script), *map(str, arguments)], check=False,
                              capture_output=True, text=True, timeout=300)

    def test_older_format_of_a_recurrent_network(self, tmp_path: Path) -> None:
        """Paddle cannot write it; the command says so and leaves nothing."""
        config()
        weights = f"Global.pretrained_model={weights_file()}"
        done = self.run("export_model.py", "-c", workplace() / "tiny.yml", "-o", weights,
                        "Global.export_with_pir=false", f"Global.save_inference_dir={tmp_path / 'model'}")
        assert done.returncode == 2, done.stdout
        assert "export_with_pir=true" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_older_format_of_a_network_without_recurrence(self, tmp_path: Path) -> None:
        write_config(tmp_path)
        file = tmp_path / "tiny.yml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        content["Architecture"] = {**content["Architecture"],
                                   "Neck": {"name": "SequenceEncoder", "encoder_type": "reshape"}}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        loaded = load_config(file, (), {})
        write_weights(tmp_path / "w.pdparams", build_model_parts(loaded).model.state_dict())
        done = self.run("export_model.py", "-c", file, "-o", f"Global.pretrained_model={tmp_path / 'w'}",
                        "Global.export_with_pir=false")
        assert done.returncode == 0, done.stderr
        folder = tmp_path / "output" / "inference"
        assert (folder / "inference.pdmodel").is_file()
        trained = dict(build_model_parts(loaded).model.state_dict())
        assert set(exported_weights(folder)) == set(trained)
        assert len(TextRecognizer(folder, cpu_threads=1).recognize(rendered_lines())) == 6

    def test_infer_rec_refuses_another_task(self, tmp_path: Path) -> None:
        file = tmp_path / "cls.yml"
        file.write_text("Architecture: {model_type: cls}\n")
        with pytest.raises(ConfigError, match="is 'cls': another kind of model"):
            main(["-c", str(file), "--image_dir", str(tmp_path), "-o", "Global.pretrained_model=x"])

    def test_infer_rec(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        picture = rendered_lines()[2]
        cv2.imwrite(str(tmp_path / "word.png"), picture)
        config()
        code = main(["-c", str(workplace() / "tiny.yml"), "-o", f"Global.pretrained_model={weights_file()}",
                     f"Global.infer_img={tmp_path / 'word.png'}"])
        path, text, _ = capsys.readouterr().out.splitlines()[-1].split("\t")
        assert code == 0
        assert path == str(tmp_path / "word.png")
        assert text == TextRecognizer(exported(), enable_mkldnn=False).recognize([picture])[0].text
