"""Which samples could not be used, and when there are too many of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ppocr.data.sample import Failure, Remark
from ppocr.errors import DatasetError
from ppocr.fileio import atomic_write

ALWAYS_ALLOWED = 10
"""So many bad samples never stop a training, however small the data set."""
SHOWN = 10
KEPT_REMARKS = 1000
"""So many samples are remembered that have something wrong with them and are used all the same."""


class BadSampleReport:
    """The samples that could not be used, each once, however many epochs met it; and what else is wrong.

    Attributes:
        failures: For each bad sample (label file and line) what was wrong when it was first met.
        remarks: For each sample that is used although something is wrong with it, what that is; of the first 1000.
        counts: Number of bad samples by kind.
        events: Further things that were counted, such as replaced characters; they grow with every epoch.
    """

    def __init__(self) -> None:
        self.failures: dict[tuple[str, int], Failure] = {}
        self.remarks: dict[tuple[str, int], list[Remark]] = {}
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

    def add_remarks(self, remarks: Sequence[Remark]) -> None:
        """Take in the remarks of a batch: all those of a sample, in sequence."""
        new: dict[tuple[str, int], list[Remark]] = {}
        for remark in remarks:
            new.setdefault((remark.info.source, remark.info.line), []).append(remark)
        for key, of_sample in new.items():
            if len(self.remarks) < KEPT_REMARKS:
                self.remarks.setdefault(key, of_sample)

    @property
    def findings(self) -> tuple[int, int, int]:
        """Numbers that change when there is something new to tell: another sample, or another kind of event."""
        return self.total, len(self.remarks), len(self.events)

    def examples(self, number: int = SHOWN) -> list[Failure]:
        """Return the first bad samples that were met."""
        return list(self.failures.values())[:number]

    def summary(self) -> str:
        """Return the counts in words, such as ``"12 bad samples: 10 missing image, 2 text too long"``."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts.most_common())
        return _samples(self.total, "bad") + (f": {kinds}" if kinds else "")

    def notice(self, path: str | Path) -> str:
        """Return what a log says of a report that was written to `path`: everything that was counted, and the place."""
        parts = [self.summary()] if self.failures else []
        parts += [self._remarks_in_words()] if self.remarks else []
        parts += [f"{event}: {count}" for event, count in self.events.items()]
        listed = "all of them, with file and line" if self.failures or self.remarks else "see also"
        return "; ".join([*parts, f"{listed}: {path}"])

    def _remarks_in_words(self) -> str:
        number = len(self.remarks)
        return _samples(number, "partly bad") + (" or more" if number == KEPT_REMARKS else "") + ", used all the same"

    def check(self, samples: int, max_bad_ratio: float) -> None:
        """Stop a training that loses more than a share of its samples (and more than 10).

        Raises:
            DatasetError: There are too many, with counts and examples.
        """
        allowed = max(ALWAYS_ALLOWED, int(samples * max_bad_ratio))
        if self.total > allowed:
            cure = "correct the label files, or raise Train.loader.max_bad_ratio to go on without these"
            if "missing image" in self.counts:
                cure += "; where files are missing that were there, look whether their disk or folder still is"
            raise self.error(f"of {samples} samples more than {allowed} cannot be used ({self.summary()} so far)", cure)

    def error(self, what: str, cure: str) -> DatasetError:
        """Return an error that lists the first bad samples with file and line."""
        lines = [what, *(f"    {failure}" for failure in self.examples())]
        if self.total > SHOWN:
            lines.append(f"    and {self.total - SHOWN} more")
        return DatasetError("\n".join(lines), expected="samples with a readable image and a label that can be used",
                            cure=cure)

    def write(self, path: str | Path) -> None:
        """Write all bad samples, one per line after a summary, and the remarks, replacing the file as a whole."""
        with atomic_write(path, "w") as file:
            file.write(f"# {self.summary()}\n")
            for event, count in self.events.items():
                file.write(f"# {event}: {count}\n")
            for failure in self.failures.values():
                file.write(str(failure).replace("\n", " ") + "\n")
            if self.remarks:
                file.write(f"# {self._remarks_in_words()}\n")
            for remark in itertools.chain.from_iterable(self.remarks.values()):
                file.write(str(remark).replace("\n", " ") + "\n")


def _samples(number: int, kind: str) -> str:
    return f"{number or 'no'} {kind} sample{'' if number == 1 else 's'}"
