"""A model in training form as a backend, so that one code path reads pictures with it and with its export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import paddle

from ppocr.export.program import INPUT


class ModelBackend:
    """Runs a model that is in memory.

    Args:
        model: Put into evaluation mode here.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        model.eval()

    @property
    def input_names(self) -> tuple[str, ...]:
        """The images."""
        return (INPUT,)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the output that prediction uses, batch first.

        Args:
            inputs: ``x``: float32 ``[N, C, H, W]``.
        """
        with paddle.no_grad():
            outputs = self.model(paddle.to_tensor(inputs[INPUT]))
        return [outputs[self.model.output_name].astype("float32").numpy()]
