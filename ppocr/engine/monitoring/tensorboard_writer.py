"""The TensorBoard board: ``tensorboard --logdir <save_model_dir>/tensorboard``."""

from __future__ import annotations

from typing import Any

from ppocr.engine.monitoring.writer import Image, Start, Writer, require, rgb

FOLDER = "tensorboard"

FLUSH_SECONDS = 30
"""What a run that is killed can lose of its log."""


class TensorBoardWriter(Writer):
    """Writes ``<save_model_dir>/tensorboard``, with the package tensorboardX, which needs no TensorFlow.

    Each start makes a file of its own, which tells TensorBoard from which step on those before it do not count.

    Raises:
        DependencyError: The package tensorboardX is not installed.
    """

    title = "TensorBoard"

    def __init__(self) -> None:
        self._module = require("tensorboardX", "use_tensorboard")
        self._writer: Any = None

    def open(self, start: Start) -> None:
        """Open a file."""
        # Without the suffix, two starts within a second would write the same file.
        self._writer = self._module.SummaryWriter(
            str(start.folder / FOLDER), purge_step=start.step + 1 if start.step else 0, flush_secs=FLUSH_SECONDS,
            filename_suffix=f".from{start.step}")

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Write a number."""
        self._writer.add_scalar(name, value, step)

    def add_text(self, name: str, text: str, step: int) -> None:
        """Write a text; the board takes it for Markdown, so its lines are indented, which keeps them as they are."""
        self._writer.add_text(name, "\n".join(f"    {line}" for line in text.splitlines()), step)

    def add_image(self, name: str, image: Image, step: int) -> None:
        """Write a picture."""
        self._writer.add_image(name, rgb(image), step, dataformats="HWC")

    def close(self, *, failed: bool = False) -> None:
        """Close the file."""
        self._writer.close()
