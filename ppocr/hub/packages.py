"""Model files inside installed Python packages. They are read as data; no code of the package is run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from ppocr.errors import HubError
from ppocr.fileio import sha256
from ppocr.hub.catalog import PackageSource, SourceFile


@dataclass(frozen=True)
class InstalledPackage:
    """A package on this machine that carries a model.

    Attributes:
        source: What is known of it.
        folder: Of its module.
        version: That is installed; empty if unknown.
    """

    source: PackageSource
    folder: Path
    version: str

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.source.package} {self.version}".rstrip()

    def present(self) -> bool:
        """Tell whether it has all files, of the sizes that they must have."""
        return all(_has_size(self.folder / file.path, file.size) for file in self._files())

    def checked(self) -> dict[str, Path]:
        """Return the files by the names that they have in a model's folder, after their checksums were compared.

        Raises:
            HubError: A file is missing or has another content.
        """
        for file in self._files():
            path = self.folder / file.path
            if not path.is_file():
                raise self._unusable(f"{self.label} has no file {file.path}", "complete")
            if not _has_size(path, file.size) or sha256(path) != file.sha256:
                raise self._unusable(f"{path} of {self.label} is not the file that was published",
                                     f"with SHA-256 {file.sha256} of this file")
        return {name: self.folder / file.path for name, file in self.source.files.items()}

    @property
    def dictionary(self) -> Path | None:
        """File with the characters; None if the package has none for this model."""
        entry = self.source.dictionary
        return self.folder / entry.path if isinstance(entry, SourceFile) else None

    def _files(self) -> list[SourceFile]:
        dictionary = self.source.dictionary
        return [*self.source.files.values(), *([dictionary] if isinstance(dictionary, SourceFile) else [])]

    def _unusable(self, what: str, expected: str) -> HubError:
        pinned = f"{self.source.package}=={self.source.version}"
        return HubError(what, expected=f"{pinned}, {expected}",
                        cure=f"pip install --force-reinstall --no-deps {pinned}")


def find_package(source: PackageSource) -> InstalledPackage | None:
    """Return a package if it is installed. Only its place is asked for; it is not imported."""
    module = sys.modules.get(source.module)
    spec = importlib.util.find_spec(source.module) if module is None else module.__spec__
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        return None
    try:
        version = importlib.metadata.version(source.package)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    return InstalledPackage(source, Path(places[0]), version)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False
