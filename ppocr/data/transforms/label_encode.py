"""From texts to class indices, one layout per kind of head.

All recognition encoders share their arguments:

* ``charset`` and ``max_text_length`` are supplied from the configuration;
* ``unknown`` says what happens to a text with characters outside the charset: ``"drop_sample"`` refuses the sample
  (training leaves it out, evaluation counts it as wrong), ``"error"`` stops the run, ``"replace"`` puts
  ``replacement`` in the place of each such character, or removes it if that is empty. The text that evaluation
  compares with stays as it was written.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from ppocr.charset import (
    Charset,
    Codec,
    IntArray,
    UnknownCharacterError,
    attention_codec,
    ctc_codec,
    nrtr_codec,
    sar_codec,
)
from ppocr.data.sample import Sample
from ppocr.errors import ConfigError, SampleError
from ppocr.registry import TRANSFORMS

Unknown = Literal["drop_sample", "error", "replace"]


class LabelEncoder:
    """Base of the recognition encoders; a subclass says in `layout` how the indices are arranged.

    Required keys: label (str). Modified keys: label (int64 ``[L]``), info (its text, if texts were joined).
    Added keys: length (int, number of characters), counts (numbers for the report, if characters were replaced).

    Args:
        charset: The characters of the model.
        max_text_length: Longest text; see the subclasses.
        unknown: What happens to characters outside the charset; see the module.
        replacement: One character of the charset, or nothing.

    Raises:
        ConfigError: `replacement` is not in the charset, or `max_text_length` leaves no room for a text.
    """

    reserved = 0
    """Positions of ``max_text_length`` that special symbols take."""

    def __init__(
        self,
        charset: Charset,
        max_text_length: int = 25,
        unknown: Unknown = "drop_sample",
        replacement: str = "",
    ) -> None:
        name = type(self).__name__
        if len(replacement) > 1 or (replacement and charset.unknown_characters(replacement)):
            raise ConfigError(f"{name}: replacement is {replacement!r}", expected="one character of the dictionary, "
                              "or nothing to remove unknown characters", cure="correct the value")
        if max_text_length <= self.reserved:
            raise ConfigError(f"{name}: max_text_length is {max_text_length}", expected=f"more than {self.reserved}",
                              cure="raise Global.max_text_length")
        self.charset = charset
        self.max_text_length = max_text_length
        self.unknown = unknown
        self.replacement = replacement
        self.codec = self.make_codec(charset)

    def make_codec(self, charset: Charset) -> Codec:
        """Return the codec of the head that the labels are for."""
        raise NotImplementedError

    def layout(self, indices: IntArray) -> IntArray:
        """Arrange the charset indices of a text (0 for the first symbol) as the head's loss expects them.

        Raises:
            SampleError: ``"text too long"``.
        """
        raise NotImplementedError

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its label encoded.

        Raises:
            SampleError: ``"unknown character"``, ``"empty text"`` or ``"text too long"``.
            UnknownCharacterError: The policy for unknown characters is ``"error"``.
        """
        indices = self.indices(sample)
        sample["label"] = self.layout(indices)
        sample["length"] = len(indices)
        return sample

    def indices(self, sample: Sample) -> IntArray:
        """Return the charset indices of the sample's text, int64 ``[number of characters]``, at least one."""
        text = sample["label"]
        info = sample.get("info")
        if info is not None and info.label != text:
            sample["info"] = dataclasses.replace(info, label=text)
        try:
            indices = self.charset.encode(text)
        except UnknownCharacterError as error:
            if self.unknown == "error":
                raise
            if self.unknown == "drop_sample":
                raise SampleError("unknown character", f"{error.characters!r} in {text!r}") from None
            indices = self._replace(text, sample)
        if not len(indices):
            raise SampleError("empty text", "" if not text else f"nothing is left of {text!r}")
        return indices

    def _replace(self, text: str, sample: Sample) -> IntArray:
        unknown = set(self.charset.unknown_characters(text))
        pieces = [self.replacement if unknown.intersection(self.charset.normalize(char)) else char for char in text]
        counts = sample.setdefault("counts", {})
        counts["replaced characters"] = counts.get("replaced characters", 0) + sum(
            piece is self.replacement for piece in pieces
        )
        return self.charset.encode("".join(pieces))

    def _check_length(self, indices: IntArray) -> None:
        longest = self.max_text_length - self.reserved
        if len(indices) > longest:
            shares = f" (max_text_length {self.max_text_length} with begin and end)" if self.reserved else ""
            raise SampleError("text too long", f"{len(indices)} characters, at most {longest}{shares}")


@TRANSFORMS.register()
class CTCLabelEncode(LabelEncoder):
    """Labels of a CTC head: class indices (the blank is 0), filled up with 0 to ``max_text_length``.

    Required keys: label (str). Modified keys: label (int64 ``[max_text_length]``). Added keys: length (int).
    Arguments: see `LabelEncoder`.
    """

    def make_codec(self, charset: Charset) -> Codec:
        """Return the CTC codec."""
        return ctc_codec(charset)

    def layout(self, indices: IntArray) -> IntArray:
        """Return the classes, padded with 0."""
        self._check_length(indices)
        label = np.full(self.max_text_length, self.codec.special("blank"), np.int64)
        label[:len(indices)] = indices + len(self.codec.before)
        return label


