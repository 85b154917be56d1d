"""Write rendered samples as a data set: images, label files and a manifest that says how they were made.

Every sample has its own random generators, seeded by (seed, part, index). Hence each can be rebuilt alone, any number
of processes writes the same bytes, a run that was interrupted goes on where it stopped, and a larger data set begins
with the samples of the smaller one.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ppocr.cv import cv2
from ppocr.data.pixels import Rng
from ppocr.data.synth.settings import Sources, TextSettings, portable
from ppocr.errors import DatasetError
from ppocr.fileio import atomic_write, sha256

PARTS = ("train", "test")
MANIFEST = "manifest.json"
FORMAT = 1

Progress = Callable[[int, int], None]
"""Called with the number of finished samples and the number of all."""

Lines = dict[str, list[str]]
"""Lines of label files, by the name of the file."""


class Builder(Protocol):
    """Builds samples by their index; equal settings build equal samples."""

    @property
    def sources(self) -> Sources:
        """Texts, fonts and photographs."""
        ...

    def label_files(self, part: str) -> Sequence[str]:
        """Return the names of the label files of a part."""
        ...

    def lines(self, part: str, index: int) -> Lines:
        """Return what a sample adds to the label files."""
        ...

    def image_name(self, part: str, index: int) -> str:
        """Return the path of the image of a sample relative to the folder of the data set, with ``/``."""
        ...

    def files(self, part: str, index: int) -> Mapping[str, bytes]:
        """Return the content of the files of a sample by their path; the image comes last."""
        ...


@dataclass(frozen=True)
class Job:
    """A data set to be written.

    Args:
        folder: Where to.
        settings: What the samples are like.
        make_builder: Turns the settings into a builder; a function of a module, as other processes call it too.
        counts: Number of samples of each part.
        chunk: Samples per unit of work of a process.
        overwrite: Write all images anew, also over those of other settings.
    """

    folder: Path
    settings: TextSettings
    make_builder: Callable[[Any], Builder]
    counts: Mapping[str, int]
    chunk: int
    overwrite: bool = False


def generator(settings: TextSettings, part: str, index: int, purpose: int) -> Rng:
    """Return the source of random numbers for one purpose within one sample."""
    return np.random.default_rng((settings.seed, PARTS.index(part), index, purpose))


def jpeg_bytes(image: Any, quality: int) -> bytes:
    """Return the content of a JPEG file of an image (uint8 ``[H, W, 3]``, BGR)."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data.tobytes())


def write_samples(job: Job, *, workers: int = 1, progress: Progress | None = None) -> dict[str, Any]:
    """Write images, then label files, then the manifest that calls the data set complete.

    Args:
        job: What to write.
        workers: Number of processes; the bytes do not depend on it.
        progress: Told about the state.

    Returns:
        The manifest.

    Raises:
        DatasetError: The folder belongs to other settings, a count is negative, or the settings cannot be used.
    """
    counts = dict(job.counts)
    if min(counts.values()) < 0 or workers < 1:
        raise DatasetError(f"counts {' and '.join(map(str, counts.values()))}, {workers} workers",
                           expected="counts of 0 or more, 1 worker or more", cure="correct the value")
    builder = _builder(job.make_builder, job.settings)
    manifest = _manifest(job.settings, builder, counts)
    if not job.overwrite:
        _check_same_origin(job.folder / MANIFEST, manifest)
    _write_json(job.folder / MANIFEST, manifest)
    lines = _write_images(job, workers, progress)
    for part in PARTS:
        for name in builder.label_files(part) if counts[part] else ():
            with atomic_write(job.folder / name, "w") as file:
                file.writelines(f"{line}\n" for line in lines.get(name, ()))
            manifest["files"][name] = sha256(job.folder / name)
    manifest["complete"] = True
    _write_json(job.folder / MANIFEST, manifest)
    return manifest


def _write_images(job: Job, workers: int, progress: Progress | None) -> Lines:
    chunks = [(part, start, min(start + job.chunk, number))
              for part, number in job.counts.items() for start in range(0, number, job.chunk)]
    total, done = sum(job.counts.values()), 0
    written: dict[int, Lines] = {}
    for position, lines in _run(job, chunks, workers):
        written[position] = lines
        done += chunks[position][2] - chunks[position][1]
        if progress is not None:
            progress(done, total)
    merged: Lines = {}
    for position in range(len(chunks)):
        for name, more in written[position].items():
            merged.setdefault(name, []).extend(more)
    return merged


def _run(job: Job, chunks: Sequence[tuple[str, int, int]], workers: int) -> Iterator[tuple[int, Lines]]:
    if workers == 1:
        for position, chunk in enumerate(chunks):
            yield position, _write_chunk(job, chunk)
        return
    # Spawned, not forked: the caller may have threads (OpenCV's, Paddle's), which a fork leaves behind locked.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        futures = {pool.submit(_write_chunk, job, chunk): position for position, chunk in enumerate(chunks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_chunk(job: Job, chunk: tuple[str, int, int]) -> Lines:
    builder = _builder(job.make_builder, job.settings)
    part, start, stop = chunk
    lines: Lines = {}
    for index in range(start, stop):
        if job.overwrite or not (job.folder / builder.image_name(part, index)).exists():
            # The image comes last: where it is, the other files of its sample are complete.
            for name, content in builder.files(part, index).items():
                _write_file(job.folder / name, content)
        for name, more in builder.lines(part, index).items():
            lines.setdefault(name, []).extend(more)
    return lines


def _write_file(target: Path, content: bytes) -> None:
    # Renamed when complete, so that what is there can be relied on. Not flushed to the disk one by one: that would
    # take longer than drawing them.
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
    os.replace(temporary, target)


@functools.lru_cache(maxsize=4)
def _builder(make_builder: Callable[[Any], Builder], settings: TextSettings) -> Builder:
    return make_builder(settings)


def _manifest(settings: TextSettings, builder: Builder, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "complete": False,
        "counts": counts,
        "settings": portable(settings),
        "inputs": builder.sources.digests(settings),
        "versions": {name: version(name) for name in ("numpy", "Pillow")} | {"opencv": cv2.__version__},
        "left_out": builder.sources.left_out,
        "files": {},
    }


def _check_same_origin(path: Path, manifest: dict[str, Any]) -> None:
    if not path.exists():
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key in ("format", "settings", "inputs", "versions") if earlier[key] != manifest[key]]
    except (ValueError, KeyError, TypeError):
        earlier, differing = {}, ["content"]
    if not differing:
        return
    details = [f"{key}: {earlier[group].get(key)!r} there, {manifest[group].get(key)!r} now"
               for group in differing if group in ("settings", "versions")
               for key in sorted(earlier[group].keys() | manifest[group].keys())
               if earlier[group].get(key) != manifest[group].get(key)]
    if "inputs" in differing:
        details.append("the content of word list, charset, fonts or backgrounds")
    raise DatasetError(
        f"{path.parent} holds samples of other settings ({'; '.join(details) or ', '.join(differing)})",
        expected="an empty folder, or one that an earlier run with the same settings wrote",
        cure="give another --output, or --overwrite to replace the images there",
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path, "w") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
