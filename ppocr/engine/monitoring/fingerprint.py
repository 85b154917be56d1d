"""What tells one state of a data set from another, cheaply: label files by content, pictures by size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppocr.data.dataset import SampleDataset
from ppocr.data.label_file import LabelFile
from ppocr.data.lmdb_dataset import LMDBDataSet
from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.errors import SampleError
from ppocr.fileio import sha256

LOOKED_AT = 5000
"""Pictures of a label file whose sizes are asked for, spread evenly; on a network disk each may take a millisecond."""

Fingerprint = dict[str, Any]


def fingerprint(dataset: SampleDataset) -> Fingerprint:
    """Return the number of samples of an epoch, and per label file or database what it holds, as plain values.

    A label file has ``path``, ``lines``, ``bytes``, ``sha256`` and its ``pictures``: how many were ``looked_at``, how
    many of these are ``missing``, the ``bytes`` of the others, and the ``sha256`` over their names and sizes. No
    picture is opened.
    """
    sources: list[Fingerprint] = []
    if isinstance(dataset, SimpleDataSet):
        sources = [_of_label_file(file) for file in dataset.files]
    elif isinstance(dataset, LMDBDataSet):
        sources = [_of_database(dataset, folder) for folder in dataset.folders]
    return {"dataset": type(dataset).__name__, "samples": len(dataset), "sources": sources}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what has changed between two fingerprints of `fingerprint`; nothing where they are equal."""
    if before == now:
        return []
    earlier = {source["path"]: source for source in before.get("sources", [])}
    sources = {source["path"]: source for source in now["sources"]}
    told = [f"{path} is new ({sources[path]['lines']} lines)" for path in sources if path not in earlier]
    told += [f"{path} is not used any more ({earlier[path]['lines']} lines)" for path in earlier if path not in sources]
    for path, source in sources.items():
        if path in earlier and source != earlier[path]:
            told.append(f"{path} has changed: {_change(earlier[path], source)}")
    if not told:
        told.append(f"an epoch has {now['samples']} samples, it had {before.get('samples')}")
    return told


def _change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if before["lines"] != now["lines"]:
        return f"{before['lines']} lines before, {now['lines']} now"
    if "pictures" not in now or (before.get("sha256"), before["bytes"]) != (now["sha256"], now["bytes"]):
        return f"other content in its {now['lines']} lines"
    missing = now["pictures"]["missing"] - before["pictures"]["missing"]
    if missing > 0:
        return f"{missing} pictures fewer of {now['pictures']['looked_at']} that were looked at"
    return "the labels are the same, pictures are not"


def _of_label_file(file: LabelFile) -> Fingerprint:
    return {"path": file.path, "lines": len(file), "bytes": os.path.getsize(file.path), "sha256": sha256(file.path),
            "pictures": _pictures(file)}


def _pictures(file: LabelFile) -> Fingerprint:
    digest = hashlib.sha256()
    looked_at = missing = size = 0
    for position in range(0, len(file), -(-len(file) // LOOKED_AT)):
        try:
            name = file.parse(position).paths[0]
        except SampleError:
            continue
        looked_at += 1
        try:
            length = os.stat(os.path.join(file.folder, name)).st_size
        except (OSError, ValueError):
            missing += 1
            length = -1
        size += max(length, 0)
        digest.update(f"{name}\0{length}\n".encode("utf-8", "surrogatepass"))
    return {"looked_at": looked_at, "missing": missing, "bytes": size, "sha256": digest.hexdigest()}


def _of_database(dataset: LMDBDataSet, folder: str) -> Fingerprint:
    """Return what is told cheaply of a database: a digest of gigabytes is not."""
    return {"path": folder, "lines": dataset.size(folder), "bytes": (Path(folder) / "data.mdb").stat().st_size}
