"""The SAR decoder against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset
from ppocr.errors import ConfigError, TrainingError
from ppocr.losses import build_loss
from ppocr.modeling.heads.sar_head import valid_columns
from ppocr.postprocess import build_postprocess
from ppocr.registry import HEADS

RNG = np.random.default_rng(0)
MAP = RNG.normal(size=(2, 6, 2, 5)).astype(np.float32)
# Five characters; begin and end 6, padding 7.
LABEL = np.array([[6, 0, 4, 6, 7, 7, 7], [6, 1, 2, 3, 6, 7, 7]])
RATIO = np.array([0.6, 1.0], np.float32)


def build(**options: Any) -> Any:
    paddle.seed(0)
    section = {"name": "SARHead", "enc_dim": 4, "d_k": 3, "max_text_length": 4, "enc_drop_rnn": 0.0,
               "pred_dropout": 0.0, **options}
    return HEADS.build(section, task="rec", in_channels=6, num_classes=8, max_text_length=4)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def lstm(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Two layers over one sequence [T, in] (Hochreiter and Schmidhuber 1997; gates input, forget, cell, output)."""
    for layer in range(2):
        size = w[f"{name}.weight_hh_l{layer}"].shape[1]
        h, c, states = np.zeros(size), np.zeros(size), []
        for row in x:
            gates = (w[f"{name}.weight_ih_l{layer}"] @ row + w[f"{name}.bias_ih_l{layer}"]
                     + w[f"{name}.weight_hh_l{layer}"] @ h + w[f"{name}.bias_hh_l{layer}"])
            i, f, g, o = np.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            states.append(h)
        x = np.array(states)
    return x


def scores(head: Any, image: np.ndarray, symbols: list[int], columns: int) -> np.ndarray:
    """The scores after each symbol of one text: [T, V - 1]."""
    w = {name: value.numpy().astype(np.float64) for name, value in head.state_dict().items()}
    read = lstm(image.max(1).T, w, "encoder.rnn_encoder")[columns - 1]
    vector = read @ w["encoder.linear.weight"] + w["encoder.linear.bias"]
    inputs = np.concatenate([vector[None], w["decoder.embedding.weight"][symbols]])
    states = lstm(inputs, w, "decoder.rnn_decoder")[1:]
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    rows = []
    for state in states:
        query = state @ w["decoder.conv1x1_1.weight"] + w["decoder.conv1x1_1.bias"]
        energy = np.full(image.shape[1:], -np.inf)
        for y in range(image.shape[1]):
            for x in range(columns):
                patch = padded[:, y : y + 3, x : x + 3]
                key = (w["decoder.conv3x3_1.weight"] * patch).sum((1, 2, 3)) + w["decoder.conv3x3_1.bias"]
                energy[y, x] = (np.tanh(key + query) @ w["decoder.conv1x1_2.weight"] + w["decoder.conv1x1_2.bias"])[0]
        weights = softmax(energy.reshape(-1))
        seen = image.reshape(len(image), -1) @ weights
        parts = [state, seen, vector] if head.decoder.concat else [seen]
        rows.append(np.concatenate(parts) @ w["decoder.prediction.weight"] + w["decoder.prediction.bias"])
    return np.array(rows)


def test_valid_columns_by_hand() -> None:
    ratio = paddle.to_tensor(np.array([0.6, 0.61, 0.01, 1.0]))
    # 0.6 * 5 is 3 (and a little more in float32), 3.05 needs 4; nothing is less than one column.
    assert valid_columns(ratio, 5).tolist() == [3, 4, 1, 5]


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("ratio", [None, RATIO])
def test_forced_scores_match_numpy(concat: bool, ratio: np.ndarray | None) -> None:
    head = build(pred_concat=concat)
    targets = {"label": paddle.to_tensor(LABEL)} | ({} if ratio is None else {"valid_ratio": paddle.to_tensor(ratio)})
    logits = head(paddle.to_tensor(MAP), targets)["logits"].numpy()
    # The longest text has three characters, begin and end; a score follows each of them but the end.
    assert logits.shape == (2, 4, 7)
    for sample, columns in enumerate([5, 5] if ratio is None else [3, 5]):
        expected = scores(head, MAP[sample], LABEL[sample, :4].tolist(), columns)
        np.testing.assert_allclose(logits[sample], expected, atol=1e-5)


