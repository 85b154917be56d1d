"""OpenCV, or an error that tells how to get it."""

from __future__ import annotations

from ppocr.errors import DependencyError

try:
    import cv2
except ImportError as error:
    if "libGL" in str(error) or "libgthread" in str(error) or "libglib" in str(error):
        raise DependencyError(
            f"OpenCV cannot be loaded: {error}",
            expected="the system libraries that opencv-python links against",
            cure="install them (Debian and Ubuntu: apt-get install -y libgl1 libglib2.0-0), or use the build that "
            "needs none: pip uninstall -y opencv-python && pip install opencv-python-headless",
        ) from error
    raise DependencyError(
        f"OpenCV cannot be imported: {error}",
        expected="the package opencv-python",
        cure="pip install opencv-python (or opencv-python-headless on a server)",
    ) from error

__all__ = ["cv2"]
