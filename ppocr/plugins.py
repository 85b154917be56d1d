"""Components from outside the package: importing the modules that ``Global.plugins`` names registers them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ppocr.errors import ConfigError


def import_plugins(plugins: Sequence[str] | None, folder: str | Path) -> None:
    """Import each plugin once per process. A configuration that names plugins must be trusted as code is.

    Args:
        plugins: Names of importable modules, or paths of ``.py`` files; None means none. A module that Python's
            path does not hold is looked for in `folder`.
        folder: The folder that relative paths start from: that of the configuration file.

    Raises:
        ConfigError: A plugin does not exist, or its import fails; the original error is the cause.
    """
    for plugin in plugins or ():
        if plugin.endswith(".py"):
            _load_file(plugin, (Path(folder) / plugin).resolve())
        else:
            _load_module(plugin, Path(folder))


def moved_plugins(plugins: Sequence[str], folder: str | Path, target: str | Path) -> list[str]:
    """Return plugins so that a configuration in the folder `target` means by them what one in `folder` does."""
    moved = []
    for plugin in plugins:
        file = Path(folder) / (plugin if plugin.endswith(".py") else _beside(plugin))
        is_file = plugin.endswith(".py") or (file.is_file() and not _is_installed(plugin))
        moved.append(Path(os.path.relpath(file.resolve(), Path(target).resolve())).as_posix() if is_file else plugin)
    return moved


def _beside(plugin: str) -> str:
    return plugin.replace(".", "/") + ".py"


def _is_installed(plugin: str) -> bool:
    return importlib.util.find_spec(plugin.split(".")[0]) is not None


def _load_file(plugin: str, path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"Global.plugins: there is no file {path}",
            expected="a Python file, relative to the configuration's folder",
            cure=f"correct the path {plugin!r}",
        )
    # Two files of one name in two folders are two plugins.
    name = f"ppocr_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(plugin, error) from error


def _load_module(plugin: str, folder: Path) -> None:
    beside = folder / _beside(plugin)
    try:
        if not _is_installed(plugin) and beside.is_file():
            _load_file(plugin, beside.resolve())
            return
        importlib.import_module(plugin)
    except ConfigError:
        raise
    except Exception as error:
        raise _failed(plugin, error) from error


def _failed(plugin: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"Global.plugins: importing {plugin!r} failed: {type(error).__name__}: {error}",
        expected="a module that can be imported and registers components",
        cure="correct the plugin, or install the package that holds it (a .py file is given with its suffix)",
    )
