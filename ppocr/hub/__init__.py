"""Published models by their names: ``ppocr.hub.load("PP-OCRv4_mobile_rec")`` is a folder that predictors open.

Importing this needs no Paddle, and nothing is read or downloaded before it is asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

from ppocr.errors import did_you_mean
from ppocr.hub.catalog import System, shipped_catalog
from ppocr.hub.hub import Availability, Hub

__all__ = ["Availability", "Hub", "System", "available", "close_names", "load", "local_system", "names", "system",
           "systems"]


def load(name: str, *, task: str | None = None, format: str | None = None) -> Path:
    """Return the folder of a published model; see `Hub.load`.

    Args:
        name: Such as ``"PP-OCRv4_mobile_rec"``; with `task`, also the name of a system.
        task: ``"det"``, ``"rec"`` or ``"cls"``: what it must be for.
        format: ``"paddle"`` or ``"onnx"``; by default what can be run here, rather ``"paddle"``.

    Raises:
        HubError: There is no such model, it cannot be had, or its files are damaged.
    """
    return Hub().load(name, task=task, format=format)


def available() -> list[Availability]:
    """Return for each published model where it is to be had; nothing is downloaded."""
    return Hub().available()


def names() -> tuple[str, ...]:
    """Return the names of the published models."""
    return tuple(shipped_catalog().models)


def systems() -> tuple[str, ...]:
    """Return the names of the systems, which read pages with several models."""
    return tuple(shipped_catalog().systems)


def close_names(name: str, *, with_systems: bool = True) -> str:
    """Return a "did you mean" for what is not a published name, empty if none is close or it is a path.

    Args:
        name: What was given.
        with_systems: Whether the name of a system would do, too.
    """
    known = (*names(), *(systems() if with_systems else ()))
    return did_you_mean(name, known) if re.fullmatch(r"[\w.-]+", name) else ""


def system(name: str) -> System:
    """Return which models a system consists of.

    Raises:
        HubError: There is no such system.
    """
    return Hub().system(name)


def local_system() -> str:
    """Return the system that is used where none is asked for; see `Hub.local_system`."""
    return Hub().local_system()
