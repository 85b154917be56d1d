"""Which samples could not be used, and when there are too many of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ppocr.data.sample import Failure
from ppocr.errors import DatasetError
from ppocr.fileio import atomic_write

ALWAYS_ALLOWED = 10
"""So many bad samples never stop a training, however small the data set."""
SHOWN = 10


class BadSampleReport:
    """The samples that could not be used, each once, however many epochs met it.

    Attributes:
        failures: For each bad sample (label file and line) what was wrong when it was first met.
        counts: Number of bad samples by kind.
        events: Further things that were counted, such as replaced characters; they grow with every epoch.
    """

    def __init__(self) -> None:
        self.failures: dict[tuple[str, int], Failure] = {}
        self.counts: Counter[str] = Counter()
        self.events: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Number of different bad samples."""
        return len(self.failures)

    def __str__(self) -> str:
        return self.summary()

    def add(self, failures: Iterable[Failure]) -> None:
        """Take in the failures of a batch."""
        for failure in failures:
            key = failure.info.source, failure.info.line
            if key not in self.failures:
                self.failures[key] = failure
                self.counts[failure.kind] += 1

    def examples(self, number: int = SHOWN) -> list[Failure]:
        """Return the first bad samples that were met."""
        return list(self.failures.values())[:number]

    def summary(self) -> str:
        """Return the counts in words, such as ``"12 bad samples: 10 missing image, 2 text too long"``."""
        if not self.failures:
            return "no bad samples"
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts.most_common())
        return f"{self.total} bad sample{'s' if self.total > 1 else ''}: {kinds}"

    def check(self, samples: int, max_bad_ratio: float) -> None:
        """Stop a training that loses more than a share of its samples (and more than 10).

        Raises:
            DatasetError: There are too many, with counts and examples.
        """
        allowed = max(ALWAYS_ALLOWED, int(samples * max_bad_ratio))
        if self.total > allowed:
            raise self.error(f"of {samples} samples more than {allowed} cannot be used ({self.summary()} so far)",
                             "correct the label files, or raise Train.loader.max_bad_ratio to go on without these")

    def error(self, what: str, cure: str) -> DatasetError:
        """Return an error that lists the first bad samples with file and line."""
        lines = [what, *(f"    {failure}" for failure in self.examples())]
        if self.total > SHOWN:
            lines.append(f"    and {self.total - SHOWN} more")
        return DatasetError("\n".join(lines), expected="samples with a readable image and a text that the dictionary "
                            "and max_text_length allow", cure=cure)

    def write(self, path: str | Path) -> None:
        """Write all bad samples, one per line after a summary, replacing the file as a whole."""
        with atomic_write(path, "w") as file:
            file.write(f"# {self.summary()}\n")
            for event, count in self.events.items():
                file.write(f"# {event}: {count}\n")
            for failure in self.failures.values():
                file.write(str(failure).replace("\n", " ") + "\n")
