"""Evaluation: the model over the whole evaluation set, one metric over all ranks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle

from ppocr.engine.consistency import check_images
from ppocr.engine.ranks import gather
from ppocr.modeling.common.convolution import fast_rounding


class EvaluationStopped(Exception):
    """An evaluation was left before its end."""


def evaluate(model: Any, loader: Any, postprocess: Any, metric: Any, *, autocast: Any = None,
             is_stopped: Callable[[], bool] | None = None) -> dict[str, float]:
    """Return the metrics of `model` over `loader`, plus ``fps``: images per second of forward and post-processing.

    Every rank evaluates its own share; the sums of all ranks are merged, so the result is that of one process, and all
    ranks have it, to decide the same by it. ``fps`` is that of all ranks together, of which the slowest counts.

    Args:
        model: Called as ``model(images)``; left in the mode, training or evaluation, in which it came.
        loader: Evaluation batches; samples that failed are in ``batch["failed"]`` and count as wrong.
        postprocess: From arrays to results.
        metric: Reset first.
        autocast: Makes the context of the forward pass; None for float32.
        is_stopped: Asked before each batch whether the evaluation is to be left. Not for several ranks, which would
            wait for each other.

    Raises:
        EvaluationStopped: `is_stopped` said so.
    """
    metric.reset()
    seconds, images = 0.0, 0
    with evaluation_mode(model):
        for batch in loader:
            if is_stopped is not None and is_stopped():
                raise EvaluationStopped
            count = len(batch["info"])
            started = time.perf_counter()
            results = predict_batch(model, batch, postprocess, autocast) if count else []
            seconds += time.perf_counter() - started
            images += count
            metric.update(results, batch)
    world_size = paddle.distributed.get_world_size()
    if world_size > 1:
        shares = gather((metric.state(), seconds, images), world_size)
        metric.reset()
        metric.merge([state for state, _, _ in shares])
        seconds, images = max(share[1] for share in shares), sum(share[2] for share in shares)
    metrics: dict[str, float] = metric.compute()
    return {**metrics, "fps": images / seconds if seconds else 0.0}


def predict_batch(model: Any, batch: dict[str, Any], postprocess: Any, autocast: Any = None) -> list[Any]:
    """Run the model on ``batch["image"]`` and return the post-processed results, one for each image.

    A post-process that reads more of the batch than the model's outputs names the entries in ``needs``; what the batch
    lacks of them is left to its own error, which says how to add it.

    Images that differ in size come as a list of arrays. Those of one size go through the model together, so that none
    is padded for the sake of its neighbours.
    """
    if isinstance(batch["image"], list):
        return _predict_by_size(model, batch, postprocess, autocast)
    check_images(batch["image"], model)
    if autocast is None:
        outputs = model(batch["image"])
    else:
        with autocast():
            outputs = model(batch["image"])
    needed = {key: batch[key] for key in getattr(postprocess, "needs", ()) if key in batch}
    return list(postprocess(to_numpy({**outputs, **needed})))


def _predict_by_size(model: Any, batch: dict[str, Any], postprocess: Any, autocast: Any) -> list[Any]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(batch["image"]):
        groups.setdefault(image.shape, []).append(place)
    needed = [key for key in getattr(postprocess, "needs", ()) if key in batch]
    results: list[Any] = [None] * len(batch["image"])
    for places in groups.values():
        part = {key: paddle.to_tensor(np.stack([np.asarray(batch[key][place]) for place in places])) for key in needed}
        images = np.stack([batch["image"][place] for place in places])
        part["image"] = paddle.to_tensor(images.astype(np.float32) if images.dtype == np.float64 else images)
        for place, result in zip(places, predict_batch(model, part, postprocess, autocast), strict=True):
            results[place] = result
    return results


def to_numpy(outputs: dict[str, Any]) -> dict[str, npt.NDArray[np.float32]]:
    """Return the tensors of a model's output as float32 arrays."""
    return {key: value.astype("float32").numpy() for key, value in outputs.items() if isinstance(value, paddle.Tensor)}


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Put a model into evaluation mode without gradients, with `fast_rounding`, and back into its mode afterwards."""
    training = model.training
    model.eval()
    try:
        with paddle.no_grad(), fast_rounding():
            yield
    finally:
        if training:
            model.train()
