"""What the processes of one training tell each other besides gradients.

All of it waits for the slowest rank as long as that takes, see `wait_for_all`: a collective on CPU gives up after 30
seconds, which reading a data set, an evaluation or a save on rank 0 may well exceed.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import paddle

from ppocr.engine.intercom import CLOSE_SECONDS, Intercom, Switchboard
from ppocr.errors import TrainingError

LOGGER = logging.getLogger("ppocr")

Value = TypeVar("Value")

SAME_WEIGHTS = 1e-3
"""Difference of weights between ranks, relative to their norm, from which on it is no longer one of rounding."""

STATISTICS = "statistics|"
"""What the names of batch-norm statistics of single ranks begin with in the ``.pdopt`` of a checkpoint."""


class _Connection:
    """How this process is connected with the others: not at all, as long as it is the only one."""

    intercom: Intercom | None = None
    switchboard: Switchboard | None = None


def connect() -> None:
    """Connect the ranks, which have joined Paddle's group, for words; all call it.

    Where the connection fails, the ranks do without it: they wait for each other no longer than their collectives do,
    and what another rank failed of is only in its own log.
    """
    environment = paddle.distributed.ParallelEnv()
    rank, world_size = environment.rank, environment.world_size
    host = environment.trainer_endpoints[0].rsplit(":", 1)[0]
    switchboard = _open_switchboard(host, world_size) if rank == 0 else None
    place = (switchboard.port, switchboard.token) if switchboard is not None else None
    port, token = gather(place, world_size)[0] or (0, "")
    intercom = None
    try:
        intercom = Intercom(host, port, token, rank) if port else None
    except OSError as error:
        LOGGER.warning("%s:%d, where rank 0 listens, cannot be reached: %s", host, port, error)
    if not all(gather(intercom is not None, world_size)):
        LOGGER.warning("The ranks have no connection for words: none waits for another longer than the collectives do "
                       "(30 seconds on CPU), and errors of other ranks are only in their own logs.")
        if intercom is not None:
            intercom.close()
        return
    _Connection.intercom, _Connection.switchboard = intercom, switchboard
    atexit.register(disconnect)


def _open_switchboard(host: str, world_size: int) -> Switchboard | None:
    try:
        return Switchboard(host, world_size)
    except OSError as error:
        LOGGER.warning("No port can be opened at %s: %s", host, error)
        return None


def disconnect() -> None:
    """Say goodbye to the other ranks."""
    intercom, switchboard = _Connection.intercom, _Connection.switchboard
    _Connection.intercom = _Connection.switchboard = None
    if intercom is not None:
        intercom.close()
    if switchboard is not None:
        switchboard.join(CLOSE_SECONDS)  # The others hear of this process's end as of its death, if they come later.


@contextmanager
def sharing_failures() -> Iterator[None]:
    """Tell the other ranks when the block fails on this one, so that they end as well, and end it when they fail.

    Raises:
        TrainingError: Another rank has failed; what failed here in consequence is its context.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            raise
        cause = cause_of(error)
        if cause is error:
            raise
        raise cause from error
    wait_for_all()
    disconnect()


def cause_of(error: BaseException) -> BaseException:
    """Return the error of another rank if that is what an exception comes from, else the exception itself."""
    return error if _Connection.intercom is None else _Connection.intercom.cause_of(error)


def check_others() -> None:
    """Do nothing as long as all ranks are well.

    Raises:
        TrainingError: Another rank has failed.
    """
    if _Connection.intercom is not None:
        _Connection.intercom.check()


def wait_for_all() -> None:
    """Wait until all ranks call this, however long that takes; does nothing for a single process.

    Raises:
        TrainingError: Another rank has failed.
    """
    if _Connection.intercom is not None:
        _Connection.intercom.exchange(None)


def exchange(value: Value, world_size: int) -> list[Value]:
    """Return the values of all ranks, by rank; all call it.

    Takes a fraction of a millisecond and leaves the device alone.

    Args:
        value: Something small that JSON can hold: it is the same afterwards, but for tuples, which become lists.
        world_size: Number of ranks.

    Raises:
        TrainingError: Another rank has failed.
    """
    if _Connection.intercom is not None:
        return _Connection.intercom.exchange(value)
    return gather(value, world_size)


def gather(value: Value, world_size: int) -> list[Value]:
    """Return the values of all ranks, which may be of any kind and size, by rank; all call it."""
    if world_size == 1:
        return [value]
    wait_for_all()
    values: list[Value] = []
    paddle.distributed.all_gather_object(values, value)
    return values


