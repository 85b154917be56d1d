"""The command that finds a learning rate: its files, what it leaves behind, and its advice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppocr.cv import cv2
from ppocr.engine.lr_range import RangeResult
from ppocr.errors import ConfigError
from tests.small_run import write_small_run
from tools.lr_find import advice, main


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_run(tmp_path_factory.mktemp("lr_find"), count=24, test_count=4)


def test_the_folder_holds_the_result_and_nothing_else(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent / "output"
    status = main(["-c", str(config), "-o", "Global.freeze=backbone.*", "Global.cache_features=true",
                   "Global.cache_augmentations=1", "--start", "1e-4", "--end", "1", "--steps", "24"])
    assert status == 0
    assert sorted(path.name for path in folder.iterdir()) == ["lr_find.json", "lr_find.png"]
    content = json.loads((folder / "lr_find.json").read_text())
    assert content["rates"][0] == pytest.approx(1e-4)
    assert len(content["rates"]) == len(content["losses"]) <= 24
    assert content["losses"][0] > 1
    picture = cv2.imread(str(folder / "lr_find.png"))
    assert picture.shape == (540, 960, 3)
    out = capsys.readouterr().out
    assert str(folder / "lr_find.json") in out
    suggested = content["suggestion"]
    assert (f"-o Optimizer.lr.learning_rate={suggested:g}" in out) if suggested else ("No suggestion" in out)


def test_a_checkpoint_to_resume_from_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match="Global.checkpoints"):
        main(["-c", str(config), "-o", "Global.checkpoints=somewhere"])


RESULT = RangeResult([1e-5, 1.0], [2.0, 1.0], [2.0, 1.0], True, steepest=0.002, minimum=0.05)


@pytest.mark.parametrize(
    ("key", "factor", "line"),
    [("learning_rate", 1.0, "-o Optimizer.lr.learning_rate=0.002"), ("max_lr", 1.0, "-o Optimizer.lr.max_lr=0.002"),
     ("learning_rate", 4.0, "-o Optimizer.lr.learning_rate=0.0005"),
     ("values", 1.0, "scale Optimizer.lr.values so that the highest is 0.002")],
)
def test_the_override_is_that_of_the_schedule(key: str, factor: float, line: str) -> None:
    text = advice(RESULT, key, factor)
    assert text.splitlines()[-1].strip() == line
    assert "smaller of the steepest descent (0.002) and a tenth of the minimum (0.005)" in text
    assert "it diverged after 1." in text
    assert ("Optimizer.lr.scaling" in text) == (factor != 1.0)


def test_no_suggestion_says_what_to_do() -> None:
    text = advice(RangeResult([1.0], [2.0], [2.0], False, None, None), "learning_rate", 1.0)
    assert "No suggestion" in text
    assert "--start" in text
