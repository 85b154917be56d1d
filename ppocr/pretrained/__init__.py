"""Weights to start from, wherever they come from: a checkpoint, an exported model, or a published model by its name."""

from __future__ import annotations

from ppocr.pretrained.charsets import configured_charset, named_charset
from ppocr.pretrained.exported import structured_weights
from ppocr.pretrained.sources import Pretrained, exported_folder, read_pretrained

__all__ = [
    "Pretrained",
    "configured_charset",
    "exported_folder",
    "named_charset",
    "read_pretrained",
    "structured_weights",
]
