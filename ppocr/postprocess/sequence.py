"""Decoding of heads that give one character per step: attention, SAR and transformer (NRTR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ppocr.charset import Charset, Codec, attention_codec, nrtr_codec, sar_codec
from ppocr.postprocess.scores import best_classes, check_classes, probabilities, text_lines
from ppocr.registry import POSTPROCESSES
from ppocr.results import TextLine


class SequenceDecoder:
    """Best class of each step up to the end symbol; other special symbols are left out.

    The score of a line is the mean probability of its characters, without the end symbol.

    Args:
        codec: Charset with special symbols.
        end: Name of the symbol that ends a text.
        also_allowed: Numbers of classes that the head may have besides the codec's.
    """

    needs_alignment = False

    def __init__(self, codec: Codec, end: str, also_allowed: tuple[int, ...] = ()) -> None:
        self.codec = codec
        self._end = codec.special(end)
        self._also_allowed = also_allowed

    @property
    def num_classes(self) -> int:
        """Number of classes of the codec, which the head is built for."""
        return self.codec.num_classes

    def __call__(self, outputs: Mapping[str, Any]) -> list[TextLine]:
        """Return one line for each sample.

        Args:
            outputs: ``probs`` float ``[N, T, C]``, softmax; step ``t`` is character ``t`` (no start symbol before).

        Raises:
            CharsetError: C does not fit the charset.
            InferenceError: Missing or unusable output.
        """
        probs = probabilities(outputs, ndim=3)
        check_classes(self.codec, probs.shape[2], self._also_allowed)
        classes, scores = best_classes(probs)
        before_end = np.cumsum(classes == self._end, axis=1) == 0
        first = len(self.codec.before)
        is_character = (classes >= first) & (classes < first + len(self.codec.charset))
        return text_lines(classes, np.asarray(scores), before_end & is_character, self.codec)


@POSTPROCESSES.register(tasks=("rec",))
class AttnLabelDecode(SequenceDecoder):
    """Decoding of attention heads.

    Args:
        charset: The characters of the model.
    """

    def __init__(self, charset: Charset) -> None:
        super().__init__(attention_codec(charset), "eos")


@POSTPROCESSES.register(tasks=("rec",))
class SARLabelDecode(SequenceDecoder):
    """Decoding of SAR heads, which have no output for the padding (the last class of the codec).

    Args:
        charset: The characters of the model.
    """

    def __init__(self, charset: Charset) -> None:
        codec = sar_codec(charset)
        super().__init__(codec, "bos_eos", (codec.num_classes - 1,))


@POSTPROCESSES.register(tasks=("rec",))
class NRTRLabelDecode(SequenceDecoder):
    """Decoding of transformer heads; published ones have one unused class after the codec's.

    Args:
        charset: The characters of the model.
    """

    def __init__(self, charset: Charset) -> None:
        codec = nrtr_codec(charset)
        super().__init__(codec, "eos", (codec.num_classes + 1,))
