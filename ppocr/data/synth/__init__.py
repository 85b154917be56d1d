"""Rendered words to train and test recognizers with, when there are no labelled images or too few.

`write_dataset` writes a data set; `SampleBuilder` and `WordRenderer` build single samples.
"""

from __future__ import annotations

from ppocr.data.synth.dataset import SampleBuilder, SynthSample, SynthSettings, write_dataset
from ppocr.data.synth.fonts import Font, find_fonts
from ppocr.data.synth.render import WordRenderer

__all__ = ["Font", "SampleBuilder", "SynthSample", "SynthSettings", "WordRenderer", "find_fonts", "write_dataset"]
