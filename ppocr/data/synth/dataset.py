"""Rendered words as a data set for text recognition: one image for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr.data.pixels import Image
from ppocr.data.synth.compose import Quad
from ppocr.data.synth.render import WordRenderer
from ppocr.data.synth.settings import Sources, TextSettings
from ppocr.data.synth.writer import Job, Lines, Progress, generator, jpeg_bytes, write_samples
from ppocr.errors import DatasetError

CHUNK = 50
"""Words per unit of work of a process."""


@dataclass(frozen=True)
class SynthSettings(TextSettings):
    """All that decides on the content of a rendered word, in plain values; see `TextSettings` for the others.

    Args:
        height: Height of the images in pixels.
    """

    height: int = 48


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
        self.sources = Sources.of(settings)
        self.corpus = self.sources.corpus
        self.renderer = WordRenderer(settings.height, settings.difficulty, self.sources.fonts, self.sources.photos)

    def text(self, part: str, index: int) -> str:
        """Return the text of a sample.

        Raises:
            DatasetError: In a hundred texts there was none whose characters are all in one font.
        """
        rng = generator(self.settings, part, index, 0)
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
        image, quad = self.renderer.render(text, generator(self.settings, part, index, 1))
        return SynthSample(image, text, quad)

    def encoded(self, part: str, index: int) -> bytes:
        """Return the content of the image file of a sample."""
        return jpeg_bytes(self.sample(part, index).image, self.settings.quality)

    def label_files(self, part: str) -> Sequence[str]:
        """Return the names of the label files of a part."""
        return (f"{part}.txt",)

    def lines(self, part: str, index: int) -> Lines:
        """Return what a sample adds to the label files."""
        return {f"{part}.txt": [f"{image_name(part, index)}\t{self.text(part, index)}"]}

    def image_name(self, part: str, index: int) -> str:
        """Return the path of the image of a sample."""
        return image_name(part, index)

    def files(self, part: str, index: int) -> Mapping[str, bytes]:
        """Return the content of the files of a sample by their path."""
        return {image_name(part, index): self.encoded(part, index)}


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
    job = Job(Path(out_dir), settings or SynthSettings(), SampleBuilder, {"train": count, "test": test_count}, CHUNK,
              overwrite)
    return write_samples(job, workers=workers, progress=progress)


def image_name(part: str, index: int) -> str:
    """Return the path of an image relative to the folder of the data set, with ``/``."""
    return f"{part}/word_{index:07d}.jpg"
