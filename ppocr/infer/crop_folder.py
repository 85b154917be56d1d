"""A folder that collects the pictures of text regions with what was read in them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from ppocr.cv import cv2
from ppocr.errors import InferenceError
from ppocr.infer.reader import Image

LABEL_FILE = "rec_labels.txt"
"""Lines ``picture<TAB>text``: corrected by hand, the folder is training data for a recognizer."""

PATTERN = "crop_{:06d}.png"


class CropFolder:
    """Writes crops as numbered PNG files and lists them. Safe to be called from several threads at once.

    Args:
        path: The folder; made if it is not there. Crops that it holds already are kept.

    Raises:
        InferenceError: The folder cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._count = sum(1 for _ in self.path.glob("crop_*.png"))
        except OSError as error:
            raise self._error(error) from None

    def add(self, crops: Sequence[Image], texts: Sequence[str]) -> None:
        """Write crops, uint8 ``[H, W, 3]`` BGR, and the text of each.

        Raises:
            InferenceError: The folder cannot be written to.
        """
        with self._lock:
            lines = []
            for crop, text in zip(crops, texts, strict=True):
                while (file := self.path / PATTERN.format(self._count)).exists():
                    self._count += 1
                _, data = cv2.imencode(".png", crop)
                self._write(file, data.tobytes())
                lines.append(f"{file.name}\t{text}\n")
            if lines:
                try:
                    with (self.path / LABEL_FILE).open("a", encoding="utf-8", newline="\n") as labels:
                        labels.writelines(lines)
                except OSError as error:
                    raise self._error(error) from None

    def _write(self, file: Path, data: bytes) -> None:
        try:
            file.write_bytes(data)
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> InferenceError:
        return InferenceError(f"crops cannot be written to {self.path}: {error.strerror or error}",
                              expected="a folder that may be written to", cure="correct crop_res_save_dir")
