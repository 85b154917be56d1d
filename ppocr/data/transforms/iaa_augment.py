"""Augmentation of pictures and their polygons by a list of imgaug's augmenters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppocr.data.sample import Sample
from ppocr.data.transforms.affine_steps import Step, affine_step
from ppocr.data.transforms.deferred import DeferredImage, deferred, map_polygons, mirrored_back, rendered
from ppocr.data.transforms.iaa_spec import Spec, parse_specs
from ppocr.data.transforms.imgaug_step import ImgaugStep
from ppocr.geometry import Polygon, signed_area
from ppocr.registry import TRANSFORMS

DEFAULT = (
    Spec("Fliplr", {"p": 0.5}),
    Spec("Affine", {"rotate": (-10, 10)}),
    Spec("Resize", {"size": (0.5, 3.0)}),
)
"""What is done if nothing is said: mirror every second picture, turn by up to 10 degrees, scale by 0.5 to 3."""


@TRANSFORMS.register()
class IaaAugment:
    """Change a picture, and its polygons with it, by augmenters of imgaug 0.4.0.

    Required keys: image (uint8 ``[H, W, 3]``), rng; polys (list of float32 ``[K, 2]``) if the polygons are to follow.
    Modified keys: image (uint8 ``[H', W', 3]``), polys (which may leave the picture).

    The list has the form ``[{type: Fliplr, args: {p: 0.5}}, {type: Affine, args: {rotate: [-10, 10]}}, …]``. Two
    numbers in a list are an interval to draw from, as imgaug's tuples; other lists are a choice. ``p`` applies an
    augmenter that has no such argument of its own in this share of the cases. Augmenters inside others (``then_list``,
    ``children``) are written in the same form.

    Mirroring, Affine, Resize, and Sometimes and Sequential of them, are computed here, as one matrix (see
    `affine_steps` for the differences to imgaug), and imgaug is not even imported if there are no others. Where the
    next transform is a crop, they move no pixels at all: the crop renders just its window. All others run in imgaug,
    seeded from the sample's generator.

    Args:
        augmenter_args: The augmenters, in order; null for the three of DB's original training: Fliplr with p 0.5,
            Affine with a rotation of -10 to 10 degrees, Resize by a factor of 0.5 to 3.

    Raises:
        ConfigError: An unknown augmenter or argument, or an augmenter that does not run here.
        DependencyError: imgaug is needed and cannot be imported.
    """

    takes_deferred = True

    def __init__(self, augmenter_args: list[Any] | None = None) -> None:
        specs = DEFAULT if augmenter_args is None else parse_specs(augmenter_args)
        self.steps: list[Step | ImgaugStep] = [affine_step(spec) or ImgaugStep(spec) for spec in specs]

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with its image and polygons changed.

        Raises:
            SampleError: ``"augmentation failed"`` in imgaug, or ``"image too large"``.
        """
        sample = self.defer(sample)
        sample["image"] = rendered(sample["image"])
        return sample

    def defer(self, sample: Sample) -> Sample:
        """Do the same, but leave the image a `DeferredImage`.

        Raises:
            SampleError: ``"augmentation failed"`` in imgaug.
        """
        image, rng = deferred(sample["image"]), sample["rng"]
        polygons: list[Polygon] = sample.get("polys", [])
        pending = np.eye(3)
        for step in self.steps:
            if isinstance(step, ImgaugStep):
                polygons, pending = map_polygons(pending, polygons), np.eye(3)
                image, polygons = _through_imgaug(step, image, polygons, rng)
            else:
                matrix, size = step.draw(rng, image.size)
                image, pending = image.then(matrix, size), matrix @ pending
        sample["image"] = image
        if "polys" in sample:
            sample["polys"] = map_polygons(pending, polygons)
        return sample


def _through_imgaug(
    step: ImgaugStep, image: DeferredImage, polygons: list[Polygon], rng: np.random.Generator
) -> tuple[DeferredImage, list[Polygon]]:
    points = np.concatenate(polygons) if polygons else np.zeros((0, 2))
    pixels, moved = step(image.render(), points.astype(np.float64), rng)
    ends = np.cumsum([len(polygon) for polygon in polygons])[:-1]
    pieces = np.split(moved.astype(np.float32), ends) if polygons else []
    return deferred(pixels), [
        mirrored_back(after) if signed_area(before) > 0 > signed_area(after) else after
        for before, after in zip(polygons, pieces, strict=True)
    ]
