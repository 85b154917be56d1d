"""Folders of models in the cache: complete with ``inference.yml``, or not there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ppocr import __version__
from ppocr.charset import Charset, ctc_codec
from ppocr.errors import CharsetError, HubError
from ppocr.fileio import atomic_write, sha256
from ppocr.hub.catalog import Model
from ppocr.model_files import (
    DESCRIPTION_FILE,
    ONNX_SUFFIX,
    SCHEMA,
    dump_description,
    load_yaml,
)
from ppocr.onnx_header import read_onnx_header

HOME_VARIABLE = "PPOCR_HOME"
"""Environment variable that names another place for the cache."""

RECORD_FILE = "hub.json"
"""What of a folder is looked at whenever it is opened: the recipe and the sizes of its files."""


def home_folder() -> Path:
    """Return the folder for everything that is fetched: ``$PPOCR_HOME``, or ``~/.cache/ppocr``.

    Raises:
        HubError: The user has no home.
    """
    stated = os.environ.get(HOME_VARIABLE)
    try:
        return Path(stated).expanduser() if stated else Path.home() / ".cache" / "ppocr"
    except RuntimeError as error:
        raise HubError(f"there is no place for published models: {error}", expected="a folder for the cache",
                       cure=f"set {HOME_VARIABLE} to a folder that may be written to") from None


class ModelFolders:
    """The models of a cache, a folder for each model and format.

    Args:
        home: The cache.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def path(self, model: Model, form: str) -> Path:
        """Return where a model of a format is kept."""
        return self.home / "models" / (model.name if form == "paddle" else f"{model.name}-{form}")

    def find(self, model: Model, form: str) -> Path | None:
        """Return the folder of a model if it is there and whole; one with an older description gets a new one."""
        folder = self.path(model, form)
        try:
            record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
            whole = all((folder / name).stat().st_size == size for name, size in record["sizes"].items())
            if not whole or not (folder / DESCRIPTION_FILE).is_file():
                return None
            if record["recipe"] != model.recipe:
                _renew(folder, model, record)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, CharsetError):
            return None
        return folder

    def build(
        self, model: Model, form: str, files: Mapping[str, Path], charset: Charset | None, provenance: Mapping[str, Any]
    ) -> Path:
        """Make the folder of a model and return it; of several processes that do so at once the first wins.

        Args:
            model: What it holds.
            form: ``"paddle"`` or ``"onnx"``.
            files: The model's files by the names that they get; they are linked, or copied where that is not possible.
            charset: The characters of a recognizer.
            provenance: Plain values: where the files come from.

        Raises:
            HubError: The number of characters is not that of the network.
            OSError: The cache cannot be written to.
        """
        target = self.path(model, form)
        _check_charset(model, charset, files)
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            made.chmod(0o755)
            for name, source in files.items():
                _link(source, made / name)
            digests = {name: sha256(made / name) for name in files}
            _describe(made, model, charset, {**provenance, "files": digests})
            _put(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return target


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is in here with the same lock file; without effect where there are no such locks."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def dictionary_file(path: Path) -> Charset:
    """Return the characters of a dictionary; the space follows them in all published models."""
    return Charset.from_file(path, use_space=True)


def dictionary_symbols(symbols: tuple[str, ...], place: str) -> Charset:
    """Return the characters of a list; the space follows them in all published models.

    Args:
        symbols: The characters.
        place: Where the list was found, for the error.

    Raises:
        HubError: There are none, or they are no dictionary.
    """
    try:
        return Charset((*symbols, " ") if symbols else ())
    except CharsetError as error:
        raise HubError(f"{place} holds no dictionary: {error.what}", expected="the characters of the recognizer",
                       cure="copy or download the file again") from None


def _check_charset(model: Model, charset: Charset | None, files: Mapping[str, Path]) -> None:
    """Compare the dictionary with what is known of the model, and with what its file says."""
    if charset is None:
        return
    given = ctc_codec(charset).num_classes
    needed = {model.classes}
    needed |= {read_onnx_header(file).output_shape[-1] for name, file in files.items() if name.endswith(ONNX_SUFFIX)}
    wrong = sorted(classes for classes in needed if classes is not None and classes not in (-1, given))
    if wrong:
        raise HubError(f"{model.name}: the dictionary has the wrong size: {len(charset)} characters with the space "
                       f"make {given} classes, the network has {wrong[0]}", expected=f"{wrong[0] - 2} lines",
                       cure="install the package, or download the model, again: files of two models are mixed")


def _describe(folder: Path, model: Model, charset: Charset | None, provenance: Mapping[str, Any]) -> None:
    """Write what makes a folder complete: `inference.yml`, then the record."""
    names = [entry.name for entry in folder.iterdir() if entry.name not in (DESCRIPTION_FILE, RECORD_FILE)]
    output = model.output_shape or (-1, -1, model.classes or -1)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "Global": {"model_name": model.name, "model_type": model.task, "algorithm": model.algorithm},
        "Model": {"inputs": [{"name": "x", "dtype": "float32", "shape": list(model.input_shape)}],
                  "outputs": [{"name": "maps" if model.task == "det" else "probs", "dtype": "float32",
                               "shape": list(output)}]},
        "PreProcess": {"transform_ops": [{"DecodeImage": {"img_mode": "BGR"}}, *map(dict, model.operators)]},
        "PostProcess": dict(model.postprocess),
        "Provenance": {**provenance, "toolkit": __version__},
    }
    if charset is not None:
        content["Charset"] = charset.to_dict()
    with atomic_write(folder / DESCRIPTION_FILE, "w") as file:
        file.write(dump_description(content))
    record = {"recipe": model.recipe, "provenance": dict(provenance),
              "sizes": {name: (folder / name).stat().st_size for name in sorted(names)}}
    with atomic_write(folder / RECORD_FILE, "w") as file:
        json.dump(record, file, indent=1)


def _renew(folder: Path, model: Model, record: Mapping[str, Any]) -> None:
    """Describe a folder anew, which another version of the toolkit made of the same files."""
    content = load_yaml((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    charset = Charset.from_dict(content["Charset"]) if content.get("Charset") else None
    _describe(folder, model, charset, record["provenance"])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _put(made: Path, target: Path) -> None:
    """Rename a finished folder to its place; one that is there already is damaged, or as good."""
    aside = made.with_name(made.name + ".old")
    try:
        if target.exists():
            target.rename(aside)
        made.rename(target)
    except OSError:
        # Another process was faster.
        if not (target / RECORD_FILE).is_file():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