def data_parallel(network: Any, world_size: int, *, find_unused: bool) -> Any:
    """Return the network, or with several ranks what exchanges its gradients; they start from rank 0's weights.

    Args:
        network: The network.
        world_size: Number of ranks.
        find_unused: Let parameters without a gradient in some step, which differ between ranks, be.
    """
    if world_size == 1:
        return network
    wait_for_all()
    return paddle.DataParallel(network, find_unused_parameters=find_unused)


def check_same_weights(network: Any, world_size: int) -> None:
    """Compare the trained weights of all ranks, which each of them changes by the same gradients; all call it.

    A parameter that has a gradient on some ranks only is one that Paddle, unless told to look for it, lets the others
    leave as it is, without a word. What half precision or different devices make of rounding passes.

    Raises:
        TrainingError: They have drifted apart.
    """
    if world_size == 1:
        return
    own = {name: _signature(parameter.astype("float32").numpy().ravel().astype(np.float64))
           for name, parameter in network.named_parameters() if not parameter.stop_gradient}
    first, *others = exchange(own, world_size)
    apart = [name for name, (projection, norm) in first.items()
             if any(abs(other[name][0] - projection) > SAME_WEIGHTS * norm for other in others)]
    if apart:
        raise TrainingError(f"the weights of the ranks have drifted apart: {', '.join(apart[:3])}"
                            + (f" and {len(apart) - 3} more" if len(apart) > 3 else ""),
                            expected="a gradient for each of them on all ranks, or on none, in every step",
                            cure="set Global.find_unused_parameters=true, and go on from an earlier checkpoint")


def _signature(values: Any) -> tuple[float, float]:
    """Return a projection of the values, which any change of them changes, and their norm."""
    return float(values @ np.sin(np.arange(1.0, values.size + 1))), float(np.sqrt(values @ values))


@contextmanager
def averaged_statistics(network: Any, world_size: int) -> Iterator[None]:
    """Let the batch norms of all ranks hold the mean of their running statistics within the block; all enter it.

    Gradients are exchanged, statistics are not: each rank keeps those of the samples that it saw. Evaluated in shares,
    every rank would judge another network, and the checkpoint would hold that of rank 0. Afterwards each rank has its
    own again, so that evaluations and checkpoints leave no trace in a training.
    """
    tensors = _statistics(network) if world_size > 1 else {}
    if not tensors:
        yield
        return
    with paddle.no_grad():
        own = paddle.concat([tensor.astype("float32").flatten() for tensor in tensors.values()])
        total = own.clone()
        wait_for_all()
        paddle.distributed.all_reduce(total)  # Gloo knows sums, and no means.
        _fill(tensors, total / world_size)
    try:
        yield
    finally:
        _fill(tensors, own)


def statistics_arrays(network: Any, world_size: int) -> dict[str, Any]:
    """Return the running statistics of all ranks for a checkpoint, by rank and name; all call it."""
    if world_size == 1:
        return {}
    own = {name: tensor.numpy() for name, tensor in _statistics(network).items()}
    return {f"{STATISTICS}{rank}|{name}": array for rank, arrays in enumerate(gather(own, world_size))
            for name, array in arrays.items()}


def restore_statistics(network: Any, arrays: MutableMapping[str, Any], rank: int, world_size: int) -> None:
    """Give a rank its running statistics back.

    Args:
        network: Holds the mean of the ranks, which stays where the checkpoint is of another number of ranks.
        arrays: Content of a checkpoint; what `statistics_arrays` gave is taken out of it.
        rank: Rank of this process.
        world_size: Number of ranks.
    """
    kept = {key.removeprefix(STATISTICS): arrays.pop(key) for key in list(arrays) if key.startswith(STATISTICS)}
    if len({key.split("|")[0] for key in kept}) != world_size:
        return
    tensors = _statistics(network)
    for key, array in kept.items():
        owner, name = key.split("|", 1)
        if int(owner) == rank and name in tensors:
            tensors[name].set_value(np.asarray(array).reshape(tensors[name].shape))


def _statistics(network: Any) -> dict[str, Any]:
    """Return the tensors of the batch norms' running statistics by name."""
    found: dict[str, Any] = {}
    for prefix, layer in network.named_sublayers(include_self=True):
        for name in ("_mean", "_variance"):
            tensor = getattr(layer, name, None)
            if isinstance(tensor, paddle.Tensor):
                found[f"{prefix}.{name}"] = tensor
    return found


def _fill(tensors: Mapping[str, Any], flat: Any) -> None:
    """Put the values of a flat tensor back into the tensors that it was made of."""
    start = 0
    with paddle.no_grad():
        for tensor in tensors.values():
            part = flat[start:start + tensor.size].reshape(tensor.shape)
            paddle.assign(part.astype(tensor.dtype), output=tensor)
            start += tensor.size
