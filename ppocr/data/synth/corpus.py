"""The texts of rendered words: from a word list, random strings, or made-up words, numbers, dates and prices."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ppocr.data.pixels import Rng
from ppocr.errors import DatasetError

LETTERS_AND_DIGITS = string.digits + string.ascii_lowercase + string.ascii_uppercase
AMBIGUOUS = frozenset("0O1IlQ")
"""Left out of mixed codes, in which nothing tells a zero from the letter O."""

ONSETS = ("b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "pr",
          "qu", "r", "s", "sh", "st", "str", "t", "th", "tr", "v", "w", "x", "y", "z", "")
VOWELS = ("a", "e", "i", "o", "u", "a", "e", "o", "ai", "ea", "ee", "io", "ou", "oo", "y")
CODAS = ("", "", "", "n", "r", "s", "t", "l", "m", "ck", "d", "nd", "ng", "nt", "rk", "sh", "st", "x", "p", "ft", "ll")

Case = Literal["mixed", "lower", "upper"]


class Corpus(Protocol):
    """A source of texts; the same generator state gives the same text."""

    def word(self, rng: Rng) -> str:
        """Return one text."""
        ...


@dataclass(frozen=True)
class RandomStrings:
    """Characters of a set, each as likely as the others, with lengths spread evenly.

    Args:
        symbols: The characters; a space never begins or ends a text, and never follows another.
        min_length: Shortest text, at least 1.
        max_length: Longest text.
    """

    symbols: Sequence[str]
    min_length: int = 2
    max_length: int = 10

    def __post_init__(self) -> None:
        _check_lengths(self.min_length, self.max_length)
        if not any(symbol.strip() for symbol in self.symbols):
            raise DatasetError("there are no characters to make words of", expected="at least one visible character",
                               cure="fill the dictionary")

    def word(self, rng: Rng) -> str:
        """Return one text."""
        length = int(rng.integers(self.min_length, self.max_length + 1))
        visible = [symbol for symbol in self.symbols if symbol.strip()]
        chars = [self.symbols[index] for index in rng.integers(0, len(self.symbols), size=length)]
        for index, char in enumerate(chars):
            if not char.strip() and (index in (0, length - 1) or not chars[index - 1].strip()):
                chars[index] = visible[int(rng.integers(0, len(visible)))]
        return "".join(chars)


@dataclass(frozen=True)
class WordList:
    """The words of a list, each as likely as the others (a word that is listed twice is twice as likely).

    Args:
        words: The words.
        left_out: Why lines of the file were not taken, with their number, for the user to read.
    """

    words: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def from_file(
        cls, path: str | Path, *, min_length: int = 1, max_length: int = 25, symbols: Sequence[str] | None = None
    ) -> WordList:
        """Read a UTF-8 file with one word (or line of text) per line; spaces around it and empty lines are dropped.

        Args:
            path: The file.
            min_length: Shorter words are left out.
            max_length: Longer words are left out.
            symbols: Words with other characters are left out; None admits all.

        Raises:
            DatasetError: The file cannot be read, is not UTF-8, holds a tab inside a line (labels are separated from
                paths by one), or no word that can be taken.
        """
        _check_lengths(min_length, max_length)
        lines = [line.strip() for line in _read_lines(path)]
        for number, line in enumerate(lines, start=1):
            if "\t" in line:
                raise DatasetError(f"{path}:{number}: a tab inside the text {line!r}",
                                   expected="no tab, which separates the path from the text in label files",
                                   cure="replace the tab by a space")
        words = [line for line in lines if line]
        fitting = [word for word in words if min_length <= len(word) <= max_length]
        known = set(symbols) if symbols is not None else set("".join(fitting))
        kept = tuple(word for word in fitting if known.issuperset(word))
        left_out = []
        if len(fitting) < len(words):
            left_out.append(f"{len(words) - len(fitting)} words are not {min_length} to {max_length} characters long")
        if len(kept) < len(fitting):
            unknown = "".join(dict.fromkeys(char for word in fitting for char in word if char not in known))
            left_out.append(f"{len(fitting) - len(kept)} words have characters outside the charset: {unknown[:40]!r}")
        if not kept:
            raise DatasetError(f"the word list {path} holds no usable word ({'; '.join(left_out) or 'it is empty'})",
                               expected=f"one word of {min_length} to {max_length} characters per line",
                               cure="fill the list, or change the lengths or the charset")
        return cls(kept, tuple(left_out))

    def word(self, rng: Rng) -> str:
        """Return one text."""
        return self.words[int(rng.integers(0, len(self.words)))]


@dataclass(frozen=True)
class MadeUpWords:
    """Pronounceable words, and numbers, dates, times, prices and codes, as they stand on signs, labels and receipts.

    A text that does not fit the charset or the lengths is drawn again; when the charset leaves too little (another
    script, say), random strings take its place.

    Args:
        symbols: The characters that may occur.
        min_length: Shortest text, at least 1.
        max_length: Longest text.
        case: Of the letters: ``"lower"``, ``"upper"``, or ``"mixed"``: 70 % of the words in lower case, 20 % with a
            capital, 10 % in capitals.
    """

    symbols: Sequence[str] = tuple(LETTERS_AND_DIGITS)
    min_length: int = 2
    max_length: int = 10
    case: Case = "mixed"

    TRIES = 20

    def __post_init__(self) -> None:
        _check_lengths(self.min_length, self.max_length)

    def word(self, rng: Rng) -> str:
        """Return one text."""
        allowed = set(self.symbols)
        for _ in range(self.TRIES):
            kind = int(rng.choice(len(_KINDS), p=_SHARES))
            text = self._cased(_KINDS[kind](rng), rng)
            if self.min_length <= len(text) <= self.max_length and allowed.issuperset(text):
                return text
        return RandomStrings(self.symbols, self.min_length, self.max_length).word(rng)

    def _cased(self, text: str, rng: Rng) -> str:
        if self.case == "lower":
            return text.lower()
        if self.case == "upper":
            return text.upper()
        chance = rng.random()
        if not text.islower() or chance < 0.7:
            return text
        # A capital i before small letters is an l to the eye.
        return text.capitalize() if chance < 0.9 and text[0] != "i" else text.upper()


@dataclass(frozen=True)
class Mixture:
    """Texts of several sources, each as likely as the others."""

    sources: tuple[Corpus, ...]

    def word(self, rng: Rng) -> str:
        """Return one text."""
        return self.sources[int(rng.integers(0, len(self.sources)))].word(rng)


def _pseudo_word(rng: Rng) -> str:
    syllables = int(rng.choice(3, p=(0.3, 0.5, 0.2))) + 1
    parts = []
    for _ in range(syllables):
        for pool in (ONSETS, VOWELS, CODAS):
            parts.append(pool[int(rng.integers(0, len(pool)))])
    return "".join(parts)


def _number(rng: Rng) -> str:
    digits = int(rng.integers(1, 9))
    return str(int(rng.integers(10 ** (digits - 1), 10**digits)))


def _code(rng: Rng) -> str:
    symbols = [char for char in string.ascii_uppercase + string.digits if char not in AMBIGUOUS]
    return "".join(symbols[index] for index in rng.integers(0, len(symbols), size=int(rng.integers(3, 9))))


def _date(rng: Rng) -> str:
    year, month, day = int(rng.integers(1950, 2050)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    forms = (f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{month}/{day}/{year % 100:02d}",
             f"{year}{month:02d}{day:02d}")
    return forms[int(rng.integers(0, len(forms)))]


def _time(rng: Rng) -> str:
    return f"{int(rng.integers(0, 24)):02d}:{int(rng.integers(0, 60)):02d}"


def _price(rng: Rng) -> str:
    amount, sign = int(rng.integers(5, 100_000)) / 100, ("$", "€", "£", "")[int(rng.integers(0, 4))]
    return f"{sign}{amount:,.2f}"


def _word_with_number(rng: Rng) -> str:
    return _pseudo_word(rng) + str(int(rng.integers(2, 100)))


_KINDS: tuple[Callable[[Rng], str], ...] = (_pseudo_word, _number, _code, _date, _time, _price, _word_with_number)
_SHARES = (0.54, 0.16, 0.12, 0.04, 0.02, 0.04, 0.08)


def _read_lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"the word list {path} cannot be read: {error.strerror}",
                           expected="a UTF-8 text file with one word per line", cure="correct --words_file") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"the word list {path} is not UTF-8 (byte {error.start})", expected="UTF-8 text",
                           cure="save the file as UTF-8") from None


def _check_lengths(shortest: int, longest: int) -> None:
    if not 1 <= shortest <= longest:
        raise DatasetError(f"words of {shortest} to {longest} characters", expected="1 <= shortest <= longest",
                           cure="correct --min_length and --max_length")
