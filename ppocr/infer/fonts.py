"""Pillow and the font with which texts are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppocr.errors import DependencyError, InferenceError


def pillow_and_font(font_path: str | Path | None, size: int) -> tuple[Any, Any, Any]:
    """Return the modules ``PIL.Image`` and ``PIL.ImageDraw``, and a font.

    Args:
        font_path: Font file; by default DejaVu Sans, which has Latin, Greek, Cyrillic and Arabic letters.
        size: Height in pixels.

    Raises:
        DependencyError: Pillow or matplotlib (for its font) is missing.
        InferenceError: The font cannot be used.
    """
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont

        if font_path is None:
            import matplotlib

            font_path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    except ImportError as error:
        raise DependencyError(f"drawing needs Pillow and matplotlib: {error}", expected="both packages",
                              cure="pip install Pillow matplotlib") from error
    try:
        return PIL.Image, PIL.ImageDraw, PIL.ImageFont.truetype(str(font_path), size)
    except OSError as error:
        raise InferenceError(f"the font {font_path} cannot be used: {error}", expected="a TrueType or OpenType file",
                             cure="give another font") from None
