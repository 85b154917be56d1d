"""What the processes of one training tell each other besides gradients."""

from __future__ import annotations

from typing import Any, TypeVar

import paddle

Value = TypeVar("Value")


def gather(value: Value, world_size: int) -> list[Value]:
    """Return the values of all ranks, by rank; all call it."""
    if world_size == 1:
        return [value]
    values: list[Value] = []
    paddle.distributed.all_gather_object(values, value)
    return values


def average_statistics(network: Any, world_size: int) -> None:
    """Give all ranks the mean of their batch norms' running statistics, in place; all call it.

    Gradients are exchanged, statistics are not: each rank keeps those of the samples that it saw. Evaluated in shares,
    every rank would judge another network, and the checkpoint would hold that of rank 0.
    """
    if world_size == 1:
        return
    with paddle.no_grad():
        for layer in network.sublayers(include_self=True):
            for name in ("_mean", "_variance"):
                statistic = getattr(layer, name, None)
                if isinstance(statistic, paddle.Tensor):
                    total = statistic.clone()
                    paddle.distributed.all_reduce(total)  # Gloo knows sums, and no means.
                    statistic.set_value(total / world_size)
