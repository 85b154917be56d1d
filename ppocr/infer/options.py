"""The arguments of predictors, under the names that the field uses.

One mapping or namespace may serve all predictors: each takes what it knows, arguments of the others are let pass, and
a name that nobody knows is an error.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from ppocr.coerce import coerce
from ppocr.errors import ConfigError, InferenceError, did_you_mean

LOGGER = logging.getLogger("ppocr")

OTHER_TASKS = ("e2e_", "sr_", "kie_", "ser_", "re_", "table_", "layout_", "formula_", "use_pdserving")
"""Beginnings of the names of arguments for tasks that have no predictor here."""

WITHOUT_EFFECT: dict[str, Any] = {
    "use_xpu": False, "use_npu": False, "use_mlu": False, "use_metax_gpu": False, "use_gcu": False, "ir_optim": True,
    "use_tensorrt": False, "min_subgraph_size": 15, "precision": "fp32", "use_onnx": False, "onnx_providers": False,
    "onnx_sess_options": False, "warmup": False, "benchmark": False, "save_log_path": "./log_output/",
    "show_log": True, "use_mp": False, "total_process_num": 1, "process_id": 0,
    "rec_algorithm": "SVTR_LCNet", "rec_image_inverse": True, "return_word_box": False,
    "det_algorithm": "DB", "det_east_score_thresh": 0.8, "det_east_cover_thresh": 0.1, "det_east_nms_thresh": 0.2,
    "det_sast_score_thresh": 0.5, "det_sast_nms_thresh": 0.2, "det_pse_thresh": 0.0, "det_pse_box_thresh": 0.85,
    "det_pse_min_area": 16, "det_pse_scale": 1, "scales": [8, 16, 32], "alpha": 1.0, "beta": 1.0, "fourier_degree": 5,
}
"""Arguments that PaddleOCR's predictors take and that mean nothing here, with the value that asks for nothing."""

OF_COMMANDS = ("image_dir", "output", "save", "visualize", "draw_img_save_dir", "vis_font_path", "page_num", "pdf_dpi")
"""Arguments that tell a command what to read and where to write; a predictor has no use for them."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which published model is used.

    Attributes:
        model: Its name, or that of a system of models; a folder or name for one part, where it is given, wins.
    """

    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions(ModelOptions):
    """How networks are run. None leaves a value to the machine.

    Attributes:
        backend: What runs the network; None chooses by the files of the model.
        use_gpu: True, False, or None to take a GPU if there is one.
        gpu_id: Which GPU.
        gpu_mem: Megabytes of GPU memory to reserve.
        cpu_threads: Threads of one call on CPU.
        enable_mkldnn: Use oneDNN on CPU; None means yes.
        plugins: Modules or files that register components which the model needs.
    """

    backend: str | None = None
    use_gpu: bool | None = None
    gpu_id: int = 0
    gpu_mem: int = 500
    cpu_threads: int | None = None
    enable_mkldnn: bool | None = None
    plugins: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class RecognizerOptions(RuntimeOptions):
    """What may be set for a recognizer. None leaves a value to the exported folder.

    Attributes:
        rec_model_dir: Folder of the exported model, or name of a published one.
        rec_batch_num: Most images in a batch.
        rec_image_shape: Channels, height and width, as a list or as text ``"3,48,320"``.
        rec_char_dict_path: Dictionary, one character a line.
        use_space_char: Whether the space follows the dictionary; None decides by the model's number of classes.
        max_text_length: Longest text, for the models that ask for it.
        rec_postprocess: Registered name of the decoder, for folders without ``inference.yml``.
        dynamic_width: Widen the image for long lines instead of squeezing it; None does as evaluation did.
        rec_shared_width: Fill the images of a batch up to the width of its widest.
    """

    rec_model_dir: str
    rec_batch_num: int = 6
    rec_image_shape: list[int] | str | None = None
    rec_char_dict_path: str | None = None
    use_space_char: bool | None = None
    max_text_length: int | None = None
    rec_postprocess: str | None = None
    dynamic_width: bool | None = None
    rec_shared_width: bool = False


@dataclass(frozen=True, kw_only=True)
class DetectorOptions(RuntimeOptions):
    """What may be set for a detector. None leaves a value to the exported folder.

    Attributes:
        det_model_dir: Folder of the exported model, or name of a published one.
        det_limit_side_len: Limit for a side of the picture in pixels; see `det_limit_type`.
        det_limit_type: ``"max"`` shrinks pictures whose longer side is above the limit, ``"min"`` enlarges those whose
            shorter side is below it, ``"resize_long"`` brings the longer side to it.
        det_image_shape: Height and width that every picture is brought to, as a list or as text ``"736,1280"``;
            multiples of 32.
        det_db_thresh: Probability above which a pixel is text.
        det_db_box_thresh: Mean probability that a region must have.
        det_db_unclip_ratio: How far regions are widened.
        det_box_type: ``"quad"`` or ``"poly"``.
        use_dilation: Thicken the text pixels, which joins what is close.
        det_db_score_mode: ``"fast"`` or ``"slow"``: mean probability in the region's box or within its outline.
        det_whole_pixels: Cut fractions of pixels off as the predictors of published models do.
        max_batch_size: Most pictures of one size in a batch, where several are given at once.
    """

    det_model_dir: str
    det_limit_side_len: int | None = None
    det_limit_type: Literal["min", "max", "resize_long"] | None = None
    det_image_shape: list[int] | str | None = None
    det_db_thresh: float | None = None
    det_db_box_thresh: float | None = None
    det_db_unclip_ratio: float | None = None
    det_box_type: Literal["quad", "poly"] | None = None
    use_dilation: bool | None = None
    det_db_score_mode: Literal["fast", "slow"] | None = None
    det_whole_pixels: bool | None = None
    max_batch_size: int = 4


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions(RuntimeOptions):
    """What may be set for a direction classifier. None leaves a value to the exported folder.

    Attributes:
        cls_model_dir: Folder of the exported model, or name of a published one.
        cls_batch_num: Most images in a batch.
        cls_image_shape: Channels, height and width, as a list or as text ``"3,48,192"``.
        cls_thresh: A crop is turned if the classifier is more certain than this that it is upside down.
        label_list: Names of the classes.
    """

    cls_model_dir: str
    cls_batch_num: int = 6
    cls_image_shape: list[int] | str | None = None
    cls_thresh: float = 0.9
    label_list: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class SystemOptions(ModelOptions):
    """What may be set for the whole system besides the arguments of its parts.

    Attributes:
        use_angle_cls: Turn text that is upside down; None does so if `cls_model_dir` is given.
        drop_score: Texts of a lower score are left out.
        save_crop_res: Keep the pictures of the regions that were read.
        crop_res_save_dir: Folder for them.
    """

    use_angle_cls: bool | None = None
    drop_score: float = 0.5
    save_crop_res: bool = False
    crop_res_save_dir: str = "./output"


