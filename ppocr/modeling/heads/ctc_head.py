"""Class scores for connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

from typing import Any

import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.common.checks import require_sequence
from ppocr.modeling.common.layers import uniform_attr
from ppocr.registry import HEADS


def _linear(in_channels: int, out_channels: int, decay: float) -> nn.Linear:
    return nn.Linear(in_channels, out_channels, weight_attr=uniform_attr(in_channels, decay),
                     bias_attr=uniform_attr(in_channels, decay))


def _guide(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1D(channels, channels, 5, padding=2, groups=channels, bias_attr=False),
        nn.BatchNorm1D(channels),
        nn.Hardswish(),
        nn.Conv1D(channels, channels, 1, bias_attr=False),
        nn.BatchNorm1D(channels),
        nn.Hardswish(),
    )


@HEADS.register(tasks=("rec",))
class CTCHead(nn.Layer):
    """Class scores at each step, class 0 is the blank.

    [N, T, in_channels] to ``{"logits" | "probs": [N, T, num_classes]}``.

    Args:
        in_channels: Channels of the sequence.
        num_classes: Classes with the blank.
        fc_decay: L2 decay of the linear layers, in place of the optimizer's.
        mid_channels: Channels between two linear layers; null makes it one.
        return_feats: While training also return ``"feats"``, the features that enter the last linear layer.
        use_guide: Read the features through two small convolutions of its own and cut the gradient to the backbone,
            which is then trained by another head alone.
    """

    step_aligned = True
    """The number of steps bounds the text that can be read (see `OCRModel.time_steps`)."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        fc_decay: float = 4e-4,
        mid_channels: int | None = None,
        return_feats: bool = False,
        use_guide: bool = False,
    ) -> None:
        super().__init__()
        self.guide_layer = _guide(in_channels) if use_guide else None
        self.cuts_gradient = use_guide
        self.two_layers = mid_channels is not None
        if mid_channels is None:
            self.fc = _linear(in_channels, num_classes, fc_decay)
        else:
            self.fc1 = _linear(in_channels, mid_channels, fc_decay)
            self.fc2 = _linear(mid_channels, num_classes, fc_decay)
        self.return_feats = return_feats
        self.out_channels = num_classes

    def forward(self, features: Any, targets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the class scores.

        Raises:
            ConfigError: The features are not a sequence.
        """
        require_sequence(features, "CTCHead")
        x = features
        if self.guide_layer is not None:
            x = x.detach() if self.cuts_gradient else x
            x = self.guide_layer(x.transpose([0, 2, 1])).transpose([0, 2, 1])
        if self.two_layers:
            x = self.fc1(x)
        logits = self.fc2(x) if self.two_layers else self.fc(x)
        if not self.training:
            return {"probs": F.softmax(logits, axis=-1)}
        return {"logits": logits, "feats": x} if self.return_feats else {"logits": logits}

    def class_axes(self) -> dict[str, tuple[int, str]]:
        """Return the parameters with an axis of classes: name to (axis, codec)."""
        last = "fc2" if self.two_layers else "fc"
        return {f"{last}.weight": (1, "ctc"), f"{last}.bias": (0, "ctc")}
