"""Ending a run before its last epoch, on all ranks after the same step."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from ppocr.engine.device import on_cpu
from ppocr.engine.ranks import exchange

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

    Called by all ranks at the same place; an interruption counts before a training that is done, and the request of
    the lowest rank.
    """
    if run.world_size > 1:
        requests = exchange(dataclasses.asdict(run.stop) if run.stop else None, run.world_size)
        stops = [Stop(**request) for request in requests if request]
        run.stop = next((stop for stop in stops if stop.interrupted), stops[0] if stops else None)
    return run.stop is not None


def is_time_to_agree(run: TrainingRun) -> bool:
    """Tell whether ranks ask each other after this optimizer step.

    One process looks after each step, and so do several on CPU. On GPUs asking would make the processes that feed
    them march in step, so they look when a line of the log is due.
    """
    every = run.config["Global"]["print_batch_step"]
    return run.world_size == 1 or on_cpu() or run.progress.step % max(1, every) == 0
