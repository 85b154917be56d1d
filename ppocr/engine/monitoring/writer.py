"""The boards that show how a training goes, behind one small interface."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.errors import DependencyError

Image = npt.NDArray[np.uint8]
"""A picture ``[H, W, 3]``, blue, green, red."""


@dataclass(frozen=True)
class Start:
    """From where a run writes.

    Args:
        folder: The run's folder.
        step: Optimizer steps that were taken before; 0 for a run that is new.
        identity: Of the run; a run that goes on from a checkpoint has that of the checkpoint.
        config: The effective configuration, as plain values.
    """

    folder: Path
    step: int = 0
    identity: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """One board. A subclass says in its constructor what it lacks, and writes nothing before `open`.

    Names are paths such as ``"train/loss"``, of which boards show the first part as a heading. What has
    one name is of one kind: a number, a text or a picture.
    """

    title = ""
    """The board's name, for messages."""

    def open(self, start: Start) -> None:
        """Begin, or go on in the log of the folder: what it holds beyond `Start.step` is not shown any more."""
        raise NotImplementedError

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Write a number, which must be finite."""
        raise NotImplementedError

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write several numbers of one step."""
        for name, value in values.items():
            self.add_scalar(name, value, step)

    def add_text(self, name: str, text: str, step: int) -> None:
        """Write a text of one or more lines."""
        raise NotImplementedError

    def add_image(self, name: str, image: Image, step: int) -> None:
        """Write a picture, uint8 ``[H, W, 3]``, blue, green, red."""
        raise NotImplementedError

    def close(self, *, failed: bool = False) -> None:
        """Write what is not on the disk yet and end; `failed` tells that an exception ended the run."""
        raise NotImplementedError


def require(module: str, key: str) -> Any:
    """Import the package of a board, now rather than after an hour of training.

    Args:
        module: Its name, by which it is imported and installed.
        key: The key of ``Global`` that asks for it.

    Raises:
        DependencyError: It cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyError(f"Global.{key} is true, but {module} cannot be imported: {error}",
                              expected=f"the package {module}", cure=f"pip install {module}, or set it false") \
            from error


def rgb(image: Image) -> Image:
    """Return a picture with red first."""
    return np.ascontiguousarray(image[:, :, ::-1])
