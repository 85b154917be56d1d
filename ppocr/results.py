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
