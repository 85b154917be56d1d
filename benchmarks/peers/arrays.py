"""Arrays in a file that both sides of a comparison read and write: npz, without pickled objects."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def write_arrays(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)  # type: ignore[no-untyped-call]
            archive.writestr(f"{name}.npy", buffer.getvalue())


def read_arrays(path: str | Path) -> Arrays:
    """Return the named arrays of a file."""
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}


def _array(data: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)  # type: ignore[no-untyped-call]
    return array


def pack(polygons: list[npt.NDArray[Any]], name: str = "polys") -> Arrays:
    """Return polygons of any number of points as two arrays: all points, and where each polygon ends."""
    points = np.concatenate(polygons) if polygons else np.zeros((0, 2), np.float32)
    return {f"{name}_points": points.astype(np.float32),
            f"{name}_ends": np.cumsum([len(polygon) for polygon in polygons]).astype(np.int64)}


def unpack(arrays: Mapping[str, npt.NDArray[Any]], name: str = "polys") -> list[npt.NDArray[np.float32]]:
    """Return the polygons that `pack` packed, float32 ``[K, 2]`` each."""
    return np.split(arrays[f"{name}_points"].astype(np.float32), arrays[f"{name}_ends"][:-1]) \
        if len(arrays[f"{name}_ends"]) else []
