"""Checks of what one part of a network hands to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ppocr.errors import ConfigError

T = TypeVar("T")


def require_pair(value: Sequence[T], key: str, meaning: str) -> tuple[T, T]:
    """Return `value` as a tuple.

    Args:
        value: What the configuration gives.
        key: Dotted key, for the error.
        meaning: What the two are, such as ``"[height, width]"``.

    Raises:
        ConfigError: It does not hold two values.
    """
    if len(value) != 2:
        raise ConfigError(f"{key} is {list(value)}", expected=meaning, cure="write two numbers")
    return value[0], value[1]


def require_sequence(features: Any, reader: str) -> None:
    """Raise ConfigError unless `features` is a sequence [N, T, C]."""
    if features.ndim != 3:
        raise ConfigError(
            f"{reader} gets features of shape {list(features.shape)}",
            expected="a sequence [batch, steps, channels]",
            cure="put Neck: {name: SequenceEncoder, encoder_type: reshape} (or another type) before it",
        )


def require_single_row(features: Any, reader: str) -> None:
    """Raise ConfigError unless `features` is a map [N, C, 1, W], which reads as a sequence."""
    if features.ndim != 4 or features.shape[2] != 1:
        raise ConfigError(
            f"{reader} gets features of shape {list(features.shape)}",
            expected="a feature map of height 1, [batch, channels, 1, width]",
            cure="use the image height that the backbone is made for (32 for most recognizers) in RecResizeImg",
        )


def require_image_size(images: Any, size: Sequence[int], reader: str, key: str) -> None:
    """Raise ConfigError unless the images have the one height and width that a network is built for."""
    if list(images.shape[2:]) != list(size):
        raise ConfigError(
            f"{reader} gets images of {images.shape[2]}x{images.shape[3]} (height x width, -1 is variable)",
            expected=f"{size[0]}x{size[1]}, as {key} says; its position embedding fits no other size",
            cure=f"resize the images to this size, or set {key} to theirs",
        )


TASK_FLAGS = {"det": "det", "text_rec": "rec"}
"""Keys of backbones that serve both tasks: key to the model_type for which it is true."""


def require_matching_task(flag: str, value: bool, task: str | None) -> None:
    """Raise ConfigError if a backbone's `flag`, one of `TASK_FLAGS`, contradicts the model_type (None: unknown)."""
    if task is not None and value != (task == TASK_FLAGS[flag]):
        needed = str(not value).lower()
        raise ConfigError(f"Architecture.Backbone.{flag} is {str(value).lower()} with model_type {task}",
                          expected=f"{flag}: {needed} for model_type {task}", cure=f"write {flag}: {needed}")
