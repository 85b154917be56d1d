"""Saving a backbone as a program and running it, as deployment does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.inference


class OneMap(paddle.nn.Layer):
    """A backbone whose maps come out as one tensor [N, values], so that one output holds them all."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Any) -> Any:
        maps = self.backbone(images)
        if isinstance(maps, list):
            return paddle.concat([x.flatten(1) for x in maps], axis=1)
        return maps.flatten(1)


def settle(model: Any, images: Any) -> None:
    """Set the batch norms to what images give, at weights and shifts of all kinds, and switch to evaluation."""
    draw = np.random.default_rng(0)
    model.train()
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer._momentum = 0.0
            layer.weight.set_value(draw.uniform(0.7, 1.3, layer.weight.shape).astype(layer.weight.numpy().dtype))
            layer.bias.set_value(draw.normal(0, 0.1, layer.bias.shape).astype(layer.weight.numpy().dtype))
    with paddle.no_grad():
        model(images)
    model.eval()


def program_difference(backbone: Any, folder: Path, height: int | None, sizes: list[tuple[int, int]]) -> float:
    """Return how far the saved program's outputs are from the layers', relative to the largest output.

    Args:
        backbone: In evaluation mode.
        folder: Where the program is written.
        height: Height that the program is made for; None for any.
        sizes: Height and width of the images.
    """
    model = OneMap(backbone)
    model.eval()
    spec = [paddle.static.InputSpec([None, 3, height, None], "float32", "x")]
    paddle.jit.save(paddle.jit.to_static(model, input_spec=spec, full_graph=True), str(folder / "inference"))
    config = paddle.inference.Config(str(folder / "inference.json"), str(folder / "inference.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    predictor = paddle.inference.create_predictor(config)
    entry = predictor.get_input_handle(predictor.get_input_names()[0])
    differences = []
    for size in sizes:
        image = np.random.default_rng(0).random((2, 3, *size), np.float32)
        entry.reshape(image.shape)
        entry.copy_from_cpu(image)
        predictor.run()
        found = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
        with paddle.no_grad():
            expected = model(paddle.to_tensor(image)).numpy()
        assert found.shape == expected.shape
        assert expected.std() > 0
        differences.append(np.abs(found - expected).max() / np.abs(expected).max())
    return float(max(differences))


def silent_parameters(backbone: Any, images: Any) -> list[str]:
    """Return the parameters that are to be trained and that a training step gives no gradient."""
    backbone.train()
    maps = backbone(images)
    # Weighted at random: the mean of normalised maps would not depend on much.
    paddle.add_n([(x * paddle.randn(x.shape)).sum() for x in (maps if isinstance(maps, list) else [maps])]).backward()
    return [name for name, value in backbone.named_parameters()
            if not value.stop_gradient and (value.grad is None or not np.any(value.grad.numpy()))]
