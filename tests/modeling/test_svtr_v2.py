"""SVTRv2 and RepSVTR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from ppocr.errors import ConfigError
from ppocr.modeling.backbones import rep_svtr
from ppocr.modeling.backbones.pplcnet_v4 import Stage
from ppocr.modeling.backbones.svtr_v2 import MapBlock
from ppocr.modeling.common.reparam import reparameterize
from ppocr.registry import BACKBONES
from tests.modeling.programs import program_difference, settle, silent_parameters
from tests.shared_files import SHARED, needs_shared

V2 = {"name": "SVTRv2", "dims": [8, 16, 24], "num_heads": [2, 4, 4], "depths": [1, 2, 1],
      "mixer": [["Conv"], ["Conv", "Global"], ["Global"]], "sub_k": [[2, 1], [2, 1], [-1, -1]], "use_pool": True,
      "drop_path_rate": 0.0}


def build(section: dict[str, Any], task: str = "rec", **others: Any) -> Any:
    paddle.seed(0)
    return BACKBONES.build({**section, **others}, task=task, in_channels=3)


@pytest.mark.parametrize(("options", "size", "shape"), [
    ({}, (48, 320), [24, 1, 40]),
    ({}, (48, 64), [24, 1, 8]),
    ({"use_pool": False}, (48, 64), [24, 3, 16]),
    ({"use_pool": False, "sub_k": [[1, 1], [2, 1], [1, 1]]}, (32, 64), [24, 4, 16]),
    ({"use_pool": False, "last_stage": True, "out_channels": 12, "out_char_num": 9}, (48, 64), [12, 1, 9]),
    ({"use_pos_embed": True, "max_sz": [48, 128]}, (48, 64), [24, 1, 8]),
])
def test_map_of_svtr_v2(options: dict[str, Any], size: tuple[int, int], shape: list[int]) -> None:
    backbone = build(V2, **options)
    backbone.eval()
    with paddle.no_grad():
        assert list(backbone(paddle.rand([2, 3, *size])).shape) == [2, *shape]
    assert backbone.out_channels == shape[0]
    backbone.train()
    assert list(backbone(paddle.rand([2, 3, *size])).shape) == [2, *shape]


def test_defaults_are_the_smallest_of_the_paper() -> None:
    backbone = build({"name": "SVTRv2"})
    kinds = ["".join("C" if block.mixes_neighbours else "G" for block in stage.blocks) for stage in backbone.stages]
    assert kinds == ["CCC", "CCCGGG", "GGG"]
    backbone.eval()
    with paddle.no_grad():
        assert list(backbone(paddle.rand([1, 3, 32, 128])).shape) == [1, 256, 4, 32]


def test_one_width_after_another_does_not_matter_to_local_blocks() -> None:
    backbone = build(V2, mixer=[["Conv"], ["Conv", "Conv"], ["Conv"]], local_k=[[5, 5], [3, 5], [1, 3]], use_pool=False)
    backbone.eval()
    image = paddle.rand([1, 3, 48, 256])
    with paddle.no_grad():
        whole, part = backbone(image).numpy(), backbone(image[:, :, :, :128]).numpy()
    # A place far from the cut sees the same neighbours.
    np.testing.assert_allclose(part[..., :16], whole[..., :16], atol=1e-5)
    assert np.abs(part[..., -1] - whole[..., 31]).max() > 1e-3


def test_a_block_of_attention_sees_the_whole_map() -> None:
    paddle.seed(0)
    near, far = MapBlock(8, 2, "Conv", [3, 3]), MapBlock(8, 2, "Global", [-1, -1])
    x = paddle.rand([1, 8, 4, 6])
    other = x.clone()
    other[0, :, 3, 5] = 0.7 * paddle.arange(8, dtype="float32")
    with paddle.no_grad():
        moved = [np.abs((block(x) - block(other)).numpy()).max(axis=(0, 1)) > 1e-7 for block in (near, far)]
    expected = np.zeros((4, 6), bool)
    expected[2:, 4:] = True
    np.testing.assert_array_equal(moved[0], expected)
    assert moved[1].all()


def test_stochastic_depth_grows_linearly() -> None:
    backbone = build(V2, drop_path_rate=0.3)
    rates = [block.drop_path.rate for stage in backbone.stages for block in stage.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("options", [{}, {"use_pos_embed": True, "max_sz": [48, 64]},
                                     {"use_pool": False, "last_stage": True}])
def test_gradient_reaches_every_parameter_of_svtr_v2(options: dict[str, Any]) -> None:
    assert silent_parameters(build(V2, **options), paddle.rand([2, 3, 48, 64])) == []


@pytest.mark.parametrize("embed", [False, True])
def test_program_of_svtr_v2(embed: bool, tmp_path: Path) -> None:
    backbone = build(V2, use_pos_embed=embed, max_sz=[48, 320])
    settle(backbone, paddle.rand([2, 3, 48, 64]))
    assert program_difference(backbone, tmp_path, 48, [(48, 64), (48, 320)]) < 1e-4


@pytest.mark.parametrize(("options", "words"), [
    ({"dims": [8, 16]}, "dims is"),
    ({"mixer": [["Conv"], ["Conv"], ["Global"]]}, "2 entries"),
    ({"mixer": [["Conv"], ["Conv", "Locall"], ["Global"]]}, "Locall"),
    ({"num_heads": [2, 3, 4]}, "num_heads is"),
    ({"local_k": [[5, 5], [4, 5], [-1, -1]]}, "local_k"),
    ({"local_k": [[5, 5], [-1, -1], [-1, -1]]}, "local_k"),
    ({"sub_k": [[2, 1], [-1, -1], [1, 1]]}, "sub_k is"),
    ({"last_stage": True}, "last_stage and use_pool"),
    ({"act": "nn.GELUU"}, "did you mean 'gelu'"),
])
def test_bad_options_of_svtr_v2(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(V2, **options)


def test_images_beyond_the_position_embedding() -> None:
    with pytest.raises(ConfigError, match="at most 48x64"):
        build(V2, use_pos_embed=True, max_sz=[48, 64])(paddle.rand([1, 3, 48, 128]))


@needs_shared("reference/peer_configs/rec/SVTRv2")
@pytest.mark.parametrize("name", ["ch_SVTRv2_rec", "ch_SVTRv2_rec_gtc", "ch_RepSVTR_rec", "ch_RepSVTR_rec_gtc"])
def test_published_configurations(name: str) -> None:
    path = SHARED / f"reference/peer_configs/rec/SVTRv2/{name}.yml"
    backbone = build(yaml.safe_load(path.read_text("utf-8"))["Architecture"]["Backbone"])
    backbone.eval()
    with paddle.no_grad():
        assert list(backbone(paddle.rand([1, 3, 48, 32])).shape) == [1, 384, 1, 4]


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let RepSVTR have few channels and every kind of layer."""
    monkeypatch.setattr(rep_svtr, "DETECTION", (Stage(8, 1, (0,)), Stage(8, 2, (1,), 2), Stage(16, 2, (), 2),
                                                Stage(16, 1, (0,), 2)))
    monkeypatch.setattr(rep_svtr, "RECOGNITION", (Stage(8, 2, (0,)), Stage(16, 2, (0, 1), (2, 1)),
                                                  Stage(16, 2, (1,), (2, 1))))


