"""Export of trained models to folders that predictors read, with a comparison of the two."""

from ppocr.export.description import ModelIdentity, Provenance, resolved_operators, resolved_postprocess
from ppocr.export.exporter import export_model
from ppocr.export.from_config import export_from_config
from ppocr.export.parity import check_parity
from ppocr.infer.parameters import exported_weights

__all__ = [
    "ModelIdentity",
    "Provenance",
    "check_parity",
    "export_from_config",
    "export_model",
    "exported_weights",
    "resolved_operators",
    "resolved_postprocess",
]
