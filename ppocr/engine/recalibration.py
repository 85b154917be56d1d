"""Gathering the running statistics of batch norms anew, for weights that they do not belong to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import paddle

from ppocr.engine.evaluator import evaluation_mode
from ppocr.errors import DatasetError


def recalibrate(network: Any, loader: Iterable[dict[str, Any]], batches: int, *,
                is_held: Callable[[Any], bool] = lambda layer: False,
                autocast: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext) -> int:
    """Set the statistics of batch norms to their mean over batches of training data; return how many were read.

    Only the batch norms are in training mode, the rest of the network computes as in evaluation, without dropout.
    Layers that evaluation does not use keep their statistics. (Izmailov et al., "Averaging Weights Leads to Wider
    Optima and Better Generalization", 2018, section 3.)

    Args:
        network: The model, changed in place; left in evaluation mode.
        loader: Batches with ``image``.
        batches: Most batches to read.
        is_held: Tells which layers keep their statistics, because training froze them.
        autocast: Makes the context of the forward pass.

    Raises:
        DatasetError: The loader gave no batch.
    """
    norms = [layer for layer in network.sublayers(include_self=True)
             if isinstance(getattr(layer, "_mean", None), paddle.Tensor) and not is_held(layer)]
    momenta = [layer._momentum for layer in norms]
    done = 0
    network.eval()
    try:
        with evaluation_mode(network):
            for layer in norms:
                layer.train()
            for batch in loader:
                if not batch["info"]:
                    continue
                for layer in norms:
                    layer._momentum = done / (done + 1)  # Makes the moving average the mean of the batches so far.
                with autocast():
                    network(batch["image"])
                done += 1
                if done >= batches:
                    break
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer._momentum = momentum
        network.eval()
    if not done:
        raise DatasetError("the training data gave no batch to gather the statistics of batch norms from",
                           expected="usable samples", cure="correct the section Train")
    return done
