"""Training everything from a given epoch on: ``Global.unfreeze_epoch``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ppocr.engine.freezing import Freezing
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")


class Unfreezing(Hook):
    """Ends the freezing when an epoch begins.

    The optimizer has all parameters from the start, but passes over the frozen ones; their moments begin with zeros
    when they are trained for the first time.

    Args:
        freezing: What is frozen until then.
        epoch: First epoch, counted from 1 as in the log, in which everything is trained.
    """

    key = "unfreezing"

    def __init__(self, freezing: Freezing, epoch: int) -> None:
        self.freezing, self.epoch = freezing, epoch

    @classmethod
    def from_options(cls, options: Section, freezing: Freezing | None) -> Unfreezing | None:
        """Return the hook that ``Global.unfreeze_epoch`` asks for; None if it does not.

        Raises:
            ConfigError: The epoch makes no sense, or the output of frozen parts is cached.
        """
        epoch, place = options["unfreeze_epoch"], where(options, "unfreeze_epoch")
        if epoch is None:
            return None
        if freezing is None:
            LOGGER.warning("%s has no effect without Global.freeze.", place)
            return None
        if epoch < 2:
            raise ConfigError(f"{place} is {epoch}", expected="an epoch of at least 2: epochs are counted from 1",
                              cure="correct it, or remove Global.freeze to train everything from the start")
        if options["cache_features"]:
            raise ConfigError(f"{place} is {epoch}, and Global.cache_features is true",
                              expected="one of them: cached features are of no use once what made them is trained",
                              cure="remove one")
        if epoch > options["epoch_num"]:
            LOGGER.warning("%s is %d: the training ends before, after epoch %d.", place, epoch, options["epoch_num"])
        return cls(freezing, epoch)

    def before_epoch(self, run: TrainingRun) -> None:
        """Train everything from here on, if this is the epoch."""
        if self.freezing.is_lifted or run.progress.epoch + 1 < self.epoch:
            return
        self.freezing.lift()
        run.model.train()
        LOGGER.info("Epoch %d: everything is trained from here on; %d parameters were frozen.",
                    run.progress.epoch + 1, len(self.freezing.parameters))

    def state_dict(self) -> dict[str, Any]:
        """Return whether everything is trained already, on which it depends which moments a checkpoint holds."""
        return {"lifted": self.freezing.is_lifted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue as the checkpoint was: frozen or not."""
        if state["lifted"]:
            self.freezing.lift()


@contextmanager
def everything_trainable(unfreezing: Unfreezing | None) -> Iterator[None]:
    """Let what is frozen for a while count as trained within the block.

    For whatever keeps a list of the parameters that are ever trained: the optimizer, the average of the weights, the
    exchange of gradients between ranks.
    """
    if unfreezing is None:
        yield
        return
    unfreezing.freezing.set_frozen(False)
    try:
        yield
    finally:
        unfreezing.freezing.set_frozen(True)
