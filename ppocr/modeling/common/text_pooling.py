"""The last step of the text line backbones of PP-OCRv4 to v6: a map three rows high becomes one row."""

from __future__ import annotations

from typing import Any

import paddle.nn.functional as F

from ppocr.errors import ConfigError

ROWS = 3


def pool_text_line(x: Any, *, training: bool) -> Any:
    """Return the map averaged over its height and over pairs of columns, [N, C, h, w] to [N, C, 1, w / 2].

    In evaluation by a window of 3x2, for images 48 high; a lower map by all its rows. While training whatever the
    height, so that lines of several heights can be mixed; from images 320 wide 40 columns come out, as in the
    published training.

    Args:
        x: [N, C, h, w]; in evaluation h is 3.
        training: Whether the network trains.

    Raises:
        ConfigError: A map one column wide while training.
    """
    if not training:
        rows = x.shape[2] if 0 < x.shape[2] < ROWS else ROWS
        return F.avg_pool2d(x, [rows, 2])
    if x.shape[3] < 2:
        raise ConfigError("the feature map is one column wide", expected="images at least 16 wide",
                          cure="raise the image width in RecResizeImg")
    return F.adaptive_avg_pool2d(x, [1, x.shape[3] // 2])
