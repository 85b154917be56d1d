"""Random size of a photo."""

from __future__ import annotations

from ppocr.data.sample import Sample
from ppocr.data.transforms.deferred import deferred, map_polygons, rendered, scaling
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS


@TRANSFORMS.register()
class RandomScale:
    """Enlarge or shrink a picture and its polygons by a random factor.

    Required keys: image (uint8 ``[H, W, 3]``), rng; polys if they are to follow. Modified keys: image (uint8
    ``[H', W', 3]``; as `IaaAugment` does, no pixels are computed if the next transform is a crop), polys.

    Args:
        scale_range: Smallest and largest factor; drawn uniformly.

    Raises:
        ConfigError: A factor that is not above 0, or the larger one first.
    """

    takes_deferred = True

    def __init__(self, scale_range: tuple[float, float]) -> None:
        low, high = scale_range
        if not 0 < low <= high:
            raise ConfigError(f"RandomScale: scale_range is {list(scale_range)}",
                              expected="[smallest, largest] factor, above 0, such as [0.5, 3.0]",
                              cure="correct the value")
        self.scale_range = low, high

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample scaled.

        Raises:
            SampleError: ``"image too large"``.
        """
        sample = self.defer(sample)
        sample["image"] = rendered(sample["image"])
        return sample

    def defer(self, sample: Sample) -> Sample:
        """Do the same, but leave the image a `DeferredImage`."""
        image = deferred(sample["image"])
        factor = float(sample["rng"].uniform(*self.scale_range))
        width, height = (max(round(side * factor), 1) for side in image.size)
        matrix = scaling(width / image.size[0], height / image.size[1])
        sample["image"] = image.then(matrix, (width, height))
        if "polys" in sample:
            sample["polys"] = map_polygons(matrix, sample["polys"])
        return sample
