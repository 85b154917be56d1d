"""The path aggregation network with large kernels of PP-OCRv3 (Li et al. 2022; paths by Liu et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.necks.intra_cl import IntraCLBlock
from ppocr.modeling.necks.pyramid import LEVELS, check_channels, enlarge, plain_conv, top_down
from ppocr.registry import NECKS

KERNEL = 9


class SeparableConv(nn.Layer):
    """Depthwise convolution, then two 1x1 convolutions over four times the channels: [N, in, H, W] to [N, out, H, W].

    Where the channels change, a 1x1 convolution of the input is added.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        inner = 4 * in_channels
        self.conv1 = nn.Conv2D(in_channels, in_channels, kernel_size, padding=kernel_size // 2, groups=in_channels,
                               bias_attr=False)
        self.bn1 = nn.BatchNorm2D(in_channels)
        self.conv2 = nn.Conv2D(in_channels, inner, 1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(inner)
        self.conv3 = nn.Conv2D(inner, out_channels, 1, bias_attr=False)
        changes = in_channels != out_channels
        self.conv_end = nn.Conv2D(in_channels, out_channels, 1, bias_attr=False) if changes else None

    def forward(self, x: Any) -> Any:
        """Return the convolution."""
        y = self.conv3(F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x))))))
        return y if self.conv_end is None else y + self.conv_end(x)


class PathAggregation(nn.Layer):
    """Top-down and bottom-up paths: four maps to one, [N, out_channels, H / 4, W / 4].

    Args:
        in_channels: Channels of the four maps, the largest map first.
        out_channels: Channels of the result, a multiple of 4.
        convolution: Makes a layer with a 9x9 kernel of its input and its output channels.
        intracl: Add large kernels to each scale (`IntraCLBlock`).

    Raises:
        ConfigError: Not four maps, or `out_channels` is no multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, convolution: Callable[[int, int], nn.Layer],
                 intracl: bool) -> None:
        super().__init__()
        check_channels(in_channels, out_channels, type(self).__name__)
        self.out_channels, self.intracl = out_channels, intracl
        quarter = out_channels // LEVELS
        self.ins_conv = nn.LayerList([plain_conv(channels, out_channels, 1) for channels in in_channels])
        self.inp_conv = nn.LayerList([convolution(out_channels, quarter) for _ in in_channels])
        self.pan_head_conv = nn.LayerList([plain_conv(quarter, quarter, 3, stride=2) for _ in in_channels[1:]])
        self.pan_lat_conv = nn.LayerList([convolution(quarter, quarter) for _ in in_channels])
        if intracl:
            for number in range(1, LEVELS + 1):
                self.add_sublayer(f"incl{number}", IntraCLBlock(quarter))

    def forward(self, maps: Sequence[Any]) -> Any:
        """Return the joined map."""
        return self.join(self.sum_down(maps))

    def sum_down(self, maps: Sequence[Any]) -> list[Any]:
        """Return the maps of the top-down path, `out_channels` wide, the largest first."""
        return top_down([layer(maps[level]) for level, layer in enumerate(self.ins_conv)])

    def join(self, summed: Sequence[Any]) -> Any:
        """Return the joined map of the top-down path's maps."""
        narrowed = [layer(summed[level]) for level, layer in enumerate(self.inp_conv)]
        path = narrowed[:1]
        for level, layer in enumerate(self.pan_head_conv):
            path.append(narrowed[level + 1] + layer(path[level]))
        scales = [layer(path[level]) for level, layer in enumerate(self.pan_lat_conv)]
        if self.intracl:
            scales = [getattr(self, f"incl{number}")(x) for number, x in enumerate(scales, 1)]
        return paddle.concat(enlarge(scales), axis=1)


CONVOLUTIONS: dict[str, Callable[..., nn.Layer]] = {"large": plain_conv, "lite": SeparableConv}


@NECKS.register(tasks=("det",))
class LKPAN(PathAggregation):
    """Top-down and bottom-up paths with 9x9 kernels: four maps to one, [N, out_channels, H / 4, W / 4].

    Args:
        in_channels: Channels of the four maps, the largest map first.
        out_channels: Channels of the result, a multiple of 4; 256 in the published models.
        mode: ``large`` has full 9x9 convolutions, ``lite`` depthwise ones.
        intracl: Add large kernels to each scale (`IntraCLBlock`).

    Raises:
        ConfigError: Not four maps, or `out_channels` is no multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, mode: Literal["large", "lite"] = "large",
                 intracl: bool = False) -> None:
        super().__init__(in_channels, out_channels, partial(CONVOLUTIONS[mode], kernel_size=KERNEL), intracl)
