"""The rectification of RARE: Shi et al. 2016, "Robust Scene Text Recognition with Automatic Rectification"."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Assign, Constant, Uniform

from ppocr.errors import ConfigError
from ppocr.modeling.common.layers import ConvBN
from ppocr.modeling.common.thin_plate import ThinPlateSpline, border_points, sample
from ppocr.registry import STNS

_FILTERS = {"large": (64, 128, 256, 512), "small": (16, 32, 64, 128)}
_HIDDEN = {"large": 256, "small": 64}


def check_point_count(count: int, key: str) -> None:
    """Raise ConfigError unless `count` control points fill two edges with at least two each."""
    if count < 4 or count % 2:
        raise ConfigError(f"{key} is {count}", expected="an even number, at least 4: half lie on each long edge",
                          cure=f"correct {key}; 20 is usual")


class LocalizationNetwork(nn.Layer):
    """Predicts the control points from the image: [N, C, H, W] to [N, num_fiducial, 2].

    Points are (x, y) from -1 to 1, the top edge left to right, then the bottom edge.
    """

    def __init__(self, in_channels: int, num_fiducial: int, loc_lr: float,
                 model_name: Literal["large", "small"]) -> None:
        super().__init__()
        self.num_fiducial = num_fiducial
        filters, hidden = _FILTERS[model_name], _HIDDEN[model_name]
        self.convs = [f"loc_conv{index}" for index in range(len(filters))]
        for name, width, channels in zip(self.convs, (in_channels, *filters), filters, strict=False):
            self.add_sublayer(name, ConvBN(width, channels, 3, act="relu"))
        bound = filters[-1] ** -0.5
        self.fc1 = nn.Linear(
            filters[-1], hidden,
            weight_attr=ParamAttr(learning_rate=loc_lr, initializer=Uniform(-bound, bound)),
            bias_attr=ParamAttr(learning_rate=loc_lr),
        )
        # The paper's start: two slanting rows, which pull the network away from the trivial identity.
        start = border_points(num_fiducial, left=-1, right=1, top=-1, bottom=1)
        half = num_fiducial // 2
        start[:half, 1] = np.linspace(0.0, -1.0, half)
        start[half:, 1] = np.linspace(1.0, 0.0, half)
        self.fc2 = nn.Linear(
            hidden, num_fiducial * 2,
            weight_attr=ParamAttr(learning_rate=loc_lr, initializer=Constant(0.0)),
            bias_attr=ParamAttr(learning_rate=loc_lr, initializer=Assign(start.ravel().astype(np.float32))),
        )

    def forward(self, images: Any) -> Any:
        """Return the control points."""
        x = images
        for name in self.convs[:-1]:
            x = F.max_pool2d(getattr(self, name)(x), 2, stride=2)
        x = F.adaptive_avg_pool2d(getattr(self, self.convs[-1])(x), 1).flatten(1)
        return self.fc2(F.relu(self.fc1(x))).reshape([-1, self.num_fiducial, 2])


@STNS.register(tasks=("rec", "cls"))
class TPS(nn.Layer):
    """Rectifies the image by a thin-plate spline through predicted control points: [N, C, H, W] to the same shape.

    Args:
        in_channels: C.
        num_fiducial: Number of control points, even.
        loc_lr: Factor of the learning rate for the two linear layers that predict them.
        model_name: Size of the localisation network.

    Raises:
        ConfigError: `num_fiducial` is odd or below 4.
    """

    def __init__(
        self,
        in_channels: int,
        num_fiducial: int = 20,
        loc_lr: float = 0.1,
        model_name: Literal["large", "small"] = "small",
    ) -> None:
        super().__init__()
        check_point_count(num_fiducial, "Architecture.Transform.num_fiducial")
        self.loc_net = LocalizationNetwork(in_channels, num_fiducial, loc_lr, model_name)
        self.spline = ThinPlateSpline(border_points(num_fiducial, left=-1, right=1, top=-1, bottom=1))
        self.out_channels = in_channels

    def forward(self, images: Any) -> Any:
        """Return the rectified images."""
        height, width = images.shape[2], images.shape[3]
        grid = self.spline(self.loc_net(images), pixel_centres(height, width))
        return sample(images, grid.reshape([-1, height, width, 2]))


def pixel_centres(height: Any, width: Any) -> Any:
    """Return the centres of the pixels, row by row, float32 [height * width, 2] as (x, y) from -1 to 1."""
    x = (2 * paddle.arange(width).astype("float32") + 1) / width - 1
    y = (2 * paddle.arange(height).astype("float32") + 1) / height - 1
    rows, columns = paddle.meshgrid(y, x)
    return paddle.stack([columns.flatten(), rows.flatten()], axis=1)
