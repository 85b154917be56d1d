"""Exported models become training checkpoints: their weights under the names of the training network, checked."""

from __future__ import annotations

from ppocr.importing.convert import ImportReport, import_model

__all__ = ["ImportReport", "import_model"]
