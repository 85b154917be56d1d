"""The fonts that words are drawn with, and which of them can draw a text."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppocr.data.synth.cmap import covered_characters
from ppocr.errors import DatasetError, DependencyError

FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
PACKAGED = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral")
PACKAGED_STYLES = ("", "-Bold", "-Oblique", "-BoldOblique", "-Italic", "-BoldItalic", "Bol", "BolIta", "Italic")


@dataclass(frozen=True)
class Font:
    """A font file and the code points that it has glyphs for."""

    path: Path
    characters: frozenset[int]

    def covers(self, text: str) -> bool:
        """Tell whether every character of `text` has a glyph; a space needs none."""
        return all(ord(char) in self.characters or char == " " for char in text)


def find_fonts(folder: str | Path | None = None) -> list[Font]:
    """Return the fonts of a folder, or those that come with Matplotlib (DejaVu and STIX), sorted by path.

    The packaged ones, 16 styles of four families, draw Latin, Greek and Cyrillic. Matplotlib is not imported for them.

    Args:
        folder: Searched with its subfolders for .ttf, .otf, .ttc and .otc files.

    Raises:
        DatasetError: The folder holds no font, or a font that cannot be read.
        DependencyError: No folder is given and Matplotlib is not installed.
    """
    paths = _packaged_fonts() if folder is None else _fonts_in(Path(folder))
    return [Font(path, covered_characters(path)) for path in paths]


def check_coverage(fonts: Sequence[Font], characters: Iterable[str]) -> None:
    """Make sure that every character can be drawn by at least one of the fonts.

    Raises:
        DatasetError: Some cannot; they are named, up to twenty.
    """
    missing = [char for char in dict.fromkeys(characters)
               if char != " " and not any(ord(char) in font.characters for font in fonts)]
    if missing:
        more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise DatasetError(
            f"{len(missing)} characters are in none of the {len(fonts)} fonts: "
            + ", ".join(describe(char) for char in missing[:20]) + more,
            expected="for every character a font that has it",
            cure="give a folder with fonts of that script (--fonts), or remove the characters",
        )


def describe(character: str) -> str:
    """Return a character with its code point and Unicode name: ``'é' (U+00E9 LATIN SMALL LETTER E WITH ACUTE)``."""
    return f"{character!r} (U+{ord(character):04X} {unicodedata.name(character, 'without a name')})"


def _fonts_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"the fonts folder {folder} does not exist", expected="a folder with font files",
                           cure="correct --fonts, or leave it out to use the fonts that come with Matplotlib")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FONT_SUFFIXES and path.is_file())
    if not paths:
        raise DatasetError(f"the fonts folder {folder} holds no font", expected="files " + ", ".join(FONT_SUFFIXES),
                           cure="put fonts there, or leave --fonts out to use the fonts that come with Matplotlib")
    return paths


def _packaged_fonts() -> list[Path]:
    package = importlib.util.find_spec("matplotlib")
    places = list(package.submodule_search_locations or []) if package else []
    paths = [Path(place) / "mpl-data" / "fonts" / "ttf" / f"{family}{style}.ttf"
             for place in places for family in PACKAGED for style in PACKAGED_STYLES]
    found = sorted(path for path in paths if path.is_file())
    if not found:
        raise DependencyError("no fonts were given, and Matplotlib, which brings some, is not installed",
                              expected="a folder with fonts, or the package matplotlib",
                              cure="give --fonts FOLDER, or pip install matplotlib")
    return found
