from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset, attention_codec
from ppocr.errors import ConfigError, TrainingError
from ppocr.registry import HEADS


def build(section: dict[str, Any], task: str = "rec", **context: Any) -> Any:
    paddle.seed(0)
    return HEADS.build(section, task=task, in_channels=6, **{"num_classes": 5, "max_text_length": 3, **context})


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@pytest.mark.parametrize("section", [{"name": "CTCHead"}, {"name": "CTCHead", "mid_channels": 4},
                                     {"name": "CTCHead", "use_guide": True}])
def test_ctc_head(section: dict[str, Any]) -> None:
    head = build(section)
    x = paddle.rand([2, 7, 6])
    logits = head(x)["logits"]
    assert list(logits.shape) == [2, 7, 5]
    head.eval()
    probs = head(x)["probs"].numpy()
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-6)
    if not section.get("use_guide"):  # Its batch norms differ between the modes.
        np.testing.assert_allclose(probs, softmax(logits.numpy(), -1), atol=1e-6)


def test_ctc_head_start_and_decay() -> None:
    head = build({"name": "CTCHead", "fc_decay": "4e-5", "mid_channels": 100})
    assert np.abs(head.fc1.weight.numpy()).max() <= 6**-0.5
    assert np.abs(head.fc2.weight.numpy()).max() <= 0.1
    assert all(value.regularizer is not None for value in head.parameters())


def test_ctc_head_returns_features_while_training() -> None:
    head = build({"name": "CTCHead", "return_feats": True, "mid_channels": 4})
    outputs = head(paddle.rand([2, 7, 6]))
    expected = outputs["feats"].numpy() @ head.fc2.weight.numpy() + head.fc2.bias.numpy()
    np.testing.assert_allclose(outputs["logits"].numpy(), expected, atol=1e-6)
    head.eval()
    assert set(head(paddle.rand([2, 7, 6]))) == {"probs"}


def test_cls_head_averages_the_map() -> None:
    head = build({"name": "ClsHead"}, task="cls", num_classes=3)
    x = np.random.default_rng(0).normal(size=(2, 6, 2, 4)).astype(np.float32)
    expected = x.mean((2, 3)) @ head.fc.weight.numpy() + head.fc.bias.numpy()
    np.testing.assert_allclose(head(paddle.to_tensor(x))["logits"].numpy(), expected, atol=1e-6)
    head.eval()
    np.testing.assert_allclose(head(paddle.to_tensor(x))["probs"].numpy(), softmax(expected, 1), atol=1e-6)


def test_cls_head_and_post_processing_must_agree() -> None:
    with pytest.raises(ConfigError, match="class_dim is 2, PostProcess names 4"):
        build({"name": "ClsHead", "class_dim": 2}, task="cls", num_classes=4)


def numpy_step(head: Any, state: np.ndarray, features: np.ndarray,
               previous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of the decoder: additive attention (Bahdanau et al. 2014), then a GRU."""
    value = {name: tensor.numpy() for name, tensor in head.attention_cell.named_parameters()}
    energy = np.tanh(features @ value["i2h.weight"] + (state @ value["h2h.weight"] + value["h2h.bias"])[:, None])
    weights = softmax(energy @ value["score.weight"], 1)
    x = np.concatenate([(weights * features).sum(1), previous], 1)
    xr, xz, xc = np.split(x @ value["rnn.weight_ih"].T + value["rnn.bias_ih"], 3, 1)
    hr, hz, hc = np.split(state @ value["rnn.weight_hh"].T + value["rnn.bias_hh"], 3, 1)
    update = sigmoid(xz + hz)
    return update * state + (1 - update) * np.tanh(xc + sigmoid(xr + hr) * hc), weights


def test_attention_step_matches_numpy() -> None:
    head = build({"name": "AttentionHead", "hidden_size": 4})
    rng = np.random.default_rng(0)
    state, features = rng.normal(size=(2, 4)).astype(np.float32), rng.normal(size=(2, 7, 6)).astype(np.float32)
    previous = np.eye(5, dtype=np.float32)[[0, 3]]
    tensor = paddle.to_tensor(features)
    found, weights = head.attention_cell(paddle.to_tensor(state), tensor, head.attention_cell.i2h(tensor),
                                         paddle.to_tensor(previous))
    expected, expected_weights = numpy_step(head, state, features, previous)
    np.testing.assert_allclose(weights.numpy(), expected_weights, atol=1e-6)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_attention_head_forces_labels_while_training_and_reads_itself_in_evaluation() -> None:
    head = build({"name": "AttentionHead", "hidden_size": 4})
    features = np.random.default_rng(0).normal(size=(1, 7, 6)).astype(np.float32)

    def rollout(choose: Any) -> np.ndarray:
        state, previous, scores = np.zeros((1, 4)), 0, []
        for step in range(4):
            state, _ = numpy_step(head, state, features, np.eye(5)[[previous]])
            scores.append(state[0] @ head.generator.weight.numpy() + head.generator.bias.numpy())
            previous = choose(step, scores[-1])
        return np.array(scores)

    label = np.array([[0, 2, 3, 4, 0]])
    logits = head(paddle.to_tensor(features), {"label": paddle.to_tensor(label)})["logits"].numpy()[0]
    np.testing.assert_allclose(logits, rollout(lambda step, _: label[0, step + 1]), atol=1e-5)
    head.eval()
    probs = head(paddle.to_tensor(features))["probs"].numpy()[0]
    np.testing.assert_allclose(probs, softmax(rollout(lambda _, scores: int(scores.argmax())), 1), atol=1e-5)


def test_attention_head_gradients_and_classes() -> None:
    classes = attention_codec(Charset.default()).num_classes
    head = build({"name": "AttentionHead", "hidden_size": 8}, num_classes=classes)
    label = paddle.randint(1, classes, [2, 5])
    outputs = head(paddle.randn([2, 7, 6]), {"label": label})["logits"]
    assert list(outputs.shape) == [2, 4, 38]
    outputs.square().mean().backward()
    assert all(np.any(value.grad.numpy()) for value in head.parameters())


@pytest.mark.parametrize("targets", [None, {}, {"label": np.zeros((1, 3), np.int64)}])
def test_attention_head_needs_labels(targets: dict[str, Any] | None) -> None:
    head = build({"name": "AttentionHead", "hidden_size": 4})
    given = None if targets is None else {key: paddle.to_tensor(value) for key, value in targets.items()}
    with pytest.raises(TrainingError, match="at least 4"):
        head(paddle.rand([1, 7, 6]), given)


@pytest.mark.parametrize("section", [{"name": "CTCHead"}, {"name": "AttentionHead", "hidden_size": 4}])
def test_sequence_heads_refuse_maps(section: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="SequenceEncoder"):
        build(section)(paddle.rand([1, 6, 1, 7]))


def test_missing_and_unknown_arguments() -> None:
    with pytest.raises(ConfigError, match="needs the argument 'hidden_size'"):
        build({"name": "AttentionHead"})
    with pytest.raises(ConfigError, match="did you mean 'fc_decay'"):
        build({"name": "CTCHead", "fc_deacy": 1e-5})
