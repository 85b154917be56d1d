"""The part of the packaging that pyproject.toml cannot say.

In a checkout the scripts lie in ``tools/`` and the configurations in ``configs/``, where users look for them. In a
wheel both travel inside the package, as ``ppocr.tools`` and ``ppocr.configs``: a top-level ``tools`` in site-packages
would collide with everybody else's.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
CONFIG_FILES = ["*.yml", "*.txt"]


def folders(top: str, *patterns: str) -> dict[str, str]:
    """Map ``ppocr.<top>[.<folder>…]`` to its path, for `top` and each folder below it that holds such files."""
    found = {}
    for path, _, _ in sorted(os.walk(ROOT / top)):
        folder = Path(path).relative_to(ROOT)
        if any(any(Path(path).glob(pattern)) for pattern in patterns):
            found[".".join(("ppocr", *folder.parts))] = folder.as_posix()
    return found


tools = folders("tools", "*.py")
configs = folders("configs", *CONFIG_FILES)

setup(
    packages=[*find_packages(include=["ppocr", "ppocr.*"]), *tools, *configs],
    package_dir={**tools, **configs},
    package_data={"ppocr": ["py.typed", "**/*.txt", "**/*.yml"], **dict.fromkeys(configs, CONFIG_FILES)},
    include_package_data=False,
)
