"""Word pictures that were cut from photos as they stand, turned as prediction turns its crops."""

from __future__ import annotations

from ppocr.crops import upright
from ppocr.data.sample import Sample
from ppocr.registry import TRANSFORMS


@TRANSFORMS.register()
class TurnTallText:
    """Turn a picture that is at least 1.5 times as high as wide by 90 degrees counter-clockwise.

    Reading whole pages, every crop is turned so (see `ppocr.crops.upright`): a line that runs upwards or downwards
    becomes one that runs sideways. Word pictures that somebody else cut need it too, for a recognizer makes all
    pictures equally high, and nothing is left of a tall one. What ran downwards stands on its head then; reading such
    lines well is the work of a direction classifier.

    Required keys: image (``[H, W, C]``). Modified keys: image.
    """

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample, turned or not."""
        sample["image"] = upright(sample["image"])
        return sample
