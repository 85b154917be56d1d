"""The settings that rendered words and rendered pages share, and the texts that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ppocr.charset import Charset
from ppocr.data.synth.background import ImageCrops
from ppocr.data.synth.corpus import LETTERS_AND_DIGITS, Case, Corpus, MadeUpWords, Mixture, RandomStrings, WordList
from ppocr.data.synth.fonts import Font, check_coverage, find_fonts
from ppocr.errors import DatasetError
from ppocr.fileio import sha256

PATHS = ("charset_file", "words_file", "fonts", "backgrounds")


@dataclass(frozen=True)
class TextSettings:
    """What texts are rendered and in which manner, in plain values.

    Args:
        seed: Another seed gives other samples.
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
class Sources:
    """The texts, fonts and photographs that settings name.

    Args:
        corpus: Source of the texts.
        fonts: Those that draw them.
        photos: Source of backgrounds, or None.
    """

    corpus: Corpus
    fonts: Sequence[Font]
    photos: ImageCrops | None

    @classmethod
    def of(cls, settings: TextSettings) -> Sources:
        """Open what the settings name.

        Raises:
            DatasetError, CharsetError, DependencyError: A file or value of the settings cannot be used, or a character
                cannot be drawn.
        """
        symbols = _symbols(settings)
        corpus = _corpus(settings, symbols)
        photos = ImageCrops(settings.backgrounds) if settings.backgrounds else None
        fonts = find_fonts(settings.fonts)
        used = dict.fromkeys("".join(corpus.words)) if isinstance(corpus, WordList) else symbols
        check_coverage(fonts, used)
        return cls(corpus, fonts, photos)

    @property
    def left_out(self) -> list[str]:
        """Why lines of the word list were not taken, for the user to read."""
        return list(self.corpus.left_out) if isinstance(self.corpus, WordList) else []

    def digests(self, settings: TextSettings) -> dict[str, list[str]]:
        """Return name and SHA-256 of all files that the samples depend on."""
        texts = [Path(path) for path in (settings.charset_file, settings.words_file) if path is not None]
        photos = self.photos.paths if self.photos else ()
        return {"texts": _digests(texts), "fonts": _digests(font.path for font in self.fonts),
                "backgrounds": _digests(photos)}


def portable(settings: TextSettings) -> dict[str, Any]:
    """Return the settings with names in place of paths, as the folder of a package differs between machines."""
    values = asdict(settings)
    return values | {key: Path(values[key]).name for key in PATHS if values[key] is not None}


def _symbols(settings: TextSettings) -> tuple[str, ...]:
    if settings.charset_file is None:
        return tuple(LETTERS_AND_DIGITS)
    return Charset.from_file(settings.charset_file).symbols


def _corpus(settings: TextSettings, symbols: tuple[str, ...]) -> Corpus:
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


def _digests(paths: Iterable[Path]) -> list[str]:
    return [f"{path.name} {sha256(path)}" for path in paths]
