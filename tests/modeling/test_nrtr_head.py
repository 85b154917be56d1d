"""The transformer decoder against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset, nrtr_codec
from ppocr.errors import ConfigError, TrainingError
from ppocr.losses import build_loss
from ppocr.modeling.heads.nrtr_head import sinusoids
from ppocr.postprocess import build_postprocess
from ppocr.registry import HEADS

RNG = np.random.default_rng(0)
MAP = RNG.normal(size=(2, 6, 1, 5)).astype(np.float32)
LABEL = np.array([[2, 5, 6, 3, 0, 0, 0], [2, 4, 7, 7, 3, 0, 0]])


def build(**options: Any) -> Any:
    paddle.seed(0)
    section = {"name": "NRTRHead", "nrtr_dim": 64, "num_decoder_layers": 2, **options}
    head = HEADS.build(section, task="rec", in_channels=6, num_classes=8, max_text_length=4)
    for layer in head.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
    return head


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def norm(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ w[f"{name}.weight"] + w.get(f"{name}.bias", 0.0)


def attention(query: np.ndarray, key: np.ndarray, value: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Heads of 32 channels, one by one."""
    parts = []
    for first in range(0, query.shape[-1], 32):
        part = slice(first, first + 32)
        products = query[:, part] @ key[:, part].T / 32**0.5
        parts.append(softmax(np.where(allowed, products, -np.inf)) @ value[:, part])
    return np.concatenate(parts, -1)


def scores(head: Any, image: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """The scores after each symbol of one text: [T, V]."""
    w = {name: value.numpy().astype(np.float64) for name, value in head.state_dict().items()}
    memory = image.reshape(len(image), -1).T @ w["before_gtc.1.fc.weight"]
    memory = memory + w.get("before_gtc.2.dec_pos_embed", np.zeros((1, 80, 1)))[0, : len(memory)]
    dim, steps = memory.shape[1], len(symbols)
    positions = np.arange(steps)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    x = w["gtc_head.embedding.embedding.weight"][symbols] * dim**0.5
    x = x + np.stack([np.sin(positions), np.cos(positions)], -1).reshape(steps, dim)
    for layer in range(2):
        at = f"gtc_head.decoder.{layer}"
        query, key, value = np.split(linear(x, w, f"{at}.self_attn.qkv"), 3, -1)
        mixed = attention(query, key, value, np.tri(steps, dtype=bool))
        x = norm(x + linear(mixed, w, f"{at}.self_attn.out_proj"), w, f"{at}.norm1")
        key, value = np.split(linear(memory, w, f"{at}.cross_attn.kv"), 2, -1)
        mixed = attention(linear(x, w, f"{at}.cross_attn.q"), key, value, np.True_)
        x = norm(x + linear(mixed, w, f"{at}.cross_attn.out_proj"), w, f"{at}.norm2")
        hidden = np.maximum(linear(x, w, f"{at}.mlp.fc1"), 0)
        x = norm(x + linear(hidden, w, f"{at}.mlp.fc2"), w, f"{at}.norm3")
    return x @ w["gtc_head.tgt_word_prj.weight"]


def test_position_encoding_by_hand() -> None:
    table = sinusoids(3, 4)
    np.testing.assert_allclose(table[0], [0, 1, 0, 1])
    np.testing.assert_allclose(table[2], [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)], rtol=1e-6)


@pytest.mark.parametrize("use_pos", [False, True])
def test_forced_scores_match_numpy(use_pos: bool) -> None:
    head = build(use_pos=use_pos)
    logits = head(paddle.to_tensor(MAP), {"label": paddle.to_tensor(LABEL)})["logits"].numpy()
    # The longest text has three characters, begin and end; a score follows each of them but the end.
    assert logits.shape == (2, 4, 9)
    for sample in range(2):
        np.testing.assert_allclose(logits[sample], scores(head, MAP[sample], LABEL[sample, :4]), atol=2e-5)


