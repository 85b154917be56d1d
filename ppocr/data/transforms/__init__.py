"""Transforms: what is done to a sample between the file and the batch.

Importing this package registers them. It does not need PaddlePaddle, because predictors use some of them too.
"""

from ppocr.data.transforms import (
    arrays,
    decode,
    label_encode,
    rand_augment,
    rec_aug,
    rec_con_aug,
    resize,
    svtr_aug,
)
from ppocr.data.transforms.pipeline import Pipeline, build_transforms

__all__ = [
    "Pipeline",
    "arrays",
    "build_transforms",
    "decode",
    "label_encode",
    "rand_augment",
    "rec_aug",
    "rec_con_aug",
    "resize",
    "svtr_aug",
]
