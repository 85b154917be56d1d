"""Datasets in LMDB, in the layout that the field shares."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.data.dataset import SampleDataset
from ppocr.data.sample import Failure, Index, SampleInfo
from ppocr.errors import DatasetError, DependencyError, SampleError
from ppocr.registry import DATASETS

_OPEN: dict[str, tuple[int, Any]] = {}
"""The databases that are open, by folder, with the process that opened them; training and evaluation may share one."""


@DATASETS.register()
class LMDBDataSet(SampleDataset):
    """Images and labels in LMDB: ``num-samples``, and ``image-%09d`` with ``label-%09d`` from 1.

    Args:
        data_dir: A database folder (it holds ``data.mdb``), or a folder with several at any depth.
        transforms: List of ``{Name: arguments}``.
        ext_op_transform_idx: See `SampleDataset`.
        seed: See there.
        transform_context: See there.

    Raises:
        ConfigError: Wrong transforms.
        DatasetError: No database, or one of another layout or without samples.
        DependencyError: The package lmdb is not installed.
    """

    def __init__(
        self,
        data_dir: str,
        transforms: Any = None,
        ext_op_transform_idx: int | None = None,
        seed: int = 0,
        transform_context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(transforms, seed, transform_context, ext_op_transform_idx)
        self.folders = [str(file.parent) for file in sorted(Path(data_dir).rglob("data.mdb"))]
        if not self.folders:
            raise DatasetError(f"there is no LMDB database in dataset.data_dir {data_dir}",
                               expected="data.mdb in the folder or below it",
                               cure="correct the path (relative paths start at the working folder)")
        self._firsts = np.cumsum([0] + [self.size(folder) for folder in self.folders])
        if not len(self):
            raise DatasetError(f"the databases in {data_dir} hold no sample", expected="num-samples above 0",
                               cure="write the database again")

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def _get(self, folder: str, key: str) -> bytes | None:
        with _environment(folder).begin() as transaction:
            value: bytes | None = transaction.get(key.encode())
        return value

    def size(self, folder: str) -> int:
        """Return the number of entries of one of the databases."""
        value = self._get(folder, "num-samples")
        try:
            return int(value or b"")
        except ValueError:
            raise DatasetError(f"the database {folder} has the entry num-samples {value!r}", expected="a number",
                               cure="write it with num-samples, image-%09d and label-%09d (from 1)") from None

    def describe(self, index: Index, rng: np.random.Generator) -> SampleInfo | Failure:
        """Return the key and label of an entry, or why it has none."""
        database = int(np.searchsorted(self._firsts, index.position, side="right")) - 1
        folder, number = self.folders[database], index.position - int(self._firsts[database]) + 1
        value = self._get(folder, f"label-{number:09d}")
        path = f"image-{number:09d}"
        if value is None:
            reason = f"there is no entry label-{number:09d}"
        else:
            try:
                return SampleInfo(folder, number, path, value.decode("utf-8"))
            except UnicodeDecodeError:
                reason = f"not UTF-8: {value[:60]!r}"
        return Failure(SampleInfo(folder, number, path, ""), "malformed line", reason)

    def read_image(self, info: SampleInfo) -> bytes:
        """Return the encoded image of an entry.

        Raises:
            SampleError: ``"missing image"``.
        """
        data = self._get(info.source, info.path)
        if data is None:
            raise SampleError("missing image", f"there is no entry {info.path}")
        return data


def _environment(folder: str) -> Any:
    """Return the open database. LMDB allows a process to open one only once, and never to use one across a fork."""
    key, process = os.path.realpath(folder), os.getpid()
    owner, environment = _OPEN.get(key, (process, None))
    if owner != process:
        environment.close()  # This process's copy of its parent's handle; the parent's own stays open.
        environment = None
    if environment is None:
        environment = _open(folder)
        _OPEN[key] = process, environment
    return environment


def _open(folder: str) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise DependencyError(f"LMDBDataSet needs lmdb: {error}", expected="the package lmdb",
                              cure="pip install lmdb") from error
    try:
        return lmdb.open(folder, readonly=True, lock=False, readahead=False, meminit=False, max_readers=1024)
    except lmdb.Error as error:
        raise DatasetError(f"the database {folder} cannot be opened: {error}", expected="an LMDB database",
                           cure="write the database again, or check the permissions") from error
