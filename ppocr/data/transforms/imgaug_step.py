"""One augmenter of imgaug 0.4.0, run on a picture and its polygons with the sample's own randomness."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.compat import import_imgaug
from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.transforms.iaa_spec import Spec, is_spec, parse_specs, probability
from ppocr.errors import ConfigError, SampleError, did_you_mean

Points = npt.NDArray[np.float64]

_SEEDS = 1 << 31
"""imgaug's seeds are below it."""

_PROBES = 3
"""With so many seeds an augmenter is tried out when it is built."""


class ImgaugStep:
    """An augmenter by name.

    It is tried out on a small picture when it is built, so that one which does not run beside the installed NumPy and
    OpenCV is found before the training begins. It is built anew after pickling: imgaug can only be imported with help.

    Args:
        spec: Name and arguments. Two numbers in a list are an interval, as imgaug's tuples; other lists are a choice.
            Augmenters inside an augmenter are written as ``{type, args}``. ``p``, where the augmenter has no such
            argument, is how often it is applied.

    Raises:
        ConfigError: There is no such augmenter, its arguments are wrong, or it does not run here.
        DependencyError: imgaug cannot be imported.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._augmenter: Any = None
        augmenter = _build(spec, probability_too=False)
        for seed in range(_PROBES):
            _probe(augmenter, spec.type, seed)

    def __getstate__(self) -> dict[str, Any]:
        return {"spec": self.spec, "_augmenter": None}

    def __call__(self, image: Image, points: Points, rng: np.random.Generator) -> tuple[Image, Points]:
        """Augment a picture and the points on it.

        Args:
            image: uint8 ``[H, W, 3]``.
            points: ``[N, 2]``, x and y; the centre of the first pixel is (0, 0).
            rng: Source of the seed.

        Raises:
            SampleError: ``"augmentation failed"``.
        """
        if self._augmenter is None:
            self._augmenter = _build(self.spec, probability_too=True)
        try:
            return _run(self._augmenter, image, points, int(rng.integers(_SEEDS)))
        except Exception as error:
            raise SampleError("augmentation failed", f"{self.spec.type} of imgaug on {image.shape[1]} x "
                              f"{image.shape[0]} pixels: {type(error).__name__}: {error}") from error


def _run(augmenter: Any, image: Image, points: Points, seed: int) -> tuple[Image, Points]:
    """Apply an augmenter; imgaug puts (0, 0) into the corner of the first pixel, half a pixel from its centre."""
    keypoints = import_imgaug().augmentables.kps.KeypointsOnImage
    with _private_randomness(seed):
        augmenter.seed_(seed)
        result, moved = augmenter(image=image, keypoints=keypoints.from_xy_array(points + 0.5, shape=image.shape))
    new_points = np.asarray(moved.to_xy_array(), np.float64).reshape(-1, 2) - 0.5
    if len(new_points) != len(points):
        raise ValueError(f"it keeps {len(new_points)} of {len(points)} points")
    if result.dtype != np.uint8 or result.ndim != 3 or result.shape[2] != 3 or not result.size:
        raise ValueError(f"it makes an image of shape {list(result.shape)} and type {result.dtype}")
    return np.ascontiguousarray(result), new_points


def _probe(augmenter: Any, name: str, seed: int) -> None:
    image = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
    points = np.array([[10.0, 10.0], [50, 12], [48, 40], [8, 38]])
    try:
        _run(augmenter, image, points, seed)
    except Exception as error:
        raise ConfigError(
            f"IaaAugment: {name} fails on a picture of 64 x 64 pixels: {type(error).__name__}: {error}",
            expected=f"an augmenter that moves points too and runs with imgaug 0.4.0, NumPy {np.__version__} and "
            f"OpenCV {cv2.__version__}", cure="check its arguments, or take another augmenter") from error


@contextlib.contextmanager
def _private_randomness(seed: int) -> Iterator[None]:
    """Lend imgaug a generator of our own where it would use, and change, the one that all its users share."""
    random: Any = import_imgaug().random
    shared = random.GLOBAL_RNG
    random.GLOBAL_RNG = random.RNG(seed)
    try:
        yield
    finally:
        random.GLOBAL_RNG = shared


def _build(spec: Spec, *, probability_too: bool) -> Any:
    """Build an augmenter; `probability_too` wraps it where the configuration gives a ``p`` that it does not know."""
    augmenters = import_imgaug().augmenters
    cls, args = _find(augmenters, spec.type), dict(spec.args)
    parameters = inspect.signature(cls).parameters
    p = probability(args.pop("p"), spec.type) if "p" in args and "p" not in parameters else None
    known = [key for key in parameters if key not in ("seed", "name", "random_state", "deterministic")]
    is_open = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for key in args:
        if key not in known and not is_open:
            hint = did_you_mean(key, known)
            raise ConfigError(f"IaaAugment: {spec.type} has no argument {key!r}" + (f" ({hint})" if hint else ""),
                              expected="one of " + ", ".join([*known, *([] if "p" in known else ["p"])]),
                              cure="correct or remove the key")
    with _private_randomness(0):
        values = {key: _value(value) for key, value in args.items()}
        try:
            augmenter = cls(**values)
        except Exception as error:
            raise ConfigError(f"IaaAugment: {spec.type} refuses its arguments {dict(spec.args)}: {error}",
                              expected="arguments as in the documentation of imgaug 0.4.0",
                              cure="correct them") from error
        return augmenter if p is None or not probability_too else augmenters.Sometimes(p, augmenter)


def _find(augmenters: ModuleType, name: str) -> Any:
    """Return the class (or the function that makes one) of a name, which may have dots: ``"pillike.Equalize"``."""
    found: Any = augmenters
    for part in name.split("."):
        found = getattr(found, part, None) if not part.startswith("_") else None
    base = augmenters.Augmenter
    if inspect.isabstract(found) or not (_is_subclass(found, base) or _is_alias(found)):
        hint = did_you_mean(name, [key for key, value in vars(augmenters).items() if _is_subclass(value, base)])
        raise ConfigError(f"IaaAugment: imgaug has no augmenter named {name!r}" + (f" ({hint})" if hint else ""),
                          expected="the name of one of its augmenters, such as Fliplr, Affine or GaussianBlur",
                          cure="correct the type")
    return found


def _is_subclass(found: Any, base: type) -> bool:
    return inspect.isclass(found) and issubclass(found, base) and found is not base


def _is_alias(found: Any) -> bool:
    """Tell whether something is one of imgaug's functions that stand for an augmenter, such as ``InColorspace``."""
    return inspect.isfunction(found) and found.__module__.startswith("imgaug.") and found.__name__[0].isupper()


def _value(value: Any) -> Any:
    """Return an argument of a configuration in imgaug's terms."""
    if is_spec(value):
        return _build(parse_specs([value])[0], probability_too=True)
    if isinstance(value, Mapping):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_value(item) for item in value]
        return tuple(items) if len(items) == 2 and all(_is_number(item) for item in items) else items
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