REP: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "det": ({"name": "RepSVTR_det", "out_indices": [1, 3, 5, 6]}, (64, 96)),
    "rec": ({"name": "RepSVTR"}, (48, 64)),
}


def test_maps_of_rep_svtr_det() -> None:
    backbone = build({"name": "RepSVTR_det"}, "det")
    backbone.eval()
    with paddle.no_grad():
        maps = backbone(paddle.rand([1, 3, 64, 96]))
    assert [list(x.shape) for x in maps] == [
        [1, width, 64 // stride, 96 // stride]
        for width, stride in zip([48, 96, 192, 384], (4, 8, 16, 32), strict=True)]
    assert backbone.out_channels == [48, 96, 192, 384]
    assert build({"name": "RepSVTR_det", "out_indices": [0, 3]}, "det").out_channels == [48, 96]


@pytest.mark.usefixtures("thin")
@pytest.mark.parametrize("task", REP)
def test_merging_rep_svtr_keeps_the_output(task: str, tmp_path: Path) -> None:
    section, size = REP[task]
    backbone, image = build(section, task), paddle.rand([2, 3, *size])
    settle(backbone, image)
    merged = reparameterize(backbone)
    with paddle.no_grad():
        before, after = (model(image) for model in (backbone, merged))
    for one, other in zip(*(maps if task == "det" else [maps] for maps in (before, after)), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)
    assert not any(".bn." in name for name in merged.state_dict())
    built = build(section, task, reparameterized=True)
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in merged.state_dict().items()}
    height, sizes = (None, [(64, 96), (96, 64)]) if task == "det" else (48, [(48, 64), (48, 320)])
    assert program_difference(merged, tmp_path, height, sizes) < 1e-4


@pytest.mark.usefixtures("thin")
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("task", REP)
def test_gradient_reaches_every_parameter_of_rep_svtr(task: str, merged: bool) -> None:
    section, size = REP[task]
    backbone = build(section, task, reparameterized=merged)
    for name, value in backbone.named_parameters():
        # These start at zero, which passes no gradient on.
        if name.endswith(("compress.bn.weight", "compress.reparam_conv.weight")):
            value.set_value(0.1 * paddle.randn(value.shape))
    assert silent_parameters(backbone, paddle.rand([2, 3, *size])) == []


@pytest.mark.parametrize("indices", [[], [5, 2], [2, 14]])
def test_layers_that_do_not_exist(indices: list[int]) -> None:
    with pytest.raises(ConfigError, match="out_indices is"):
        build({"name": "RepSVTR_det", "out_indices": indices}, "det")
