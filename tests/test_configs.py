"""Every configuration that ships builds and takes a training step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_configs import StandIns, check, find_configurations, main

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(find_configurations(ROOT / "configs"))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> StandIns:
    return StandIns(tmp_path_factory.mktemp("stand_ins"))


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
