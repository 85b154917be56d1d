"""What configurations of guided recognizers get where they say little, and what they may not ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr.config import Config, load_config
from tools.check_configs import StandIns, check


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> StandIns:
    return StandIns(tmp_path_factory.mktemp("stand_ins"))


def minimal(folder: Path, architecture: str) -> Path:
    file = folder / "minimal.yml"
    data = "{dataset: {label_file_list: [train.txt]}}"
    file.write_text(f"Architecture: {architecture}\nTrain: {data}\nEval: {data}\n")
    return file


def head_of(config: Config) -> str:
    return ", ".join(next(iter(entry)) for entry in config["Architecture"]["Head"]["head_list"])


@pytest.mark.parametrize(("algorithm", "backbone"), [("SVTR_LCNet", "PPLCNetV3"), ("SVTR_HGNet", "PPHGNet_small")])
def test_an_algorithm_gets_a_network(algorithm: str, backbone: str, tmp_path: Path) -> None:
    config = load_config(minimal(tmp_path, f"{{model_type: rec, algorithm: {algorithm}}}"), environ={})
    assert config["Architecture"]["Backbone"]["name"] == backbone
    assert "Neck" not in config["Architecture"] or config["Architecture"]["Neck"] is None
    assert head_of(config) == "CTCHead, NRTRHead"


def test_a_network_with_a_guided_head_gets_its_loss_and_labels(tmp_path: Path, stand_ins: StandIns) -> None:
    network = ("{model_type: rec, Backbone: {name: MobileNetV3, model_name: small, scale: 0.35}, Head: {name: "
               "MultiHead, head_list: [{CTCHead: {Neck: {name: reshape}}}, "
               "{NRTRHead: {nrtr_dim: 32, num_decoder_layers: 1}}]}}")
    file = minimal(tmp_path, network)
    config = load_config(file, environ={})
    assert config["Loss"]["name"] == "MultiLoss"
    assert "label_gtc" in config["Train"]["dataset"]["transforms"][-1]["KeepKeys"]["keep_keys"]
    outcome, detail = check(file, stand_ins)
    assert outcome == "trains", detail


def test_numbers_of_classes_that_paddleocr_writes_into_its_configurations_are_accepted(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    network = ("{model_type: rec, Backbone: {name: MobileNetV3, model_name: small, scale: 0.35}, Head: {name: "
               "MultiHead, out_channels_list: {CTCLabelDecode: 97, NRTRLabelDecode: 100}, head_list: [{CTCHead: "
               "{Neck: {name: reshape}}}, {NRTRHead: {nrtr_dim: 32, num_decoder_layers: 1}}]}}")
    outcome, detail = check(minimal(tmp_path, network), stand_ins)
    assert outcome == "trains", detail


def test_a_distillation_is_refused_by_what_is_missing(tmp_path: Path, stand_ins: StandIns) -> None:
    file = minimal(tmp_path, "{model_type: rec, algorithm: Distillation, Models: {Student: {}, Teacher: {}}}")
    with file.open("a", encoding="utf-8") as stream:
        stream.write("PostProcess: {name: DistillationCTCLabelDecode}\n")
    outcome, detail = check(file, stand_ins)
    assert outcome == "refused"
    assert "the part that is missing is DistillationModel" in detail
