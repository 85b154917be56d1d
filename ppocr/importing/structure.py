"""Layers without names find their place in a training network: by kind, by shape, and by the order of their making.

Within one kind and shape, Paddle numbered layers as they were made, and merged convolutions as they were merged; both
follow the order of the network's own definition. Where the numbers are lost, the order in which the layers run counts.
Whether the result is right only a comparison of outputs can tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from ppocr.errors import CheckpointError
from ppocr.importing.onnx_weights import EPSILON, LayerWeights, counted, fold_norms
from ppocr.modeling.common.rep_layer import LearnableAffine
from ppocr.weights import MERGED

Array = npt.NDArray[Any]

KINDS: dict[type, str] = {
    nn.Conv2D: "conv", nn.Conv2DTranspose: "conv_transpose", nn.Linear: "linear", nn.BatchNorm2D: "batch_norm",
    nn.BatchNorm1D: "batch_norm", nn.LayerNorm: "layer_norm", LearnableAffine: "affine", nn.Conv1D: "conv",
}
Key = tuple[str, tuple[int, ...], bool]
"""Kind of a layer, shape of its weight, and whether it has a bias."""

TENSORS = {"weight": ("weight", "scale"), "bias": ("bias",), "mean": ("_mean",), "variance": ("_variance",)}
"""What a value is called in the file, and what it may be called in a network."""


@dataclass
class Place:
    """A layer of the training network.

    Attributes:
        name: Structured name.
        kind: See `LayerWeights`.
        shape: Shape of its weight.
        tensors: Name of each value in the file to its structured name.
        runs: Position in the order of execution.
        norm: The batch norm that takes this layer's output and nothing else, if there is one.
        squeezed: Whether the network keeps the weight without the third axis.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    tensors: dict[str, str]
    runs: int
    norm: Place | None = None
    squeezed: bool = False


@dataclass
class Matched:
    """Weights that found their places.

    Attributes:
        arrays: Structured name to array.
        folded: Batch norms that the file has no longer, because it holds them within the layer before: name of the
            batch norm to the name of that layer. They are set so that they change nothing but add their shift.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)


def match_layers(model: Any, layers: Sequence[LayerWeights], image_shape: Sequence[int]) -> Matched:
    """Give each layer of a file its place in a network.

    Args:
        model: The network, in the form in which it was exported (branches merged).
        layers: The layers of the file, in the order in which they run.
        image_shape: Channels, height and width of an image that the network takes.

    Raises:
        CheckpointError: The two do not have the same layers.
    """
    places = network_places(model, image_shape)
    norms = {(place.kind, place.shape) for place in places if place.kind == "batch_norm"}
    layers = fold_norms(layers, [layer for layer in layers if layer.kind == "batch_norm"
                                 and (layer.kind, layer.shape) not in norms])
    kept = {(layer.kind, layer.shape) for layer in layers if layer.kind == "batch_norm"}
    folded = {place.name for place in places if place.kind == "batch_norm" and (place.kind, place.shape) not in kept}
    wanted: dict[Key, list[Place]] = defaultdict(list)
    for place in places:
        if place.name not in folded:
            wanted[_key_of_place(place, folded)].append(place)
    given: dict[Key, list[LayerWeights]] = defaultdict(list)
    for layer in layers:
        given[layer.kind, layer.shape, "bias" in layer.arrays].append(layer)
    matched = Matched()
    for key in dict.fromkeys([*wanted, *given]):
        ours, theirs = wanted.get(key, []), given.get(key, [])
        if len(ours) != len(theirs):
            raise _misfit(key, len(ours), len(theirs), places, layers)
        is_numbered = all(layer.created is not None for layer in theirs)
        for place, layer in zip(_in_order(ours, is_numbered), _by_number(theirs, is_numbered), strict=True):
            _assign(matched, place, layer, folded)
    return matched


def network_places(model: Any, image_shape: Sequence[int]) -> list[Place]:
    """Return the layers with weights that prediction runs, in the order of the network's definition."""
    named: dict[int, tuple[str, Any]] = {
        id(layer): (name, layer) for name, layer in model.named_sublayers()
        if isinstance(layer, tuple(KINDS))
    }
    calls: dict[str, int] = {}
    outputs: dict[int, str] = {}
    follows: dict[str, str] = {}
    kept: list[Any] = []  # Tensors stay alive, so that no identity is used twice.

    def after(layer: Any, inputs: Any, output: Any) -> None:
        name = named[id(layer)][0]
        calls.setdefault(name, len(calls))
        source = outputs.get(id(inputs[0]))
        if source is not None:
            follows[name] = source
        outputs[id(output)] = name
        kept.extend((inputs[0], output))

    hooks = [layer.register_forward_post_hook(after) for _, layer in named.values()]
    model.eval()
    try:
        with paddle.no_grad():
            model(paddle.zeros([1, *image_shape]))
    finally:
        for hook in hooks:
            hook.remove()
    places = {name: _place(name, layer, calls[name]) for name, layer in named.values() if name in calls}
    for name, place in places.items():
        source = follows.get(name)
        if place.kind == "batch_norm" and source is not None and places[source].kind in ("conv", "conv_transpose"):
            places[source].norm = place
    return list(places.values())


