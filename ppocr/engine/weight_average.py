"""The exponential moving average of the weights: ``Global.ema_decay``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle

from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import ConfigError
from ppocr.sections import Section, where
from ppocr.weights import load_into

LOGGER = logging.getLogger("ppocr")

RAW, AVERAGE = "weights|", "average|"
"""What the names of raw weights, and of averages, begin with in the ``.pdopt`` of a checkpoint."""

Arrays = dict[str, npt.NDArray[Any]]


class WeightAverage(Hook):
    """Averages the trained weights over the optimizer steps; evaluation and checkpoints use the average.

    After step n, from 0, ``average = d * average + (1 - d) * weight`` with ``d = min(decay, (1 + n) / (10 + n))``, so
    that the random weights of the start are soon forgotten. Averaging the weights at the end of a step is the idea of
    Polyak & Juditsky (1992). The averages are float32 and lie on the device; under O2 they are those of the float32
    master weights.

    The running statistics of batch norms are not averaged: they are an exponential average over the steps already
    (Ioffe & Szegedy, 2015), and one of that would lag twice as far behind. The average stays close to the weights
    that they were gathered with. Where weights from far apart are averaged, they have to be gathered anew (Izmailov
    et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018); ``ppocr average`` can do that.

    All ranks have the same weights, so each averages for itself.

    Args:
        network: The model, before it is wrapped. The parameters that can be trained now are averaged.
        decay: Share of the average that a step keeps, above 0 and below 1.

    Attributes:
        updates: Number of steps that were averaged.
    """

    key = "average"

    def __init__(self, network: Any, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._parameters = {name: parameter for name, parameter in network.named_parameters()
                            if not parameter.stop_gradient}
        self._averages: dict[str, Any] = {}
        self._is_swapped = False
        self.reset()

    @classmethod
    def from_options(cls, options: Section, network: Any) -> WeightAverage | None:
        """Return the average that ``Global.ema_decay`` asks for; None if it does not.

        Raises:
            ConfigError: The decay is not between 0 and 1.
        """
        decay = options["ema_decay"]
        if decay is None:
            return None
        if not 0.0 < decay < 1.0:
            raise ConfigError(f"{where(options, 'ema_decay')} is {decay:g}", expected="above 0 and below 1, such as "
                              "0.999, or null", cure="correct it; 1 / (1 - decay) is the number of steps averaged over")
        return cls(network, decay)

    def reset(self) -> None:
        """Begin with the weights as they are."""
        self.updates = 0
        with paddle.no_grad():
            self._averages = {name: parameter.detach().clone().astype("float32")
                              for name, parameter in self._parameters.items()}

    def update(self, masters: MutableMapping[str, Any]) -> None:
        """Take the weights of a further step into the average.

        Args:
            masters: Float32 masters of half-precision weights by Paddle's parameter names; empty where there are none.
        """
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        with paddle.no_grad():
            for name, parameter in self._parameters.items():
                weight = masters.get(parameter.name, parameter)
                if weight.dtype != paddle.float32:
                    weight = weight.astype("float32")
                # In place, with two passes and one temporary: several times as fast as lerp_ on CPU.
                self._averages[name].scale_(decay).add_(weight.scale(1.0 - decay))

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Let the network hold the averages within the block, and its own weights, bit by bit, afterwards."""
        if self._is_swapped:
            yield
            return
        with paddle.no_grad():
            raw = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        self._is_swapped = True
        try:
            self._fill(self._averages)
            yield
        finally:
            self._fill(raw)
            self._is_swapped = False

    def arrays(self) -> Arrays:
        """Return what the optimizer's file of a checkpoint keeps: the raw weights.

        The averages are in the ``.pdparams``; those of half-precision weights are kept here too, in float32.
        """
        arrays: Arrays = {RAW + name: parameter.numpy() for name, parameter in self._parameters.items()}
        arrays |= {AVERAGE + name: self._averages[name].numpy() for name, parameter in self._parameters.items()
                   if parameter.dtype != paddle.float32}
        return arrays

    def load(self, arrays: Arrays) -> None:
        """Take the averages that the network holds now; of half-precision weights those in `arrays`."""
        updates = self.updates
        self.reset()
        self.updates = updates
        for name, average in self._averages.items():
            if AVERAGE + name in arrays:
                average.set_value(np.array(arrays[AVERAGE + name]))

    def before_train(self, run: TrainingRun) -> None:
        """Begin with the weights that were loaded, where no step was averaged yet."""
        if self.updates == 0:
            self.reset()

    def after_step(self, run: TrainingRun) -> None:
        """Average after an optimizer step."""
        if run.last is not None and run.last.stepped:
            self.update(getattr(run.optimizer, "_master_weights", {}))

    def state_dict(self) -> dict[str, Any]:
        """Return how many steps were averaged."""
        return {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the number of steps that were averaged."""
        self.updates = int(state["updates"])

    def _fill(self, values: dict[str, Any]) -> None:
        with paddle.no_grad():
            for name, parameter in self._parameters.items():
                paddle.assign(values[name].astype(parameter.dtype), output=parameter)


def evaluated_weights(average: WeightAverage | None) -> AbstractContextManager[None]:
    """Return the context in which the network holds the weights that are evaluated, saved and exported."""
    return nullcontext() if average is None else average.swapped()


def restore_weights(network: Any, average: WeightAverage | None, arrays: Arrays) -> None:
    """Put average and raw weights back after the ``.pdparams`` of a checkpoint was loaded.

    Args:
        network: Holds what ``.pdparams`` held.
        average: The average of this run, which a checkpoint without one lets begin anew.
        arrays: The content of ``.pdopt``; what is not the optimizer's is taken out of it.
    """
    own = {key: arrays.pop(key) for key in list(arrays) if key.startswith((RAW, AVERAGE))}
    if average is not None:
        average.load(own)
    raw = {key.removeprefix(RAW): array for key, array in own.items() if key.startswith(RAW)}
    if not raw:
        return
    load_into(network, raw, minimum_share=0.0)
    if average is None:
        LOGGER.warning("The checkpoint holds an average of the weights, and Global.ema_decay is null: the run goes on "
                       "with the weights themselves, and evaluates them from here on.")
