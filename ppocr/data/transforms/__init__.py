"""Transforms: what is done to a sample between the file and the batch.

Importing this package registers them. It does not need PaddlePaddle, because predictors use some of them too.
"""

from ppocr.data.transforms import (
    arrays,
    border_map,
    color_jitter,
    copy_paste,
    decode,
    det_crop,
    det_label_encode,
    det_resize,
    iaa_augment,
    label_encode,
    rand_augment,
    random_perspective,
    random_scale,
    rec_aug,
    rec_con_aug,
    resize,
    shrink_map,
    svtr_aug,
    turn_tall,
    turn_text,
)
from ppocr.data.transforms.pipeline import Pipeline, build_transforms

__all__ = [
    "Pipeline",
    "arrays",
    "border_map",
    "build_transforms",
    "color_jitter",
    "copy_paste",
    "decode",
    "det_crop",
    "det_label_encode",
    "det_resize",
    "iaa_augment",
    "label_encode",
    "rand_augment",
    "random_perspective",
    "random_scale",
    "rec_aug",
    "rec_con_aug",
    "resize",
    "shrink_map",
    "svtr_aug",
    "turn_tall",
    "turn_text",
]
