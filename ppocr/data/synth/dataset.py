"""Write rendered words as a data set: images, label files and a manifest that says how they were made.

Every sample has its own random generators, seeded by (seed, part, index). Hence each can be rebuilt alone, any number
of processes writes the same bytes, a run that was interrupted goes on where it stopped, and a larger data set begins
with the samples of the smaller one.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ppocr.charset import Charset
from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.synth.background import ImageCrops
from ppocr.data.synth.compose import Quad
from ppocr.data.synth.corpus import (
    LETTERS_AND_DIGITS,
    Case,
    Corpus,
    MadeUpWords,
    Mixture,
    RandomStrings,
    WordList,
)
from ppocr.data.synth.fonts import check_coverage, find_fonts
from ppocr.data.synth.render import WordRenderer
from ppocr.errors import DatasetError
from ppocr.fileio import atomic_write, sha256

PARTS = ("train", "test")
MANIFEST = "manifest.json"
FORMAT = 1
CHUNK = 50
"""Samples per unit of work of a process."""

Progress = Callable[[int, int], None]
"""Called with the number of finished samples and the number of all."""


@dataclass(frozen=True)
class SynthSettings:
    """All that decides on the content of a sample, in plain values.

    Args:
        seed: Another seed gives other samples.
        height: Height of the images in pixels.
        difficulty: 0 (clean print) to 1 (at times hard to read).
        corpus: ``"words"`` (made-up words, numbers, dates …), ``"random"`` (random strings), ``"mixed"`` (both), or
            ``"auto"``: words without a charset file, mixed with one, so that all its characters occur.
        case: Of made-up words.
        min_length: Shortest text in characters.
        max_length: Longest text in characters.
        charset_file: Dictionary whose characters may occur; by default the letters a-z, A-Z and the digits.
        words_file: Word list that takes the place of the corpus.
        fonts: Folder with fonts; by default those that come with Matplotlib.
        backgrounds: Folder with photographs without text.
        quality: Of the JPEG files, 1 to 100.
    """

    seed: int = 0
    height: int = 48
    difficulty: float = 0.3
    corpus: Literal["auto", "words", "random", "mixed"] = "auto"
    case: Case = "mixed"
    min_length: int = 2
    max_length: int = 10
    charset_file: str | None = None
    words_file: str | None = None
    fonts: str | None = None
    backgrounds: str | None = None
    quality: int = 92

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 32 or not 1 <= self.quality <= 100:
            raise DatasetError(f"seed {self.seed}, JPEG quality {self.quality}",
                               expected="a seed of 0 to 4294967295, a quality of 1 to 100", cure="correct the value")


@dataclass(frozen=True)
class SynthSample:
    """A rendered text: image (uint8 ``[H, W, 3]``, BGR), its text, and the place of the ink (float32 ``[4, 2]``)."""

    image: Image
    text: str
    quad: Quad


class SampleBuilder:
    """Builds samples by their index.

    Args:
        settings: What they are like.

    Raises:
        DatasetError, CharsetError, DependencyError: A file or value of the settings cannot be used, or a character
            cannot be drawn.
    """

    TRIES = 100

    def __init__(self, settings: SynthSettings) -> None:
        self.settings = settings
        symbols = _symbols(settings)
        self.corpus = _corpus(settings, symbols)
        photos = ImageCrops(settings.backgrounds) if settings.backgrounds else None
        self.renderer = WordRenderer(settings.height, settings.difficulty, find_fonts(settings.fonts), photos)
        used = dict.fromkeys("".join(self.corpus.words)) if isinstance(self.corpus, WordList) else symbols
        check_coverage(self.renderer.fonts, used)

    def text(self, part: str, index: int) -> str:
        """Return the text of a sample.

        Raises:
            DatasetError: In a hundred texts there was none whose characters are all in one font.
        """
        rng = self._rng(part, index, 0)
        for _ in range(self.TRIES):
            text = self.corpus.word(rng)
            if self.renderer.can_draw(text):
                return text
        raise DatasetError(f"no font covers a whole text; the last was {text!r}",
                           expected="fonts with all the characters that occur in one text",
                           cure="add a font that covers them, or make the texts shorter")

    def sample(self, part: str, index: int) -> SynthSample:
        """Build a sample anew."""
        text = self.text(part, index)
        image, quad = self.renderer.render(text, self._rng(part, index, 1))
        return SynthSample(image, text, quad)

    def encoded(self, part: str, index: int) -> bytes:
        """Return the content of the image file of a sample."""
        quality = [cv2.IMWRITE_JPEG_QUALITY, self.settings.quality]
        _, data = cv2.imencode(".jpg", self.sample(part, index).image, quality)
        return bytes(data.tobytes())

    def _rng(self, part: str, index: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.settings.seed, PARTS.index(part), index, purpose))


def write_dataset(
    out_dir: str | Path,
    count: int,
    settings: SynthSettings | None = None,
    *,
    test_count: int = 0,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write `count` training and `test_count` test samples.

    The folder gets ``train/word_0000000.jpg`` …, ``train.txt`` with one ``path<TAB>text`` per line (paths relative to
    the folder), the same for ``test``, and ``manifest.json``. Label files are written when all their images are there.

    Args:
        out_dir: The folder; made if missing. Images that an earlier run with the same settings left are kept.
        count: Number of training samples.
        settings: What they are like.
        test_count: Number of test samples.
        workers: Number of processes; the bytes do not depend on it.
        overwrite: Write all images anew, also over those of other settings.
        progress: Told about the state.

    Returns:
        The manifest.

    Raises:
        DatasetError: The folder belongs to other settings, a count is negative, or the settings cannot be used.
    """
    folder, settings = Path(out_dir), settings or SynthSettings()
    counts = dict(zip(PARTS, (count, test_count), strict=True))
    if min(counts.values()) < 0 or workers < 1:
        raise DatasetError(f"counts {count} and {test_count}, {workers} workers",
                           expected="counts of 0 or more, 1 worker or more", cure="correct the value")
    builder = _builder(settings)
    manifest = _manifest(settings, builder, counts)
    if not overwrite:
        _check_same_origin(folder / MANIFEST, manifest)
    _write_json(folder / MANIFEST, manifest)
    _write_images(folder, settings, counts, workers, overwrite, progress)
    for part, number in counts.items():
        if number:
            with atomic_write(folder / f"{part}.txt", "w") as file:
                file.writelines(f"{image_name(part, i)}\t{builder.text(part, i)}\n" for i in range(number))
            manifest["files"][f"{part}.txt"] = sha256(folder / f"{part}.txt")
    manifest["complete"] = True
    _write_json(folder / MANIFEST, manifest)
    return manifest


