"""Decoding of CTC outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ppocr.charset import Charset, ctc_codec
from ppocr.postprocess.scores import best_classes, check_classes, probabilities, text_lines
from ppocr.registry import POSTPROCESSES
from ppocr.results import TextLine


@POSTPROCESSES.register(tasks=("rec",))
class CTCLabelDecode:
    """Best-path decoding (Graves et al., 2006): best class of each step, repeats merged, blanks dropped.

    The score of a line is the mean probability of the steps that gave its characters, the first step of each run.

    Args:
        charset: The characters of the model.
    """

    needs_alignment = True
    """A text must fit into the time steps of its image, which the loader therefore checks."""

    def __init__(self, charset: Charset) -> None:
        self.codec = ctc_codec(charset)

    @property
    def num_classes(self) -> int:
        """Number of classes that the head must have."""
        return self.codec.num_classes

    def __call__(self, outputs: Mapping[str, Any]) -> list[TextLine]:
        """Return one line for each sample.

        Args:
            outputs: ``probs`` float ``[N, T, C]``, softmax.

        Raises:
            CharsetError: C is not the charset's number of classes.
            InferenceError: Missing or unusable output.
        """
        probs = probabilities(outputs, ndim=3)
        check_classes(self.codec, probs.shape[2])
        classes, scores = best_classes(probs)
        kept = classes != self.codec.special("blank")
        kept[:, 1:] &= classes[:, 1:] != classes[:, :-1]
        return text_lines(classes, np.asarray(scores), kept, self.codec)
