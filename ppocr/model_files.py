"""The files of a model that is ready to predict, and how ``inference.yml`` is written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

SCHEMA = 1
DESCRIPTION_FILE = "inference.yml"

PROGRAM_SUFFIXES = (".json", ".pdmodel")
PARAMS_SUFFIX = ".pdiparams"
INFO_SUFFIX = ".info"
"""Follows `PARAMS_SUFFIX` in the name of the file with structured names that PaddlePaddle 2 wrote."""

ONNX_SUFFIX = ".onnx"

HEADER = "# Everything that a predictor needs besides the program and its weights. Written by ppocr-toolkit.\n"


def dump_description(content: Mapping[str, Any]) -> str:
    """Return the text of an ``inference.yml``.

    Args:
        content: Plain values.
    """
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return HEADER + str(yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120,
                                  default_flow_style=None))


def load_yaml(text: str) -> Any:
    """Return the content of an ``inference.yml`` or of another long file of plain values.

    Raises:
        yaml.YAMLError: It is no YAML.
    """
    # The C parser reads the long lists of characters ten times as fast; both construct plain values only.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text).get_single_data()
