"""Running statistics of batch norms, which a batch that is not finite spoils even if its update is left out."""

from __future__ import annotations

from typing import Any

import paddle


class KeptStatistics:
    """Keeps a copy of the running statistics on the device, for those that a bad batch has made infinite.

    Args:
        network: The network.
    """

    def __init__(self, network: Any) -> None:
        found = {f"{prefix}.{name}": getattr(layer, name, None)
                 for prefix, layer in network.named_sublayers(include_self=True) for name in ("_mean", "_variance")}
        self._tensors = {name: tensor for name, tensor in found.items() if isinstance(tensor, paddle.Tensor)}
        self._copy: Any = None
        self.keep()

    def keep(self) -> None:
        """Keep the statistics as they are now, if they are finite."""
        if not self._tensors:
            return
        with paddle.no_grad():
            copy = paddle.concat([tensor.astype("float32").flatten() for tensor in self._tensors.values()])
            if bool(paddle.isfinite(copy).all()):
                self._copy = copy

    def restore(self) -> list[str]:
        """Put the copy in the place of what is not finite, and return the names of that."""
        restored: list[str] = []
        if self._copy is None:
            return restored
        start = 0
        with paddle.no_grad():
            for name, tensor in self._tensors.items():
                part = self._copy[start:start + tensor.size]
                start += tensor.size
                if not bool(paddle.isfinite(tensor.astype("float32")).all()):
                    paddle.assign(part.reshape(tensor.shape).astype(tensor.dtype), output=tensor)
                    restored.append(name)
        return restored
