"""What a detector does with a folder: what the folder says, and what explicit arguments say instead."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppocr.data.transforms.det_resize import STRIDE
from ppocr.errors import InferenceError
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.opening import replace_in_operators, replace_in_postprocess, require_task
from ppocr.infer.operators import Operator
from ppocr.infer.options import DetectorOptions, parse_sizes

LOGGER = logging.getLogger("ppocr")

TASK = "det"

WITHOUT_DESCRIPTION_OPERATORS: tuple[Operator, ...] = (
    {"DetResizeForTest": {"limit_side_len": 960, "limit_type": "max"}},
    {"NormalizeImage": {"scale": "1./255.", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
                        "order": "hwc"}},
    {"ToCHWImage": {}},
)
"""How PaddleOCR 2 prepares pictures, which its folders do not say: its own predictor's defaults, ImageNet's colours."""

WITHOUT_DESCRIPTION_POSTPROCESS: Mapping[str, Any] = {
    "name": "DBPostProcess", "thresh": 0.3, "box_thresh": 0.6, "max_candidates": 1000, "unclip_ratio": 1.5,
}
"""How PaddleOCR 2 finds regions, which its folders do not say: its own predictor's defaults."""

RESIZE_RULES = ("image_shape", "keep_ratio", "limit_side_len", "limit_type", "resize_long")
"""Arguments of `DetResizeForTest` that decide about the size; a rule that is given makes those of the others void."""


@dataclass(frozen=True)
class DetectorSettings:
    """How a detector prepares pictures and finds regions.

    Attributes:
        operators: The transforms.
        postprocess: ``name`` and arguments.
    """

    operators: tuple[Operator, ...]
    postprocess: Mapping[str, Any]


def resolve_detector(folder: InferenceFolder, options: DetectorOptions) -> DetectorSettings:
    """Combine a folder with explicit arguments, which win; differences are logged.

    Raises:
        InferenceError: The model is of another task, or an argument does not fit it.
    """
    require_task(folder, TASK)
    operators, postprocess = WITHOUT_DESCRIPTION_OPERATORS, WITHOUT_DESCRIPTION_POSTPROCESS
    if folder.description is not None:
        operators, postprocess = folder.description.operators, folder.description.postprocess
    else:
        LOGGER.info("%s has no inference.yml (it was exported by PaddleOCR 2): the longer side is limited to 960, "
                    "colours are normalised as ImageNet's, thresh=0.3, box_thresh=0.6, unclip_ratio=1.5. Set "
                    "det_limit_side_len, det_limit_type, det_db_thresh, det_db_box_thresh and det_db_unclip_ratio "
                    "if the model was trained with others.", folder.path)
    return DetectorSettings(
        _resized(operators, options),
        replace_in_postprocess(postprocess, {
            "det_db_thresh": ("thresh", options.det_db_thresh),
            "det_db_box_thresh": ("box_thresh", options.det_db_box_thresh),
            "det_db_unclip_ratio": ("unclip_ratio", options.det_db_unclip_ratio),
            "det_box_type": ("box_type", options.det_box_type),
            "use_dilation": ("use_dilation", options.use_dilation),
            "det_db_score_mode": ("score_mode", options.det_db_score_mode),
            "det_whole_pixels": ("whole_pixels", options.det_whole_pixels),
        }, task=TASK),
    )


def _resized(operators: tuple[Operator, ...], options: DetectorOptions) -> tuple[Operator, ...]:
    if options.det_image_shape is not None:
        wanted = f'height and width, multiples of {STRIDE}: "736,1280"'
        shape = parse_sizes(options.det_image_shape, 2, name="det_image_shape", expected=wanted)
        if any(side % STRIDE for side in shape):
            # The network would fail on the first picture, without saying why.
            raise InferenceError(f"det_image_shape is {shape}", expected=wanted, cure="correct the value")
        return replace_in_operators(operators, "image_shape", shape, "det_image_shape", task=TASK,
                                    instead=RESIZE_RULES)
    limits = {"limit_side_len": options.det_limit_side_len, "limit_type": options.det_limit_type}
    for key, value in limits.items():
        if value is not None:
            operators = replace_in_operators(operators, key, value, f"det_{key}", task=TASK,
                                             instead=("image_shape", "keep_ratio", "resize_long"))
    return operators
