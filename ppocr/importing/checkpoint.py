"""The checkpoint that an import writes: weights, and what they are; no optimizer, since there was no training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppocr import __version__
from ppocr.charset import Charset
from ppocr.engine.checkpoint import SCHEMA
from ppocr.errors import CheckpointError
from ppocr.fileio import atomic_write, sha256
from ppocr.weights import SUFFIX, write_weights


def write_imported(
    prefix: Path, weights: Mapping[str, Any], charset: Charset | None, origin: Mapping[str, Any]
) -> Path:
    """Write ``<prefix>.pdparams`` and ``<prefix>.state``, the state last, and return the path of the weights.

    Args:
        prefix: Path without suffix (``.pdparams`` is taken off); the folder is made.
        weights: Structured name to array.
        charset: The characters of a recognizer, so that a training with others can carry its head over; else None.
        origin: Where the weights come from and how the import was checked.

    Raises:
        CheckpointError: The files cannot be written.
    """
    prefix = prefix.with_name(prefix.name.removesuffix(SUFFIX))
    file = prefix.with_name(prefix.name + SUFFIX)
    try:
        write_weights(file, weights)
        content = {"schema": SCHEMA, "version": __version__, "charset": charset.to_dict() if charset else None,
                   "files": {SUFFIX: sha256(file)}, "imported_from": dict(origin)}
        with atomic_write(prefix.with_name(prefix.name + ".state"), "w") as stream:
            json.dump(content, stream, ensure_ascii=False)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be written: {error.strerror or error}",
                              expected="a place in which files can be made", cure="choose another --output") from None
    return file
