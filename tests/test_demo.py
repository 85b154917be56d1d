"""The demo: which commands it runs, and when it is content. That the commands work is tested with each of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ppocr.commands import USER_ERROR, run_command
from ppocr.config import load_config
from ppocr.errors import TrainingError
from tests.source_tree import ROOT
from tools import demo, render_pages, render_words

GOOD = {"eval_det": {"hmean": 0.95}, "eval_rec": {"acc": 0.96}, "score": {"hmean": 0.9}}


class FakeCommands:
    """Stands in for `subprocess.run`: renders for real, and writes the figures that other commands would."""

    def __init__(self, folder: Path, figures: dict[str, dict[str, float]], fail: str = "") -> None:
        self.folder, self.figures, self.fail = folder, figures, fail
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, command: list[str], **arguments: Any) -> Any:
        assert arguments["cwd"] == self.folder
        assert self.folder.is_dir()
        script, rest = Path(command[1]).stem, command[2:]
        self.calls.append((script, rest))
        assert (self.folder / command[1]).exists(), "the script's path holds in the folder"
        if script in ("render_pages", "render_words"):
            main = {"render_pages": render_pages.main, "render_words": render_words.main}[script]
            main(["--output", str(self.folder / rest[1]), *rest[2:]])
        elif "--json" in rest:
            path = self.folder / rest[rest.index("--json") + 1]
            path.parent.mkdir(parents=True, exist_ok=True)
            key = "score" if script == "score_pages" else f"eval_{path.parent.name[-3:]}"
            path.write_text(json.dumps(self.figures[key]), encoding="utf-8")
        return SimpleNamespace(returncode=3 if script == self.fail else 0)


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, figures: Any = None, fail: str = "", *more: str) -> Any:
    commands = FakeCommands(folder, figures or GOOD, fail)
    monkeypatch.setattr(subprocess, "run", commands)
    code = run_command(demo.main, ["--folder", str(folder), "--pages", "2", "--count", "3", "--test_pages", "1", *more])
    return code, commands.calls


def test_every_step_is_a_command_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, calls = run(monkeypatch, tmp_path / "new", None, "", "-o", "Global.epoch_num=1")
    printed = capsys.readouterr().out
    assert code == 0
    assert [script for script, _ in calls] == [
        "render_pages", "render_words", "train", "train", "eval", "eval", "export_model", "export_model",
        "predict_system", "predict_system", "score_pages"]
    assert printed.count("$ python ") == len(calls)
    assert all("Global.epoch_num=1" in rest for script, rest in calls if script == "train")
    assert "hmean" in printed
    assert "0.960" in printed


def test_recognizer_learns_from_words_and_from_the_words_of_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, calls = run(monkeypatch, tmp_path)
    data = tmp_path / demo.DATA
    for part in ("train", "test"):
        lines = (data / f"rec_{part}.txt").read_text(encoding="utf-8").splitlines()
        assert {line.split("/")[0] for line in lines} == {"pages", "words"}
        assert all((data / line.split("\t")[0]).is_file() for line in lines)
    # The options that name them are those of the configuration.
    options = next(rest for script, rest in calls if script == "eval" and "rec.yml" in rest[1])
    config = load_config(ROOT / demo.REC_CONFIG, options[options.index("-o") + 1:options.index("--json")])
    assert config["Eval"]["dataset"]["label_file_list"] == ["data/quickstart/rec_test.txt"]
    assert config["Eval"]["dataset"]["data_dir"] == "data/quickstart"


def test_low_figures_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run(monkeypatch, tmp_path, GOOD | {"score": {"hmean": 0.1}})
    assert code == USER_ERROR
    assert "words found and read, hmean 0.100 (at least" in capsys.readouterr().err
    for name in demo.LEAST:
        figures = dict.fromkeys(demo.LEAST, 1.0)
        demo.check(figures)
        with pytest.raises(TrainingError, match=name):
            demo.check(figures | {name: demo.LEAST[name] - 0.001})


def test_a_step_that_fails_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, calls = run(monkeypatch, tmp_path, None, "export_model")
    assert code == USER_ERROR
    assert [script for script, _ in calls][-1] == "export_model"
    assert "ended with code 3" in capsys.readouterr().err
