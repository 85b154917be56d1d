"""From the name of a published model to its folder: the cache, then installed packages, then the publisher."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ppocr.charset import Charset
from ppocr.errors import HubError
from ppocr.fileio import atomic_write, sha256
from ppocr.hub.catalog import FORMATS, METADATA, Catalog, Model, System, shipped_catalog
from ppocr.hub.download import download, show_progress, unpack
from ppocr.hub.folders import HOME_VARIABLE, ModelFolders, alone, dictionary_file, dictionary_symbols, home_folder
from ppocr.hub.packages import InstalledPackage, find_package
from ppocr.model_files import DESCRIPTION_FILE, ONNX_SUFFIX, load_yaml
from ppocr.onnx_header import read_onnx_header

LOGGER = logging.getLogger("ppocr")

RUNTIMES = {"paddle": "paddle", "onnx": "onnxruntime"}
"""The Python module that runs models of a format."""

ARCHIVE_FILES = ("inference.json", "inference.pdmodel", "inference.pdiparams", "inference.pdiparams.info",
                 "inference.onnx", DESCRIPTION_FILE)

DIGESTS_FILE = "digests.json"
"""In the cache: SHA-256 of every archive when it was first downloaded."""


@dataclass(frozen=True)
class Availability:
    """Where a published model is to be had.

    Attributes:
        name: Of the model.
        task: ``"det"``, ``"rec"`` or ``"cls"``.
        size: Megabytes, about.
        formats: Of its files, those that are to be had here first.
        cached: Folders in the cache.
        packages: Installed packages that carry it, with their versions.
        damaged: Installed packages that should carry it and do not.
        installable: The commands that would bring it.
        url: The publisher's archive; may be empty.
    """

    name: str
    task: str
    size: float
    formats: tuple[str, ...]
    cached: tuple[Path, ...]
    packages: tuple[str, ...]
    damaged: tuple[str, ...]
    installable: tuple[str, ...]
    url: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return bool(self.cached or self.packages)


class Hub:
    """Published models by their names.

    Args:
        catalog: What is known of them; by default the catalog that comes with the toolkit.
        home: The cache; by default ``$PPOCR_HOME`` or ``~/.cache/ppocr``.
    """

    def __init__(self, catalog: Catalog | None = None, home: Path | None = None) -> None:
        self.catalog = catalog or shipped_catalog()
        self.folders = ModelFolders(home or home_folder())

    def load(self, name: str, *, task: str | None = None, format: str | None = None) -> Path:
        """Return the folder of a published model, which predictors open without further arguments.

        It is looked for in the cache, then in installed Python packages that carry it (first for the format that is
        wanted most), and then downloaded from its publisher. Packages are read as data, none of their code is run.

        Args:
            name: Such as ``"PP-OCRv4_mobile_rec"``; with `task`, also the name of a system.
            task: ``"det"``, ``"rec"`` or ``"cls"``: what it must be for.
            format: ``"paddle"`` or ``"onnx"``; by default what can be run here, rather ``"paddle"``.

        Raises:
            HubError: There is no such model, it cannot be had, or its files are damaged.
        """
        model = self.catalog.model(name, task)
        forms = _formats(format)
        for form in forms:
            folder = self.folders.find(model, form) or self._packaged(model, form)
            if folder is not None:
                return folder
        if model.url and "paddle" in forms:
            return self._from_publisher(model)
        raise self._nowhere(model, forms, None)

    def system(self, name: str) -> System:
        """Return which models a system consists of.

        Raises:
            HubError: There is no such system.
        """
        return self.catalog.system(name)

    def available(self) -> list[Availability]:
        """Return for each published model where it is to be had; nothing is downloaded."""
        return [self._availability(model) for model in self.catalog.models.values()]

    def local_system(self) -> str:
        """Return the system that is used where none is asked for.

        The first whose detector and recognizer are on this machine; the first of all if there is none.
        """
        local = {entry.name for entry in self.available()
                 if entry.is_local and any(_can_run(form) for form in entry.formats)}
        return next((system.name for system in self.catalog.systems.values()
                     if {system.parts["det"], system.parts["rec"]} <= local), next(iter(self.catalog.systems)))

    def _availability(self, model: Model) -> Availability:
        cached = {form: self.folders.find(model, form) for form in FORMATS}
        present: list[InstalledPackage] = []
        damaged, installable = [], []
        for source in model.packages:
            package = find_package(source)
            if package is None:
                installable.append(source.command)
            elif package.present():
                present.append(package)
            elif package.version == source.version:
                damaged.append(package.label)
            else:
                installable.append(source.command)
        forms = [form for form, folder in cached.items() if folder is not None]
        forms += [package.source.format for package in present]
        forms += [] if forms else [source.format for source in model.packages] + (["paddle"] if model.url else [])
        return Availability(
            model.name, model.task, model.size, tuple(dict.fromkeys(forms)),
            tuple(folder for folder in cached.values() if folder is not None),
            tuple(package.label for package in present), tuple(damaged), tuple(installable), model.url)

    def _packaged(self, model: Model, form: str) -> Path | None:
        """Return the folder of a model that an installed package carries; None if none does."""
        for source in model.packages:
            package = find_package(source) if source.format == form else None
            if package is not None and (package.present() or package.version == source.version):
                return self._from_package(model, package)
        return None

    def _from_package(self, model: Model, package: InstalledPackage) -> Path:
        files = package.checked()
        charset = None
        if package.source.dictionary == METADATA:
            file = next(path for name, path in files.items() if name.endswith(ONNX_SUFFIX))
            charset = dictionary_symbols(read_onnx_header(file).characters, str(file))
        elif package.dictionary is not None:
            charset = dictionary_file(package.dictionary)
        with self._writing(model), self._alone(model):
            folder = self.folders.find(model, package.source.format)
            if folder is not None:
                return folder
            folder = self.folders.build(model, package.source.format, files, charset, {
                "source": f"Python package {package.label}",
                "verified": "against the checksums of the toolkit's catalog"})
        LOGGER.info("%s: from the package %s, kept in %s.", model.name, package.label, folder)
        return folder

    def _from_publisher(self, model: Model) -> Path:
        """Download a model and return its folder; of several processes that ask for it one downloads."""
        with self._writing(model), self._alone(model):
            folder = self.folders.find(model, "paddle")
            if folder is not None:
                return folder
            downloads = self.folders.home / "downloads"
            archive = downloads / model.url.rsplit("/", 1)[-1]
            LOGGER.info("%s: downloading %s (about %g MB).", model.name, model.url, model.size)
            try:
                download(model.url, archive, report=show_progress)
            except HubError as error:
                raise self._nowhere(model, FORMATS, error) from None
            unpacked = Path(tempfile.mkdtemp(prefix=f".{model.name}.", dir=downloads))
            try:
                folder = self._from_archive(model, archive, unpacked)
            finally:
                shutil.rmtree(unpacked, ignore_errors=True)
                # Good or bad, it has served.
                archive.unlink(missing_ok=True)
        LOGGER.info("%s: kept in %s.", model.name, folder)
        return folder

    def _from_archive(self, model: Model, archive: Path, unpacked: Path) -> Path:
        digest = sha256(archive)
        known = self._first_digest(model.url, digest)
        files = unpack(archive, unpacked, ARCHIVE_FILES)
        description = files.pop(DESCRIPTION_FILE, None)
        _require_files(files, archive)
        charset = _charset_of(description) if model.task == "rec" else None
        if charset is None and model.task == "rec":
            raise HubError(f"{archive.name} holds no dictionary", expected=f"{DESCRIPTION_FILE} with character_dict",
                           cure=_commands(model) or "take another model")
        folder = self.folders.build(model, "paddle", files, charset, {
            "source": model.url, "sha256": digest,
            "verified": "equal to the first download" if known else "not at all: first download, checksum noted"})
        if not known:
            self._note_digest(model.url, digest)
        return folder

    def _first_digest(self, url: str, digest: str) -> bool:
        """Tell whether an archive was downloaded before.

        Raises:
            HubError: It was, and had another checksum.
        """
        file = self.folders.home / DIGESTS_FILE
        known = _read_digests(file)
        if known.get(url, digest) != digest:
            raise HubError(f"{url} is not the file of the first download: SHA-256 {digest}", expected=known[url],
                           cure=f"try again; if the publisher has replaced the file, remove its line from {file}")
        return url in known

    def _note_digest(self, url: str, digest: str) -> None:
        file = self.folders.home / DIGESTS_FILE
        LOGGER.warning("%s: its publisher states no checksum, so the first download is trusted: SHA-256 %s is noted in "
                       "%s.", url, digest, file)
        with alone(self.folders.home / ".digests.lock"):
            noted = {**_read_digests(file), url: digest}
            with atomic_write(file, "w") as stream:
                json.dump(noted, stream, indent=1)

    def _alone(self, model: Model) -> contextlib.AbstractContextManager[None]:
        """Wait until no other process makes the folder of this model."""
        return alone(self.folders.home / f".{model.name}.lock")

    @contextlib.contextmanager
    def _writing(self, model: Model) -> Iterator[None]:
        """Explain why the cache cannot be written to."""
        try:
            yield
        except OSError as error:
            raise HubError(f"{model.name} cannot be put into {self.folders.home}: {error.strerror or error}",
                           expected="a folder that may be written to, with room for it",
                           cure=f"set {HOME_VARIABLE} to another folder") from None

    def _nowhere(self, model: Model, forms: tuple[str, ...], error: HubError | None) -> HubError:
        """Return the error that names every source."""
        cache = ", ".join(str(self.folders.path(model, form)) for form in forms)
        packages = " or ".join(source.package for source in model.packages if source.format in forms)
        sources = [f"it is not in the cache ({cache})",
                   f"of the packages that carry it ({packages}) none is installed in the known version" if packages else
                   "no known package carries it",
                   f"the download fails: {error.what}" if error else "there is no download of this format"]
        cures = [_commands(model, forms), "connect to the network and try again" if error else ""]
        return HubError(f"{model.name} cannot be had: " + "; ".join(sources),
                        expected="one of three sources: the cache, an installed package, a download",
                        cure=", or ".join(cure for cure in cures if cure))


def _read_digests(file: Path) -> dict[str, str]:
    try:
        return {str(url): str(digest) for url, digest in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _formats(asked: str | None) -> tuple[str, ...]:
    """Return formats in the order in which they are wanted."""
    if asked is not None:
        if asked not in FORMATS:
            raise HubError(f"there is no format {asked!r}", expected=" or ".join(FORMATS), cure="correct the name")
        return (asked,)
    return tuple(sorted(FORMATS, key=lambda form: not _can_run(form)))


def _can_run(form: str) -> bool:
    try:
        return importlib.util.find_spec(RUNTIMES[form]) is not None
    except ValueError:  # A module of that name that was made without a spec.
        return True


def _commands(model: Model, forms: tuple[str, ...] = FORMATS) -> str:
    return " or ".join(source.command for source in model.packages if source.format in forms)


def _charset_of(description: Path | None) -> Charset | None:
    """Return the characters in an `inference.yml` of PaddleOCR; None without one."""
    if description is None:
        return None
    try:
        content: Any = load_yaml(description.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise HubError(f"the {DESCRIPTION_FILE} of the archive cannot be read: {error}", expected="YAML",
                       cure="download it again") from None
    section = content.get("PostProcess") if isinstance(content, Mapping) else None
    symbols = section.get("character_dict") if isinstance(section, Mapping) else None
    if not isinstance(symbols, list):
        return None
    return dictionary_symbols(tuple(str(symbol) for symbol in symbols), f"the archive's {DESCRIPTION_FILE}")


def _require_files(files: Mapping[str, Path], archive: Path) -> None:
    complete = "inference.pdiparams" in files and {"inference.json", "inference.pdmodel"} & set(files)
    if not complete:
        raise HubError(f"{archive.name} holds no exported model ({', '.join(sorted(files)) or 'none of its files'})",
                       expected="inference.pdiparams, and inference.json or inference.pdmodel",
                       cure="download it again")
