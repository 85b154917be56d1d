"""The folder of a run, named after what was changed for it: ``Global.run_name``."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ppocr.errors import ConfigError
from ppocr.overrides import ENVIRONMENT_PREFIX
from ppocr.sections import Section, where

AUTO = "auto"

MARK = "overrides.txt"
"""In each folder that is named automatically: the configuration file and the overrides that it is for."""

UNNAMED = frozenset(f"Global.{key}" for key in (
    "checkpoints", "save_model_dir", "run_name", "use_gpu", "log_level", "print_batch_step", "log_smooth_window",
    "log_samples", "progress_bar", "use_visualdl", "use_tensorboard", "use_wandb", "wandb_project", "save_epoch_step",
    "new_schedule",
)) | {"Train.loader.num_workers", "Eval.loader.num_workers"}
"""Keys that do not change what is trained, or say where it is; a run goes by the same name with and without them."""

SHORT = {"learning_rate": "lr", "batch_size_per_card": "bs", "epoch_num": "epochs", "pretrained_model": "from"}
"""Names for often changed keys; of others the last part stands for the whole."""

NUMBER = re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?")

LONGEST = 60
"""Characters of a name; what is longer is cut and gets a digest of the whole."""


def run_folder(options: Section, config_file: str | Path, overrides: Sequence[str],
               environ: Mapping[str, str] | None = None) -> str:
    """Return the folder of a run: ``Global.save_model_dir``, or the one below it that ``Global.run_name`` asks for.

    With ``auto`` it is named after the overrides and made. Where it exists it gets a number, unless the run is to be
    resumed: one that goes on from a checkpoint in such a folder, or from ``latest`` with the same configuration and
    overrides, goes on in it. One process decides for all.

    Args:
        options: ``Global``.
        config_file: The configuration.
        overrides: ``Key.sub=value``.
        environ: Environment variables, of which some are overrides too; ``os.environ`` by default.

    Raises:
        ConfigError: The name is a path, or the folder cannot be made.
    """
    base, name = Path(options["save_model_dir"]), options["run_name"]
    if not name:
        return str(options["save_model_dir"])
    if name != AUTO:
        if Path(name).name != name:
            raise ConfigError(f"{where(options, 'run_name')} is {name!r}", expected="auto, or the name of a folder",
                              cure="set the path in Global.save_model_dir")
        return str(base / name)
    checkpoint = Path(options["checkpoints"] or "")
    if checkpoint.parent.parent.resolve() == base.resolve() and (checkpoint.parent / MARK).is_file():
        return str(checkpoint.parent)
    chosen = [*_from_environment(os.environ if environ is None else environ), *overrides]
    named = sorted(override for override in chosen if override.partition("=")[0] not in UNNAMED)
    mark = "".join(f"{line}\n" for line in (f"-c {Path(config_file).name}", *(f"-o {entry}" for entry in named)))
    stem = folder_name(named) or Path(config_file).stem
    same = [folder for folder in _numbered(base, stem) if _read(folder / MARK) == mark]
    if same and options["checkpoints"] == "latest":
        return str(same[-1])
    return str(_make(base, stem, mark, options))


def folder_name(overrides: Sequence[str]) -> str:
    """Return a name such as ``"lr0.001_scale0.5"`` for overrides; empty for none."""
    parts = []
    for override in overrides:
        key, _, value = override.partition("=")
        last = key.split(".")[-1]
        short = SHORT.get(last, re.sub(r"\W+", "-", last, flags=re.ASCII))
        plain = re.sub(r"[^\w.+-]+", "-", value, flags=re.ASCII)
        parts.append(short + plain if NUMBER.fullmatch(plain) else f"{short}-{plain.strip('-.')}".rstrip("-"))
    name = "_".join(parts).lstrip(".-")
    if len(name) <= LONGEST:
        return name
    return name[:LONGEST - 9] + "-" + hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8]


def _from_environment(environ: Mapping[str, str]) -> list[str]:
    return [f"{name[len(ENVIRONMENT_PREFIX):].replace('__', '.')}={value}" for name, value in environ.items()
            if name.startswith(ENVIRONMENT_PREFIX)]


def _numbered(base: Path, stem: str) -> list[Path]:
    """Return the folders of a name, by their number."""
    pattern = re.compile(re.escape(stem) + r"(?:-(\d+))?")
    found = [(int(match[1] or 1), path) for path in base.glob("*") if (match := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _make(base: Path, stem: str, mark: str, options: Section) -> Path:
    number = 1
    while True:
        folder = base / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
            (folder / MARK).write_text(mark, encoding="utf-8")
        except FileExistsError:
            number += 1
        except OSError as error:
            raise ConfigError(f"{where(options, 'save_model_dir')}: {folder} cannot be made: {error.strerror}",
                              expected="a folder in which files can be made", cure="choose another folder") from None
        else:
            return folder


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
