"""Those augmenters of imgaug that only move pixels along straight lines, as matrices instead of pixels.

imgaug computes every picture in between. For the augmentation that most detectors are trained with (mirror, rotate,
enlarge up to three times) that means to produce eight million pixels of which a crop keeps a twentieth. Here the same
parameters are drawn from the same distributions, from the sample's own generator, and become one matrix.

The meaning of the arguments is imgaug's (version 0.4.0): a number is that number; two numbers are an interval to draw
from uniformly (whole numbers where imgaug draws whole numbers, both ends included); more numbers, or a single one in a
list, are a choice. Arguments beyond those known here (other interpolations, borders other than black) are left to
imgaug: `affine_step` then returns None.

Two things differ. Pixels that one augmenter moves out of the picture are not lost if a later one moves them back. And
`Resize` does not use cubic interpolation unless told so, because the pixels are interpolated only once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ppocr.data.transforms.deferred import Matrix, Size, map_points, scaling, translation
from ppocr.data.transforms.iaa_spec import Spec, is_spec, parse_specs, probability
from ppocr.errors import ConfigError

Rng = np.random.Generator

SMALLEST_SIDE = 8
"""Whole numbers below it are hardly meant as the size of a picture in pixels."""

KEEP, KEEP_RATIO = "keep", "keep-aspect-ratio"


class Step(Protocol):
    """A change of geometry whose parameters are drawn anew for every picture."""

    def draw(self, rng: Rng, size: Size) -> tuple[Matrix, Size]:
        """Return the matrix for a picture of this size, from its places to those of the result, and the new size."""


@dataclass(frozen=True)
class Values:
    """What an argument may be.

    Args:
        options: The single value, the two ends of the interval, or the values to choose from.
        interval: The options are two ends.
        whole: Draw whole numbers.
    """

    options: tuple[float, ...]
    interval: bool = False
    whole: bool = False

    def draw(self, rng: Rng) -> float:
        """Return a value."""
        if self.interval:
            low, high = min(self.options), max(self.options)
            return int(rng.integers(int(low), int(high) + 1)) if self.whole else float(rng.uniform(low, high))
        return self.options[int(rng.integers(len(self.options))) if len(self.options) > 1 else 0]


def _values(value: Any, whole: bool = False) -> Values | None:
    """Return the values that an argument stands for; None if it is nothing that is understood here."""
    options = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not options or any(isinstance(option, bool) or not isinstance(option, (int, float)) for option in options):
        return None
    if whole and not all(isinstance(option, int) for option in options):
        return None
    return Values(options, interval=len(options) == 2, whole=whole)


@dataclass(frozen=True)
class Mirror:
    """Left and right, or top and bottom, change places.

    Args:
        p: How often.
        vertical: Top and bottom.
    """

    p: float
    vertical: bool = False

    def draw(self, rng: Rng, size: Size) -> tuple[Matrix, Size]:
        """See `Step`."""
        matrix = np.eye(3)
        if rng.random() < self.p:
            axis = int(self.vertical)
            matrix[axis, axis], matrix[axis, 2] = -1, size[axis] - 1
        return matrix, size


@dataclass(frozen=True)
class Affine:
    """Scale, shear, rotate about the middle, and move.

    Args:
        scale: Factors of x and y; without the second the first serves both.
        translate: Ways in x and y; the same.
        in_pixels: The ways are pixels, otherwise shares of the sides.
        rotate: Degrees, clockwise as one sees it.
        shear: Degrees in x and y; without the second the first serves both.
        fit_output: Make the result as large as the whole picture needs, without moving it.
    """

    scale: tuple[Values, Values | None]
    translate: tuple[Values, Values | None]
    in_pixels: bool
    rotate: Values
    shear: tuple[Values, Values | None]
    fit_output: bool

    def draw(self, rng: Rng, size: Size) -> tuple[Matrix, Size]:
        """See `Step`."""
        scale, translate, shear = _pair(self.scale, rng), _pair(self.translate, rng), _pair(self.shear, rng)
        angle = math.radians(self.rotate.draw(rng))
        rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shear_x = np.array([[1, -math.tan(math.radians(shear[0]))], [0, 1]])
        shear_y = np.array([[1, 0], [math.tan(math.radians(shear[1])), 1]])
        linear = np.eye(3)
        linear[:2, :2] = rotation @ shear_x @ np.diag(scale) @ shear_y
        middle = (size[0] - 1) / 2, (size[1] - 1) / 2
        way = translate if self.in_pixels else (translate[0] * size[0], translate[1] * size[1])
        matrix = translation(middle[0] + way[0], middle[1] + way[1]) @ linear @ translation(-middle[0], -middle[1])
        return fitted(matrix, size) if self.fit_output else (matrix, size)


def fitted(matrix: Matrix, size: Size) -> tuple[Matrix, Size]:
    """Move a transformed picture so that all of it is seen, and return the size that it needs."""
    right, bottom = size[0] - 1, size[1] - 1
    corners = map_points(matrix, np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float64))
    low = corners.min(axis=0)
    # Rotations by right angles must not grow the picture by a rounding error.
    width, height = np.ceil(corners.max(axis=0) - low + 1 - 1e-6).astype(int)
    return translation(-low[0], -low[1]) @ matrix, (int(width), int(height))


def _pair(values: tuple[Values, Values | None], rng: Rng) -> tuple[float, float]:
    first = values[0].draw(rng)
    return first, first if values[1] is None else values[1].draw(rng)


@dataclass(frozen=True)
class Resize:
    """Another number of pixels for the whole picture.

    Args:
        sides: What the two sides become: whole numbers are pixels, others factors, text is ``"keep"`` or
            ``"keep-aspect-ratio"``. Without the second, one value is drawn for both.
        by_length: The sides are the shorter and the longer one, otherwise height and width.
    """

    sides: tuple[Values | str, Values | str | None]
    by_length: bool = False

    def draw(self, rng: Rng, size: Size) -> tuple[Matrix, Size]:
        """See `Step`."""
        width, height = size
        first = self._draw(self.sides[0], rng)
        second = first if self.sides[1] is None else self._draw(self.sides[1], rng)
        if self.by_length and height >= width:
            first, second = second, first
        new_height, new_width = self._side(first, height), self._side(second, width)
        if new_height is None:
            assert new_width is not None, "affine_step has refused two sides that follow each other"
            new_height = max(round(new_width * height / width), 1)
        if new_width is None:
            new_width = max(round(new_height * width / height), 1)
        return scaling(new_width / width, new_height / height), (new_width, new_height)

    @staticmethod
    def _draw(side: Values | str, rng: Rng) -> float | str:
        return side if isinstance(side, str) else side.draw(rng)

    @staticmethod
    def _side(drawn: float | str, length: int) -> int | None:
        if isinstance(drawn, str):
            return length if drawn == KEEP else None
        return drawn if isinstance(drawn, int) else max(round(length * drawn), 1)


@dataclass(frozen=True)
class Chain:
    """Steps, one after the other."""

    steps: tuple[Step, ...]

    def draw(self, rng: Rng, size: Size) -> tuple[Matrix, Size]:
        """See `Step`."""
        total = np.eye(3)
        for step in self.steps:
            matrix, size = step.draw(rng, size)
            total = matrix @ total
        return total, size


@dataclass(frozen=True)
class Sometimes:
    """One step or another.

    Args:
        p: How often the first.
        then: The first.
        otherwise: The second.
    """

    p: float
    then: Step
    otherwise: Step

    def draw(self, rng: Rng, size: Size) -> tuple[Matrix, Size]:
        """See `Step`."""
        return (self.then if rng.random() < self.p else self.otherwise).draw(rng, size)


NOTHING = Chain(())


def affine_step(spec: Spec) -> Step | None:
    """Return the step for an augmenter; None if it is another kind of augmenter, or has arguments not known here.

    Raises:
        ConfigError: An argument that makes no sense.
    """
    args = dict(spec.args)
    if spec.type in ("Fliplr", "HorizontalFlip", "Flipud", "VerticalFlip"):
        p = probability(args.pop("p", 1), spec.type)
        return None if args else Mirror(p, vertical=spec.type in ("Flipud", "VerticalFlip"))
    if spec.type == "Sometimes":
        return _sometimes(args)
    if spec.type not in ("Affine", "Resize", "Identity", "Noop", "Sequential"):
        return None
    p = probability(args.pop("p", 1), spec.type)
    step: Step | None = None
    if spec.type == "Affine":
        step = _affine(args)
    elif spec.type == "Resize":
        step = _resize(args)
    elif spec.type == "Sequential":
        step = _chain(args["children"]) if set(args) == {"children"} else None
    else:
        step = None if args else NOTHING
    return step if step is None or p == 1 else Sometimes(p, step, NOTHING)


def _chain(entries: Any) -> Step | None:
    if entries is None:
        return NOTHING
    steps = [affine_step(spec) for spec in parse_specs([entries] if is_spec(entries) else entries)]
    known = tuple(step for step in steps if step is not None)
    return Chain(known) if len(known) == len(steps) else None


def _sometimes(args: dict[str, Any]) -> Step | None:
    p = probability(args.pop("p", 0.5), "Sometimes")
    then, otherwise = _chain(args.pop("then_list", None)), _chain(args.pop("else_list", None))
    return None if args or then is None or otherwise is None else Sometimes(p, then, otherwise)


_AFFINE_DEFAULTS: Mapping[str, Any] = {
    "scale": {"x": (0.9, 1.1), "y": (0.9, 1.1)}, "translate_percent": {"x": (-0.1, 0.1), "y": (-0.1, 0.1)},
    "rotate": (-15, 15), "shear": {"x": (-10, 10), "y": (-10, 10)},
}
"""What imgaug does when nothing at all is asked for."""


def _affine(args: dict[str, Any]) -> Step | None:
    fit_output = args.pop("fit_output", False)
    usual = {"order": (1,), "mode": ("constant",), "cval": (0,), "backend": ("auto", "cv2")}
    if not isinstance(fit_output, bool) or any(args.pop(key, values[0]) not in values for key, values in usual.items()):
        return None
    args = {key: value for key, value in args.items() if value is not None} or dict(_AFFINE_DEFAULTS)
    in_pixels = "translate_px" in args
    if in_pixels and "translate_percent" in args:
        return None
    scale = _axes(args.pop("scale", 1.0), 1.0)
    translate = _axes(args.pop("translate_px" if in_pixels else "translate_percent", 0), 0, whole=in_pixels)
    given_shear = args.pop("shear", 0)
    if isinstance(given_shear, (int, float)):
        given_shear = {"x": given_shear}  # Of a single number imgaug shears x only.
    shear, rotate = _axes(given_shear, 0), _values(args.pop("rotate", 0))
    if args or scale is None or translate is None or shear is None or rotate is None:
        return None
    if any(min(values.options) < 1e-4 for values in scale if values is not None):
        raise ConfigError("IaaAugment: scale of Affine is not positive", expected="factors above 0",
                          cure="correct the value")
    return Affine(scale, translate, in_pixels, rotate, shear, fit_output)


def _axes(value: Any, default: float, whole: bool = False) -> tuple[Values, Values | None] | None:
    """Return the values of x and of y, where an argument may name the axes."""
    if not isinstance(value, Mapping):
        both = _values(value, whole)
        return None if both is None else (both, None)
    if not value or set(value) - {"x", "y"}:
        return None
    x, y = _values(value.get("x", default), whole), _values(value.get("y", default), whole)
    return None if x is None or y is None else (x, y)


def _resize(args: dict[str, Any]) -> Step | None:
    if args.pop("interpolation", "linear") != "linear" or set(args) != {"size"}:
        return None
    size = args["size"]
    if not isinstance(size, Mapping):
        side = _size_values(size)
        return None if side is None else Resize((side, None))
    for keys, by_length in ((("height", "width"), False), (("shorter-side", "longer-side"), True)):
        if size and set(size) <= set(keys):
            first, second = (_size_values(size.get(key, KEEP)) for key in keys)
            if first is None or second is None or first == second == KEEP_RATIO:
                return None
            return Resize((first, second), by_length)
    return None


def _size_values(value: Any) -> Values | str | None:
    if value in (KEEP, KEEP_RATIO):
        return str(value)
    options: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    whole = all(isinstance(option, int) for option in options)
    values = _values(value, whole)
    if values is None or min(values.options) <= 0:
        return None
    if whole and min(values.options) < SMALLEST_SIDE:
        raise ConfigError(f"IaaAugment: size of Resize is {value!r}, whole numbers, which imgaug takes as pixels",
                          expected=f"factors with a decimal point, or {SMALLEST_SIDE} pixels and more",
                          cure="write 2.0 instead of 2 for a factor")
    return values
