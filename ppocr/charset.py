"""The characters that a model knows, and the class indices that its decoder gives them.

`Charset` is the list of characters. `Codec` adds the special symbols of one decoder (the CTC blank, begin and end of
sequence, padding …) and turns texts into class indices and back. Training, evaluation, export and prediction share
these two; the charset travels inside checkpoints, ``inference.yml`` and ONNX metadata.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.errors import CharsetError

IntArray = npt.NDArray[np.int64]

FLAG = re.compile("[\U0001F1E6-\U0001F1FF]{2}")
"""A flag: two letters of a country code that are shown as one character. Published dictionaries hold some."""

PIECE = re.compile(f"{FLAG.pattern}|.", re.DOTALL)
"""What counts as one character."""


class UnknownCharacterError(CharsetError):
    """A text holds characters that the charset does not.

    Attributes:
        characters: The unknown characters, in order of appearance, without repeats.
    """

    characters: str = ""


def mirrored(text: str) -> str:
    """Return a right-to-left text in the order of the image, from left to right; applied again, it gives it back.

    Numbers and words of left-to-right scripts, and all that stands between two of them, keep their order, as they
    do on paper: ``12`` in a line of Arabic is not written ``21``. Unlike in the bidirectional algorithm of Unicode,
    brackets stay as they are, and two numbers beside each other count as one.
    """
    pieces: list[str] = []
    run = rest = ""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "EN", "AN"):
            run, rest = run + rest + character, ""
        elif run and direction not in ("R", "AL"):
            rest += character
        else:
            pieces += [run, *rest, character]
            run = rest = ""
    return "".join(reversed([*pieces, run, *rest]))


@dataclass(frozen=True)
class Charset:
    """The characters of a model in the order of their class indices.

    Args:
        symbols: One-character strings (a flag counts as one), without repeats. The space is an ordinary member. One
            repeat is accepted: a final space after an earlier one. Published models have it, whose dictionary held the
            space already when ``use_space_char`` added it; the last one is used for encoding, both decode to a space.
        lowercase: Texts are lower-cased before they are encoded (the default charset ``0-9a-z`` is case-blind).
        right_to_left: Texts are written from right to left, the image is read from left to right: see `mirrored`.
    """

    symbols: tuple[str, ...]
    lowercase: bool = False
    right_to_left: bool = False
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.symbols:
            raise CharsetError("the charset is empty", expected="at least one character", cure="fill the dictionary")
        long = [symbol for symbol in self.symbols if not _is_one(symbol)]
        if long:
            raise CharsetError(f"charset entries that are not one character: {long[:5]!r}",
                               expected="one character per entry", cure="correct the dictionary")
        unique = self.symbols[:-1] if self.symbols[-1] == " " else self.symbols
        repeated = [symbol for symbol, count in Counter(unique).items() if count > 1]
        if repeated:
            raise CharsetError(f"characters more than once in the charset: {repeated[:20]!r}",
                               expected="each character once", cure="remove the repeats from the dictionary")
        object.__setattr__(self, "_index", {symbol: index for index, symbol in enumerate(self.symbols)})

    @classmethod
    def default(cls) -> Charset:
        """Return the 36 case-blind letters and digits that are used when no dictionary is given."""
        return cls(tuple(string.digits + string.ascii_lowercase), lowercase=True)

    @classmethod
    def from_file(cls, path: str | Path, *, use_space: bool = False) -> Charset:
        """Read a dictionary: UTF-8, one character per line, nothing stripped but the line end.

        The published dictionaries of the field are read as they are: a byte-order mark and a final empty line are
        accepted.

        Args:
            path: The dictionary file. A name that contains ``arabic`` or ``hebrew`` marks right-to-left writing.
            use_space: Append the space, even if the file holds one: published models count it so (see `symbols`).

        Raises:
            CharsetError: The file is missing, not UTF-8, empty, or has a line that is not one character or repeats
                another; each such line is named.
        """
        file = Path(path)
        symbols, problems = [], []
        seen: dict[str, int] = {}
        for number, line in enumerate(_dictionary_lines(file), start=1):
            if not _is_one(line):
                problems.append(f"line {number}: {line!r} is {'empty' if not line else f'{len(line)} characters'}")
            elif line in seen:
                problems.append(f"line {number}: {line!r} repeats line {seen[line]}")
            else:
                seen[line] = number
                symbols.append(line)
        if problems:
            shown = "; ".join(problems[:10]) + (f"; and {len(problems) - 10} more" if len(problems) > 10 else "")
            raise CharsetError(f"dictionary {file}: {shown}", expected="one character per line, each once",
                               cure="correct these lines (the order of the others must stay for trained weights)")
        if use_space:
            symbols.append(" ")
        if not symbols:
            raise CharsetError(f"dictionary {file} holds no character", expected="one character per line",
                               cure="fill the file, or remove Global.character_dict_path for 0-9a-z")
        reversed_script = any(script in file.stem.lower() for script in ("arabic", "hebrew"))
        return cls(tuple(symbols), right_to_left=reversed_script)

    @classmethod
    def from_config(cls, character_dict_path: str | Path | None, use_space_char: bool = False) -> Charset:
        """Build the charset that ``Global.character_dict_path`` and ``Global.use_space_char`` describe."""
        if character_dict_path:
            return cls.from_file(character_dict_path, use_space=use_space_char)
        default = cls.default()
        return cls((*default.symbols, " "), lowercase=True) if use_space_char else default

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, character: object) -> bool:
        return character in self._index

    @property
    def digest(self) -> str:
        """SHA-256 over the characters in order, by which two charsets are compared."""
        return hashlib.sha256("\n".join(self.symbols).encode()).hexdigest()

    def normalize(self, text: str) -> str:
        """Return `text` in the case and direction in which it is encoded (see `lowercase`, `right_to_left`)."""
        text = text.lower() if self.lowercase else text
        return mirrored(text) if self.right_to_left else text

    def unknown_characters(self, text: str) -> str:
        """Return the characters of `text` that the charset lacks, in order of appearance, without repeats."""
        return "".join(dict.fromkeys(char for char in self._pieces(text) if char not in self._index))

    def encode(self, text: str) -> IntArray:
        """Return the indices of the characters of `text`, int64 ``[len(text)]``, 0 for the first symbol.

        Raises:
            UnknownCharacterError: A character is not in the charset; all of them are named.
        """
        try:
            return np.fromiter((self._index[char] for char in self._pieces(text)), dtype=np.int64)
        except KeyError:
            unknown = self.unknown_characters(text)
        error = UnknownCharacterError(
            f"text {text!r} holds characters outside the charset: {unknown!r}",
            expected=f"only the {len(self)} characters of the dictionary",
            cure="add them to the dictionary, correct the label, or set the label encoder's unknown policy",
        )
        error.characters = unknown
        raise error

    def _pieces(self, text: str) -> Iterable[str]:
        """Return the characters of a text as they are encoded."""
        normal = self.normalize(text)
        return PIECE.findall(normal) if FLAG.search(normal) else normal

    def decode(self, indices: Iterable[int]) -> str:
        """Return the text of symbol indices (the inverse of `encode`, in reading direction)."""
        text = "".join(self.symbols[index] for index in indices)
        return mirrored(text) if self.right_to_left else text

    def to_dict(self) -> dict[str, Any]:
        """Return a description of plain values, from which `from_dict` makes an equal charset."""
        return {
            "symbols": list(self.symbols),
            "lowercase": self.lowercase,
            "right_to_left": self.right_to_left,
            "sha256": self.digest,
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Charset:
        """Rebuild a charset from `to_dict`.

        Raises:
            CharsetError: The description is incomplete, or its checksum does not match its symbols.
        """
        if "symbols" not in description:
            raise CharsetError("a stored charset has no 'symbols'", expected="the list of characters",
                               cure="export the model again")
        charset = cls(tuple(str(symbol) for symbol in description["symbols"]),
                      lowercase=bool(description.get("lowercase", False)),
                      right_to_left=bool(description.get("right_to_left", False)))
        if description.get("sha256") not in (None, charset.digest):
            raise CharsetError("a stored charset does not match its checksum", expected="the symbols as written",
                               cure="export the model again; the file was changed after it was written")
        return charset


@dataclass(frozen=True)
class Codec:
    """A charset with the special symbols of one decoder; class index = position in before + symbols + after.

    Args:
        charset: The characters.
        before: Names of the special symbols whose indices come first, such as ``("blank",)``.
        after: Names of the special symbols whose indices follow the characters.
    """

    charset: Charset
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """Number of classes that the head must have."""
        return len(self.before) + len(self.charset) + len(self.after)

    def special(self, name: str) -> int:
        """Return the class index of a special symbol."""
        if name in self.before:
            return self.before.index(name)
        return len(self.before) + len(self.charset) + self.after.index(name)

    def encode(self, text: str) -> IntArray:
        """Return the class indices of `text`, int64 ``[len(text)]``, without special symbols.

        Raises:
            UnknownCharacterError: See `Charset.encode`.
        """
        return self.charset.encode(text) + len(self.before)

    def decode(self, classes: Sequence[int] | IntArray) -> str:
        """Return the text of class indices; special symbols are left out."""
        first, size = len(self.before), len(self.charset)
        return self.charset.decode(int(index) - first for index in classes if first <= index < first + size)


CTC_SPECIALS = {"before": ("blank",), "after": ()}
ATTENTION_SPECIALS = {"before": ("sos",), "after": ("eos",)}
SAR_SPECIALS = {"before": (), "after": ("unknown", "bos_eos", "pad")}
NRTR_SPECIALS = {"before": ("pad", "unknown", "bos", "eos"), "after": ()}


def ctc_codec(charset: Charset) -> Codec:
    """Classes of a CTC head: the blank is class 0."""
    return Codec(charset, **CTC_SPECIALS)


def attention_codec(charset: Charset) -> Codec:
    """Classes of an attention head: start of sequence first, end of sequence last."""
    return Codec(charset, **ATTENTION_SPECIALS)


def sar_codec(charset: Charset) -> Codec:
    """Classes of a SAR head: unknown, begin/end of sequence and padding follow the characters."""
    return Codec(charset, **SAR_SPECIALS)


def nrtr_codec(charset: Charset) -> Codec:
    """Classes of an NRTR (transformer) head: padding 0, unknown 1, begin 2 and end 3 of sequence come first."""
    return Codec(charset, **NRTR_SPECIALS)


def _is_one(symbol: str) -> bool:
    return len(symbol) == 1 or FLAG.fullmatch(symbol) is not None


def _dictionary_lines(file: Path) -> list[str]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CharsetError(f"dictionary {file} cannot be read: {error.strerror}",
                           expected="a UTF-8 text file with one character per line",
                           cure="correct Global.character_dict_path (a relative path starts at the working folder)"
                           ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharsetError(f"dictionary {file} is not UTF-8 (byte {error.start})",
                           expected="UTF-8 text", cure="save the file as UTF-8") from None
    lines = text.replace("\r\n", "\n").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    return lines
