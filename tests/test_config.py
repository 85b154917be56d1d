"""Configuration files: inheritance, options, environment, checks, defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ppocr.config import Config, load_config
from ppocr.config_schema import GLOBAL_KEYS
from ppocr.errors import ConfigError
from ppocr.sections import to_plain

MINIMAL = "Architecture: {model_type: rec}\nTrain: {dataset: {label_file_list: [a.txt]}}\n"


def load(folder: Path, text: str, *options: str, environ: dict[str, str] | None = None) -> Config:
    file = folder / "my.yml"
    file.write_text(text, encoding="utf-8")
    return load_config(file, options, environ or {})


def test_minimal_configuration_gets_the_defaults_of_its_task(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert config["Architecture"]["Head"]["name"] == "CTCHead"
    assert [next(iter(entry)) for entry in config["Train"]["dataset"]["transforms"]] == [
        "DecodeImage", "RecAug", "CTCLabelEncode", "RecResizeImg", "KeepKeys"]
    assert config["Train"]["dataset"]["name"] == "SimpleDataSet"
    assert {key: config["Global"][key] for key in GLOBAL_KEYS} == {k: v.default for k, v in GLOBAL_KEYS.items()}
    assert "Loss" in config.defaulted
    assert "Global.seed" in config.defaulted


def test_defaults_follow_the_algorithm_of_an_option(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL, "Architecture.algorithm=RARE")
    assert config["PostProcess"]["name"] == "AttnLabelDecode"
    assert config["Architecture"]["Transform"]["name"] == "TPS"


def test_a_network_written_in_parts_gets_no_further_part(tmp_path: Path) -> None:
    text = "Architecture: {model_type: rec, Backbone: {name: ResNet}, Head: {name: CTCHead}}\n"
    assert "Neck" not in load(tmp_path, text)["Architecture"]


def test_a_named_section_is_complete(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "Optimizer: {name: SGD, lr: {learning_rate: 0.1}}\n")
    assert to_plain(config["Optimizer"]) == {"name": "SGD", "lr": {"learning_rate": 0.1}}


def test_options_over_environment_over_file_over_base(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("Global: {seed: 1, epoch_num: 1, print_batch_step: 1, log_smooth_window: 1}\n")
    text = "_BASE_: base.yml\nGlobal: {seed: 2, epoch_num: 2, print_batch_step: 2}\n" + MINIMAL
    config = load(tmp_path, text, "Global.seed=4",
                  environ={"PPOCR__Global__seed": "3", "PPOCR__Global__epoch_num": "3"})
    options = config["Global"]
    assert [options[key] for key in ("seed", "epoch_num", "print_batch_step", "log_smooth_window")] == [4, 3, 2, 1]


def test_option_values_are_yaml_and_may_hold_equal_signs(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL, "Global.model_name=a=b", "Global.eval_batch_step=[0, 20]", "Global.use_gpu=null")
    assert config["Global"]["model_name"] == "a=b"
    assert config["Global"]["eval_batch_step"] == [0, 20]


def test_options_reach_into_lists_by_index_and_by_name(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL, "Train.dataset.transforms.0.DecodeImage.img_mode=GRAY",
                  "Train.dataset.transforms.RecAug.tia_prob=0.1", "Train.dataset.label_file_list.0=b.txt")
    transforms = config["Train"]["dataset"]["transforms"]
    assert transforms[0]["DecodeImage"]["img_mode"] == "GRAY"
    assert transforms[1]["RecAug"]["tia_prob"] == 0.1
    assert config["Train"]["dataset"]["label_file_list"] == ["b.txt"]


def test_replace_takes_nothing_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("Loss: {name: CTCLoss, use_focal_loss: true}\n")
    config = load(tmp_path, "_BASE_: base.yml\nLoss: {_REPLACE_: true, name: AttentionLoss}\n" + MINIMAL)
    assert to_plain(config["Loss"]) == {"name": "AttentionLoss"}


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        (MINIMAL + "Global:\n  seed: 1\n  epoch_nmu: 5\n", [], ["my.yml:5", "epoch_num"]),
        (MINIMAL + "Globl: {seed: 1}\n", [], ["my.yml:3", "'Global'"]),
        (MINIMAL + "Global: {seed: many}\n", [], ["Global.seed (", "my.yml:3)", "expected: int"]),
        (MINIMAL + "Global: {seed: 1, seed: 2}\n", [], ["my.yml:3", "written twice"]),
        (MINIMAL + "Global: {seed: 1\n", [], ["my.yml:4", "YAML"]),
        (MINIMAL + "Loss: CTCLoss\n", [], ["my.yml:3) is 'CTCLoss'"]),
        (MINIMAL, ["Global.epoch_nmu=5"], ["-o Global.epoch_nmu=5", "epoch_num"]),
        (MINIMAL, ["Global.seed"], ["not an assignment"]),
        (MINIMAL, ["Train.dataset.transforms.17.x=1"], ["no entry '17'", "0 to 4"]),
        (MINIMAL, ["Train.dataset.transforms.RecAg.x=1"], ["'RecAug'"]),
        (MINIMAL, ["Global.seed={"], ["not valid YAML"]),
        ("Global: {seed: 1}\n", [], ["section Architecture is missing"]),
        ("Architecture: {model_type: rek}\n", [], ["my.yml:1", "did you mean 'rec'"]),
        ("- a\n", [], ["not a mapping"]),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, options: list[str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *options)
    for part in parts:
        assert part in str(caught.value)


def test_a_typo_in_an_environment_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environment variable PPOCR__Global__sed"):
        load(tmp_path, MINIMAL, environ={"PPOCR__Global__sed": "1"})


def test_missing_file_and_circle(tmp_path: Path) -> None:
    (tmp_path / "there.yml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match="did you mean 'there.yml'"):
        load_config(tmp_path / "ther.yml", (), {})
    with pytest.raises(ConfigError, match="in a circle"):
        load(tmp_path, "_BASE_: my.yml\n" + MINIMAL)


def test_keys_of_the_peer_without_effect_are_noted(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "Global: {debug: true, infer_mode: false}\nprofiler_options: null\n")
    assert any("Global.debug" in note for note in config.notes)
    assert not any("infer_mode" in note for note in config.notes)
    assert "debug" not in config["Global"]


def test_the_effective_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL, "Global.seed=7")
    config.save(tmp_path / "effective.yml", paddle="3.3.1")
    text = (tmp_path / "effective.yml").read_text()
    assert "# paddle: 3.3.1" in text
    assert "Set by default" in text
    again = load_config(tmp_path / "effective.yml", (), {})
    assert to_plain(again) == to_plain(config) == yaml.safe_load(text)


def test_the_effective_configuration_finds_its_plugins(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "Global: {plugins: [mine.py]}\n")
    (tmp_path / "output").mkdir()
    config.save(tmp_path / "output" / "config.yml")
    assert load_config(tmp_path / "output" / "config.yml", (), {})["Global"]["plugins"] == ["../mine.py"]
    assert config["Global"]["plugins"] == ["mine.py"]


def test_a_minimal_classifier_has_the_two_directions_or_those_that_are_given(tmp_path: Path) -> None:
    from ppocr.engine.builder import build_model_parts

    text = "Architecture: {model_type: cls}\n"
    assert build_model_parts(load(tmp_path, text)).model.head.fc.weight.shape[1] == 2
    three = load(tmp_path, text, 'Global.label_list=["0", "90", "180"]')
    assert build_model_parts(three).model.head.fc.weight.shape[1] == 3
