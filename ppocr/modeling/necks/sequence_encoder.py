"""From a feature map to a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from paddle import nn

from ppocr.modeling.common.checks import require_single_row
from ppocr.modeling.necks.sequence_encoders import (
    CascadeRNNEncoder,
    FCEncoder,
    LightSVTREncoder,
    ReshapeEncoder,
    RNNEncoder,
    SVTREncoder,
)
from ppocr.registry import NECKS, check_arguments

ENCODERS: dict[str, Callable[..., Any]] = {
    "reshape": ReshapeEncoder,
    "fc": FCEncoder,
    "rnn": RNNEncoder,
    "cascadernn": CascadeRNNEncoder,
    "svtr": SVTREncoder,
    "lightsvtr": LightSVTREncoder,
}


@NECKS.register(tasks=("rec",))
class SequenceEncoder(nn.Layer):
    """Turns a map of height 1 into a sequence: [N, in_channels, 1, W] to [N, W, out_channels].

    Args:
        in_channels: Channels of the map.
        encoder_type: Which encoder. The other arguments are those of the encoders in
            `ppocr.modeling.necks.sequence_encoders`; null leaves an encoder's own default, and one that the chosen
            encoder does not have is an error.
        hidden_size: fc, rnn, cascadernn.
        out_channels, with_linear: cascadernn.
        dims, depth, num_heads, qkv_bias, mlp_ratio, drop_rate, attn_drop_rate, drop_path, qk_scale, use_guide: svtr,
            lightsvtr.
        hidden_dims, kernel_size: svtr.
        local_kernel: lightsvtr.

    Raises:
        ConfigError: An argument that the encoder does not have, or a value that it refuses.
    """

    def __init__(
        self,
        in_channels: int,
        encoder_type: Literal["reshape", "fc", "rnn", "cascadernn", "svtr", "lightsvtr"],
        hidden_size: int | None = None,
        out_channels: Sequence[int] | None = None,
        with_linear: bool | None = None,
        dims: int | None = None,
        depth: int | None = None,
        hidden_dims: int | None = None,
        use_guide: bool | None = None,
        num_heads: int | None = None,
        qkv_bias: bool | None = None,
        mlp_ratio: float | None = None,
        drop_rate: float | None = None,
        attn_drop_rate: float | None = None,
        drop_path: float | None = None,
        qk_scale: float | None = None,
        kernel_size: Sequence[int] | None = None,
        local_kernel: int | None = None,
    ) -> None:
        super().__init__()
        options = {
            "hidden_size": hidden_size, "out_channels": out_channels, "with_linear": with_linear, "dims": dims,
            "depth": depth, "hidden_dims": hidden_dims, "use_guide": use_guide, "num_heads": num_heads,
            "qkv_bias": qkv_bias, "mlp_ratio": mlp_ratio, "drop_rate": drop_rate, "attn_drop_rate": attn_drop_rate,
            "drop_path": drop_path, "qk_scale": qk_scale, "kernel_size": kernel_size, "local_kernel": local_kernel,
        }
        given = {key: value for key, value in options.items() if value is not None}
        encoder = ENCODERS[encoder_type]
        arguments = check_arguments(encoder, given, kind="sequence encoder", name=encoder_type,
                                    supplied={"in_channels": in_channels})
        self.encoder = encoder(**arguments)
        self.out_channels = self.encoder.out_channels

    def forward(self, features: Any) -> Any:
        """Return the sequence.

        Raises:
            ConfigError: The map's height is not 1.
        """
        require_single_row(features, "SequenceEncoder")
        return self.encoder(features)
