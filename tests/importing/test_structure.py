"""Layers without names find their place in a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from ppocr.errors import CheckpointError
from ppocr.importing.norms import restore_norms
from ppocr.importing.onnx_weights import EPSILON, LayerWeights
from ppocr.importing.structure import match_layers, network_places

IMAGE = (3, 8, 8)


class Net(nn.Layer):
    """Two parallel convolutions of one shape, one with a batch norm, then a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2D(3, 4, 3, padding=1)
        self.second = nn.Conv2D(3, 4, 3, padding=1)
        self.plain = nn.Conv2D(4, 5, 1, bias_attr=False)
        self.norm = nn.BatchNorm2D(5)
        self.unused = nn.Linear(2, 2)
        self.fc = nn.Linear(5, 6)

    def forward(self, x: Any) -> Any:
        """Return [N, 6]; `second` runs before `first`."""
        later = self.second(x)
        x = nn.functional.relu(self.first(x) - later)
        return self.fc(self.norm(self.plain(x)).mean([2, 3]))


@pytest.fixture(autouse=True)
def seeded() -> None:
    paddle.seed(3)


def net() -> Net:
    model = Net()
    for tensor in (model.norm.weight, model.norm.bias, model.norm._mean, model.norm._variance):
        tensor.set_value(paddle.rand([5]) + 0.5)
    model.eval()
    return model


def layers(model: Net, *, numbered: bool = True) -> list[LayerWeights]:
    """Return what a file keeps of the model, in the order in which the layers run."""
    kinds = {"first": ("conv", 0), "second": ("conv", 1), "plain": ("conv", 2), "norm": ("batch_norm", 0),
             "fc": ("linear", 0)}
    own = {"weight": "weight", "bias": "bias", "_mean": "mean", "_variance": "variance"}
    found = []
    for name in ("second", "first", "plain", "norm", "fc"):
        kind, number = kinds[name]
        arrays = {own[key]: tensor.numpy() for key, tensor in getattr(model, name).state_dict().items()}
        found.append(LayerWeights(kind, arrays, number if numbered else None, output=name,
                                  source="plain" if name == "norm" else ""))
    return found


def folded(model: Net) -> list[LayerWeights]:
    """Return the layers of a file that holds the batch norm within the convolution."""
    scale = model.norm.weight.numpy() / np.sqrt(model.norm._variance.numpy() + EPSILON)
    arrays = {"weight": model.plain.weight.numpy() * scale.reshape(-1, 1, 1, 1),
              "bias": model.norm.bias.numpy() - model.norm._mean.numpy() * scale}
    return [LayerWeights("conv", arrays, 2) if layer.output == "plain" else layer
            for layer in layers(model) if layer.kind != "batch_norm"]


def filled(matched: Any) -> Net:
    model = net()
    state = model.state_dict()
    for name, array in matched.arrays.items():
        state[name].set_value(array)
    return model


def images() -> Any:
    return paddle.rand([2, *IMAGE])


@pytest.mark.parametrize("numbered", [True, False])
def test_every_layer_that_runs_gets_its_weights(numbered: bool) -> None:
    model = net()
    matched = match_layers(net(), layers(model, numbered=numbered), IMAGE)
    assert set(matched.arrays) == {name for name in model.state_dict() if not name.startswith("unused")}
    for name, array in matched.arrays.items():
        np.testing.assert_array_equal(array, model.state_dict()[name].numpy(), err_msg=name)


def test_places_tell_order_and_batch_norm() -> None:
    places = {place.name: place for place in network_places(net(), IMAGE)}
    assert list(places) == ["first", "second", "plain", "norm", "fc"]
    assert places["second"].runs < places["first"].runs
    assert places["plain"].norm is places["norm"]
    assert places["first"].norm is None


def test_a_folded_batch_norm_changes_nothing_and_is_restored() -> None:
    model, x = net(), images()
    matched = match_layers(net(), folded(model), IMAGE)
    assert matched.folded == {"norm": "plain"}
    imported = filled(matched)
    imported.eval()
    np.testing.assert_allclose(imported(x).numpy(), model(x).numpy(), atol=1e-5)

    restore_norms(imported, matched.folded, [tensor.numpy() for tensor in x])
    np.testing.assert_allclose(imported(x).numpy(), model(x).numpy(), atol=1e-5)
    seen = imported.plain(nn.functional.relu(imported.first(x) - imported.second(x))).numpy()
    np.testing.assert_allclose(imported.norm._mean.numpy(), seen.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(imported.norm._variance.numpy(), np.maximum(seen.var((0, 2, 3)), 1e-3), atol=1e-5)
    # Restored, the norm works on the batch too: training starts from what evaluation computes.
    imported.train()
    if seen.var((0, 2, 3)).min() > 1e-3:
        np.testing.assert_allclose(imported(x).numpy(), model(x).numpy(), atol=1e-4)


def test_a_batch_norm_that_the_network_has_merged_is_folded() -> None:
    class Merged(Net):
        def __init__(self) -> None:
            super().__init__()
            self.plain, self.norm = nn.Conv2D(4, 5, 1), nn.Identity()

    model, merged, x = net(), Merged(), images()
    matched = match_layers(merged, layers(model), IMAGE)
    for name, array in matched.arrays.items():
        merged.state_dict()[name].set_value(array)
    merged.eval()
    np.testing.assert_allclose(merged(x).numpy(), model(x).numpy(), atol=1e-5)


@pytest.mark.parametrize("change", ["missing", "further", "shape", "bias"])
def test_other_layers_are_refused(change: str) -> None:
    given = layers(net())
    if change == "missing":
        given = given[:-1]
    elif change == "further":
        given = [*given, LayerWeights("conv", {"weight": np.zeros((9, 9, 1, 1), np.float32)}, 7)]
    elif change == "shape":
        given[-1] = LayerWeights("linear", {"weight": np.zeros((5, 7), np.float32), "bias": np.zeros(7)}, 0)
    else:
        given[2] = LayerWeights("conv", {"weight": given[2].arrays["weight"]}, 2)
        given[0] = LayerWeights("conv", {"weight": given[0].arrays["weight"]}, 1)
    with pytest.raises(CheckpointError, match=r"the network has \d+ layers of kind .* the model \d+"):
        match_layers(net(), given, IMAGE)
