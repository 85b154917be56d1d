"""The head of the PP-OCRv4 server detector: DB with a local refinement of the probability at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppocr.modeling.common.layers import ConvBN
from ppocr.modeling.common.upsample import upsample
from ppocr.modeling.heads.db_head import DBHead, binary_map, joined_map
from ppocr.registry import HEADS


class LocalRefinement(nn.Layer):
    """Makes logits of a refined map from a probability map and features: [N, 1 + C, H, W] to [N, 1, H, W]."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.last_3 = ConvBN(channels + 1, inner, 3, act="relu")
        self.last_1 = nn.Conv2D(inner, 1, 1)

    def forward(self, features: Any, probability: Any) -> Any:
        """Return the logits."""
        return self.last_1(self.last_3(paddle.concat([probability, features], axis=1)))


@HEADS.register(tasks=("det",))
class PFHeadLocal(DBHead):
    """Text probability and its refinement from the features beside each pixel.

    In evaluation ``maps`` is [N, 1, H, W], the mean of both. While training it is [N, 3, H, W]: the refined
    probability, the threshold, and the binary map of the first probability; ``distance_maps`` is the first of these
    and ``cbn_maps`` the last, [N, 1, H, W] each.

    Args:
        in_channels: Channels of the neck.
        k: Steepness of the binary map.
        mode: ``large`` refines with a quarter of the channels, ``small`` with an eighth.
        kernel_list: As for DBHead.
        fix_nan: As for DBHead.

    Raises:
        ConfigError: Other kernels, or channels that are no multiple of 4.
    """

    def __init__(self, in_channels: int, k: int = 50, mode: Literal["large", "small"] = "small",
                 kernel_list: Sequence[int] = (3, 2, 2), fix_nan: bool = False) -> None:
        super().__init__(in_channels, k, kernel_list, fix_nan)
        self.cbn_layer = LocalRefinement(in_channels // 4, in_channels // (4 if mode == "large" else 8))

    def forward(self, x: Any) -> dict[str, Any]:
        """Return the maps; see DBHead for what `x` may be."""
        x = joined_map(x)
        features = self.binarize.features(x)
        shrink = self.binarize.classify(features)
        refined = F.sigmoid(self.cbn_layer(upsample(features, 2), shrink))
        if not self.training:
            return {"maps": 0.5 * (shrink + refined)}
        threshold = self.thresh(x)
        binary = binary_map(shrink, threshold, self.k)
        return {"maps": paddle.concat([refined, threshold, binary], axis=1), "distance_maps": refined,
                "cbn_maps": binary}
