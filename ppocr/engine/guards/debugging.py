"""The debug mode: every step is looked at from the images to the gradients, and the first fault is named."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import paddle

from ppocr.engine.guards.suspects import named_losses, named_samples
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.errors import TrainingError

LOGGER = logging.getLogger("ppocr")

OVERRIDES = (
    "Global.check_numerics=true", "Global.print_batch_step=1", "Global.log_smooth_window=1",
    "Global.deterministic=true", "Train.loader.num_workers=0", "Eval.loader.num_workers=0",
)
"""What ``--debug`` sets, before the other options of the command line."""

SHOWN = 20
"""So many parameters are named in a message."""


class NumericsCheck(Hook):
    """Looks at the batch, the output of every layer, the losses and the gradients of every parameter in each step.

    Each look waits for the device, so this is for finding a fault and not for training. What is not finite stops the
    run at the place where it arises: the innermost layer whose output it is in, the loss, or the parameter nearest to
    the loss whose gradient it is in. Parameters without a gradient are named once.
    """

    def __init__(self) -> None:
        self._samples: list[Any] = []
        self._place = ""
        self._is_first = True

    def before_train(self, run: TrainingRun) -> None:
        """Put the checks into the network and around the loss."""
        LOGGER.info("Global.check_numerics: the output of every layer and all gradients are looked at in each step, "
                    "which is slow.")
        run.network.register_forward_pre_hook(functools.partial(self._look_at_inputs, run))
        for name, layer in run.network.named_sublayers(include_self=True):
            layer.register_forward_post_hook(functools.partial(self._look_at_output, name or "the network"))
        run.loss = functools.partial(self._checked_loss, run.loss)

    def before_update(self, run: TrainingRun) -> None:
        """Look at the gradients.

        Raises:
            TrainingError: One is not finite. With loss scaling that is an overflow, and its scaler's business.
        """
        trained = [(name, parameter) for name, parameter in run.network.named_parameters()
                   if not parameter.stop_gradient]
        if self._is_first:
            self._is_first = False
            idle = names_without_gradient(run.network)
            if idle:
                LOGGER.warning("No gradient reaches %d of %d parameters: %s", len(idle), len(trained), _listed(idle))
        if run.precision.scaler is not None:
            return
        bad = [name for name, parameter in trained if parameter.grad is not None and not is_finite(parameter.grad)]
        if bad:
            # Parameters stand in the order of the forward pass; gradients come from the end.
            raise self._error(f"the gradient of {bad[-1]} is not finite, of the {len(bad)} of {len(trained)} "
                              "parameters with such gradients the one nearest to the loss; the outputs of all layers "
                              "and the losses are finite")

    def _look_at_inputs(self, run: TrainingRun, network: Any, inputs: tuple[Any, ...]) -> None:
        batch = next((value for value in inputs if isinstance(value, Mapping)), {})
        self._samples = list(batch.get("info", ()))
        self._place = f"epoch {run.progress.epoch + 1}, batch {run.progress.batch + 1}"
        named = {**batch, "the input": inputs[0]} if inputs else dict(batch)
        bad = [key for key, value in named.items() if any(not is_finite(tensor) for tensor in tensors_in(value))]
        if bad:
            raise self._error(f"the batch itself is not finite ({bad[0]})")

    def _look_at_output(self, name: str, layer: Any, inputs: Any, outputs: Any) -> None:
        for tensor in tensors_in(outputs):
            if is_finite(tensor):
                continue
            count = int((~paddle.isfinite(tensor)).sum())
            largest = max((float(value.astype("float32").abs().max()) for value in tensors_in(inputs)), default=0.0)
            raise self._error(f"the output of {name} ({type(layer).__name__}) is the first that is not finite: {count} "
                              f"of {tensor.size} numbers, shape {list(tensor.shape)}, type "
                              f"{str(tensor.dtype).removeprefix('paddle.')}; its input is finite, up to {largest:.3g}")

    def _checked_loss(self, loss: Callable[..., dict[str, Any]], outputs: dict[str, Any], batch: dict[str, Any]) -> Any:
        losses = loss(outputs, batch)
        if not all(is_finite(value) for value in losses.values()):
            values = named_losses({name: float(value) for name, value in losses.items()})
            raise self._error(f"the loss is not finite ({values}), although the outputs of all layers are")
        return losses

    def _error(self, what: str) -> TrainingError:
        samples = f"; samples of that batch: {named_samples(self._samples)}" if self._samples else ""
        return TrainingError(f"{self._place}: {what}{samples}", expected="finite numbers",
                             cure="look at this part and these samples, with a lower learning rate if numbers have "
                             "grown for some steps")


def names_without_gradient(network: Any) -> list[str]:
    """Return the trainable parameters that no gradient has reached."""
    return [name for name, parameter in network.named_parameters()
            if not parameter.stop_gradient and parameter.grad is None]


def is_finite(tensor: Any) -> bool:
    """Tell whether all numbers of a tensor are finite; waits for the device."""
    with paddle.no_grad():
        return not tensor.is_floating_point() or bool(paddle.isfinite(tensor).all())


def tensors_in(value: Any) -> Iterator[Any]:
    """Yield the tensors in nested sequences and mappings."""
    if isinstance(value, paddle.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
