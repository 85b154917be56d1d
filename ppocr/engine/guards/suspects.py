"""Naming the samples of a batch that is under suspicion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = "bad_batch.txt"
"""File in the run's folder with all samples of batches whose losses or gradients were not finite."""

SHOWN = 3
"""So many samples are named in a message."""


def named_samples(samples: Sequence[Any]) -> str:
    """Return the first samples in words, and how many more there are."""
    more = f" and {len(samples) - SHOWN} more" if len(samples) > SHOWN else ""
    return ", ".join(map(str, samples[:SHOWN])) + more


def named_losses(losses: dict[str, float]) -> str:
    """Return the loss and its parts in words, such as ``"loss nan, loss_ctc nan"``."""
    return ", ".join(f"{name} {value:g}" for name, value in losses.items())


def write_bad_batch(folder: Path, title: str, batches: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Append all samples of batches, one to a line below a line for each batch, to `FILE`.

    Args:
        folder: The run's folder.
        title: What was wrong with them.
        batches: What to call each batch, and its samples.
    """
    lines = [f"# {title}"]
    for name, samples in batches:
        lines += [f"# {name}", *samples]
    with open(folder / FILE, "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
