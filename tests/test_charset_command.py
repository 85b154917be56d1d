"""``ppocr charset``: the dictionary of a model with the characters that labels have besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.charset import Charset
from ppocr.commands import USER_ERROR, run_command
from ppocr.infer import InferenceFolder
from tests import tiny_recognizer
from tools import charset


@pytest.fixture
def model() -> str:
    """An exported recognizer of 0-9a-z that is blind to case."""
    return str(tiny_recognizer.exported())


def test_new_characters_stand_behind_those_of_the_model(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "train.txt"
    labels.write_text("1.jpg\tØ12 ab\n2.jpg no tab\n3.jpg\t½🇩🇪Aa\n", encoding="utf-8")
    output = tmp_path / "new" / "dict.txt"
    assert charset.main(["--model", model, "--labels", str(labels), "--add", "✓½", "--output", str(output)]) == 0
    known = InferenceFolder.open(model).description.charset
    assert output.read_text(encoding="utf-8").splitlines() == [*known.symbols, "✓", "½", "Ø", "🇩🇪", "A"]
    printed = capsys.readouterr().out
    assert f"the 36 characters of {model} and 6 new: ✓½Ø 🇩🇪A" in printed
    assert f"Global.character_dict_path={output} Global.use_space_char=true" in printed
    # The two options give all of them.
    assert Charset.from_config(output, True).symbols == (*known.symbols, "✓", "½", "Ø", "🇩🇪", "A", " ")


@pytest.mark.parametrize(("symbols", "new", "expected"), [
    (("a", "b", " "), ["c"], (["a", "b", "c"], True)),
    (("a", "b"), ["c"], (["a", "b", "c"], False)),
    (("a", " ", "b"), [], (["a", " ", "b"], False)),
    (("a", " ", "b", " "), ["c"], (["a", " ", "b", "c"], True)),
])
def test_space(symbols: tuple[str, ...], new: list[str], expected: tuple[list[str], bool]) -> None:
    assert charset.extended(Charset(symbols), new) == expected


def test_a_model_without_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(charset.main, ["--model", str(tmp_path), "--output", str(tmp_path / "d.txt")]) == USER_ERROR
    assert "does not tell its characters" in capsys.readouterr().err
    assert not (tmp_path / "d.txt").exists()


def test_right_to_left_shows_in_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(charset, "charset_of", lambda model: Charset(("ا", "ب"), right_to_left=True))
    arguments = ["--model", "any", "--add", "ت", "--output"]
    assert run_command(charset.main, [*arguments, str(tmp_path / "dict.txt")]) == USER_ERROR
    assert "arabic or hebrew in the name" in capsys.readouterr().err
    assert charset.main([*arguments, str(tmp_path / "arabic_dict.txt")]) == 0
    assert Charset.from_file(tmp_path / "arabic_dict.txt").right_to_left
