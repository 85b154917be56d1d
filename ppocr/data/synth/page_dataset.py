"""Rendered pages as a data set for text detection, and their words, cut out, as one for text recognition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.crops import text_crop
from ppocr.data.pixels import Image, Rng
from ppocr.data.synth.compose import Quad
from ppocr.data.synth.pages import PagePlan, PageRenderer, PageWord
from ppocr.data.synth.settings import Sources, TextSettings
from ppocr.data.synth.writer import Job, Lines, Progress, generator, jpeg_bytes, write_samples
from ppocr.regions import json_label

CHUNK = 10
"""Pages per unit of work of a process."""


@dataclass(frozen=True)
class PageSettings(TextSettings):
    """All that decides on the content of a page, in plain values; see `TextSettings` for the others.

    Args:
        width: Of the pages in pixels.
        height: Of the pages in pixels.
        empty: Share of pages without text, 0 to 1.
        crops: Also write every word, cut out as a detector would, with a label file for recognition.
    """

    width: int = 640
    height: int = 480
    empty: float = 0.05
    crops: bool = False


@dataclass(frozen=True, eq=False)
class SynthPage:
    """A rendered page: image (uint8 ``[H, W, 3]``, BGR) and its words; a page without text has none."""

    image: Image
    words: tuple[PageWord, ...]


class PageBuilder:
    """Builds pages by their index.

    Args:
        settings: What they are like.

    Raises:
        DatasetError, CharsetError, DependencyError: A file or value of the settings cannot be used, or a character
            cannot be drawn.
    """

    def __init__(self, settings: PageSettings) -> None:
        self.settings = settings
        self.sources = Sources.of(settings)
        self.renderer = PageRenderer(self.sources.corpus, self.sources.fonts, settings.width, settings.height,
                                     settings.difficulty, settings.empty, self.sources.photos)
        self._latest: tuple[str, int, PagePlan] | None = None

    def words(self, part: str, index: int) -> list[PageWord]:
        """Return the words of a page without painting it.

        Raises:
            DatasetError: No font covers the texts, or they do not fit on the page.
        """
        return self._plan(part, index).words

    def sample(self, part: str, index: int) -> SynthPage:
        """Build a page anew."""
        plan = self._plan(part, index)
        return SynthPage(self.renderer.paint(plan, generator(self.settings, part, index, 1)), tuple(plan.words))

    def label_files(self, part: str) -> Sequence[str]:
        """Return the names of the label files of a part."""
        return (f"{part}.txt", f"{part}_words.txt") if self.settings.crops else (f"{part}.txt",)

    def lines(self, part: str, index: int) -> Lines:
        """Return what a page adds to the label files."""
        words = self.words(part, index)
        lines = {f"{part}.txt": [f"{self.image_name(part, index)}\t{label(words)}"]}
        if self.settings.crops:
            lines[f"{part}_words.txt"] = [f"{crop_name(part, index, number)}\t{word.text}"
                                          for number, word in enumerate(words)]
        return lines

    def image_name(self, part: str, index: int) -> str:
        """Return the path of the image of a page relative to the folder of the data set, with ``/``."""
        return f"{part}/page_{index:07d}.jpg"

    def files(self, part: str, index: int) -> Mapping[str, bytes]:
        """Return the content of the files of a page by their path: its words, cut out, and the page."""
        page, quality = self.sample(part, index), self.settings.quality
        rng = generator(self.settings, part, index, 2)
        files = {}
        for number, word in enumerate(page.words if self.settings.crops else ()):
            crop = text_crop(page.image, loosened(word.quad, rng))
            files[crop_name(part, index, number)] = jpeg_bytes(crop, quality)
        return files | {self.image_name(part, index): jpeg_bytes(page.image, quality)}

    def _plan(self, part: str, index: int) -> PagePlan:
        # Asked for twice in a row: for the picture, and for the labels.
        if self._latest is None or self._latest[:2] != (part, index):
            self._latest = part, index, self.renderer.plan(generator(self.settings, part, index, 0))
        return self._latest[2]


def write_pages(
    out_dir: str | Path,
    count: int,
    settings: PageSettings | None = None,
    *,
    test_count: int = 0,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write `count` training and `test_count` test pages.

    The folder gets ``train/page_0000000.jpg`` …, ``train.txt`` with one ``path<TAB>label`` per line (paths relative to
    the folder; see `label`), the same for ``test``, and ``manifest.json``; with ``settings.crops`` also
    ``train_words/page_0000000_00.jpg`` … and ``train_words.txt`` with ``path<TAB>text``, for ``test`` likewise. Label
    files are written when all their images are there.

    Args:
        out_dir: The folder; made if missing. Images that an earlier run with the same settings left are kept.
        count: Number of training pages.
        settings: What they are like.
        test_count: Number of test pages.
        workers: Number of processes; the bytes do not depend on it.
        overwrite: Write all images anew, also over those of other settings.
        progress: Told about the state.

    Returns:
        The manifest.

    Raises:
        DatasetError: The folder belongs to other settings, a count is negative, or the settings cannot be used.
    """
    job = Job(Path(out_dir), settings or PageSettings(), PageBuilder, {"train": count, "test": test_count}, CHUNK,
              overwrite)
    return write_samples(job, workers=workers, progress=progress)


def label(words: Sequence[PageWord]) -> str:
    """Return the label of a page: JSON, ``[{"transcription": text, "points": [[x, y], … four]}, …]``.

    Points are pixels with two decimals, clockwise from the top left as the word is read.
    """
    return json_label((word.text, np.round(word.quad.astype(float), 2).tolist()) for word in words)


def crop_name(part: str, index: int, number: int) -> str:
    """Return the path of a word that was cut out of a page."""
    return f"{part}_words/page_{index:07d}_{number:02d}.jpg"


def loosened(quad: Quad, rng: Rng) -> Quad:
    """Return a quad around a word such as a detector draws it: mostly larger than the ink, never quite parallel."""
    right, down = quad[1] - quad[0] + quad[2] - quad[3], quad[3] - quad[0] + quad[2] - quad[1]
    height = float(np.hypot(*down)) / 2
    outwards = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    # In heights of the word, as far as the boxes of the quickstart detector lie from the ink.
    left_side, right_side = rng.uniform(-0.08, 0.35, 2)
    top, bottom = rng.uniform(-0.05, 0.27, 2)
    x = np.where(outwards[:, :1] < 0, left_side, right_side) * outwards[:, :1]
    y = np.where(outwards[:, 1:] < 0, top, bottom) * outwards[:, 1:]
    moved = (x * right / np.hypot(*right) + y * down / np.hypot(*down) + rng.normal(0, 0.04, (4, 2))) * height
    return np.asarray(quad + moved, np.float32)