@pytest.mark.parametrize("use_pos", [False, True])
def test_evaluation_reads_its_own_symbols(use_pos: bool) -> None:
    head = build(use_pos=use_pos)
    head.eval()
    probs = head(paddle.to_tensor(MAP))["probs"].numpy()
    assert probs.shape == (2, 4, 9)
    for sample in range(2):
        symbols = [2]
        for _ in range(4):
            symbols.append(int(scores(head, MAP[sample], np.array(symbols))[-1].argmax()))
        expected = softmax(scores(head, MAP[sample], np.array(symbols[:4])))
        np.testing.assert_allclose(probs[sample], expected, atol=1e-5)


def test_every_place_of_a_map_is_remembered() -> None:
    head = build()
    head.eval()
    image = RNG.normal(size=(1, 6, 2, 3)).astype(np.float32)
    probs = head(paddle.to_tensor(image))["probs"].numpy()
    np.testing.assert_allclose(probs[0, 0], softmax(scores(head, image[0], np.array([2])))[0], atol=1e-5)


def test_one_step_of_training_reaches_every_parameter() -> None:
    head = build(use_pos=True)
    label = paddle.to_tensor(LABEL)
    loss = build_loss({"name": "NRTRLoss"})(head(paddle.to_tensor(MAP), {"label": label}), {"label": label})["loss"]
    loss.backward()
    silent = [name for name, value in head.named_parameters() if value.grad is None or not np.any(value.grad.numpy())]
    assert silent == []


def test_classes_are_those_of_the_decoder_and_one_that_is_not_used() -> None:
    charset = Charset.default()
    decode = build_postprocess({"name": "NRTRLabelDecode"}, charset=charset)
    head = HEADS.build({"name": "NRTRHead", "nrtr_dim": 32, "num_decoder_layers": 1}, task="rec", in_channels=6,
                       num_classes=decode.num_classes, max_text_length=3)
    assert {name: head.state_dict()[name].shape[axis] for name, (axis, _) in head.class_axes().items()} == {
        "gtc_head.embedding.embedding.weight": 41, "gtc_head.tgt_word_prj.weight": 41}
    assert {kind for _, kind in head.class_axes().values()} == {"nrtr"}
    assert nrtr_codec(charset).num_classes == 40
    head.eval()
    assert len(decode({"probs": head(paddle.to_tensor(MAP))["probs"].numpy()})) == 2


def test_padding_has_no_embedding_and_the_table_is_stored() -> None:
    head = build()
    assert not head.gtc_head.embedding.embedding.weight.numpy()[0].any()
    assert head.state_dict()["gtc_head.positional_encoding.pe"].shape == [5000, 1, 64]


@pytest.mark.parametrize("targets", [None, {}, {"label": np.array([2, 3])}, {"label": np.array([[2]])}])
def test_labels_are_needed_while_training(targets: dict[str, Any] | None) -> None:
    given = None if targets is None else {key: paddle.to_tensor(value) for key, value in targets.items()}
    with pytest.raises(TrainingError, match="NRTRHead gets"):
        build()(paddle.to_tensor(MAP), given)


@pytest.mark.parametrize("dim", [0, 16, 100])
def test_width_is_a_multiple_of_the_heads(dim: int) -> None:
    with pytest.raises(ConfigError, match=f"nrtr_dim is {dim}"):
        build(nrtr_dim=dim)


def test_more_places_than_learned_positions() -> None:
    head = build(use_pos=True)
    head.eval()
    with pytest.raises(ConfigError, match="has 81 places"):
        head(paddle.zeros([1, 6, 1, 81]))


def test_a_saved_program_reads_the_same(tmp_path: Path) -> None:
    head = build()
    head.eval()
    spec = [paddle.static.InputSpec([None, 6, 1, None], "float32", "x")]
    paddle.jit.save(head, str(tmp_path / "head"), input_spec=spec)
    found = paddle.jit.load(str(tmp_path / "head"))(paddle.to_tensor(MAP))
    found = found[0] if isinstance(found, (list, tuple)) else found
    np.testing.assert_allclose(found.numpy(), head(paddle.to_tensor(MAP))["probs"].numpy(), atol=1e-6)
