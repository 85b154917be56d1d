"""The names of run folders, and which one a resumed run goes on in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.engine.monitoring.run_folder import LONGEST, folder_name, run_folder
from ppocr.errors import ConfigError
from tests.engine.stubs import config_for


def choose(base: Path, *overrides: str, name: str = "auto", file: str = "crnn.yml",
           environ: dict[str, str] | None = None) -> str:
    options = config_for(base, f"Global.run_name={name}", *overrides)["Global"]
    options["save_model_dir"] = str(base / "runs")
    chosen = Path(run_folder(options, file, [f"Global.run_name={name}", *overrides], environ or {}))
    return str(chosen.relative_to(base / "runs"))


@pytest.mark.parametrize(("overrides", "name"), [
    ([], ""),
    (["Optimizer.lr.learning_rate=0.001"], "lr0.001"),
    (["Global.epoch_num=5", "Train.loader.batch_size_per_card=32"], "epochs5_bs32"),
    (["Architecture.Backbone.name=MobileNetV3", "Loss.alpha=-2"], "name-MobileNetV3_alpha-2"),
    (["Global.freeze=[backbone.*, head.x]"], "freeze-backbone.-head.x"),
    (["Train.dataset.label_file_list=[../données/a b.txt]"], "label_file_list-donn-es-a-b.txt"),
    (["Global.pretrained_model=null", "Train.dataset.transforms.0="], "from-null_0"),
])
def test_names(overrides: list[str], name: str) -> None:
    assert folder_name(overrides) == name


def test_long_names_are_cut_and_stay_different() -> None:
    names = {folder_name([f"Train.dataset.transforms.RecAug.probability_{letter}=0.{'5' * 30}" for letter in letters])
             for letters in ("abc", "abd", "ab")}
    assert len(names) == 3
    assert {len(name) for name in names} == {LONGEST}


def test_without_a_name_the_folder_stays(tmp_path: Path) -> None:
    options = config_for(tmp_path, "Global.save_model_dir=./here")["Global"]
    assert run_folder(options, "a.yml", []) == "./here"


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    assert choose(tmp_path, name="mine") == "mine"
    assert choose(tmp_path, name="mine") == "mine"
    with pytest.raises(ConfigError, match="run_name"):
        choose(tmp_path, name="a/b")


def test_a_second_run_gets_a_number(tmp_path: Path) -> None:
    assert [choose(tmp_path, "Optimizer.lr.learning_rate=0.1") for _ in range(3)] == ["lr0.1", "lr0.1-2", "lr0.1-3"]
    assert choose(tmp_path) == "crnn"


def test_latest_finds_the_newest_run_of_the_same_overrides(tmp_path: Path) -> None:
    overrides = ("Optimizer.lr.learning_rate=0.1", "Global.seed=3")
    first = choose(tmp_path, *overrides, "Global.checkpoints=latest")
    assert first == "seed3_lr0.1"  # There is none yet: it begins.
    latest = "Global.checkpoints=latest"
    assert choose(tmp_path, *overrides, latest) == first
    assert choose(tmp_path, *overrides[::-1], latest, "Global.use_gpu=false", "Global.use_visualdl=true") == first
    assert choose(tmp_path, *overrides) == f"{first}-2"
    assert choose(tmp_path, *overrides, latest) == f"{first}-2"


def test_a_folder_of_the_same_name_and_other_overrides_is_another_run(tmp_path: Path) -> None:
    latest = "Global.checkpoints=latest"
    assert choose(tmp_path, "Train.loader.batch_size_per_card=4", latest) == "bs4"
    assert choose(tmp_path, "Eval.loader.batch_size_per_card=4", latest) == "bs4-2"
    assert choose(tmp_path, "Train.loader.batch_size_per_card=4", latest) == "bs4"
    assert choose(tmp_path, "Train.loader.batch_size_per_card=4", latest, file="other.yml") == "bs4-3"


def test_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    for _ in range(11):
        last = choose(tmp_path, "Global.seed=1")
    assert last == "seed1-11"
    assert choose(tmp_path, "Global.seed=1", "Global.checkpoints=latest") == last


def test_a_checkpoint_in_a_run_folder_is_gone_on_with_there(tmp_path: Path) -> None:
    assert choose(tmp_path, "Global.seed=1") == "seed1"
    checkpoint = f"Global.checkpoints={tmp_path / 'runs' / 'seed1' / 'latest'}"
    assert choose(tmp_path, "Global.seed=1", "Global.epoch_num=9", checkpoint) == "seed1"
    elsewhere = f"Global.checkpoints={tmp_path / 'elsewhere' / 'latest'}"
    assert choose(tmp_path, "Global.seed=1", elsewhere) == "seed1-2"


def test_environment_variables_are_overrides_too(tmp_path: Path) -> None:
    environ = {"PPOCR__Global__seed": "7", "HOME": "/"}
    assert choose(tmp_path, environ=environ) == "seed7"
    assert (tmp_path / "runs" / "seed7" / "overrides.txt").read_text() == "-c crnn.yml\n-o Global.seed=7\n"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be made"):
        choose(tmp_path)
