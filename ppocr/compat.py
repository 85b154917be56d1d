"""Third-party packages that need help to run beside current versions of their own dependencies."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ppocr.errors import DependencyError

IMGAUG_MODULES = ("imgaug.imgaug", "imgaug.parameters", "imgaug.augmenters.meta", "imgaug.augmentables.polys")
"""The modules of imgaug 0.4.0 that use names which NumPy has removed."""

REMOVED_NUMPY_NAMES: dict[str, Any] = {
    "sctypes": {
        "float": [np.float16, np.float32, np.float64, np.longdouble],
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "complex": [np.complex64, np.complex128, np.clongdouble],
        "others": [bool, object, bytes, str, np.void],
    },
    "bool": np.bool_,
    "complex": complex,
}
"""What those names meant: ``bool`` and ``complex`` left with NumPy 1.24, ``sctypes`` with NumPy 2.0 (which has brought
``bool`` back)."""

_LOCK = threading.Lock()


class _NumpyWithRemovedNames(ModuleType):
    """NumPy as a module sees it that was written for an older one; NumPy itself stays as it is."""

    def __getattr__(self, name: str) -> Any:
        if name in REMOVED_NUMPY_NAMES and not _has(np, name):
            return REMOVED_NUMPY_NAMES[name]
        return getattr(np, name)


def import_imgaug() -> ModuleType:
    """Import imgaug 0.4.0 beside NumPy 1.24 to 2.x and return the module.

    Its last release (2020) uses ``np.sctypes`` while it is imported, and ``np.bool`` and ``np.complex`` later, inside
    a few augmenters. The first is lent to NumPy for the time of the import only; afterwards the modules concerned
    look at NumPy through a stand-in that knows the old names. No other code sees a changed NumPy.

    Raises:
        DependencyError: imgaug is not installed, or one of its own dependencies cannot be imported.
    """
    with _LOCK:
        present = "imgaug" in sys.modules
        try:
            with _lent_names():
                imgaug = importlib.import_module("imgaug")
                importlib.import_module("imgaug.augmenters")
        except (ImportError, AttributeError) as error:
            if not present:
                _forget("imgaug")
            raise DependencyError(
                f"imgaug cannot be imported: {error}",
                expected="imgaug 0.4.0 with its dependencies (scipy, scikit-image, Pillow, imageio, shapely)",
                cure="pip install imgaug==0.4.0",
            ) from error
        stand_in = _NumpyWithRemovedNames("numpy")
        for name in IMGAUG_MODULES:
            module = sys.modules.get(name)
            if module is not None and getattr(module, "np", None) is np:
                module.np = stand_in  # type: ignore[attr-defined]
        return imgaug


@contextlib.contextmanager
def _lent_names() -> Iterator[None]:
    lent = [name for name in REMOVED_NUMPY_NAMES if not _has(np, name)]
    for name in lent:
        setattr(np, name, REMOVED_NUMPY_NAMES[name])
    try:
        yield
    finally:
        for name in lent:
            delattr(np, name)


def _has(module: ModuleType, name: str) -> bool:
    # Not hasattr: NumPy 1.24 to 1.26 warn when a removed name is asked for through their module's __getattr__.
    return name in vars(module)


def _forget(package: str) -> None:
    # A package whose import failed half-way must not stay behind: the next import would find its fragments.
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
