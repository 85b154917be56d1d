"""``python -m ppocr`` is the ``ppocr`` command."""

from __future__ import annotations

import sys

from ppocr.cli import main

if __name__ == "__main__":
    sys.exit(main())
