"""Bad samples in the log and in ``bad_samples.txt``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from ppocr.data.report import BadSampleReport
from ppocr.engine.hooks import Hook
from ppocr.engine.ranks import exchange, gather
from ppocr.engine.run import TrainingRun

LOGGER = logging.getLogger("ppocr")


class BadSampleLog(Hook):
    """Warns when samples could not be used, or only in part, and writes all of them to a file per split.

    Several ranks put together what each has met; rank 0 writes it. After an exception, when they no longer can, each
    writes what the others have not seen yet of its own.

    Args:
        reports: The report of each split's loader, by the file that it is written to.
        folder: Where the files go.
    """

    def __init__(self, reports: Mapping[str, BadSampleReport], folder: str | Path) -> None:
        self.reports, self.folder = dict(reports), Path(folder)
        self._told = dict.fromkeys(self.reports, (0, 0, 0))
        self._others: dict[str, list[BadSampleReport]] = {}

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Tell what evaluation met."""
        self._tell(run)

    def after_epoch(self, run: TrainingRun) -> None:
        """Tell what the epoch met."""
        self._tell(run)

    def after_train(self, run: TrainingRun) -> None:
        """Tell what was met before the run was stopped."""
        self._tell(run)

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Tell what was met before the run ended."""
        for name in self._news():
            path = self.folder / (name if run.rank == 0 else f"rank{run.rank}_{name}")
            self._write(merged([self.reports[name], *self._others.get(name, [])]), path)

    def _news(self) -> list[str]:
        """Return the files whose reports have something new in them."""
        news = [name for name, report in self.reports.items() if report.findings != self._told[name]]
        self._told.update({name: self.reports[name].findings for name in news})
        return news

    def _tell(self, run: TrainingRun) -> None:
        news = exchange(self._news(), run.world_size)
        for name, report in self.reports.items():
            if not any(name in of_rank for of_rank in news):
                continue
            of_ranks = gather(report, run.world_size)
            self._others[name] = [other for rank, other in enumerate(of_ranks) if rank != run.rank]
            if run.rank == 0:
                self._write(merged(of_ranks), self.folder / name)

    def _write(self, report: BadSampleReport, path: Path) -> None:
        report.write(path)
        LOGGER.warning("%s", report.notice(path))


def merged(reports: Sequence[BadSampleReport]) -> BadSampleReport:
    """Return what several ranks have met as one report; a sample that several met counts once."""
    if len(reports) == 1:
        return reports[0]
    whole = BadSampleReport()
    for report in reports:
        whole.add(report.failures.values())
        whole.add_remarks([remark for remarks in report.remarks.values() for remark in remarks])
        whole.events.update(report.events)
    return whole
