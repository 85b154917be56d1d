"""The arguments of predictors, under the names that the field uses."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr.coerce import coerce
from ppocr.errors import ConfigError, InferenceError, did_you_mean

LOGGER = logging.getLogger("ppocr")

OTHER_PREDICTORS = ("det_", "cls_", "e2e_", "sr_", "kie_", "ser_", "re_", "table_", "layout_", "formula_",
                    "use_pdserving")
"""Beginnings of the names of arguments that belong to other predictors; one namespace may serve them all."""

WITHOUT_EFFECT: dict[str, Any] = {
    "use_xpu": False, "use_npu": False, "use_mlu": False, "use_metax_gpu": False, "use_gcu": False, "ir_optim": True,
    "use_tensorrt": False, "min_subgraph_size": 15, "precision": "fp32", "use_onnx": False, "onnx_providers": False,
    "onnx_sess_options": False, "warmup": False, "benchmark": False, "save_log_path": "./log_output/",
    "show_log": True, "use_mp": False, "total_process_num": 1, "process_id": 0, "rec_algorithm": "SVTR_LCNet",
    "rec_image_inverse": True, "return_word_box": False, "drop_score": 0.5, "page_num": 0, "max_batch_size": 10,
    "use_angle_cls": False, "label_list": None, "image_dir": None, "vis_font_path": None, "output": None,
    "save_crop_res": False, "crop_res_save_dir": "./output", "draw_img_save_dir": "./inference_results",
    "use_dilation": False, "visualize": None,
}
"""Arguments that PaddleOCR's predictors take and that mean nothing here, with the value that asks for nothing."""


@dataclass(frozen=True)
class RecognizerOptions:
    """What may be set for a recognizer. None leaves a value to the exported folder, or to the machine.

    Attributes:
        rec_model_dir: Folder of the exported model.
        rec_batch_num: Most images in a batch.
        rec_image_shape: Channels, height and width, as a list or as text ``"3,48,320"``.
        rec_char_dict_path: Dictionary, one character a line.
        use_space_char: Whether the space follows the dictionary; None decides by the model's number of classes.
        max_text_length: Longest text, for the models that ask for it.
        rec_postprocess: Registered name of the decoder, for folders without ``inference.yml``.
        dynamic_width: Widen the image for long lines instead of squeezing it; None does as evaluation did.
        backend: What runs the network.
        use_gpu: True, False, or None to take a GPU if there is one.
        gpu_id: Which GPU.
        gpu_mem: Megabytes of GPU memory to reserve.
        cpu_threads: Threads of one call on CPU.
        enable_mkldnn: Use oneDNN on CPU; None means yes.
        plugins: Modules or files that register components which the model needs.
    """

    rec_model_dir: str
    rec_batch_num: int = 6
    rec_image_shape: list[int] | str | None = None
    rec_char_dict_path: str | None = None
    use_space_char: bool | None = None
    max_text_length: int | None = None
    rec_postprocess: str | None = None
    dynamic_width: bool | None = None
    backend: str = "paddle"
    use_gpu: bool | None = None
    gpu_id: int = 0
    gpu_mem: int = 500
    cpu_threads: int | None = None
    enable_mkldnn: bool | None = None
    plugins: list[str] | None = None

    @property
    def image_shape(self) -> list[int] | None:
        """`rec_image_shape` as numbers.

        Raises:
            InferenceError: It is not three numbers.
        """
        value = self.rec_image_shape
        if value is None:
            return None
        parts = value.replace("x", ",").split(",") if isinstance(value, str) else value
        try:
            shape = [int(part) for part in parts]
        except ValueError:
            shape = []
        if len(shape) != 3 or min(shape) < 1:
            raise InferenceError(f"rec_image_shape is {value!r}", expected='channels, height and width: "3,48,320"',
                                 cure="correct the value")
        return shape


def recognizer_options(args: Any, keywords: Mapping[str, Any]) -> RecognizerOptions:
    """Return the options that `args` and `keywords` state; None counts as not stated, a keyword wins.

    Args:
        args: A folder, a mapping, a namespace (anything with attributes), or None.
        keywords: Further options.

    Raises:
        InferenceError: An unknown name, a value of the wrong type, or no folder.
    """
    given = {**_as_mapping(args), **{key: value for key, value in keywords.items() if value is not None}}
    types = typing.get_type_hints(RecognizerOptions)
    values = {}
    for key, value in given.items():
        if key in types:
            try:
                values[key] = coerce(value, types[key], key)
            except ConfigError as error:
                raise InferenceError(error.what, expected=error.expected, cure=f"correct the argument {key}") from None
        else:
            _accept_foreign(key, value, types)
    if "rec_model_dir" not in values:
        raise InferenceError("no model is given", expected="rec_model_dir: the folder of an exported model",
                             cure='write TextRecognizer(rec_model_dir="output/inference")')
    return RecognizerOptions(**values)


def _as_mapping(args: Any) -> dict[str, Any]:
    if args is None:
        return {}
    if isinstance(args, (str, Path)):
        return {"rec_model_dir": str(args)}
    if isinstance(args, Mapping):
        stated = {str(key): value for key, value in args.items()}
    elif isinstance(args, argparse.Namespace) or hasattr(args, "__dict__"):
        stated = dict(vars(args))
    else:
        raise InferenceError(f"arguments of type {type(args).__name__}", expected="a folder, a dict or a namespace",
                             cure="pass the folder of the exported model, or keyword arguments")
    return {key: str(value) if isinstance(value, Path) else value for key, value in stated.items() if value is not None}


def _accept_foreign(key: str, value: Any, known: Mapping[str, Any]) -> None:
    """Take note of an argument that a recognizer does not have; refuse one that nobody has."""
    if key.startswith(OTHER_PREDICTORS):
        return
    if key in WITHOUT_EFFECT:
        if value != WITHOUT_EFFECT[key] and WITHOUT_EFFECT[key] is not None:
            LOGGER.warning("The argument %s=%r has no effect here.", key, value)
        return
    hint = did_you_mean(key, known)
    raise InferenceError(f"there is no argument {key!r}" + (f" ({hint})" if hint else ""),
                         expected="one of " + ", ".join(field.name for field in dataclasses.fields(RecognizerOptions)),
                         cure="correct the name, or remove it")
