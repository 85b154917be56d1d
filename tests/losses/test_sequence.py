"""Cross entropies of classifiers and sequences against NumPy, and the layouts of their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError, TrainingError
from ppocr.losses import build_loss
from tests.losses.test_ctc import log_softmax, make_batch

RNG = np.random.default_rng(1)


def nll(logits: np.ndarray, target: int, smoothing: float = 0.0) -> float:
    log_probs = log_softmax(logits.astype(np.float64))
    wanted = np.full(len(log_probs), smoothing / (len(log_probs) - 1))
    wanted[target] = 1.0 - smoothing
    return float(-(wanted * log_probs).sum())


def run(section: dict[str, Any], logits: np.ndarray, **batch: Any) -> float:
    tensors = {key: paddle.to_tensor(np.asarray(value)) for key, value in batch.items()}
    value = build_loss(section)({"logits": paddle.to_tensor(logits)}, tensors)
    assert value["loss"].dtype == paddle.float32
    assert value["loss"].shape == []
    return float(value["loss"])


class TestClassifier:
    LOGITS = RNG.normal(0, 2, (3, 4)).astype(np.float32)
    LABEL = [2, 0, 3]

    @pytest.mark.parametrize("section", [{"name": "ClsLoss"}, {"name": "CELoss"}, {"name": "FocalLoss", "gamma": 0}])
    def test_mean_cross_entropy(self, section: dict[str, Any]) -> None:
        expected = np.mean([nll(row, target) for row, target in zip(self.LOGITS, self.LABEL, strict=True)])
        np.testing.assert_allclose(run(section, self.LOGITS, label=self.LABEL), expected, rtol=1e-5)

    def test_smoothing(self) -> None:
        expected = np.mean([nll(row, target, 0.1) for row, target in zip(self.LOGITS, self.LABEL, strict=True)])
        value = run({"name": "CELoss", "smoothing": True}, self.LOGITS, label=self.LABEL)
        np.testing.assert_allclose(value, expected, rtol=1e-5)

    def test_focal_by_hand(self) -> None:
        # p = 0.8: 0.2^2 * -ln 0.8
        logits = np.log(np.array([[0.8, 0.2]], dtype=np.float32))
        np.testing.assert_allclose(run({"name": "FocalLoss"}, logits, label=[0]), 0.04 * 0.2231436, rtol=1e-5)

    def test_focal_gradient_is_finite_for_a_certain_prediction(self) -> None:
        logits = paddle.to_tensor([[100.0, 0.0]], stop_gradient=False)
        value = build_loss({"name": "FocalLoss", "gamma": 0.5})({"logits": logits}, {"label": paddle.to_tensor([0])})
        value["loss"].backward()
        assert np.isfinite(logits.grad.numpy()).all()

    def test_ignored_class(self) -> None:
        value = run({"name": "CELoss", "ignore_index": 0}, self.LOGITS, label=self.LABEL)
        np.testing.assert_allclose(value, (nll(self.LOGITS[0], 2) + nll(self.LOGITS[2], 3)) / 2, rtol=1e-5)

    def test_nothing_to_count_gives_zero(self) -> None:
        assert run({"name": "CELoss", "ignore_index": 0}, self.LOGITS, label=[0, 0, 0]) == 0.0


SECTIONS = [
    # Attention: start 0, characters 1 to 4, end 5, zero padding.
    ({"name": "AttentionLoss"}, 6, [[0, 1, 2, 5, 0, 0], [0, 3, 3, 4, 5, 0]], 0.0),
    # SAR: characters 0 to 3, unknown 4, begin and end 5, padding 6, which the head does not predict.
    ({"name": "SARLoss"}, 6, [[5, 0, 1, 5, 6, 6], [5, 2, 2, 3, 5, 6]], 0.0),
    ({"name": "SARLoss", "ignore_index": 6}, 7, [[5, 0, 1, 5, 6, 6], [5, 2, 2, 3, 5, 6]], 0.0),
    # Transformer: padding 0, unknown 1, begin 2, end 3, characters 4 to 7.
    ({"name": "NRTRLoss"}, 8, [[2, 4, 5, 3, 0, 0], [2, 6, 6, 7, 3, 0]], 0.1),
    ({"name": "NRTRLoss", "smoothing": False}, 8, [[2, 4, 5, 3, 0, 0], [2, 6, 6, 7, 3, 0]], 0.0),
    ({"name": "CELoss", "smoothing": True}, 8, [[2, 4, 5, 3, 0, 0], [2, 6, 6, 7, 3, 0]], 0.1),
    ({"name": "CELoss", "ignore_index": 7}, 7, [[0, 4, 5, 0, 7, 7], [0, 6, 6, 1, 0, 7]], 0.0),
]
LENGTHS = [2, 3]


def expected_mean(logits: np.ndarray, label: list[list[int]], smoothing: float) -> float:
    """Mean over the characters and the end symbol of each text, all samples together."""
    values = [
        nll(logits[sample, step], label[sample][step + 1], smoothing)
        for sample, length in enumerate(LENGTHS)
        for step in range(length + 1)
    ]
    return float(np.mean(values))


@pytest.mark.parametrize(("section", "classes", "label", "smoothing"), SECTIONS)
@pytest.mark.parametrize("steps", [4, 5, 6])
def test_only_characters_and_end_symbol_count(
    section: dict[str, Any], classes: int, label: list[list[int]], smoothing: float, steps: int
) -> None:
    logits = RNG.normal(0, 2, (2, steps, classes)).astype(np.float32)
    value = run(section, logits, label=label, length=LENGTHS)
    np.testing.assert_allclose(value, expected_mean(logits, label, smoothing), rtol=1e-5)


@pytest.mark.parametrize(("section", "classes", "label", "smoothing"), SECTIONS)
def test_logits_of_padding_get_no_gradient(
    section: dict[str, Any], classes: int, label: list[list[int]], smoothing: float
) -> None:
    logits = paddle.to_tensor(RNG.normal(0, 2, (2, 6, classes)).astype(np.float32), stop_gradient=False)
    batch = {"label": paddle.to_tensor(label), "length": paddle.to_tensor(LENGTHS)}
    build_loss(section)({"logits": logits}, batch)["loss"].backward()
    touched = (logits.grad.numpy() != 0).any(axis=2)
    assert touched.tolist() == [[True] * 3 + [False] * 3, [True] * 4 + [False] * 2]


@pytest.mark.parametrize(("section", "classes", "label", "smoothing"), SECTIONS)
def test_a_head_with_too_few_steps_is_an_error(
    section: dict[str, Any], classes: int, label: list[list[int]], smoothing: float
) -> None:
    with pytest.raises(TrainingError, match="the head gives 3 steps"):
        run(section, np.zeros((2, 3, classes), np.float32), label=label, length=LENGTHS)


def test_with_all_compares_position_by_position() -> None:
    logits = RNG.normal(0, 2, (1, 3, 4)).astype(np.float32)
    expected = (nll(logits[0, 0], 1) + nll(logits[0, 2], 3)) / 2
    value = run({"name": "CELoss", "with_all": True, "ignore_index": 0}, logits, label=[[1, 0, 3]])
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    focal = run({"name": "FocalLoss", "gamma": 0.0, "with_all": True, "ignore_index": 0}, logits, label=[[1, 0, 3]])
    np.testing.assert_allclose(focal, expected, rtol=1e-5)


class TestMultiLoss:
    CTC = RNG.normal(0, 2, (2, 8, 5)).astype(np.float32)
    GTC = RNG.normal(0, 2, (2, 5, 8)).astype(np.float32)
    SAR = RNG.normal(0, 2, (2, 6, 6)).astype(np.float32)
    TEXTS = [[1, 2], [3, 3, 4]]

    def outputs(self) -> dict[str, Any]:
        arrays = {"ctc_logits": self.CTC, "gtc_logits": self.GTC, "sar_logits": self.SAR}
        return {key: paddle.to_tensor(array) for key, array in arrays.items()}

    def batch(self) -> dict[str, Any]:
        batch = make_batch(self.TEXTS)
        return {
            "label_ctc": batch["label"],
            "label_gtc": paddle.to_tensor([[2, 4, 5, 3, 0, 0], [2, 6, 6, 7, 3, 0]]),
            "label_sar": paddle.to_tensor([[5, 0, 1, 5, 6, 6], [5, 2, 2, 3, 5, 6]]),
            "length": batch["length"],
        }

    @pytest.mark.parametrize(("member", "branch"), [("NRTRLoss", "gtc"), ("SARLoss", "sar")])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_weighted_sum(self, member: str, branch: str, reverse: bool) -> None:
        entries: list[dict[str, Any]] = [{"CTCLoss": None}, {member: None}]
        section = {"name": "MultiLoss", "loss_config_list": entries[::-1] if reverse else entries,
                   "weight_1": 2.0, "weight_2": 0.5}
        value = build_loss(section)(self.outputs(), self.batch())
        single = self.batch()
        ctc = build_loss({"name": "CTCLoss"})({"logits": paddle.to_tensor(self.CTC)},
                                              {"label": single["label_ctc"], "length": single["length"]})["loss"]
        other = build_loss({"name": member})({"logits": self.outputs()[f"{branch}_logits"]},
                                             {"label": single[f"label_{branch}"], "length": single["length"]})["loss"]
        assert set(value) == {"loss", "CTCLoss", member}
        np.testing.assert_allclose(float(value["CTCLoss"]), float(ctc))
        np.testing.assert_allclose(float(value[member]), float(other))
        np.testing.assert_allclose(float(value["loss"]), 2.0 * float(ctc) + 0.5 * float(other), rtol=1e-6)

    def test_arguments_of_members(self) -> None:
        section = {"name": "MultiLoss", "loss_config_list": [{"CTCLoss": {"use_focal_loss": True}}]}
        loss = build_loss(section)
        assert loss.members[0].use_focal_loss
        assert section == {"name": "MultiLoss", "loss_config_list": [{"CTCLoss": {"use_focal_loss": True}}]}

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ([], "empty loss_config_list"),
            ([{"CTCLoss": None, "SARLoss": None}], "several keys: CTCLoss, SARLoss"),
            ([{"CTCLoss": 5}], "the arguments of CTCLoss are 5"),
            ([{"CTCLos": None}], "did you mean 'CTCLoss'"),
            ([{"CTCLoss": {"focal": True}}], "no argument 'focal'"),
            ([{"ClsLoss": None}], "cannot be a part of MultiLoss"),
            (["CTCLoss"], "wrong type"),
        ],
    )
    def test_mistakes(self, entries: list[Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            build_loss({"name": "MultiLoss", "loss_config_list": entries})

    def test_missing_output_is_named(self) -> None:
        loss = build_loss({"name": "MultiLoss", "loss_config_list": [{"CTCLoss": None}, {"SARLoss": None}]})
        outputs = self.outputs()
        del outputs["sar_logits"]
        with pytest.raises(ConfigError, match="SARLoss needs the output 'sar_logits'"):
            loss(outputs, self.batch())
        batch = self.batch()
        del batch["label_ctc"]
        with pytest.raises(ConfigError, match="CTCLoss needs 'label_ctc'"):
            loss(self.outputs(), batch)
