"""Bad samples in the log and in ``bad_samples.txt``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ppocr.data.report import BadSampleReport
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun

LOGGER = logging.getLogger("ppocr")


class BadSampleLog(Hook):
    """Warns when samples could not be used, or only in part, and writes all of them to a file per split.

    Args:
        reports: The report of each split's loader, by the file that it is written to.
        folder: Where the files go.
    """

    def __init__(self, reports: Mapping[str, BadSampleReport], folder: str | Path) -> None:
        self.reports, self.folder = dict(reports), Path(folder)
        self._told = dict.fromkeys(self.reports, (0, 0, 0))

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Tell what evaluation met."""
        self._tell(run)

    def after_epoch(self, run: TrainingRun) -> None:
        """Tell what the epoch met."""
        self._tell(run)

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """Tell what was met before the run ended."""
        self._tell(run)

    def _tell(self, run: TrainingRun) -> None:
        for name, report in self.reports.items():
            if report.findings == self._told[name]:
                continue
            self._told[name] = report.findings
            path = self.folder / (name if run.rank == 0 else f"rank{run.rank}_{name}")
            report.write(path)
            LOGGER.warning("%s", report.notice(path))
