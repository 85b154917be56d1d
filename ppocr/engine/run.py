"""Everything that one training run consists of, and where it stands."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ppocr.charset import Charset
from ppocr.config import Config
from ppocr.engine.monitoring.recorder import Recorder
from ppocr.engine.stopping import Stop

if TYPE_CHECKING:
    from ppocr.engine.hooks import HookList
    from ppocr.engine.precision import Precision
    from ppocr.engine.weight_average import WeightAverage


@dataclass
class Progress:
    """Where a run stands; all of it is in the checkpoint.

    Attributes:
        epoch: Epochs that are complete.
        batch: Batches of the current epoch that are done.
        step: Optimizer steps taken since the start.
        best: Metrics of the best evaluation, with ``epoch`` and ``step``; empty before the first.
        run: Name of the training, which it keeps when it is resumed.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class BatchRecord:
    """What the last batch was like, for the hooks.

    Attributes:
        losses: The loss and its parts, tensors that were not read yet, so that the device is not waited for.
        outputs: What the model returned.
        batch: The batch.
        data_seconds: Time that the loop waited for the batch.
        step_seconds: Time of forward, backward and, where it was due, optimizer step.
        samples: Number of samples in the batch.
        stepped: Whether the optimizer took a step.
        learning_rate: The rate that the batch was trained with; the schedule is already one step further.
    """

    losses: dict[str, Any]
    outputs: dict[str, Any]
    batch: dict[str, Any]
    data_seconds: float
    step_seconds: float
    samples: int
    stepped: bool
    learning_rate: float


@dataclass
class TrainingRun:
    """The objects of one training run.

    Attributes:
        network: The model whose parameters are saved.
        model: What is called in training: the network, its data-parallel wrapper, or what follows cached features.
        charset: The characters, for tasks that read text.
        evaluate: Runs the evaluation and returns the metrics.
        input_key: Entry of a batch that the model is called with: the images, or cached features.
        stop: Why the run ends early; None as long as it does not.
        checkpoint: Prefix of the newest checkpoint that this run can be continued from; None before there is one.
        average: The moving average of the weights, which evaluation and checkpoints use; None without one.
        recorder: Takes figures, texts and pictures to ``metrics.jsonl`` and to the boards.
        figures: Further figures for the log and ``metrics.jsonl``, by name; hooks set and change them.
    """

    config: Config
    network: Any
    model: Any
    charset: Charset | None
    loss: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
    optimizer: Any
    schedule: Any
    postprocess: Any
    metric: Any
    train_loader: Any
    evaluate: Callable[[], dict[str, float]]
    precision: Precision
    hooks: HookList
    progress: Progress
    rank: int = 0
    world_size: int = 1
    last: BatchRecord | None = None
    input_key: str = "image"
    stop: Stop | None = None
    checkpoint: str | None = None
    average: WeightAverage | None = None
    recorder: Recorder = field(default_factory=Recorder)
    figures: dict[str, float] = field(default_factory=dict)

    def request_stop(self, stop: Stop) -> None:
        """End the run after the current step; the first interruption counts, else the first request."""
        if self.stop is None or (stop.interrupted and not self.stop.interrupted):
            self.stop = stop

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches that this process reads in an epoch."""
        return len(self.train_loader)

    @property
    def accumulation(self) -> int:
        """Batches per optimizer step."""
        return int(self.config["Global"]["accumulation_steps"])

    @property
    def epochs(self) -> int:
        """Number of epochs of the whole run."""
        return int(self.config["Global"]["epoch_num"])
