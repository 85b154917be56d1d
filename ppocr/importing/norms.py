"""Batch norms that an exported model holds no longer get back what they normalise by.

An export may have folded a batch norm into the layer before it. Set to change nothing, such a norm works in evaluation
and breaks in training, where it normalises by the batch. Here it gets the mean and the variance that it sees on
pictures, and the scale and shift that undo them: evaluation computes what it did, and training starts from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle

FloatArray = npt.NDArray[np.float32]

SMALLEST = 1e-3
"""Variances are taken to be at least this, so that a channel that is silent on the pictures keeps its scale sane."""


def restore_norms(model: Any, names: Iterable[str], tensors: Sequence[FloatArray]) -> None:
    """Measure what batch norms see on images, and let them normalise by it without a change of what they compute.

    Args:
        model: The network; changed in place.
        names: Structured names of the batch norms, whose scale and deviation are 1 and whose mean is 0.
        tensors: Images as the network takes them, float32 ``[C, H, W]``.
    """
    chosen = set(names)
    norms = {name: layer for name, layer in model.named_sublayers() if name in chosen}
    seen: dict[str, list[tuple[int, FloatArray, FloatArray]]] = {name: [] for name in norms}

    def before(name: str) -> Any:
        def hook(_: Any, inputs: Any) -> None:
            x = inputs[0].numpy().astype(np.float64)
            axes = (0, *range(2, x.ndim))
            seen[name].append((x.size // x.shape[1], x.mean(axes), (x**2).mean(axes)))

        return hook

    hooks = [layer.register_forward_pre_hook(before(name)) for name, layer in norms.items()]
    model.eval()
    try:
        with paddle.no_grad():
            for tensor in tensors:
                model(paddle.to_tensor(tensor[np.newaxis]))
    finally:
        for hook in hooks:
            hook.remove()
    for name, layer in norms.items():
        _set(layer, seen[name])


def _set(layer: Any, seen: Sequence[tuple[int, FloatArray, FloatArray]]) -> None:
    counts = np.array([count for count, _, _ in seen], np.float64)
    shares = (counts / counts.sum())[:, np.newaxis]
    mean = (shares * np.stack([first for _, first, _ in seen])).sum(0)
    variance = np.maximum((shares * np.stack([second for _, _, second in seen])).sum(0) - mean**2, SMALLEST)
    # Private name: Paddle's batch norms keep their epsilon nowhere else.
    scale = np.sqrt(variance + layer._epsilon)
    shift = layer.bias.numpy() + mean
    for tensor, value in ((layer._mean, mean), (layer._variance, variance), (layer.weight, scale),
                          (layer.bias, shift)):
        tensor.set_value(value.astype(np.float32))
