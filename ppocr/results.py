"""What post-processing returns and predictors hand to the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextLine:
    """A text that was read.

    Args:
        text: The characters; empty when nothing was read.
        score: Mean confidence of the kept characters, 0 to 1; 0.0 for an empty text.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Direction:
    """The class of an image that a direction classifier found.

    Args:
        label: Name of the class, as in ``label_list``, such as ``"180"``.
        score: Its probability, 0 to 1.
    """

    label: str
    score: float