def image_name(part: str, index: int) -> str:
    """Return the path of an image relative to the folder of the data set, with ``/``."""
    return f"{part}/word_{index:07d}.jpg"


def _write_images(
    folder: Path, settings: SynthSettings, counts: dict[str, int], workers: int, overwrite: bool,
    progress: Progress | None,
) -> None:
    for part, number in counts.items():
        if number:
            (folder / part).mkdir(parents=True, exist_ok=True)
    chunks = [(part, start, min(start + CHUNK, number))
              for part, number in counts.items() for start in range(0, number, CHUNK)]
    total, done = sum(counts.values()), 0
    for finished in _run(folder, settings, chunks, workers, overwrite):
        done += finished
        if progress is not None:
            progress(done, total)


def _run(
    folder: Path, settings: SynthSettings, chunks: Iterable[tuple[str, int, int]], workers: int, overwrite: bool
) -> Iterator[int]:
    if workers == 1:
        for chunk in chunks:
            yield _write_chunk(folder, settings, chunk, overwrite)
        return
    # Spawned, not forked: the caller may have threads (OpenCV's, Paddle's), which a fork leaves behind locked.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        futures = [pool.submit(_write_chunk, folder, settings, chunk, overwrite) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_chunk(folder: Path, settings: SynthSettings, chunk: tuple[str, int, int], overwrite: bool) -> int:
    builder = _builder(settings)
    part, start, stop = chunk
    for index in range(start, stop):
        target = folder / image_name(part, index)
        if overwrite or not target.exists():
            # Renamed when complete, so that what is there can be relied on. Not flushed to the disk one by one: that
            # would take longer than drawing them.
            temporary = target.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_bytes(builder.encoded(part, index))
            os.replace(temporary, target)
    return stop - start


@functools.lru_cache(maxsize=4)
def _builder(settings: SynthSettings) -> SampleBuilder:
    return SampleBuilder(settings)


def _symbols(settings: SynthSettings) -> tuple[str, ...]:
    if settings.charset_file is None:
        return tuple(LETTERS_AND_DIGITS)
    return Charset.from_file(settings.charset_file).symbols


def _corpus(settings: SynthSettings, symbols: tuple[str, ...]) -> Corpus:
    lengths = settings.min_length, settings.max_length
    if settings.words_file is not None:
        known = symbols if settings.charset_file is not None else None
        return WordList.from_file(settings.words_file, min_length=lengths[0], max_length=lengths[1], symbols=known)
    made_up, random = MadeUpWords(symbols, *lengths, settings.case), RandomStrings(symbols, *lengths)
    choice = settings.corpus
    if choice == "auto":
        choice = "words" if settings.charset_file is None else "mixed"
    corpora: dict[str, Corpus] = {"words": made_up, "random": random, "mixed": Mixture((made_up, random))}
    return corpora[choice]


def _manifest(settings: SynthSettings, builder: SampleBuilder, counts: dict[str, int]) -> dict[str, Any]:
    texts = [Path(path) for path in (settings.charset_file, settings.words_file) if path is not None]
    fonts = [font.path for font in builder.renderer.fonts]
    photos = builder.renderer.photos.paths if builder.renderer.photos else ()
    left_out = list(builder.corpus.left_out) if isinstance(builder.corpus, WordList) else []
    return {
        "format": FORMAT,
        "complete": False,
        "counts": counts,
        # Names without folders, as the folder of a package differs between machines.
        "settings": asdict(settings) | {key: Path(value).name for key, value in _paths(settings).items()},
        "inputs": {"texts": _digests(texts), "fonts": _digests(fonts), "backgrounds": _digests(photos)},
        "versions": {name: version(name) for name in ("numpy", "Pillow")} | {"opencv": cv2.__version__},
        "left_out": left_out,
        "files": {},
    }


def _digests(paths: Sequence[Path]) -> list[str]:
    return [f"{path.name} {sha256(path)}" for path in paths]


def _paths(settings: SynthSettings) -> dict[str, Any]:
    keys = ("charset_file", "words_file", "fonts", "backgrounds")
    return {key: getattr(settings, key) for key in keys if getattr(settings, key) is not None}


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
        f"{path.parent} holds words of other settings ({'; '.join(details) or ', '.join(differing)})",
        expected="an empty folder, or one that an earlier run with the same settings wrote",
        cure="give another --output, or --overwrite to replace the images there",
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path, "w") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
