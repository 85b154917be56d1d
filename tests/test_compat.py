from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr import compat
from ppocr.errors import DependencyError

ROOT = Path(__file__).resolve().parents[1]


def image() -> Any:
    return np.arange(24 * 32 * 3, dtype=np.int64).reshape(24, 32, 3).astype(np.uint8)


def test_numpy_is_the_same_after_the_import() -> None:
    done = subprocess.run(
        [sys.executable, "-c",
         "import numpy as np; before = dict(vars(np))\n"
         "from ppocr.compat import import_imgaug; import_imgaug()\n"
         "names = ('sctypes', 'bool', 'complex')\n"
         "print([n for n in names if before.get(n) is not vars(np).get(n)])"],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_second_import_returns_the_same_module() -> None:
    assert compat.import_imgaug() is compat.import_imgaug()


def test_flip_moves_the_pixels() -> None:
    iaa = compat.import_imgaug().augmenters
    assert np.array_equal(iaa.Fliplr(1.0).augment_image(image()), image()[:, ::-1])
    assert np.array_equal(iaa.Flipud(1.0).augment_image(image()), image()[::-1])


def test_affine_and_resize_carry_keypoints_along() -> None:
    imgaug = compat.import_imgaug()
    points = imgaug.KeypointsOnImage([imgaug.Keypoint(4, 6)], shape=(24, 32, 3))
    doubled = imgaug.augmenters.Resize(2.0).to_deterministic()
    moved = doubled.augment_keypoints(points).keypoints[0]
    assert (moved.x, moved.y) == pytest.approx((8, 12))
    assert doubled.augment_image(image()).shape == (48, 64, 3)
    shifted = imgaug.augmenters.Affine(translate_px={"x": 3, "y": -2}).augment_keypoints(points).keypoints[0]
    assert (shifted.x, shifted.y) == pytest.approx((7, 4))


def test_augmenters_that_use_removed_names_at_run_time() -> None:
    """``SomeOf`` needs ``np.bool``, ``IterativeNoiseAggregator`` of frequency noise ``np.complex``."""
    iaa = compat.import_imgaug().augmenters
    some = iaa.SomeOf(1, [iaa.Fliplr(1.0), iaa.Fliplr(1.0)])
    assert np.array_equal(some.augment_image(image()), image()[:, ::-1])
    assert iaa.BlendAlphaFrequencyNoise(foreground=iaa.Add(10)).augment_image(image()).shape == (24, 32, 3)


def test_missing_imgaug_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "imgaug"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without_imgaug(name: str, *args: Any) -> Any:
        if name == "imgaug":
            raise ImportError("No module named 'imgaug'")
        return real(name, *args)

    monkeypatch.setattr(compat.importlib, "import_module", without_imgaug)
    with pytest.raises(DependencyError, match="No module named 'imgaug'") as caught:
        compat.import_imgaug()
    assert caught.value.cure == "pip install imgaug==0.4.0"
    assert ("sctypes" in vars(np)) == (int(np.__version__.split(".")[0]) < 2)


def test_failed_import_leaves_no_fragments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "imgaug"]:
        monkeypatch.delitem(sys.modules, name)
    package = tmp_path / "imgaug"
    package.mkdir()
    (package / "__init__.py").write_text("from . import half\nraise AttributeError('np.something was removed')\n")
    (package / "half.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DependencyError, match="np.something was removed"):
        compat.import_imgaug()
    assert not [name for name in sys.modules if name.split(".")[0] == "imgaug"]
