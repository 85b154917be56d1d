"""What a recognizer does with a folder: what the folder says, and what explicit arguments say instead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppocr.charset import Charset
from ppocr.errors import CharsetError, InferenceError
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.opening import replace_in_operators, require_task
from ppocr.infer.operators import Operator
from ppocr.infer.options import RecognizerOptions, parse_sizes
from ppocr.model_files import ONNX_SUFFIX
from ppocr.onnx_header import OnnxHeader, read_onnx_header
from ppocr.postprocess import build_postprocess
from ppocr.registry import POSTPROCESSES, constructor_parameters

LOGGER = logging.getLogger("ppocr")

TASK = "rec"

USUAL_WIDTH = 320
"""Pixels to which published recognizers bring shorter lines."""


@dataclass(frozen=True)
class Settings:
    """How a recognizer prepares images and decodes.

    Attributes:
        operators: The transforms.
        postprocess: ``name`` and arguments of the decoder.
        charsets: Possible charsets, the likeliest first; the model's number of classes decides.
        context: What transforms and decoder are supplied with besides the charset.
    """

    operators: tuple[Operator, ...]
    postprocess: Mapping[str, Any]
    charsets: tuple[Charset, ...]
    context: Mapping[str, Any]


def resolve(folder: InferenceFolder, options: RecognizerOptions) -> Settings:
    """Combine a folder with explicit arguments, which win; differences are logged.

    Raises:
        InferenceError: The model is of another task, or the folder and the arguments leave something open.
        CharsetError: A dictionary cannot be used.
    """
    description = folder.description
    if description is None:
        return _without_description(folder, options)
    require_task(folder, TASK)
    operators = tuple(description.operators)
    shape = _image_shape(options)
    if shape is not None:
        operators = replace_in_operators(operators, "image_shape", shape, "rec_image_shape", task=TASK)
    if options.dynamic_width is not None:
        operators = replace_in_operators(operators, "infer_mode", options.dynamic_width, "dynamic_width", task=TASK)
    postprocess = dict(description.postprocess)
    if options.rec_postprocess not in (None, postprocess["name"]):
        LOGGER.info("rec_postprocess=%s takes the place of %s in inference.yml.", options.rec_postprocess,
                    postprocess["name"])
        postprocess = {"name": options.rec_postprocess}
    if options.max_text_length is not None:
        _apply_text_length(postprocess, options.max_text_length)
    return Settings(operators, postprocess, _charsets(folder, options), _context(options))


def choose_charset(settings: Settings, num_classes: int, source: str) -> tuple[Charset, Any]:
    """Return the charset that fits the network's number of classes, and the decoder built with it.

    The published dictionaries of PaddleOCR do not say whether the space follows them; the number of classes does.

    Args:
        settings: The possibilities.
        num_classes: Size of the last axis of the network's output.
        source: The folder, for the error.

    Raises:
        CharsetError: None fits; all sizes are told.
    """
    tried = []
    for charset in settings.charsets:
        decoder = build_postprocess(settings.postprocess, task=TASK, charset=charset, **settings.context)
        try:
            decoder({"probs": np.full((1, 1, num_classes), 1 / num_classes, np.float32)})
        except CharsetError:
            space = "with" if " " in charset else "without"
            tried.append(f"{decoder.num_classes} ({len(charset)} characters {space} the space)")
            continue
        return charset, decoder
    raise CharsetError(
        f"{source}: the network has {num_classes} classes, the charset gives {' or '.join(tried)}",
        expected="the charset of the training",
        cure="give the dictionary of the training with rec_char_dict_path (and use_space_char as in the training), "
        "or leave both out for a folder whose inference.yml holds the charset",
    )


def _without_description(folder: InferenceFolder, options: RecognizerOptions) -> Settings:
    """Settings for a folder of PaddleOCR 2, where the arguments say everything."""
    header = read_onnx_header(folder.model_file) if folder.model_file.suffix == ONNX_SUFFIX else None
    shape = _image_shape(options) or (_shape_of(header) if header else None)
    has_characters = options.rec_char_dict_path is not None or (header is not None and bool(header.characters))
    lacking = [name for name, is_known in (("rec_char_dict_path", has_characters), ("rec_image_shape", bool(shape)))
               if not is_known]
    if lacking:
        raise InferenceError(
            f"{folder.path} has no inference.yml{'' if header else ' (it was exported by PaddleOCR 2)'}, and "
            f"{' and '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} not given",
            expected="the dictionary and the image shape of the training",
            cure='add rec_char_dict_path=<dictionary> and rec_image_shape="3,32,320" (PP-OCRv3 and later: "3,48,320")',
        )
    arguments: dict[str, Any] = {"image_shape": shape}
    if options.dynamic_width is not None:
        arguments["infer_mode"] = options.dynamic_width
    operators: tuple[Operator, ...] = ({"RecResizeImg": arguments},)
    postprocess = {"name": options.rec_postprocess or "CTCLabelDecode"}
    return Settings(operators, postprocess, _charsets(folder, options), _context(options))


def _charsets(folder: InferenceFolder, options: RecognizerOptions) -> tuple[Charset, ...]:
    description = folder.description
    stored = description.charset if description else None
    if options.rec_char_dict_path:
        path = options.rec_char_dict_path
        found = _with_and_without_space(lambda space: Charset.from_file(path, use_space=space), options.use_space_char)
        if stored is not None and all(charset.symbols != stored.symbols for charset in found):
            LOGGER.warning("rec_char_dict_path=%s (%d characters) differs from the charset in inference.yml "
                           "(%d characters) and takes its place.", path, len(found[-1]), len(stored))
        return found
    if stored is not None:
        if options.use_space_char in (None, " " in stored):
            return (stored,)
        LOGGER.warning("use_space_char=%s differs from inference.yml.", options.use_space_char)
        symbols = tuple(symbol for symbol in stored.symbols if symbol != " ")
        symbols += (" ",) if options.use_space_char else ()
        return (Charset(symbols, lowercase=stored.lowercase, right_to_left=stored.right_to_left),)
    symbols = description.dictionary if description else ()
    if not symbols and folder.model_file.suffix == ONNX_SUFFIX:
        symbols = read_onnx_header(folder.model_file).characters
    if not symbols:
        raise InferenceError(f"{folder.path} holds no charset", expected="the characters of the model",
                             cure="add rec_char_dict_path=<dictionary of the training>")
    return _with_and_without_space(lambda space: Charset((*symbols, " ") if space else symbols), options.use_space_char)


def _with_and_without_space(make: Callable[[bool], Charset], use_space: bool | None) -> tuple[Charset, ...]:
    return (make(True), make(False)) if use_space is None else (make(use_space),)


def _image_shape(options: RecognizerOptions) -> list[int] | None:
    if options.rec_image_shape is None:
        return None
    return parse_sizes(options.rec_image_shape, 3, name="rec_image_shape",
                       expected='channels, height and width: "3,48,320"')


def _shape_of(header: OnnxHeader) -> list[int] | None:
    """Return the shape of pictures that an ONNX file asks for, as wide as is usual where it leaves that open."""
    channels, height, width = header.input_shape[1:] if len(header.input_shape) == 4 else (-1, -1, -1)
    if min(channels, height) < 1:
        return None
    return [channels, height, width if width > 0 else USUAL_WIDTH]


def _apply_text_length(postprocess: dict[str, Any], value: int) -> None:
    if "max_text_length" in constructor_parameters(POSTPROCESSES.get(postprocess["name"], task=TASK)):
        if postprocess.get("max_text_length") not in (None, value):
            LOGGER.info("max_text_length=%d takes the place of %s in inference.yml.", value,
                        postprocess["max_text_length"])
        postprocess["max_text_length"] = value
    else:
        LOGGER.debug("max_text_length has no effect on %s.", postprocess["name"])


def _context(options: RecognizerOptions) -> dict[str, Any]:
    return {} if options.max_text_length is None else {"max_text_length": options.max_text_length}