class DelimitedLabelEncoder(LabelEncoder):
    """Base of the encoders that put the text between two special symbols."""

    begin = end = fill = ""
    """Names of the codec's symbols before, after and behind these."""

    def layout(self, indices: IntArray) -> IntArray:
        """Return begin, the classes and end, padded: int64 ``[max_text_length + 2 - reserved]``."""
        self._check_length(indices)
        label = np.full(self.max_text_length + 2 - self.reserved, self.codec.special(self.fill), np.int64)
        label[0] = self.codec.special(self.begin)
        label[1:len(indices) + 1] = indices + len(self.codec.before)
        label[len(indices) + 1] = self.codec.special(self.end)
        return label


@TRANSFORMS.register()
class AttnLabelEncode(DelimitedLabelEncoder):
    """Labels of an attention head: begin (0), the text, end, filled up with 0 to ``max_text_length + 2``.

    Required keys: label (str). Modified keys: label (int64 ``[max_text_length + 2]``).
    Added keys: length (int, without begin and end). Arguments: see `LabelEncoder`.
    """

    begin, end, fill = "sos", "eos", "sos"

    def make_codec(self, charset: Charset) -> Codec:
        """Return the attention codec."""
        return attention_codec(charset)


@TRANSFORMS.register()
class SARLabelEncode(DelimitedLabelEncoder):
    """Labels of a SAR head: begin, the text and end, filled up with the padding class to ``max_text_length``.

    As published, begin and end count into ``max_text_length``: texts may have two characters less.

    Required keys: label (str). Modified keys: label (int64 ``[max_text_length]``). Added keys: length (int).
    Arguments: see `LabelEncoder`.
    """

    reserved = 2
    begin, end, fill = "bos_eos", "bos_eos", "pad"

    def make_codec(self, charset: Charset) -> Codec:
        """Return the SAR codec."""
        return sar_codec(charset)


@TRANSFORMS.register()
class NRTRLabelEncode(DelimitedLabelEncoder):
    """Labels of an NRTR head: begin (2), the text and end (3), filled up with 0 to ``max_text_length``.

    As published, begin and end count into ``max_text_length``: texts may have two characters less.

    Required keys: label (str). Modified keys: label (int64 ``[max_text_length]``). Added keys: length (int).
    Arguments: see `LabelEncoder`.
    """

    reserved = 2
    begin, end, fill = "bos", "eos", "pad"

    def make_codec(self, charset: Charset) -> Codec:
        """Return the NRTR codec."""
        return nrtr_codec(charset)


@TRANSFORMS.register()
class MultiLabelEncode(LabelEncoder):
    """Labels of two heads on one backbone: CTC, and a second one that guides the training.

    Required keys: label (str). Modified keys: info (its text, if texts were joined). Added keys: label_ctc, length
    (as `CTCLabelEncode`), and label_gtc (as the encoder `gtc_encode`) or label_sar (as `SARLabelEncode`).

    Args:
        charset: The characters of the model.
        max_text_length: Longest text of the CTC head; the second encoder may take fewer characters.
        gtc_encode: Name of the second head's encoder; None is ``SARLabelEncode``.
        unknown: See `LabelEncoder`, as the next.
        replacement: See there.

    Raises:
        ConfigError: `gtc_encode` is not the name of a recognition encoder, or see `LabelEncoder`.
    """

    def __init__(
        self,
        charset: Charset,
        max_text_length: int = 25,
        gtc_encode: str | None = None,
        unknown: Unknown = "drop_sample",
        replacement: str = "",
    ) -> None:
        super().__init__(charset, max_text_length, unknown, replacement)
        self.ctc = CTCLabelEncode(charset, max_text_length)
        self.second_key = "label_gtc" if gtc_encode else "label_sar"
        self.second = TRANSFORMS.build({"name": gtc_encode or "SARLabelEncode"},
                                       charset=charset, max_text_length=max_text_length)
        if not isinstance(self.second, LabelEncoder) or isinstance(self.second, MultiLabelEncode):
            raise ConfigError(f"MultiLabelEncode: gtc_encode is {gtc_encode!r}",
                              expected="the name of a label encoder, such as NRTRLabelEncode or SARLabelEncode",
                              cure="correct the value")

    def make_codec(self, charset: Charset) -> Codec:
        """Return the codec of the CTC head."""
        return ctc_codec(charset)

    def layout(self, indices: IntArray) -> IntArray:
        """Return the labels of the CTC head."""
        return self.ctc.layout(indices)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with the labels of both heads.

        Raises:
            SampleError: ``"unknown character"``, ``"empty text"`` or ``"text too long"``.
        """
        indices = self.indices(sample)
        sample["label_ctc"] = self.ctc.layout(indices)
        sample[self.second_key] = self.second.layout(indices)
        sample["length"] = len(indices)
        return sample


@TRANSFORMS.register()
class ClsLabelEncode:
    """Labels of a classifier.

    Required keys: label (str). Modified keys: label (int, position in `label_list`).

    Args:
        label_list: Names of the classes.

    Raises:
        ConfigError: The list is empty or holds a name twice.
    """

    def __init__(self, label_list: list[str]) -> None:
        self.classes = {name: position for position, name in enumerate(label_list)}
        if not label_list or len(self.classes) != len(label_list):
            raise ConfigError(f"ClsLabelEncode: label_list is {label_list}", expected="names, each once",
                              cure="correct Global.label_list")

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with the number of its class.

        Raises:
            SampleError: ``"unknown class"``.
        """
        if sample["label"] not in self.classes:
            raise SampleError("unknown class", f"{sample['label']!r} is none of {', '.join(self.classes)}")
        sample["label"] = self.classes[sample["label"]]
        return sample
