"""Ending a run before its last epoch, on all ranks after the same step."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import paddle

if TYPE_CHECKING:
    from ppocr.engine.run import TrainingRun

LOGGER = logging.getLogger("ppocr")


@dataclasses.dataclass(frozen=True)
class Stop:
    """Why a run ends early.

    Args:
        reason: For the log and the summary, such as ``"SIGTERM"``.
        exit_code: Exit code of the command; 0 for a training that is done.
        interrupted: Whether there is something left to train, so that the run is to be resumed.
    """

    reason: str
    exit_code: int = 0
    interrupted: bool = False


def agree_on_stop(run: TrainingRun) -> bool:
    """Make the stop that some rank asks for that of all ranks; return whether there is one.

    Called by all ranks at the same place; the request of the lowest rank counts.
    """
    if run.world_size > 1:
        asked = paddle.to_tensor([run.stop is not None], dtype="int32")
        paddle.distributed.all_reduce(asked, op=paddle.distributed.ReduceOp.MAX)
        if int(asked):
            requests: list[Any] = []
            paddle.distributed.all_gather_object(requests, dataclasses.asdict(run.stop) if run.stop else {})
            run.stop = Stop(**next(request for request in requests if request))
    return run.stop is not None


def is_time_to_agree(run: TrainingRun) -> bool:
    """Tell whether ranks ask each other after this optimizer step.

    One process looks after each step. Several exchange a number for it, for which a GPU has to finish its work, so
    they look when a line of the log is due.
    """
    return run.world_size == 1 or run.progress.step % max(1, run.config["Global"]["print_batch_step"]) == 0
