"""MobileNetV3 (Howard et al. 2019) for text lines: most strides are vertical, the width is kept for the characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from paddle import nn

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvBN, Size, make_divisible
from ppocr.modeling.common.mobilenet_v3 import LAST, ROWS, InvertedResidual, check_scale
from ppocr.registry import BACKBONES

STRIDED_ROWS = {"large": (0, 1, 3, 12), "small": (0, 1, 3, 8)}


def text_line_strides(model_name: Literal["large", "small"], stride: Sequence[int]) -> list[Size]:
    """Return the stride of each row for text lines: vertical steps at four rows, of the sizes that `stride` names."""
    rows = ROWS[model_name]
    strides: list[Size] = [1] * len(rows)
    for row, step in zip(STRIDED_ROWS[model_name], stride, strict=True):
        strides[row] = (step, 1)
    if model_name == "large":
        strides[0] = stride[0]
    return strides


@BACKBONES.register(tasks=("rec", "cls"))
class MobileNetV3(nn.Layer):
    """MobileNetV3 for text lines: [N, 3, 32, W] to [N, out_channels, 1, W / 4] with the default strides.

    Args:
        in_channels: Channels of the image.
        model_name: The paper's large or small network.
        scale: Width multiplier: 0.35, 0.5, 0.75, 1.0 or 1.25.
        large_stride: For the large network, the strides of the row 0 (both directions) and the rows 1, 3 and 12
            (vertical); [1, 2, 2, 2] by default.
        small_stride: For the small network, the vertical strides of the rows 0, 1, 3 and 8; [2, 2, 2, 2] by default.
        disable_se: Leave out the channel gates.

    Raises:
        ConfigError: Another scale, or not four strides.
    """

    def __init__(
        self,
        in_channels: int = 3,
        model_name: Literal["large", "small"] = "small",
        scale: float = 0.5,
        large_stride: Sequence[int] | None = None,
        small_stride: Sequence[int] | None = None,
        disable_se: bool = False,
    ) -> None:
        super().__init__()
        check_scale(scale)
        given = {"large": large_stride, "small": small_stride}[model_name]
        stride = given if given is not None else {"large": (1, 2, 2, 2), "small": (2, 2, 2, 2)}[model_name]
        if len(stride) != 4:
            raise ConfigError(f"Architecture.Backbone.{model_name}_stride is {list(stride)}",
                              expected="a list of four strides", cure="write four whole numbers, such as [1, 2, 2, 2]")
        channels = make_divisible(16 * scale)
        self.conv1 = ConvBN(in_channels, channels, 3, stride=2, act="hardswish")
        blocks = []
        for row, step in zip(ROWS[model_name], text_line_strides(model_name, stride), strict=True):
            out = make_divisible(row.out * scale)
            blocks.append(InvertedResidual(channels, make_divisible(row.expand * scale), out, row.kernel, step, row.act,
                                           row.se and not disable_se))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.out_channels = make_divisible(LAST[model_name] * scale)
        self.conv2 = ConvBN(channels, self.out_channels, 1, act="hardswish")
        self.pool = nn.MaxPool2D(2, stride=2)

    def forward(self, images: Any) -> Any:
        """Return the feature map."""
        return self.pool(self.conv2(self.blocks(self.conv1(images))))
