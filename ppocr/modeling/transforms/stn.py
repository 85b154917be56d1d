"""The rectification of ASTER: Shi et al. 2018, "An Attentional Scene Text Recognizer with Flexible Rectification"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Assign, Constant, Normal

from ppocr.errors import ConfigError
from ppocr.modeling.common.checks import require_pair
from ppocr.modeling.common.thin_plate import Points, ThinPlateSpline, border_points, sample
from ppocr.modeling.transforms.tps import check_point_count
from ppocr.registry import STNS

_FILTERS = (32, 64, 128, 256, 256, 256)
_HIDDEN = 512
_SHRINK = 2 ** (len(_FILTERS) - 1)


def corner_grid(height: int, width: int) -> Points:
    """Return the points of a map row by row, [height * width, 2] as (x, y), the corner pixels at 0 and 1."""
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


class LocalizationHead(nn.Layer):
    """Predicts the control points from the small image: [N, C, h, w] to [N, K, 2], (x, y) of the image from 0 to 1."""

    def __init__(self, in_channels: int, num_control_points: int, size: tuple[int, int], sigmoid: bool) -> None:
        super().__init__()
        self.num_control_points, self.sigmoid = num_control_points, sigmoid
        layers: list[Any] = []
        for index, (width, channels) in enumerate(zip((in_channels, *_FILTERS), _FILTERS, strict=False)):
            if index:
                layers.append(nn.MaxPool2D(2, stride=2))
            deviation = (2.0 / (9 * channels)) ** 0.5
            conv = nn.Conv2D(width, channels, 3, padding=1,
                             weight_attr=ParamAttr(initializer=Normal(0.0, deviation)))
            layers.append(nn.Sequential(conv, nn.BatchNorm2D(channels), nn.ReLU()))
        self.stn_convnet = nn.Sequential(*layers)
        flat = _FILTERS[-1] * (size[0] // _SHRINK) * (size[1] // _SHRINK)
        self.stn_fc1 = nn.Sequential(
            nn.Linear(flat, _HIDDEN, weight_attr=ParamAttr(initializer=Normal(0.0, 0.001))),
            nn.BatchNorm1D(_HIDDEN),
            nn.ReLU(),
        )
        start = border_points(num_control_points, left=0.01, right=0.99, top=0.01, bottom=0.99)
        if sigmoid:
            start = -np.log(1.0 / start - 1.0)
        self.stn_fc2 = nn.Linear(_HIDDEN, num_control_points * 2, weight_attr=ParamAttr(initializer=Constant(0.0)),
                                 bias_attr=ParamAttr(initializer=Assign(start.ravel().astype(np.float32))))

    def forward(self, images: Any) -> Any:
        """Return the control points."""
        features = self.stn_fc1(self.stn_convnet(images).flatten(1))
        # A tenth of the features: the points then move slowly away from where they start.
        points = self.stn_fc2(0.1 * features)
        if self.sigmoid:
            points = F.sigmoid(points)
        return points.reshape([-1, self.num_control_points, 2])


@STNS.register(tasks=("rec", "cls"))
class STN_ON(nn.Layer):
    """Rectifies the image by a thin-plate spline, [N, C, H, W] to [N, C, *tps_outputsize].

    Args:
        in_channels: C.
        tps_inputsize: Height and width at which the localisation network sees the image, multiples of 32.
        tps_outputsize: Height and width of the output.
        num_control_points: Even number of control points.
        tps_margins: Distance of the control points from the output's left/right and top/bottom edge, as a share.
        stn_activation: What bounds the predicted points; they are clipped to the image anyway.

    Raises:
        ConfigError: An unusable size or number of points.
    """

    def __init__(
        self,
        in_channels: int,
        tps_inputsize: Sequence[int] = (32, 64),
        tps_outputsize: Sequence[int] = (32, 100),
        num_control_points: int = 20,
        tps_margins: Sequence[float] = (0.05, 0.05),
        stn_activation: Literal["none", "sigmoid"] = "none",
    ) -> None:
        super().__init__()
        check_point_count(num_control_points, "Architecture.Transform.num_control_points")
        seen, made = _size(tps_inputsize, "tps_inputsize"), _size(tps_outputsize, "tps_outputsize")
        if seen[0] % _SHRINK or seen[1] % _SHRINK:
            raise ConfigError(f"Architecture.Transform.tps_inputsize is {list(seen)}",
                              expected=f"a height and a width that are multiples of {_SHRINK}", cure="use [32, 64]")
        self.output_size = made
        self.stn_head = LocalizationHead(in_channels, num_control_points, seen, stn_activation == "sigmoid")
        x, y = require_pair(tps_margins, "Architecture.Transform.tps_margins", "[left and right, top and bottom]")
        self.spline = ThinPlateSpline(border_points(num_control_points, left=x, right=1 - x, top=y, bottom=1 - y))
        # Constants of the architecture: they are not part of the weights.
        self.register_buffer("output_grid", _tensor(corner_grid(*made)), persistable=False)
        self.register_buffer("seen_grid", _tensor(corner_grid(*seen).reshape(1, *seen, 2) * 2 - 1), persistable=False)
        self.out_channels = in_channels

    def forward(self, images: Any) -> Any:
        """Return the rectified images."""
        # A bilinear resize, written as sampling: interpolation operators do not run in every inference engine.
        small = sample(images, self.seen_grid.expand([images.shape[0], -1, -1, -1]))
        places = paddle.clip(self.spline(self.stn_head(small), self.output_grid), 0.0, 1.0)
        return sample(images, (places * 2 - 1).reshape([-1, *self.output_size, 2]))


def _size(value: Sequence[int], key: str) -> tuple[int, int]:
    key = f"Architecture.Transform.{key}"
    height, width = require_pair(value, key, "[height, width]")
    if min(height, width) < 2:
        raise ConfigError(f"{key} is {list(value)}", expected="at least 2 pixels each", cure="correct the value")
    return height, width


def _tensor(values: Points) -> Any:
    return paddle.to_tensor(values.astype(np.float32))