def _place(name: str, layer: Any, runs: int) -> Place:
    kind = next(kind for type_, kind in KINDS.items() if isinstance(layer, type_))
    own = dict(layer.named_parameters(include_sublayers=False)) | dict(layer.named_buffers(include_sublayers=False))
    tensors = {value: f"{name}.{alias}" for value, aliases in TENSORS.items() for alias in aliases if alias in own}
    shape = tuple(next(own[alias] for alias in TENSORS["weight"] if alias in own).shape)
    if isinstance(layer, nn.Conv1D):
        shape = (*shape[:2], 1, shape[2])  # Paddle runs it as a convolution over a map one row high.
    return Place(name, kind, shape, tensors, runs, squeezed=isinstance(layer, nn.Conv1D))


def _key_of_place(place: Place, folded: set[str]) -> Key:
    has_bias = "bias" in place.tensors or (place.norm is not None and place.norm.name in folded)
    return place.kind, place.shape, has_bias


def _in_order(places: Sequence[Place], is_numbered: bool) -> list[Place]:
    if not is_numbered:
        return sorted(places, key=lambda place: place.runs)
    # Merging makes its convolutions after all others.
    return sorted(places, key=lambda place: place.name.endswith(MERGED))


def _by_number(layers: Sequence[LayerWeights], is_numbered: bool) -> list[LayerWeights]:
    return sorted(layers, key=lambda layer: layer.created or 0) if is_numbered else list(layers)


def _assign(matched: Matched, place: Place, layer: LayerWeights, folded: set[str]) -> None:
    shift = layer.arrays.get("bias")
    for value, name in place.tensors.items():
        array = layer.arrays[value]
        matched.arrays[name] = np.ascontiguousarray(array[:, :, 0] if place.squeezed and array.ndim == 4 else array)
    if place.norm is not None and place.norm.name in folded:
        _neutral_norm(matched, place, None if "bias" in place.tensors else shift)


def _neutral_norm(matched: Matched, place: Place, shift: Array | None) -> None:
    assert place.norm is not None
    channels = place.norm.shape[0]
    values = {"weight": np.ones(channels), "bias": np.zeros(channels) if shift is None else shift,
              "mean": np.zeros(channels), "variance": np.full(channels, 1 - EPSILON)}
    for value, array in values.items():
        matched.arrays[place.norm.tensors[value]] = np.asarray(array, np.float32)
    matched.folded[place.norm.name] = place.name


def _misfit(key: Key, ours: int, theirs: int, places: Sequence[Place],
            layers: Sequence[LayerWeights]) -> CheckpointError:
    kind, shape, has_bias = key
    own = [place.kind for place in places]
    summary = ", ".join(f"{own.count(name)} {name}" for name in dict.fromkeys(own))
    return CheckpointError(
        f"the network has {ours} layers of kind {kind} with weights {list(shape)} and {'a' if has_bias else 'no'} "
        f"bias, the model {theirs}",
        expected=f"the same layers; the network has {summary}, the model {counted(layers)}",
        cure="give the configuration of this very model, with reparameterized: true where backbone and neck have "
             "it; a head of another size means another dictionary",
    )