def test_evaluation_reads_its_own_symbols() -> None:
    head = build()
    head.eval()
    probs = head(paddle.to_tensor(MAP), {"valid_ratio": paddle.to_tensor(RATIO)})["probs"].numpy()
    assert probs.shape == (2, 4, 7)
    for sample, columns in enumerate([3, 5]):
        symbols = [6]
        for _ in range(4):
            symbols.append(int(scores(head, MAP[sample], symbols, columns)[-1].argmax()))
        np.testing.assert_allclose(probs[sample], softmax(scores(head, MAP[sample], symbols[:4], columns)), atol=1e-5)


def test_padding_beyond_the_image_is_not_seen() -> None:
    head = build()
    other = MAP.copy()
    other[0, :, :, 4] = 9.0  # The third column's 3x3 window ends at the fourth.
    targets = {"label": paddle.to_tensor(LABEL), "valid_ratio": paddle.to_tensor(RATIO)}
    first, second = (head(paddle.to_tensor(image), targets)["logits"].numpy() for image in (MAP, other))
    np.testing.assert_array_equal(first, second)


def test_one_step_of_training_reaches_every_parameter() -> None:
    head = build()
    batch = {"label": paddle.to_tensor(LABEL), "valid_ratio": paddle.to_tensor(RATIO)}
    build_loss({"name": "SARLoss"})(head(paddle.to_tensor(MAP), batch), batch)["loss"].backward()
    # The bias before a softmax over all places changes nothing.
    silent = [name for name, value in head.named_parameters() if value.grad is None or not np.any(value.grad.numpy())]
    assert [name for name in silent if name != "decoder.conv1x1_2.bias"] == []


def test_classes_are_those_of_the_decoder_without_the_padding() -> None:
    decode = build_postprocess({"name": "SARLabelDecode"}, charset=Charset.default())
    head = HEADS.build({"name": "SARHead", "enc_dim": 4, "d_k": 3, "max_text_length": 3}, task="rec", in_channels=6,
                       num_classes=decode.num_classes)
    assert {name: head.state_dict()[name].shape[axis] for name, (axis, _) in head.class_axes().items()} == {
        "decoder.embedding.weight": 39, "decoder.prediction.weight": 38, "decoder.prediction.bias": 38}
    head.eval()
    assert len(decode({"probs": head(paddle.to_tensor(MAP))["probs"].numpy()})) == 2


@pytest.mark.parametrize("targets", [None, {}, {"label": np.array([6, 6])}, {"label": np.array([[6]])}])
def test_labels_are_needed_while_training(targets: dict[str, Any] | None) -> None:
    given = None if targets is None else {key: paddle.to_tensor(value) for key, value in targets.items()}
    with pytest.raises(TrainingError, match="SARHead gets"):
        build()(paddle.to_tensor(MAP), given)


def test_a_sequence_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"shape \[2, 5, 6\]"):
        build()(paddle.zeros([2, 5, 6]))


def test_a_saved_program_reads_the_same(tmp_path: Path) -> None:
    head = build()
    head.eval()
    spec = [paddle.static.InputSpec([None, 6, 2, None], "float32", "x")]
    paddle.jit.save(head, str(tmp_path / "head"), input_spec=spec)
    found = paddle.jit.load(str(tmp_path / "head"))(paddle.to_tensor(MAP))
    found = found[0] if isinstance(found, (list, tuple)) else found
    np.testing.assert_allclose(found.numpy(), head(paddle.to_tensor(MAP))["probs"].numpy(), atol=1e-6)
