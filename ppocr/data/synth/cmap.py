"""Which characters a font file has glyphs for, read from its ``cmap`` table (OpenType specification, chapter cmap).

Pillow draws a box for a character that the font lacks, and does not tell; a training image with a box for a letter
is a wrong label.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ppocr.errors import DatasetError

COLLECTION_TAG = b"ttcf"
FONT_TAGS = (b"\x00\x01\x00\x00", b"OTTO", b"true")


def covered_characters(path: str | Path) -> frozenset[int]:
    """Return the code points that the (first) font of a TrueType or OpenType file maps to a glyph.

    Args:
        path: A ``.ttf``, ``.otf``, ``.ttc`` or ``.otc`` file.

    Raises:
        DatasetError: The file cannot be read or is not such a font.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DatasetError(f"font {path} cannot be read: {error.strerror}", expected="a readable font file",
                           cure="correct the path or remove the font") from None
    try:
        return _read(data)
    except (struct.error, ValueError, IndexError) as error:
        raise DatasetError(f"font {path} is damaged or of an unknown kind ({error})",
                           expected="a TrueType or OpenType font (.ttf, .otf, .ttc)",
                           cure="remove the file from the fonts folder, or convert it") from None


def _read(data: bytes) -> frozenset[int]:
    start = struct.unpack_from(">I", data, 12)[0] if data[:4] == COLLECTION_TAG else 0
    if data[start:start + 4] not in FONT_TAGS:
        raise ValueError(f"it begins with {data[start:start + 4]!r}")
    for index in range(struct.unpack_from(">H", data, start + 4)[0]):
        tag, _, offset, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * index)
        if tag == b"cmap":
            return _read_cmap(data, offset)
    raise ValueError("no cmap table")


def _read_cmap(data: bytes, table: int) -> frozenset[int]:
    covered: set[int] = set()
    for index in range(struct.unpack_from(">H", data, table + 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHI", data, table + 4 + 8 * index)
        unicode_table = platform == 0 or (platform == 3 and encoding in (1, 10))
        if not unicode_table:
            continue
        subtable = table + offset
        layout = struct.unpack_from(">H", data, subtable)[0]
        if layout == 4:
            covered |= _read_segments(data, subtable)
        elif layout == 6:
            covered |= _read_trimmed(data, subtable)
        elif layout == 12:
            covered |= _read_groups(data, subtable)
    return frozenset(covered)


def _read_segments(data: bytes, at: int) -> set[int]:
    """Format 4: segments of the 16-bit plane, with a glyph offset or an indirection into an array of glyphs."""
    count = struct.unpack_from(">H", data, at + 6)[0] // 2
    ends = np.frombuffer(data, ">u2", count, at + 14)
    starts = np.frombuffer(data, ">u2", count, at + 16 + 2 * count)
    deltas = np.frombuffer(data, ">u2", count, at + 16 + 4 * count)
    offsets_at = at + 16 + 6 * count
    offsets = np.frombuffer(data, ">u2", count, offsets_at)
    covered: set[int] = set()
    for segment in range(count):
        first, last = int(starts[segment]), int(ends[segment])
        if first > last or first == 0xFFFF:
            continue
        codes = np.arange(first, last + 1)
        if offsets[segment]:
            glyphs_at = offsets_at + 2 * segment + int(offsets[segment])
            glyphs = np.frombuffer(data, ">u2", codes.size, glyphs_at).astype(int)
            present = glyphs != 0
        else:
            present = (codes + int(deltas[segment])) & 0xFFFF != 0
        covered.update(codes[present].tolist())
    return covered


def _read_trimmed(data: bytes, at: int) -> set[int]:
    """Format 6: one contiguous range."""
    first, count = struct.unpack_from(">HH", data, at + 6)
    glyphs = np.frombuffer(data, ">u2", count, at + 10)
    return set((np.flatnonzero(glyphs) + first).tolist())


def _read_groups(data: bytes, at: int) -> set[int]:
    """Format 12: groups of consecutive code points of all planes."""
    covered: set[int] = set()
    for group in range(struct.unpack_from(">I", data, at + 12)[0]):
        first, last, glyph = struct.unpack_from(">III", data, at + 16 + 12 * group)
        if first > last or last > 0x10FFFF:
            raise ValueError(f"group {group} of the cmap spans {first:#x} to {last:#x}")
        covered.update(range(first + (glyph == 0), last + 1))
    return covered
