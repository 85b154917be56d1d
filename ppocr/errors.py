"""The exceptions that users see, and the "did you mean" that goes with them.

Every error states three things: what is wrong (with file, line, key and value where they are known), what was
expected, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PPOCRError(Exception):
    """Base of every error that is addressed to the user.

    Args:
        what: What is wrong, with file, line, key and value.
        expected: What would have been right.
        cure: What to do about it.
    """

    def __init__(self, what: str, *, expected: str = "", cure: str = "") -> None:
        self.what = what
        self.expected = expected
        self.cure = cure
        super().__init__(what, expected, cure)

    def __str__(self) -> str:
        lines = [self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.cure:
            lines.append(f"  to do: {self.cure}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors travel between worker processes.
        return _rebuild, (type(self), self.what, self.expected, self.cure)


def _rebuild(cls: type[PPOCRError], what: str, expected: str, cure: str) -> PPOCRError:
    error = cls.__new__(cls)
    PPOCRError.__init__(error, what, expected=expected, cure=cure)
    return error


class ConfigError(PPOCRError):
    """A configuration that cannot be used: unknown key or name, wrong type, missing section."""


class DependencyError(PPOCRError):
    """A package is missing or cannot be loaded on this machine."""


class CharsetError(PPOCRError):
    """A dictionary, or a text that does not fit it."""


class DatasetError(PPOCRError):
    """A data set that cannot be used as a whole: missing file, no usable line, too many bad samples."""


class ImageError(PPOCRError):
    """An image that cannot be read or has an unusable shape."""


class CheckpointError(PPOCRError):
    """A weights file or checkpoint that is missing, damaged or belongs to another model."""


class TrainingError(PPOCRError):
    """Training cannot go on, for example because the loss is not finite."""


class ExportError(PPOCRError):
    """A model cannot be exported, or the exported one differs from the trained one."""


class InferenceError(PPOCRError):
    """An inference folder or an input that a predictor cannot use."""


class HubError(PPOCRError):
    """A published model that is unknown, cannot be found, or whose files are damaged."""


class SampleError(Exception):
    """One sample cannot be used. The dataset decides what follows: skip and count, or count as a miss.

    Args:
        kind: A short class of the fault, used for counting, such as ``"unknown character"``.
        reason: The details for this sample.
    """

    def __init__(self, kind: str, reason: str = "") -> None:
        self.kind = kind
        self.reason = reason
        super().__init__(kind, reason)

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for close matches of `name`, or an empty string when there is none."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if not close:
        return ""
    return "did you mean " + " or ".join(repr(by_lower[match]) for match in close) + "?"
