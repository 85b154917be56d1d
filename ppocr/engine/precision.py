"""Mixed precision: which operators run in half precision, and the scaling of the loss that float16 needs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import paddle

LOGGER = logging.getLogger("ppocr")


class Precision:
    """Runs the forward pass and the optimizer step in the precision that ``Global`` asks for.

    On CPU, Paddle has no half-precision training; a warning says so and everything runs in float32.

    Args:
        options: ``Global`` with use_amp, amp_level, amp_dtype, scale_loss, use_dynamic_loss_scaling and the lists.
        device: ``"gpu"`` or ``"cpu"``.
    """

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        self.enabled = bool(options["use_amp"])
        if self.enabled and device == "cpu":
            LOGGER.warning("Global.use_amp is true, but mixed precision needs a GPU; training in float32.")
            self.enabled = False
        self.level: str = options["amp_level"]
        self.dtype: str = options["amp_dtype"]
        self._black = options["amp_custom_black_list"] or None
        self._white = options["amp_custom_white_list"] or None
        # bfloat16 has float32's range: nothing to scale.
        self.scaler = paddle.amp.GradScaler(
            init_loss_scaling=float(options["scale_loss"]),
            use_dynamic_loss_scaling=bool(options["use_dynamic_loss_scaling"]),
        ) if self.enabled and self.dtype == "float16" else None

    def decorate(self, model: Any, optimizer: Any) -> tuple[Any, Any]:
        """Return model and optimizer ready for the level: O2 casts the weights and keeps float32 masters."""
        if not self.enabled or self.level != "O2":
            return model, optimizer
        decorated: tuple[Any, Any] = paddle.amp.decorate(
            models=model, optimizers=optimizer, level="O2", dtype=self.dtype, master_weight=True
        )
        return decorated

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the forward pass runs."""
        if not self.enabled:
            return contextlib.nullcontext()
        context: AbstractContextManager[Any] = paddle.amp.auto_cast(
            custom_white_list=self._white, custom_black_list=self._black, level=self.level, dtype=self.dtype
        )
        return context

    def backward(self, loss: Any) -> None:
        """Run the backward pass of a scalar loss, scaled if float16 needs it."""
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def step(self, optimizer: Any) -> None:
        """Take the optimizer step; with a scaler, overflowed gradients skip it and lower the scale."""
        if self.scaler:
            self.scaler.step(optimizer)
            self.scaler.update()
        else:
            optimizer.step()

    @property
    def overflow(self) -> Any:
        """Whether the scaler left the last step out, because gradients were not finite; may still be on the device."""
        # Paddle has no public way to ask. Where this one is missing, overflows are not counted.
        return getattr(self.scaler, "_found_inf", 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the loss scaler as plain values, empty without one."""
        if not self.scaler:
            return {}
        return {key: np.asarray(value).ravel()[0].item() for key, value in self.scaler.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with a state of `state_dict`."""
        if self.scaler and state:
            self.scaler.load_state_dict({**state, "scale": np.array([state["scale"]], np.float32)})
