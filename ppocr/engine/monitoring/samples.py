"""What the model makes of a few samples, at each evaluation: ``Global.log_samples``."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle

from ppocr.cv import cv2
from ppocr.data.collate import BatchMaker
from ppocr.data.loader import DataLoader
from ppocr.data.sample import Index
from ppocr.data.transforms.decode import decode_image
from ppocr.engine.evaluator import evaluation_mode, predict_batch
from ppocr.engine.hooks import Hook
from ppocr.engine.monitoring.lettering import Lettering
from ppocr.engine.monitoring.sheet import Shown, contact_sheet
from ppocr.engine.run import TrainingRun
from ppocr.engine.weight_average import evaluated_weights
from ppocr.errors import ConfigError, ImageError
from ppocr.sections import Section, where

LOGGER = logging.getLogger("ppocr")

FOLDER = "samples"

SAMPLES, LINES = 8, 4
"""How many are shown by default in pictures, and how many in the log."""

MOST_SECONDS = 2.0
"""After which no further sample is begun: other ranks wait meanwhile."""

KEPT_FILES = 20
"""Newest pictures of a run that stay in its folder."""


class SampleLog(Hook):
    """Shows label and prediction of a few samples: some in the log, all of them as a picture.

    The samples are always the same, spread evenly over what this process evaluates. The picture goes to
    ``samples/step_N.png`` in the run's folder and to the boards. The network holds the weights that were evaluated. Of
    several ranks only the first has this hook, and it asks nothing of the others; so batch norms have its own
    statistics, where the evaluation has the mean of all ranks.

    Args:
        loader: The evaluation data.
        count: Number of samples.
        pictures: Whether to draw; else there are the lines of the log only.
    """

    def __init__(self, loader: DataLoader, count: int = SAMPLES, *, pictures: bool = True) -> None:
        self.loader, self.count, self.pictures = loader, count, pictures
        self._indices: list[Index] | None = None
        self._lettering: Lettering | None = None

    @classmethod
    def from_options(cls, options: Section, loader: DataLoader, *, has_boards: bool) -> SampleLog | None:
        """Return what ``Global.log_samples`` asks for: null draws where there is a board to show it.

        Raises:
            ConfigError: The number is negative.
        """
        count = options["log_samples"]
        if count is None:
            return cls(loader, SAMPLES if has_boards else LINES, pictures=has_boards)
        if count < 0:
            raise ConfigError(f"{where(options, 'log_samples')} is {count}", expected="0 or more, or null",
                              cure="correct the value")
        return cls(loader, count) if count else None

    def after_eval(self, run: TrainingRun, metrics: dict[str, float]) -> None:
        """Predict, log, draw."""
        try:
            shown = list(self._predictions(run))
            for sample in shown[:LINES]:
                LOGGER.info("Sample: %s", sample.line)
            if shown and self.pictures:
                self._draw(run, shown)
        except Exception as error:  # noqa: BLE001 - a picture must not end a training
            LOGGER.warning("The samples cannot be shown (Global.log_samples): %s: %s", type(error).__name__, error)

    def _predictions(self, run: TrainingRun) -> Iterator[Shown]:
        maker = BatchMaker(self.loader.dataset, self.loader.check)
        deadline = time.monotonic() + MOST_SECONDS
        with evaluated_weights(run.average), evaluation_mode(run.network):
            for index in self._chosen(run):
                batch = maker[[index]]
                notes = batch.pop("notes")
                if notes.fault is not None:
                    notes.fault.throw()
                if notes.info:
                    yield self._predict(run, {**batch, **notes.lists, "info": notes.info})
                if time.monotonic() > deadline:
                    return

    def _predict(self, run: TrainingRun, arrays: dict[str, Any]) -> Shown:
        batch = {key: value if isinstance(value, list) else paddle.to_tensor(value) for key, value in arrays.items()}
        result, = predict_batch(run.network, batch, run.postprocess, run.precision.autocast)
        info, = batch["info"]
        return Shown(decode_image(self.loader.dataset.read_image(info)), info.label, result, Path(info.path).name)

    def _chosen(self, run: TrainingRun) -> list[Index]:
        """Return which samples are shown."""
        if self._indices is None:
            share = len(self.loader.dataset) // run.world_size
            stride = max(1, share // self.count)
            every = itertools.chain.from_iterable(self.loader.sampler)
            self._indices = list(itertools.islice(every, 0, stride * self.count, stride))
        return self._indices

    def _draw(self, run: TrainingRun, shown: list[Shown]) -> None:
        if self._lettering is None:
            self._lettering = Lettering()
        sheet = contact_sheet(shown, self._lettering)
        path = Path(run.config["Global"]["save_model_dir"]) / FOLDER / f"step_{run.progress.step}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_encoded, data = cv2.imencode(".png", sheet)
        if not is_encoded:
            raise ImageError("the picture of the samples cannot be encoded")
        path.write_bytes(data.tobytes())
        for old in sorted(path.parent.glob("step_*.png"), key=_number)[:-KEPT_FILES]:
            old.unlink(missing_ok=True)
        run.recorder.add_image(run, "samples", sheet)
        run.recorder.add_text(run, "samples_text", "\n".join(sample.line for sample in shown))


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("step_")
    return int(digits) if digits.isdigit() else 0