Options = TypeVar("Options", RecognizerOptions, DetectorOptions, ClassifierOptions, SystemOptions)

PREDICTOR_OPTIONS = (RecognizerOptions, DetectorOptions, ClassifierOptions, SystemOptions)

MODEL_FOLDERS = {RecognizerOptions: "rec_model_dir", DetectorOptions: "det_model_dir",
                 ClassifierOptions: "cls_model_dir"}


def option_names(kind: type) -> tuple[str, ...]:
    """Return the names of the arguments of a class of options."""
    return tuple(field.name for field in dataclasses.fields(kind))


def read_options(kind: type[Options], args: Any, keywords: Mapping[str, Any]) -> Options:
    """Return the options that `args` and `keywords` state; None counts as not stated, a keyword wins.

    Args:
        kind: The options of one predictor.
        args: A folder or name, a mapping, a namespace (anything with attributes), or None.
        keywords: Further options; names that `kind` does not have are passed over.

    Raises:
        InferenceError: An unknown name, a value of the wrong type, or no folder.
    """
    folder = MODEL_FOLDERS.get(kind)
    types = typing.get_type_hints(kind)
    stated = {key: _plain(value) for key, value in keywords.items() if key in types and value is not None}
    values = {}
    for key, value in {**_as_mapping(args, folder), **stated}.items():
        if key in types:
            try:
                values[key] = coerce(value, types[key], key)
            except ConfigError as error:
                raise InferenceError(error.what, expected=error.expected, cure=f"correct the argument {key}") from None
        else:
            _accept_foreign(key, value, types)
    if folder and folder not in values:
        if "model" not in values:
            raise InferenceError("no model is given",
                                 expected=f"{folder}: the folder of an exported model, or the name of a published one",
                                 cure=f'write {folder}="output/inference", or a name that ppocr models lists')
        values[folder] = values["model"]
    return kind(**values)


def parse_sizes(value: Sequence[int] | str, count: int, *, name: str, expected: str) -> list[int]:
    """Return sizes, which may be written as text such as ``"3,48,320"``, as numbers.

    Args:
        value: The sizes.
        count: How many there must be.
        name: The argument, for the error.
        expected: What would be right, for the error.

    Raises:
        InferenceError: They are not so many positive numbers.
    """
    parts = value.replace("x", ",").split(",") if isinstance(value, str) else value
    try:
        sizes = [int(part) for part in parts]
    except ValueError:
        sizes = []
    if len(sizes) != count or min(sizes) < 1:
        raise InferenceError(f"{name} is {value!r}", expected=expected, cure="correct the value")
    return sizes


def stated_arguments(args: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `args` and `keywords` state as one mapping; a keyword wins, None counts as not stated.

    Raises:
        InferenceError: `args` is no mapping and no namespace.
    """
    return {**_as_mapping(args, None),
            **{key: _plain(value) for key, value in keywords.items() if value is not None}}


def _as_mapping(args: Any, folder: str | None) -> dict[str, Any]:
    if args is None:
        return {}
    if folder and isinstance(args, (str, Path)):
        return {folder: str(args)}
    if isinstance(args, Mapping):
        stated = {str(key): value for key, value in args.items()}
    elif isinstance(args, argparse.Namespace) or (hasattr(args, "__dict__") and not isinstance(args, Path)):
        stated = dict(vars(args))
    else:
        raise InferenceError(f"arguments of type {type(args).__name__}",
                             expected="a folder, a dict or a namespace" if folder else "a dict or a namespace",
                             cure="pass the arguments as a dict, or as keywords")
    return {key: _plain(value) for key, value in stated.items() if value is not None}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _accept_foreign(key: str, value: Any, known: Mapping[str, Any]) -> None:
    """Take note of an argument that a predictor does not have; refuse one that nobody has."""
    everybody = {name for kind in PREDICTOR_OPTIONS for name in option_names(kind)} | set(OF_COMMANDS)
    if key in everybody or key.startswith(OTHER_TASKS):
        return
    if key in WITHOUT_EFFECT:
        if value != WITHOUT_EFFECT[key]:
            LOGGER.warning("The argument %s=%r has no effect here.", key, value)
        return
    hint = did_you_mean(key, known) or did_you_mean(key, everybody)
    own = known if any(name in known for name in MODEL_FOLDERS.values()) else dict.fromkeys(sorted(everybody))
    raise InferenceError(f"there is no argument {key!r}" + (f" ({hint})" if hint else ""),
                         expected="one of " + ", ".join(own), cure="correct the name, or remove it")
