"""Labels that a CTC model cannot produce: they need more time steps than the image gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppocr.errors import SampleError


class AlignmentCheck:
    """Raises SampleError for a finished sample whose label has no CTC alignment.

    A CTC path needs a time step for each character and one more between two equal neighbours (Graves et al. 2006).

    Args:
        steps: Number of time steps of an image of height and width `shape`; other widths count in proportion.
        shape: Height and width.
    """

    def __init__(self, steps: int, shape: tuple[int, int]) -> None:
        self.steps, self.shape = steps, shape

    @classmethod
    def for_model(cls, model: Any, postprocess: Any, shape: tuple[int, int] | None) -> AlignmentCheck | None:
        """Return the check for a model whose decoding needs alignments, on images of `shape`, or None for others."""
        if shape is None or not getattr(postprocess, "needs_alignment", False):
            return None
        steps = model.time_steps(*shape)
        return cls(steps, shape) if steps else None

    def __call__(self, sample: dict[str, Any]) -> None:
        """Check one sample.

        Raises:
            SampleError: The label is too long for the image.
        """
        label, length = sample.get("label_ctc", sample.get("label")), sample.get("length")
        image = sample.get("image")
        if label is None or length is None or not isinstance(image, np.ndarray) or image.ndim != 3:
            return
        classes = np.asarray(label)[: int(length)]
        needed = int(length) + int(np.count_nonzero(classes[1:] == classes[:-1]))
        available = max(1, self.steps * image.shape[2] // self.shape[1])
        if needed > available:
            raise SampleError("too long for CTC", f"the label needs {needed} time steps, the image of width "
                                                  f"{image.shape[2]} gives {available}")
