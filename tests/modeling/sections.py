"""Architecture sections that several tests build."""

from __future__ import annotations

from typing import Any


def rec(backbone: dict[str, Any], neck: dict[str, Any], head: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"model_type": "rec", "Backbone": backbone, "Neck": neck, "Head": head, **others}


def det(backbone: dict[str, Any], neck: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    return {"model_type": "det", "Backbone": backbone, "Neck": neck, "Head": head}


def neck(name: str, out_channels: int, **others: Any) -> dict[str, Any]:
    return {"name": name, "out_channels": out_channels, **others}


def rnn(size: int) -> dict[str, Any]:
    return {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": size}


CTC = {"name": "CTCHead"}
RESHAPE = {"name": "SequenceEncoder", "encoder_type": "reshape"}
LARGE = {"name": "MobileNetV3", "model_name": "large", "scale": 0.5}
SMALL = {"name": "MobileNetV3", "model_name": "small", "scale": 0.35}
SVTR = {"name": "SVTRNet", "prenorm": False}
STN = {"name": "STN_ON"}
TPS = {"name": "TPS", "num_fiducial": 20, "loc_lr": 0.1, "model_name": "small"}
ATTENTION = {"name": "AttentionHead", "hidden_size": 32}

CRNN = rec(LARGE, rnn(96), CTC)
LITE = rec({"name": "MobileNetV3", "model_name": "small", "scale": 0.5, "small_stride": [1, 2, 2, 2]}, rnn(48), CTC)

MOBILE = {**LARGE, "disable_se": True}
DB = {"name": "DBHead", "k": 50}
DB_MOBILE = det(MOBILE, neck("DBFPN", 96), DB)
