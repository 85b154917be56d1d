"""Where the tests find the real data and weights that the project itself does not contain."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("PPOCR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
"""Folder with ``data``, ``weights`` and ``reference``; another place can be given by PPOCR_SHARED."""


def needs_shared(relative: str) -> pytest.MarkDecorator:
    """Skip the test when ``SHARED/relative`` is not on this machine."""
    path = SHARED / relative
    return pytest.mark.skipif(not path.exists(), reason=f"needs {relative} of the shared test files ({path})")
