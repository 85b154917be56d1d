"""Everything that watches a run, put together from the configuration."""

from __future__ import annotations

from ppocr.data.loader import DataLoader
from ppocr.engine.hooks import Hook
from ppocr.engine.monitoring.circumstances import Circumstances
from ppocr.engine.monitoring.progress_bar import ProgressBar
from ppocr.engine.monitoring.recorder import Monitoring, Recorder
from ppocr.engine.monitoring.samples import SampleLog
from ppocr.engine.run import TrainingRun


def monitor(run: TrainingRun, eval_loader: DataLoader) -> None:
    """Give a run its recorder, and its hooks for circumstances, samples and progress; called before it is resumed.

    Args:
        run: The run, with all other hooks.
        eval_loader: Its evaluation data.

    Raises:
        ConfigError: A number that makes no sense.
        DependencyError: A package that is asked for is not installed.
    """
    options = run.config["Global"]
    run.recorder = Recorder.from_options(options, run.rank)
    hooks: list[Hook | None] = []
    if run.rank == 0:
        run.hooks.hooks.insert(0, Circumstances({"Train": run.train_loader.dataset, "Eval": eval_loader.dataset}))
        hooks = [SampleLog.from_options(options, eval_loader, has_boards=run.recorder.has_boards),
                 ProgressBar.from_options(options, run.rank)]
    run.hooks.hooks += [hook for hook in (*hooks, Monitoring(run.recorder)) if hook is not None]
