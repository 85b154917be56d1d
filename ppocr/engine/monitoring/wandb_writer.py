"""Weights & Biases: a board on a server, or a folder that is sent there later."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from ppocr.engine.monitoring.writer import Image, Start, Writer, require, rgb
from ppocr.errors import DependencyError

STEP = "step"
"""The horizontal axis. The server's own counter cannot go back, as a run does that goes on from a checkpoint."""


class WandbWriter(Writer):
    """Sends to Weights & Biases, or writes ``<save_model_dir>/wandb`` where ``WANDB_MODE=offline``.

    A run that goes on from a checkpoint is the same one there. The server keeps what lies beyond the checkpoint: such
    steps have two values.

    Args:
        project: ``Global.wandb_project``.

    Raises:
        DependencyError: The package wandb is not installed.
    """

    title = "Weights & Biases"

    def __init__(self, project: str) -> None:
        self._module = require("wandb", "use_wandb")
        self.project = project
        self._run: Any = None

    def open(self, start: Start) -> None:
        """Begin the run, or go on with it.

        Raises:
            DependencyError: The service cannot be reached, or knows nobody by the key.
        """
        start.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._run = self._module.init(
                project=self.project, id=start.identity, name=start.folder.resolve().name, dir=str(start.folder),
                resume="allow", config=dict(start.config), settings=self._module.Settings(console="off", quiet=True))
        except self._module.Error as error:
            raise DependencyError(f"Weights & Biases cannot be used: {error}", expected="a service that can be reached",
                                  cure="run 'wandb login', set WANDB_MODE=offline in the environment, or set "
                                  "Global.use_wandb=false") from error
        self._run.define_metric(STEP, hidden=True)
        self._run.define_metric("*", step_metric=STEP)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Send a number."""
        self._run.log({name: value, STEP: step})

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Send numbers together."""
        self._run.log({**values, STEP: step})

    def add_text(self, name: str, text: str, step: int) -> None:
        """Send a text."""
        page = self._module.Html(f"<pre>{html.escape(text)}</pre>", inject=False)
        self._run.log({name: page, STEP: step})

    def add_image(self, name: str, image: Image, step: int) -> None:
        """Send a picture."""
        self._run.log({name: self._module.Image(rgb(image)), STEP: step})

    def close(self, *, failed: bool = False) -> None:
        """End the run."""
        self._run.finish(exit_code=int(failed))
