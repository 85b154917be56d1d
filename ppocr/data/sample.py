"""What travels through the data pipeline: samples, where they come from, and why one could not be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Sample = dict[str, Any]
"""One sample. A dataset starts it with ``image`` (encoded bytes), ``label`` (text), ``info``, ``rng`` and ``epoch``."""

PRIVATE_KEYS = frozenset({"info", "rng", "epoch", "size", "extra", "counts", "remarks"})
"""Keys of a sample that serve the pipeline and are never stacked into a batch.

``size`` is that of the `Index`, where it has one, ``counts`` holds numbers for the report (dict of name to int),
``remarks`` what is wrong with a sample that is used all the same (list of str), so that the user finds the line.
"""


class Index(NamedTuple):
    """What a batch sampler asks a dataset for.

    The epoch travels with the index, because a worker process does not see what is set in the main process.

    Attributes:
        epoch: Number of the epoch, from 0.
        position: Place within the epoch, 0 to ``len(dataset) - 1``.
        size: Width and height in pixels to which the image is to be brought; None leaves it to the transforms.
    """

    epoch: int
    position: int
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class SampleInfo:
    """Where a sample comes from.

    Args:
        source: The label file, or the folder of the database.
        line: Line (or entry) in it, from 1.
        path: The image file, or the key of the entry.
        label: The text as it stands in the label file, which is the ground truth of evaluation; after texts were
            joined by an augmentation, the joined text.
    """

    source: str
    line: int
    path: str
    label: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}"
        return f"{place} ({self.path})" if self.path else place


@dataclass(frozen=True)
class Remark:
    """What is wrong with a sample that is used all the same.

    Args:
        info: Which one.
        text: What is wrong.
    """

    info: SampleInfo
    text: str

    def __str__(self) -> str:
        return f"{self.info}: {self.text}"


@dataclass(frozen=True)
class Failure:
    """A sample that could not be used.

    Args:
        info: Which one.
        kind: Class of the fault, such as ``"unknown character"``.
        reason: The details.
    """

    info: SampleInfo
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.info}: {self.kind}" + (f": {self.reason}" if self.reason else "")
