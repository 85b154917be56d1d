"""Every configuration that ships builds and takes a training step."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.config import load_config
from ppocr.errors import ExportError
from tools import check_configs
from tools.check_configs import StandIns, check, find_configurations, main

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(find_configurations(ROOT / "configs"))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> StandIns:
    return StandIns(tmp_path_factory.mktemp("stand_ins"), crop=128)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_configuration_trains(file: Path, stand_ins: StandIns) -> None:
    outcome, detail = check(file, stand_ins)
    assert outcome == "trains", detail


def test_the_command_counts_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "configs" / "quickstart" / "rec.yml").read_text()
    (tmp_path / "good.yml").write_text(text)
    (tmp_path / "bad.yml").write_text(text.replace("name: VGG", "name: VGGG"))
    assert main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("refused")
    assert "there is no backbone named 'VGGG'" in lines[0]
    assert lines[1].startswith("trains")
    assert lines[-1].startswith("2 configurations: 1 build and take a training step, 1 are refused")


def test_exports(tmp_path: Path, stand_ins: StandIns, capsys: pytest.CaptureFixture[str],
                 monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "configs" / "quickstart" / "rec.yml"
    assert main(["--export", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"exports  {file}: loss ")
    assert lines[-1].startswith("1 configurations: 1 build, take a training step and export with equal results, 0 are")

    def fail(*_: object, **__: object) -> Path:
        raise ExportError("the exported model differs", expected="equal results", cure="none")

    monkeypatch.setattr(check_configs, "export_from_config", fail)
    outcome, detail = check(file, stand_ins, export=True)
    assert outcome == "FAILED"
    assert detail.endswith("but no export: the exported model differs")


def test_the_size_of_crops(stand_ins: StandIns) -> None:
    for name, step in (("PP-OCRv5_mobile_det", "EastRandomCropData"), ("PP-OCRv6_tiny_det", "RandomCrop")):
        config = load_config(ROOT / "configs" / "det" / f"{name}.yml", environ={})
        stand_ins.put_into(config)
        sizes = [entry[step] for entry in config["Train"]["dataset"]["transforms"] if step in entry]
        assert sizes == [{"size": [128, 128], "max_tries": 50, "keep_ratio": True}]
