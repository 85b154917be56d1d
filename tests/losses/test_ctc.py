"""CTC loss against the forward algorithm written in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import ConfigError
from ppocr.losses import build_loss
from ppocr.losses.ctc import steps_needed


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def reference_loss(logits: np.ndarray, text: list[int]) -> float:
    """Negative log of the summed probability of all alignments, by the forward recursion over the blank-padded text."""
    log_probs = log_softmax(logits.astype(np.float64))
    states = [0]
    for symbol in text:
        states += [symbol, 0]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = log_probs[0, states[:2]]
    for frame in log_probs[1:]:
        previous = alpha.copy()
        for index, symbol in enumerate(states):
            reach = [previous[index]]
            if index >= 1:
                reach.append(previous[index - 1])
            if index >= 2 and symbol not in (0, states[index - 2]):
                reach.append(previous[index - 2])
            alpha[index] = np.logaddexp.reduce(reach) + frame[symbol]
    return float(-np.logaddexp.reduce(alpha[-2:]))


def make_batch(texts: list[list[int]], width: int = 6) -> dict[str, Any]:
    label = np.zeros((len(texts), width), dtype=np.int64)
    for row, text in zip(label, texts, strict=True):
        row[: len(text)] = text
    return {"label": paddle.to_tensor(label), "length": paddle.to_tensor([len(text) for text in texts])}


TEXTS = [[1, 2, 3], [1, 1], [4], [2, 2, 1, 3]]
LOGITS = np.random.default_rng(0).normal(0, 2, (4, 8, 5)).astype(np.float32)
EXPECTED = [reference_loss(logits, text) for logits, text in zip(LOGITS, TEXTS, strict=True)]


def test_value_is_the_mean_of_the_forward_algorithm() -> None:
    value = build_loss({"name": "CTCLoss"})({"logits": paddle.to_tensor(LOGITS)}, make_batch(TEXTS))
    assert set(value) == {"loss"}
    np.testing.assert_allclose(float(value["loss"]), np.mean(EXPECTED), rtol=1e-5)


def test_value_by_hand() -> None:
    # Two steps, probabilities 0.5 blank, 0.25 each for two symbols; "1" has the paths 11, -1, 1-.
    logits = paddle.log(paddle.to_tensor([[[0.5, 0.25, 0.25]] * 2]))
    value = build_loss({"name": "CTCLoss"})({"logits": logits}, make_batch([[1]], width=1))
    np.testing.assert_allclose(float(value["loss"]), -np.log(0.0625 + 0.125 + 0.125), rtol=1e-6)


def test_focal_variant_weighs_each_sample() -> None:
    loss = build_loss({"name": "CTCLoss", "use_focal_loss": True})
    value = loss({"logits": paddle.to_tensor(LOGITS)}, make_batch(TEXTS))
    losses = np.array(EXPECTED)
    np.testing.assert_allclose(float(value["loss"]), np.mean(losses * (1 - np.exp(-losses)) ** 2), rtol=1e-5)


def test_gradient_agrees_with_finite_differences() -> None:
    logits = paddle.to_tensor(LOGITS[:2], stop_gradient=False)
    build_loss({"name": "CTCLoss"})({"logits": logits}, make_batch(TEXTS[:2]))["loss"].backward()
    for sample, step, symbol in [(0, 0, 0), (0, 3, 2), (1, 7, 1), (1, 2, 4)]:
        higher, lower = LOGITS[sample].astype(np.float64), LOGITS[sample].astype(np.float64)
        higher[step, symbol] += 1e-5
        lower[step, symbol] -= 1e-5
        slope = (reference_loss(higher, TEXTS[sample]) - reference_loss(lower, TEXTS[sample])) / 2e-5
        np.testing.assert_allclose(logits.grad.numpy()[sample, step, symbol], slope / 2, rtol=1e-3, atol=1e-6)


def test_text_that_cannot_be_aligned_adds_nothing_and_gradients_are_finite() -> None:
    # "11" needs three steps because of the blank between equal neighbours.
    logits = paddle.to_tensor(LOGITS[:2, :2], stop_gradient=False)
    value = build_loss({"name": "CTCLoss"})({"logits": logits}, make_batch([[1, 1], [1, 2]]))
    value["loss"].backward()
    np.testing.assert_allclose(float(value["loss"]), reference_loss(LOGITS[1, :2], [1, 2]) / 2, rtol=1e-5)
    gradient = logits.grad.numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).any()


def test_padding_of_any_value_after_the_text_does_not_matter() -> None:
    batch = make_batch(TEXTS)
    label = batch["label"].numpy()
    label[0, 3:] = 4
    loss = build_loss({"name": "CTCLoss"})
    changed = loss({"logits": paddle.to_tensor(LOGITS)}, {**batch, "label": paddle.to_tensor(label)})
    np.testing.assert_allclose(float(changed["loss"]), np.mean(EXPECTED), rtol=1e-5)


def test_result_is_float32_for_half_precision_logits() -> None:
    value = build_loss({"name": "CTCLoss"})({"logits": paddle.to_tensor(LOGITS).astype("float16")}, make_batch(TEXTS))
    assert value["loss"].dtype == paddle.float32
    np.testing.assert_allclose(float(value["loss"]), np.mean(EXPECTED), rtol=2e-3)


def test_steps_needed() -> None:
    batch = make_batch([[1, 2, 3], [1, 1, 1], [], [2]])
    assert steps_needed(batch["label"], batch["length"]).tolist() == [3, 5, 0, 1]
    assert steps_needed(batch["label"][:, :1], batch["length"].clip(max=1)).tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("outputs", "batch", "message"),
    [
        ({"probs": 1}, make_batch(TEXTS), "CTCLoss needs the output 'logits', the network gives probs"),
        ({"logits": paddle.to_tensor(LOGITS)}, {"label": paddle.zeros([4, 1])}, "'length', the batch holds label"),
    ],
)
def test_missing_inputs_are_named(outputs: dict[str, Any], batch: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss({"name": "CTCLoss"})(outputs, batch)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "CTCLos"}, "did you mean 'CTCLoss'"),
        ({"name": "CTCLoss", "use_focal": True}, "no argument 'use_focal'.*did you mean 'use_focal_loss'"),
        ({"name": "CTCLoss", "use_focal_loss": 3}, "wrong type"),
    ],
)
def test_mistakes_in_the_section(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(section)
