"""Picture files: from what a user names to pixels, one bad file not stopping the others."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ppocr.data.transforms.decode import IMAGE_SUFFIXES, decode_image
from ppocr.errors import ImageError, InferenceError

LIST_SUFFIX = ".txt"


@dataclass(frozen=True)
class LoadedImage:
    """A picture, or why there is none.

    Attributes:
        path: The file.
        pixels: uint8 ``[H, W, 3]``, BGR; None if it could not be read.
        error: Why it could not be read.
        page: Number of the page in a file of several, from 1; None for a file of one picture.
    """

    path: Path
    pixels: npt.NDArray[Any] | None = None
    error: ImageError | None = None
    page: int | None = None

    @property
    def name(self) -> str:
        """The file, with ``#page=N`` for a page of several."""
        return str(self.path) if self.page is None else f"{self.path}#page={self.page}"


def list_images(
    sources: str | Path | Sequence[str | Path], suffixes: Sequence[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """Return the picture files that `sources` name, in order, each once.

    Args:
        sources: One or more of: a picture; a folder (its pictures, sorted, not those of its subfolders); a pattern
            with ``*``; a ``.txt`` file with a path on each line, up to a tab, relative to the working folder or else
            to the file's own folder.
        suffixes: Endings, in lower case, by which the pictures of a folder are found.

    Raises:
        InferenceError: A source names nothing.
    """
    listed = [sources] if isinstance(sources, (str, Path)) else list(sources)
    found: dict[Path, None] = {}
    for source in listed:
        paths = _expand(Path(source), suffixes)
        if not paths:
            raise InferenceError(f"{_why_nothing(Path(source))}: {source}",
                                 expected="a picture, a folder or pattern with some "
                                 f"({', '.join(suffixes)}), or a .txt file that lists them",
                                 cure="correct the path")
        found.update(dict.fromkeys(paths))
    return list(found)


def load_images(paths: Sequence[Path], *, ignore_orientation: bool = False) -> Iterator[LoadedImage]:
    """Yield each picture as it is read; files that cannot be read are yielded with the error.

    Args:
        paths: The files.
        ignore_orientation: Do not turn pictures as their EXIF data say.
    """
    for path in paths:
        data = read_bytes(path)
        yield load_image(path, data, ignore_orientation=ignore_orientation) if isinstance(data, bytes) else data


def read_images(sources: Sequence[str | Path]) -> list[npt.NDArray[Any]]:
    """Return the pictures that `list_images` finds, BGR uint8 ``[H, W, 3]`` each.

    Raises:
        InferenceError: A source has no picture.
        ImageError: A picture cannot be read.
    """
    pictures = []
    for loaded in load_images(list_images(sources)):
        if loaded.error is not None:
            raise ImageError(f"{loaded.path}: {loaded.error.what}", expected=loaded.error.expected,
                             cure=loaded.error.cure)
        assert loaded.pixels is not None
        pictures.append(loaded.pixels)
    return pictures


def load_image(path: Path, data: bytes, *, ignore_orientation: bool = False) -> LoadedImage:
    """Return the picture that a file holds, or the error.

    Args:
        path: The file.
        data: Its content.
        ignore_orientation: Do not turn the picture as its EXIF data say.
    """
    try:
        return LoadedImage(path, decode_image(data, ignore_orientation=ignore_orientation))
    except ImageError as error:
        return LoadedImage(path, error=error)


def read_bytes(path: Path) -> bytes | LoadedImage:
    """Return the content of a file, or the error."""
    try:
        return path.read_bytes()
    except OSError as error:
        return LoadedImage(path, error=ImageError(error.strerror or str(error), expected="a readable picture",
                                                  cure="correct the path"))


def _why_nothing(source: Path) -> str:
    if source.is_dir():
        return "there is no picture in the folder"
    if source.is_file():
        return "the list names no picture"
    return "no file matches the pattern" if glob.has_magic(str(source)) else "there is no such file or folder"


def _expand(source: Path, suffixes: Sequence[str]) -> list[Path]:
    if source.is_dir():
        return sorted(entry for entry in source.iterdir() if entry.suffix.lower() in suffixes)
    if source.is_file():
        return _listed(source) if source.suffix.lower() == LIST_SUFFIX else [source]
    matches = sorted(Path(match) for match in glob.glob(str(source)))
    return [match for match in matches if match.is_file()]


def _listed(file: Path) -> list[Path]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InferenceError(f"{file} cannot be read: {error}", expected="UTF-8 text with a path on each line",
                             cure="correct the file") from None
    paths = []
    for line in lines:
        name = line.split("\t")[0].strip()
        if name:
            path = Path(name)
            paths.append(path if path.is_absolute() or path.exists() else file.parent / path)
    return paths
