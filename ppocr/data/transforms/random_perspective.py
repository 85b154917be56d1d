"""Random perspective of a photo, as if it had been taken from another place."""

from __future__ import annotations

import math

import numpy as np

from ppocr.data.sample import Sample
from ppocr.data.transforms.affine_steps import fitted
from ppocr.data.transforms.deferred import DeferredImage, Matrix, Size, deferred, map_polygons, rendered, translation
from ppocr.data.transforms.rec_aug import check_probability
from ppocr.errors import ConfigError
from ppocr.geometry import signed_area
from ppocr.registry import TRANSFORMS

STRONGEST = 0.4
"""The far side of the picture comes out at most (1 + 0.4) / (1 - 0.4) times smaller than the near one."""


@TRANSFORMS.register()
class RandomPerspective:
    """In some cases, turn, scale, shear and tilt a picture and its polygons about the middle.

    Required keys: image (uint8 ``[H, W, 3]``), polys, ignore_tags, rng. Modified keys: image (uint8 ``[H', W', 3]``; as
    `IaaAugment` does, no pixels are computed if the next transform is a crop), polys, ignore_tags (true for a region
    that has become too small).

    Each amount is drawn uniformly from minus to plus the given one. Tilts that would bring the horizon near the picture
    (a large one on a large picture) are reduced.

    Args:
        prob: How often anything is done.
        degrees: Rotation in degrees.
        scale: The factor is 1 plus this amount, below 1.
        shear: Degrees in x and in y, below 90.
        perspective: Tilt in x and in y: the relative change of size per pixel of distance from the middle.
        fit_output: Make the result as large as the whole picture needs; otherwise keep the size.
        fill_value: BGR of what the picture does not cover.
        min_area_ratio: A region that keeps a smaller share of its area is ignored.

    Raises:
        ConfigError: A value outside its range.
    """

    takes_deferred = True

    def __init__(
        self,
        prob: float = 0.3,
        degrees: float = 0.0,
        scale: float = 0.2,
        shear: float = 5.0,
        perspective: float = 0.0002,
        fit_output: bool = True,
        fill_value: tuple[float, float, float] = (123.675, 116.28, 103.53),
        min_area_ratio: float = 0.1,
    ) -> None:
        for key, value, limit in (("degrees", degrees, 360), ("scale", scale, 0.99), ("shear", shear, 89),
                                  ("perspective", perspective, 1), ("min_area_ratio", min_area_ratio, 1)):
            if not 0 <= value <= limit:
                raise ConfigError(f"RandomPerspective: {key} is {value}", expected=f"0 to {limit}",
                                  cure="correct the value")
        if not all(0 <= value <= 255 for value in fill_value):
            raise ConfigError(f"RandomPerspective: fill_value is {list(fill_value)}", expected="three values, 0 to 255",
                              cure="correct the value")
        self.prob = check_probability("RandomPerspective", "prob", prob)
        self.degrees = degrees
        self.scale = scale
        self.shear = shear
        self.perspective = perspective
        self.fit_output = fit_output
        self.fill_value = fill_value
        self.min_area_ratio = min_area_ratio

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample, in some cases seen from elsewhere.

        Raises:
            SampleError: ``"image too large"``.
        """
        sample = self.defer(sample)
        sample["image"] = rendered(sample["image"])
        return sample

    def defer(self, sample: Sample) -> Sample:
        """Do the same, but leave the image a `DeferredImage`."""
        if not sample["rng"].random() < self.prob:
            return sample
        image = deferred(sample["image"])
        if image.fill != self.fill_value:
            pixels = image.render()
            image = DeferredImage(pixels, image.size, fill=self.fill_value)
        matrix, size = self._draw(image.size, sample["rng"])
        sample["image"] = image.then(matrix, size)
        before = sample["polys"]
        sample["polys"] = map_polygons(matrix, before)
        sample["ignore_tags"] = [
            bool(ignored or abs(signed_area(new)) < self.min_area_ratio * abs(signed_area(old)))
            for ignored, new, old in zip(sample["ignore_tags"], sample["polys"], before, strict=True)
        ]
        return sample

    def _draw(self, size: Size, rng: np.random.Generator) -> tuple[Matrix, Size]:
        """Return the matrix, from places of the picture to those of the result, and the size of the result."""
        angle, factor, shear_x, shear_y, tilt_x, tilt_y = rng.uniform(-1, 1, 6) * (
            math.radians(self.degrees), self.scale, math.radians(self.shear), math.radians(self.shear),
            self.perspective, self.perspective)
        middle = (size[0] - 1) / 2, (size[1] - 1) / 2
        reach = abs(tilt_x) * middle[0] + abs(tilt_y) * middle[1]
        reduction = min(1.0, STRONGEST / reach) if reach else 1.0
        tilt = np.eye(3)
        tilt[2, :2] = tilt_x * reduction, tilt_y * reduction
        shear = np.array([[1, math.tan(shear_x), 0], [math.tan(shear_y), 1, 0], [0, 0, 1]])
        cosine, sine = math.cos(angle) * (1 + factor), math.sin(angle) * (1 + factor)
        rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        matrix = translation(*middle) @ shear @ rotation @ tilt @ translation(-middle[0], -middle[1])
        return fitted(matrix, size) if self.fit_output else (matrix, size)
