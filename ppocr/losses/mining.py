"""Online hard example mining of pixels (Shrivastava et al. 2016): few hard negatives stand for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle


def hard_negatives(difficulty: Any, positive: Any, negative: Any, ratio: float) -> Any:
    """Weigh the pixels that count: the positives, and the hardest negatives, at most `ratio` for each positive.

    The negatives of the whole batch compete. Where the last places go to pixels of equal difficulty, these share them,
    so that the weights always sum to the number of places.

    Args:
        difficulty: float32 ``[N, H, W]``, at least 0; higher is harder. It gets no gradient.
        positive: float32 ``[N, H, W]``, 1 at text that counts, else 0.
        negative: float32 ``[N, H, W]``, 1 at background that counts, else 0.
        ratio: Negatives for each positive.

    Returns:
        float32 ``[N, H, W]``, 0 to 1, without gradient.
    """
    with paddle.no_grad():
        places = paddle.minimum((positive.sum() * ratio).floor(), negative.sum())
        ranked = paddle.where(negative > 0, difficulty, paddle.full_like(difficulty, -1.0))
        limit = _nth_largest(ranked.flatten(), places)
        harder, equal = ranked > limit, (ranked == limit).astype("float32") * negative
        share = (places - harder.astype("float32").sum()) / equal.sum().clip(min=1.0)
        return positive + paddle.where(harder, paddle.ones_like(equal), equal * share)


def _nth_largest(values: Any, count: Any) -> Any:
    """Return the value that `count` of `values` ([n], a scalar tensor) reach or exceed; infinity for 0."""
    if values.place.is_cpu_place():  # Selecting in NumPy takes 3 ms for 1.6 million values, sorting in Paddle 190 ms.
        number = int(count)
        limit = np.partition(values.numpy(), -number)[-number] if number else np.inf
        return paddle.to_tensor(limit, dtype="float32")
    # On other devices a sort is cheap, and waiting for the count is not.
    place = (count.astype("int64") - 1).clip(min=0).reshape([1])
    limit = paddle.sort(values, descending=True).gather(place).reshape([])
    return paddle.where(count > 0, limit, paddle.full_like(limit, float("inf")))
