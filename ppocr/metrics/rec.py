"""How well texts were read."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rapidfuzz.distance import Levenshtein

from ppocr.charset import Charset
from ppocr.metrics.counting import Counting
from ppocr.registry import METRICS
from ppocr.results import TextLine

_SUMS = ("samples", "failed", "correct", "correct_alnum", "edits", "characters", "word_edits", "words")


@METRICS.register(tasks=("rec",))
class RecMetric(Counting):
    """Accuracy, edit distance and error rates of read texts.

    Texts are compared as sequences of Unicode characters in the composed form NFC, because canonically equivalent
    texts look the same. Nothing else is changed unless an argument says so, spaces least of all; when the charset
    is one that lower-cases texts before training (0-9a-z), the ground truth is lower-cased as well. Samples that
    could not be used count as wrong and as read empty: normalized edit distance 1, all characters missed.

    Args:
        main_indicator: The value by which the best checkpoint is chosen.
        is_filter: Compare letters and digits (of any script) only, in lower case.
        ignore_space: Take the spaces out of both texts.
        ignore_case: Compare in lower case.
        charset: Charset of the model, see above.
    """

    def __init__(
        self,
        main_indicator: Literal["acc", "norm_edit_dis", "acc_alnum"] = "acc",
        is_filter: bool = False,
        ignore_space: bool = False,
        ignore_case: bool = False,
        charset: Charset | None = None,
    ) -> None:
        super().__init__(_SUMS)
        self.main_indicator: str = main_indicator
        self.is_filter = is_filter
        self.ignore_space = ignore_space
        self.ignore_case = ignore_case
        self.lowercase_truth = charset is not None and charset.lowercase
        # Edits by the length of the longer text: integers, so that the sum does not depend on the order of addition.
        self._edits_by_length: Counter[int] = Counter()

    def update(self, results: Sequence[TextLine], batch: Mapping[str, Any]) -> None:
        """Count a batch.

        Args:
            results: One for each usable sample.
            batch: ``info`` of the usable samples in the same order, whose ``label`` is the true text, and ``failed``,
                the samples that could not be used, with ``info`` each.
        """
        for result, info in zip(results, batch["info"], strict=True):
            self._count(result.text, info.label)
        for failure in batch.get("failed", ()):
            self._count(None, failure.info.label)

    def _count(self, read: str | None, truth: str) -> None:
        """Count one sample; `read` is None if the sample could not be used."""
        predicted = self._comparable(read or "")
        wanted = self._comparable(truth.lower() if self.lowercase_truth else truth)
        edits = Levenshtein.distance(predicted, wanted)
        words = wanted.split()
        usable = read is not None
        longer = max(len(predicted), len(wanted))
        if usable:
            self._edits_by_length[longer] += edits
        else:
            self._edits_by_length[1] += 1
        self.sums["samples"] += 1
        self.sums["failed"] += not usable
        self.sums["correct"] += usable and predicted == wanted
        self.sums["correct_alnum"] += usable and letters_and_digits(predicted) == letters_and_digits(wanted)
        self.sums["edits"] += edits
        self.sums["characters"] += len(wanted)
        self.sums["word_edits"] += Levenshtein.distance(predicted.split(), words)
        self.sums["words"] += len(words)

    def _comparable(self, text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        if self.ignore_space:
            text = text.replace(" ", "")
        if self.is_filter:
            text = letters_and_digits(text)
        return text.lower() if self.ignore_case else text

    def compute(self) -> dict[str, float]:
        """Return the values over all samples counted so far.

        ``acc``: share of texts that are right. ``norm_edit_dis``: 1 - mean of edit distance over the length of the
        longer text. ``cer``, ``wer``: edits over the number of true characters, or words between white space; they
        can exceed 1. ``acc_alnum``: accuracy of letters and digits in lower case. ``samples``, ``failed``: counts.

        Raises:
            DatasetError: Nothing was counted.
        """
        samples = self.require_samples()
        distance = sum(edits / length for length, edits in sorted(self._edits_by_length.items()) if edits)
        return {
            "acc": self.sums["correct"] / samples,
            "norm_edit_dis": 1.0 - distance / samples,
            "cer": self.sums["edits"] / max(self.sums["characters"], 1),
            "wer": self.sums["word_edits"] / max(self.sums["words"], 1),
            "acc_alnum": self.sums["correct_alnum"] / samples,
            "samples": samples,
            "failed": self.sums["failed"],
        }

    def reset(self) -> None:
        """Forget everything that was counted."""
        super().reset()
        self._edits_by_length = Counter()

    def state(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        pairs = [[length, edits] for length, edits in sorted(self._edits_by_length.items())]
        return {**super().state(), "edits_by_length": pairs}

    def merge(self, states: Iterable[Mapping[str, Any]]) -> None:
        """Take the sum of `states` (of all processes, this one's among them) in place of the own sums."""
        states = list(states)
        super().merge(states)
        for state in states:
            for length, edits in state["edits_by_length"]:
                self._edits_by_length[length] += edits


def letters_and_digits(text: str) -> str:
    """Return the letters and digits of `text` in lower case, with the combining marks that belong to letters."""
    return "".join(char for char in text.lower() if char.isalnum() or unicodedata.category(char).startswith("M"))
