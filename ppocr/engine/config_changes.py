"""What differs between the configuration that a checkpoint was written with and that of the run that resumes it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from ppocr.config_schema import GLOBAL_KEYS, TOP_LEVEL_SECTIONS

WITHOUT_EFFECT = (
    "Global.checkpoints", "Global.pretrained_*", "Global.min_load_share", "Global.new_schedule", "Global.save_*",
    "Global.keep_*", "Global.log_*", "Global.print_*", "Global.use_gpu", "Global.use_visualdl",
    "Global.use_tensorboard", "Global.use_wandb", "Global.wandb_*", "Global.run_name", "Global.progress_bar",
    "Global.profiler_*", "Global.plugins", "Global.find_unused_parameters", "Global.model_name",
    "Global.export_with_pir", "*.loader.num_workers", "*.loader.use_shared_memory",
)
"""Patterns of the keys that do not change what is trained."""

LONGEST = 60
"""Characters of a value that are shown."""

ABSENT = "(not set)"


def config_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line such as ``Global.epoch_num: 10 -> 20`` for every key that matters and differs.

    Args:
        before: The configuration in the checkpoint; a key of ``Global`` that its version did not know has its default.
        now: The configuration of this run.
    """
    defaults = {name: key.default for name, key in GLOBAL_KEYS.items()}
    old, new = ({**config, "Global": {**defaults, **config.get("Global", {})}} for config in (before, now))
    pairs = (pair for name in TOP_LEVEL_SECTIONS for pair in _differences(name, old.get(name), new.get(name)))
    return [f"{path}: {_short(first)} -> {_short(second)}" for path, first, second in pairs
            if not any(fnmatch.fnmatchcase(path, pattern) for pattern in WITHOUT_EFFECT)]


def _differences(path: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Give dotted path, old and new value of what differs, as deep inside as it can be told."""
    if before == now:
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(f"{path}.{key}", before.get(key, ABSENT), now.get(key, ABSENT))
    elif _names(before) == _names(now) is not None:
        for first, second in zip(before, now, strict=True):
            yield from _differences(path, first, second)
    else:
        yield path, _names(before) or before, _names(now) or now


def _names(value: Any) -> list[str] | None:
    """Return the names in a list of ``{Name: arguments}``, such as transforms; None for anything else."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) and len(one) == 1 for one in value):
        return [str(next(iter(one))) for one in value]
    return None


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, str) else "null" if value is None else repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."
