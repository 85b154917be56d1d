"""A CTC head with a second head that guides it: outputs, gradients, mistakes in the configuration, export."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.charset import Charset, ctc_codec, nrtr_codec, sar_codec
from ppocr.data.transforms.label_encode import MultiLabelEncode
from ppocr.errors import ConfigError, TrainingError
from ppocr.losses import build_loss
from ppocr.modeling import build_model
from ppocr.registry import HEADS
from tests.modeling.sections import SMALL

CHARSET = Charset(tuple("abcde"))
CLASSES = ctc_codec(CHARSET).num_classes
SVTR_NECK = {"name": "svtr", "dims": 8, "depth": 1, "hidden_dims": 8, "kernel_size": [1, 3]}
LIGHT_NECK = {"name": "lightsvtr", "dims": 8, "depth": 1, "local_kernel": 3}
NRTR = {"NRTRHead": {"nrtr_dim": 32, "num_decoder_layers": 1}}
SAR = {"SARHead": {"enc_dim": 4, "d_k": 3}}
GUIDES: dict[str, tuple[dict[str, Any], str, int]] = {
    # section, name of its outputs and labels, classes that it predicts
    "NRTRHead": (NRTR, "gtc", nrtr_codec(CHARSET).num_classes + 1),
    "SARHead": (SAR, "sar", sar_codec(CHARSET).num_classes - 1),
}


def ctc(neck: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"CTCHead": {"Neck": neck, "Head": {"fc_decay": "1e-5", **head}}}


def build(*heads: dict[str, Any], in_channels: int = 16, **options: Any) -> Any:
    paddle.seed(0)
    return HEADS.build({"name": "MultiHead", "head_list": list(heads), **options}, task="rec", in_channels=in_channels,
                       num_classes=CLASSES, max_text_length=6)


def batch(guide: str | None = None) -> dict[str, Any]:
    """Return the labels of two texts as the loader gives them."""
    encode = MultiLabelEncode(CHARSET, 6, gtc_encode="NRTRLabelEncode" if guide == "NRTRHead" else None)
    samples = [encode({"label": text}) for text in ("ab", "dde")]
    names = [name for name in samples[0] if name.startswith("label_")] + ["length"]
    arrays = {name: paddle.to_tensor(np.stack([np.asarray(sample[name]) for sample in samples])) for name in names}
    return {**arrays, "valid_ratio": paddle.to_tensor([1.0, 0.5])}


def features(steps: int = 9) -> Any:
    paddle.seed(1)
    return paddle.randn([2, 16, 1, steps])


@pytest.mark.parametrize("guide", GUIDES)
def test_outputs(guide: str) -> None:
    section, prefix, classes = GUIDES[guide]
    head = build(ctc(SVTR_NECK), section)
    outputs = head(features(), batch(guide))
    # The longest text has three characters, each of which and the end are predicted.
    assert {name: list(value.shape) for name, value in outputs.items()} == {
        "logits": [2, 9, CLASSES], "ctc_logits": [2, 9, CLASSES], f"{prefix}_logits": [2, 4, classes]}
    assert outputs["logits"] is outputs["ctc_logits"]
    assert set(head.target_keys) <= set(batch(guide))
    head.eval()
    x = features()
    probs = head(x)
    assert set(probs) == {"probs"}
    np.testing.assert_array_equal(probs["probs"].numpy(), head.ctc_head(head.ctc_encoder(x))["probs"].numpy())


def test_a_ctc_head_alone_needs_no_labels() -> None:
    head = build(ctc({"name": "reshape"}, mid_channels=4, return_feats=True))
    assert head.target_keys == ()
    assert {name: list(value.shape) for name, value in head(features()).items()} == {
        "logits": [2, 9, CLASSES], "feats": [2, 9, 4], "ctc_logits": [2, 9, CLASSES], "ctc_feats": [2, 9, 4]}


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("part", [ctc({**SVTR_NECK, "use_guide": True}), ctc({**LIGHT_NECK, "use_guide": True}),
                                  ctc({"name": "reshape"}, use_guide=True)], ids=["svtr", "lightsvtr", "head"])
def test_with_use_guide_the_second_head_alone_trains_the_backbone(part: dict[str, Any], guide: str) -> None:
    section, prefix, _ = GUIDES[guide]
    head = build(part, section)
    x = features()
    x.stop_gradient = False
    outputs = head(x, batch(guide))
    outputs["ctc_logits"].square().sum().backward(retain_graph=True)
    assert x.grad is None or not np.any(x.grad.numpy())
    outputs[f"{prefix}_logits"].square().sum().backward()
    assert np.any(x.grad.numpy())


@pytest.mark.parametrize(("parts", "flows"), [
    ([ctc(SVTR_NECK), NRTR], True),
    ([ctc({**LIGHT_NECK, "use_guide": False}), NRTR], True),
    # Nothing else would train the backbone.
    ([ctc({**SVTR_NECK, "use_guide": True})], True),
    ([ctc({"name": "reshape"}, use_guide=True, mid_channels=4)], True),
    ([ctc({**SVTR_NECK, "use_guide": True}), NRTR], False),
])
def test_gradient_of_the_ctc_loss(parts: list[dict[str, Any]], flows: bool) -> None:
    head = build(*parts)
    x = features()
    x.stop_gradient = False
    head(x, batch("NRTRHead"))["ctc_logits"].square().sum().backward()
    assert (x.grad is not None and bool(np.any(x.grad.numpy()))) is flows


def test_the_guide_layers_stay_when_no_second_head_exists() -> None:
    alone, guided = (build(ctc({"name": "reshape"}, use_guide=True), *others) for others in ([], [NRTR]))
    names = set(alone.state_dict())
    assert "ctc_head.guide_layer.0.weight" in names
    assert names == {name for name in guided.state_dict() if name.startswith("ctc_")}


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("use_guide", [True, False])
def test_one_step_trains_every_parameter(guide: str, use_guide: bool) -> None:
    section, _, classes = GUIDES[guide]
    architecture = {"model_type": "rec", "Backbone": SMALL, "Head": {
        "name": "MultiHead", "head_list": [ctc({**SVTR_NECK, "use_guide": use_guide}), section]}}
    paddle.seed(0)
    model = build_model(architecture, num_classes=CLASSES, max_text_length=6)
    before = {name: value.numpy().copy() for name, value in model.named_parameters()}
    entries = [{"CTCLoss": None}, {guide.replace("Head", "Loss"): None}]
    loss = build_loss({"name": "MultiLoss", "loss_config_list": entries})
    optimizer = paddle.optimizer.Adam(0.01, parameters=model.parameters())
    losses = loss(model(paddle.randn([2, 3, 32, 64]), batch(guide)), batch(guide))
    assert float(losses["CTCLoss"]) > 0
    np.testing.assert_allclose(float(losses[entries[1].popitem()[0]]), np.log(classes), rtol=0.5)
    losses["loss"].backward()
    optimizer.step()
    still = [name for name, value in model.named_parameters() if np.array_equal(value.numpy(), before[name])]
    # A bias before a softmax over all places changes nothing.
    assert [name for name in still if name != "head.sar_head.decoder.conv1x1_2.bias"] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_class_axes_are_as_long_as_the_codecs(guide: str) -> None:
    head = build(ctc(SVTR_NECK), GUIDES[guide][0])
    state = head.state_dict()
    found = {name: (state[name].shape[axis], kind) for name, (axis, kind) in head.class_axes().items()}
    second = {
        "NRTRHead": {"gtc_head.embedding.embedding.weight": (10, "nrtr"), "gtc_head.tgt_word_prj.weight": (10, "nrtr")},
        "SARHead": {"sar_head.decoder.embedding.weight": (8, "sar"), "sar_head.decoder.prediction.weight": (7, "sar"),
                    "sar_head.decoder.prediction.bias": (7, "sar")},
    }
    assert found == {"ctc_head.fc.weight": (6, "ctc"), "ctc_head.fc.bias": (6, "ctc"), **second[guide]}
    two_layers = build(ctc({"name": "reshape"}, mid_channels=4)).class_axes()
    assert two_layers == {"ctc_head.fc2.weight": (1, "ctc"), "ctc_head.fc2.bias": (0, "ctc")}


@pytest.mark.parametrize("tokens", [False, True])
def test_pooling_of_a_map_of_three_rows(tokens: bool) -> None:
    head = build(ctc({"name": "reshape"}), NRTR, use_pool=True, use_pos=True)
    assert head.before_gtc[2].dec_pos_embed.shape == [1, 80, 32]
    image = np.random.default_rng(0).normal(size=(2, 16, 3, 8)).astype(np.float32)
    given = paddle.to_tensor(image.reshape(2, 16, 24).transpose(0, 2, 1) if tokens else image)
    logits = head(given, batch("NRTRHead"))["ctc_logits"].numpy()
    pooled = image.reshape(2, 16, 3, 4, 2).mean((2, 4)).transpose(0, 2, 1)
    expected = pooled @ head.ctc_head.fc.weight.numpy() + head.ctc_head.fc.bias.numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [[2, 16, 1, 8], [2, 23, 16], [2, 16]])
def test_pooling_needs_three_rows(shape: list[int]) -> None:
    with pytest.raises(ConfigError, match="a map of 3 rows"):
        build(ctc({"name": "reshape"}), use_pool=True)(paddle.zeros(shape))


def test_a_map_of_several_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="MultiHead gets features"):
        build(ctc({"name": "reshape"}))(paddle.zeros([2, 16, 2, 8]))


@pytest.mark.parametrize(("guide", "key"), [("NRTRHead", "label_gtc"), ("SARHead", "label_sar")])
def test_labels_of_the_second_head_are_needed(guide: str, key: str) -> None:
    head = build(ctc(SVTR_NECK), GUIDES[guide][0])
    with pytest.raises(TrainingError, match=f"{guide} gets no labels") as caught:
        head(features(), {})
    assert key in caught.value.cure


@pytest.mark.parametrize(("heads", "options", "message"), [
    ([], {}, "has no CTCHead"),
    ([NRTR], {}, "has no CTCHead"),
    ([ctc(SVTR_NECK), {"NRTRHed": {}}], {}, "no head 'NRTRHed' .did you mean 'NRTRHead'"),
    ([ctc(SVTR_NECK), {"AttentionHead": {}}], {}, "no head 'AttentionHead'"),
    ([ctc(SVTR_NECK), ctc(SVTR_NECK)], {}, "CTCHead stands in head_list twice"),
    ([ctc(SVTR_NECK), NRTR, SAR], {}, "has 3 heads"),
    ([ctc({"name": "svtrr"})], {}, "no sequence encoder named 'svtrr' .did you mean 'svtr'"),
    ([ctc({})], {}, "does not name its sequence encoder"),
    ([{"CTCHead": None}], {}, "does not name its sequence encoder"),
    ([ctc({"name": "svtr", "dim": 8})], {}, "svtr has no argument 'dim' .did you mean 'dims'"),
    ([ctc({"name": "reshape", "dims": 8})], {}, "reshape has no argument 'dims'"),
    ([ctc(SVTR_NECK, mid_channel=4)], {}, "CTCHead has no argument 'mid_channel' .did you mean 'mid_channels'"),
    ([{"CTCHead": {"Neck": SVTR_NECK, "fc_decay": 1e-5}}], {}, "CTCHead in MultiHead has no key 'fc_decay'"),
    ([{"CTCHead": {"Neck": "svtr"}}], {}, "Neck is 'svtr'"),
    ([ctc(SVTR_NECK), {"NRTRHead": {"nrtr_dims": 32}}], {}, "did you mean 'nrtr_dim'"),
    ([ctc(SVTR_NECK), {"NRTRHead": {"nrtr_dim": 100}}], {}, "nrtr_dim is 100"),
    ([ctc(SVTR_NECK), {"SARHead": {"enc_gru": True}}], {}, "SARHead has no argument 'enc_gru'"),
    ([ctc(SVTR_NECK), SAR], {"use_pos": True}, "use_pos is true, the second head is SARHead"),
    (["CTCHead"], {}, "wrong type"),
])
def test_mistakes(heads: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(*heads, **options)


def test_sections_stay_as_they_are() -> None:
    parts = [ctc({**SVTR_NECK, "use_guide": True}), copy.deepcopy(NRTR)]
    before = copy.deepcopy(parts)
    build(*parts)
    build(parts[0])
    assert parts == before


@pytest.mark.parametrize("guide", GUIDES)
def test_a_saved_program_holds_the_ctc_path_alone(guide: str, tmp_path: Path) -> None:
    head = build(ctc({**SVTR_NECK, "use_guide": True}), GUIDES[guide][0])
    head.eval()
    spec = [paddle.static.InputSpec([None, 16, 1, None], "float32", "x")]
    paddle.jit.save(head, str(tmp_path / "head"), input_spec=spec)
    program = paddle.jit.load(str(tmp_path / "head"))
    names = [name for name in head.state_dict() if name.startswith("ctc_")]
    assert len(program.state_dict()) == len(names) < len(head.state_dict())
    found = program(features(13))
    found = found[0] if isinstance(found, (list, tuple)) else found
    np.testing.assert_allclose(found.numpy(), head(features(13))["probs"].numpy(), atol=1e-6)
