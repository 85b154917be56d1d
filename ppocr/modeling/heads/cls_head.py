"""One class for the whole image."""

from __future__ import annotations

from typing import Any

import paddle.nn.functional as F
from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import uniform_attr
from ppocr.registry import HEADS


@HEADS.register(tasks=("cls",))
class ClsHead(nn.Layer):
    """Class scores of an image: [N, in_channels, H, W] to ``{"logits" | "probs": [N, class_dim]}``.

    Args:
        in_channels: Channels of the map.
        class_dim: Number of classes; that of the post-processing if null.
        num_classes: Number of classes that the post-processing names.

    Raises:
        ConfigError: The two numbers differ, or neither is known.
    """

    def __init__(self, in_channels: int, class_dim: int | None = None, num_classes: int | None = None) -> None:
        super().__init__()
        classes = num_classes if class_dim is None else class_dim
        if classes is None or num_classes not in (None, classes):
            raise ConfigError(
                f"Architecture.Head.class_dim is {class_dim}, PostProcess names {num_classes} classes",
                expected="the same number in both", cure="correct class_dim, or PostProcess.label_list",
            )
        self.fc = nn.Linear(in_channels, classes, weight_attr=uniform_attr(in_channels),
                            bias_attr=uniform_attr(in_channels))
        self.out_channels = classes

    def forward(self, features: Any, targets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the class scores."""
        logits = self.fc(F.adaptive_avg_pool2d(features, 1).flatten(1))
        return {"logits": logits} if self.training else {"probs": F.softmax(logits, axis=-1)}
