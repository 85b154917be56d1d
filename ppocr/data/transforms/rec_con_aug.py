"""Make longer text lines by putting several side by side."""

from __future__ import annotations

import numpy as np

from ppocr.charset import Charset, mirrored
from ppocr.cv import cv2
from ppocr.data.pixels import Image
from ppocr.data.sample import Sample
from ppocr.data.transforms.rec_aug import check_probability
from ppocr.errors import ConfigError
from ppocr.registry import TRANSFORMS


@TRANSFORMS.register()
class RecConAug:
    """Append other text lines to the right of this one and their texts to its text.

    Required keys: image (uint8 ``[H, W, 3]``, BGR), label (str), rng, extra (list of samples with image and label).
    Modified keys: image (uint8 ``[image_shape[0], W', 3]`` if something was appended), label. Removed keys: extra.

    The lines are brought to one height and appended one after the other while the text stays within
    `max_text_length` and the picture within the aspect ratio of `image_shape`; a line that does not fit is passed
    over. In right-to-left writing the text of the picture at the right comes first. The sample keeps its own `info`,
    which names only the first of the lines.

    Args:
        prob: Probability of appending anything.
        image_shape: Height, width and channels of the network's input (in this order).
        max_text_length: Characters that the longer text may have.
        ext_data_num: Number of other samples to ask for, 0 or more.
        charset: Tells the direction of writing; supplied from the configuration's dictionary.

    Attributes:
        num_extra: Number of samples that the dataset is to put under `extra`.

    Raises:
        ConfigError: A probability outside 0..1, a shape that is not three positive numbers, or a negative number.
    """

    def __init__(
        self,
        prob: float = 0.5,
        image_shape: tuple[int, int, int] = (32, 320, 3),
        max_text_length: int = 25,
        ext_data_num: int = 1,
        charset: Charset | None = None,
    ) -> None:
        if len(image_shape) != 3 or min(image_shape) < 1:
            raise ConfigError(f"RecConAug: image_shape is {list(image_shape)}",
                              expected="[height, width, channels], such as [48, 320, 3]", cure="correct the value")
        if image_shape[2] != 3:
            raise ConfigError(f"RecConAug: image_shape {list(image_shape)} does not end with 3 channels",
                              expected="[height, width, 3], unlike the resizes, which take [3, height, width]",
                              cure=f"write image_shape: [{image_shape[1]}, {image_shape[2]}, 3]")
        if ext_data_num < 0:
            raise ConfigError(f"RecConAug: ext_data_num is {ext_data_num}", expected="0 or more",
                              cure="correct the value")
        self.prob = check_probability("RecConAug", "prob", prob)
        self.height = image_shape[0]
        self.max_ratio = image_shape[1] / image_shape[0]
        self.max_text_length = max_text_length
        self.num_extra = ext_data_num
        self.right_to_left = charset is not None and charset.right_to_left

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample, in some cases as the beginning of a longer line."""
        extra = sample.pop("extra", [])
        if not sample["rng"].random() < self.prob:
            return sample
        images, labels = [sample["image"]], [sample["label"]]
        length, ratio = len(sample["label"]), _ratio(sample["image"])
        for other in extra[:self.num_extra]:
            longer, wider = length + len(other["label"]), ratio + _ratio(other["image"])
            if longer <= self.max_text_length and wider <= self.max_ratio:
                images.append(other["image"])
                labels.append(other["label"])
                length, ratio = longer, wider
        if len(images) > 1:
            sample["image"] = np.concatenate([self._resize(image) for image in images], axis=1)
            sample["label"] = mirrored("".join(map(mirrored, labels))) if self.right_to_left else "".join(labels)
        return sample

    def _resize(self, image: Image) -> Image:
        width = max(1, round(self.height * _ratio(image)))
        return cv2.resize(image, (width, self.height))


def _ratio(image: Image) -> float:
    height, width = image.shape[:2]
    return float(width / height)
