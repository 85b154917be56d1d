"""A small catalog, packages that must not be imported, and a server that can be unreliable."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppocr.hub.catalog import Catalog, read_catalog

PROGRAM, PARAMS, DICTIONARY = b"a program", b"some weights" * 50, b"a\nb\nc\n"

FILES = {"net/rec.pdmodel": PROGRAM, "net/rec.pdiparams": PARAMS, "words.txt": DICTIONARY}

REFUSES_IMPORT = "raise AssertionError('the code of the package was run')\n"


def entry(path: str, data: bytes) -> dict[str, Any]:
    """Return what a catalog says of a file of a package."""
    return {"from": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def content(url: str = "", **changes: Any) -> dict[str, Any]:
    """Return a catalog with a recognizer and a detector; `changes` are of the recognizer's entry."""
    model = {
        "recipe": "rec", "size": 0.1, "classes": 5, "download": url,
        "packages": [{
            "package": "toy-models", "dictionary": entry("words.txt", DICTIONARY),
            "files": {"inference.pdmodel": entry("net/rec.pdmodel", PROGRAM),
                      "inference.pdiparams": entry("net/rec.pdiparams", PARAMS)},
        }],
        **changes,
    }
    return {
        "downloads": "http://127.0.0.1:9/",
        "recipes": {
            "rec": {"task": "rec", "algorithm": "CRNN", "input": [-1, 3, 32, -1],
                    "transform_ops": [{"RecResizeImg": {"image_shape": [3, 32, 320]}}],
                    "postprocess": {"name": "CTCLabelDecode"}},
            "det": {"task": "det", "algorithm": "DB", "input": [-1, 3, -1, -1], "output": [-1, 1, -1, -1],
                    "transform_ops": [{"DetResizeForTest": {}}], "postprocess": {"name": "DBPostProcess"}},
        },
        "packages": {"toy-models": {"version": "1.0", "module": "toy_models", "format": "paddle"}},
        "models": {"toy_rec": model, "toy_det": {"recipe": "det", "size": 2}},
        "systems": {"toy": {"det": "toy_det", "rec": "toy_rec"}},
    }


def catalog(folder: Path, url: str = "", **changes: Any) -> Catalog:
    """Read the catalog of `content`."""
    file = folder / "catalog.yml"
    file.write_text(yaml.safe_dump(content(url, **changes), sort_keys=False), encoding="utf-8")
    return read_catalog(file)


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, bytes] = FILES, version: str = "1.0"
) -> Path:
    """Lay a package with model files on the path of modules, and return the folder of its module."""
    module = folder / "toy_models"
    for name, data in files.items():
        (module / name).parent.mkdir(parents=True, exist_ok=True)
        (module / name).write_bytes(data)
    module.mkdir(parents=True, exist_ok=True)
    (module / "__init__.py").write_text(REFUSES_IMPORT)
    facts = folder / f"toy_models-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-models\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(folder))
    return module


def archive(files: Mapping[str, bytes], folder: str = "toy_infer/") -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(folder + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def model_archive(characters: tuple[str, ...] = ("a", "b", "c")) -> bytes:
    """Return the archive of a recognizer as its publisher makes it."""
    description = yaml.safe_dump({"Global": {"model_name": "toy_rec"},
                                  "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(characters)}})
    return archive({"inference.json": PROGRAM, "inference.pdiparams": PARAMS, "inference.yml": description.encode(),
                    "README.md": b"not needed"})


class Server:
    """Serves files.

    Attributes:
        files: Path to content.
        cut: Only so many bytes of an answer are sent; None for all.
        ranges: The ``Range`` headers of the requests, None where there was none.
        version: What the files' ``ETag`` is.
        shift: So many bytes more than was asked for are left out.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.ranges: list[str | None] = []
        self.version = '"1"'
        self.shift = 0
        self.url = ""


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server in a thread."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            data = state.files.get(self.path)
            if data is None:
                self.send_error(404, "Not Found")
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked else 0
            if asked and self.headers.get("If-Range") == state.version:
                start += state.shift
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                start = 0
                self.send_response(200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", state.version)
            self.end_headers()
            rest = data[start:]
            self.wfile.write(rest if state.cut is None else rest[:state.cut])

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
