"""Rendered words and pages to train and test with, when there are no labelled images or too few.

`write_dataset` writes words for recognition and `write_pages` pages for detection; `SampleBuilder`, `WordRenderer`,
`PageBuilder` and `PageRenderer` build single ones.
"""

from __future__ import annotations

from ppocr.data.synth.dataset import SampleBuilder, SynthSample, SynthSettings, write_dataset
from ppocr.data.synth.fonts import Font, find_fonts
from ppocr.data.synth.page_dataset import PageBuilder, PageSettings, SynthPage, write_pages
from ppocr.data.synth.pages import PageRenderer
from ppocr.data.synth.render import WordRenderer

__all__ = ["Font", "PageBuilder", "PageRenderer", "PageSettings", "SampleBuilder", "SynthPage", "SynthSample",
           "SynthSettings", "WordRenderer", "find_fonts", "write_dataset", "write_pages"]
