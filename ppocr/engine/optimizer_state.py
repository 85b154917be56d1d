"""The optimizer's state under the names of the model's parameters.

Paddle keys its accumulators by global parameter names such as ``conv2d_3.w_0``, which shift when one more layer is
built earlier; a state that is loaded by them can land at the wrong parameter without a word. Here every array is kept
under the structured name that the model's own state uses. That takes private attributes of the optimizer
(``_accumulators``, ``_master_weights``, ``_create_accumulators``): its public state is keyed by the global names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import paddle

from ppocr.errors import CheckpointError

SEPARATOR = "|"
MASTER = "master_weight"


def optimizer_state(model: Any, optimizer: Any) -> dict[str, npt.NDArray[Any]]:
    """Return ``{"<parameter>|<accumulator>": array}`` for all accumulators and float32 master weights."""
    accumulators = getattr(optimizer, "_accumulators", {})
    masters = getattr(optimizer, "_master_weights", {})
    state: dict[str, npt.NDArray[Any]] = {}
    for name, parameter in _trainable(model).items():
        for accumulator, tensors in accumulators.items():
            if parameter.name in tensors:
                state[f"{name}{SEPARATOR}{accumulator}"] = tensors[parameter.name].numpy()
        if parameter.name in masters:
            state[f"{name}{SEPARATOR}{MASTER}"] = masters[parameter.name].numpy()
    return state


def load_optimizer_state(
    model: Any, optimizer: Any, state: dict[str, npt.NDArray[Any]]
) -> tuple[list[str], list[str]]:
    """Continue with a state of `optimizer_state`.

    Returns:
        The parameters that are trained now and were not then, whose state begins with zeros, and those that were
        trained then and are not now, whose state is left out.

    Raises:
        CheckpointError: The state belongs to another model or another optimizer.
    """
    if not state:
        return [], []  # Written before the first step.
    parameters = _trainable(model)
    in_state = {_parameter_of(key) for key in state}
    fresh = [name for name in parameters if name not in in_state]
    frozen = [name for name, _ in model.named_parameters() if name in in_state and name not in parameters]
    state = {key: array for key, array in state.items() if _parameter_of(key) not in set(frozen)}
    optimizer._create_accumulators(paddle.static.default_main_program().global_block(), list(parameters.values()))
    present = {key for key in optimizer_state(model, optimizer) if _parameter_of(key) in in_state}
    strangers = sorted(key for key in state if key not in present and not key.endswith(SEPARATOR + MASTER))
    missing = sorted(present - set(state))
    if strangers or missing:
        shown = ", ".join((strangers or missing)[:3])
        raise CheckpointError(
            f"the optimizer state does not fit: {len(strangers)} entries without a place, {len(missing)} missing "
            f"(such as {shown})",
            expected="a checkpoint of the same model and optimizer",
            cure="resume with the configuration of that run, or start from its weights with Global.pretrained_model",
        )
    for key, array in state.items():
        name, accumulator = key.rsplit(SEPARATOR, 1)
        own = parameters[name].name
        if accumulator == MASTER:
            optimizer._master_weights[own] = paddle.to_tensor(array)
        else:
            tensor = optimizer._accumulators[accumulator][own]
            tensor.set_value(np.asarray(array).reshape(tensor.shape))
    return fresh, frozen


def _parameter_of(key: str) -> str:
    return key.rsplit(SEPARATOR, 1)[0]


def _trainable(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient}
