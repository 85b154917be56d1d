"""The profiler window: a trace of a few batches in the midst of a training."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle import profiler

from ppocr.coerce import coerce
from ppocr.engine.hooks import Hook
from ppocr.engine.run import TrainingRun
from ppocr.engine.stopping import Stop
from ppocr.errors import ConfigError, did_you_mean
from ppocr.sections import Section, where
from ppocr.yaml_files import parse_value

LOGGER = logging.getLogger("ppocr")

INERT = ("state", "tracer_option", "timer_only")
"""Options of PaddleOCR that have no effect here."""

TABLES = [profiler.SummaryView.DeviceView, profiler.SummaryView.OverView, profiler.SummaryView.OperatorView]


@dataclass(frozen=True)
class ProfilerOptions:
    """Which batches are profiled, and what becomes of it.

    Args:
        start: Number of batches that this process trains before.
        stop: Number of batches after which the window ends.
        path: Folder of trace and table; null is ``<save_model_dir>/profile``.
        sorted_key: Order of the operators in the table.
        exit_on_finished: End the training after the window.
    """

    start: int = 10
    stop: int = 20
    path: str | None = None
    sorted_key: str = "total"
    exit_on_finished: bool = False


_ORDERS = {"total": "CPUTotal", "ave": "CPUAvg", "max": "CPUMax", "min": "CPUMin"}
_TYPES: dict[str, Any] = {"start": int, "stop": int, "path": str, "sorted_key": str, "exit_on_finished": bool,
                          "batch_range": list[int], "profile_path": str}


def parse_options(value: str | Mapping[str, Any], place: str) -> ProfilerOptions:
    """Read ``{start: 10, stop: 20, path: ...}`` or ``"batch_range=[10,20]; profile_path=..."``; keys may be mixed.

    Raises:
        ConfigError: An unknown key or a senseless value.
    """
    given = dict(value) if isinstance(value, Mapping) else _from_text(value, place)
    for key in given:
        if key not in _TYPES and key not in INERT:
            hint = did_you_mean(key, _TYPES)
            raise ConfigError(f"{place}: there is no profiler option {key!r}" + (f" ({hint})" if hint else ""),
                              expected="some of " + ", ".join(_TYPES), cure="correct or remove it")
    ignored = [key for key in given if key in INERT]
    if ignored:
        LOGGER.warning("%s: %s has no effect here.", place, ", ".join(ignored))
    options = {key: coerce(item, _TYPES[key], f"{place}.{key}") for key, item in given.items()
               if key in _TYPES and item is not None}
    if "batch_range" in options:
        pair = options.pop("batch_range")
        if len(pair) != 2:
            raise ConfigError(f"{place}: batch_range is {pair}", expected="[start, stop]", cure="write two numbers")
        options["start"], options["stop"] = pair
    if "profile_path" in options:
        options["path"] = options.pop("profile_path")
    made = ProfilerOptions(**options)
    if not 0 <= made.start < made.stop:
        raise ConfigError(f"{place}: the batches {made.start} to {made.stop}", expected="0 <= start < stop",
                          cure="correct the range")
    if made.sorted_key not in _ORDERS:
        raise ConfigError(f"{place}: sorted_key is {made.sorted_key!r}", expected="one of " + ", ".join(_ORDERS),
                          cure="correct it")
    return made


def _from_text(text: str, place: str) -> dict[str, Any]:
    options = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{place}: {part!r} is not key=value",
                              expected="such as batch_range=[10,20]; profile_path=./profile", cure="correct it")
        options[key.strip()] = parse_value(value.strip(), place)
    return options


class ProfilerWindow(Hook):
    """Profiles the batches of a window on rank 0, and writes a Chrome trace and a table.

    Batches are counted from the start of this process, as the first ones after it are slower. Open the trace at
    ``chrome://tracing`` or https://ui.perfetto.dev.

    Args:
        options: See `ProfilerOptions`.
        folder: The run's folder.
    """

    def __init__(self, options: ProfilerOptions, folder: str | Path) -> None:
        self.options = options
        self.folder = Path(options.path or Path(folder) / "profile")
        self._batches = 0
        self._left = 0
        self._profiler: Any = None

    @classmethod
    def from_options(cls, options: Section, rank: int) -> ProfilerWindow | None:
        """Return the hook that ``Global.profiler_options`` asks for; None if it does not, or on other ranks than 0.

        Raises:
            ConfigError: See `parse_options`.
        """
        value = options["profiler_options"]
        if not value:
            return None
        parsed = parse_options(value, where(options, "profiler_options"))
        return cls(parsed, options["save_model_dir"]) if rank == 0 else None

    def before_train(self, run: TrainingRun) -> None:
        """Tell a window that the run does not come to; begin one that starts with the first batch."""
        left = self._left = (run.epochs - run.progress.epoch) * run.batches_per_epoch - run.progress.batch
        start, stop = self.options.start, self.options.stop
        if start >= left:
            LOGGER.warning("Global.profiler_options: only %d batches are left to train, so that none of the batches %d "
                           "to %d is profiled.", left, start, stop)
        elif stop > left:
            LOGGER.warning("Global.profiler_options: only %d batches are left to train; the window ends there and not "
                           "after %d.", left, stop)
        if start == 0 and left:
            self._start()

    def after_step(self, run: TrainingRun) -> None:
        """Count the batch; begin or end the window."""
        self._batches += 1
        if self._profiler is not None:
            if self._batches < self.options.stop:
                self._profiler.step()
                return
            self._finish()
            if self.options.exit_on_finished:
                run.request_stop(Stop("profiled, and exit_on_finished is set", interrupted=True))
        elif self._batches == self.options.start < self._left:
            self._start()

    def after_train(self, run: TrainingRun) -> None:
        """End a window that is open."""
        if self._profiler is not None:
            self._finish()

    def on_exception(self, run: TrainingRun, error: BaseException) -> None:
        """End a window that is open, without a result."""
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None

    def _start(self) -> None:
        self._profiler = profiler.Profiler(scheduler=None, on_trace_ready=lambda finished: None)
        self._profiler.start()
        LOGGER.info("Profiler: started after %d batches.", self._batches)

    def _finish(self) -> None:
        finished, self._profiler = self._profiler, None
        finished.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"batches_{self.options.start}_{self._batches}"
        trace, table = self.folder / f"{name}.json", self.folder / f"{name}.txt"
        finished.export(str(trace), "json")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):  # It only prints.
            finished.summary(sorted_by=getattr(profiler.SortedKeys, _ORDERS[self.options.sorted_key]), views=TABLES)
        table.write_text(printed.getvalue(), encoding="utf-8")
        LOGGER.info("Profiler: trace (for chrome://tracing or ui.perfetto.dev) %s, table %s", trace, table)
