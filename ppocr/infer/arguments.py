"""The command line of the predictors: each option once, under the names that the field uses.

Every command takes the options of every predictor, so that one command line serves them all; its help shows those that
mean something to it. Values that are not given stay None and are left to the model's folder.
"""

from __future__ import annotations

import argparse
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from ppocr.coerce import coerce
from ppocr.errors import ConfigError
from ppocr.infer.options import (
    WITHOUT_EFFECT,
    ClassifierOptions,
    DetectorOptions,
    ModelOptions,
    RecognizerOptions,
    RuntimeOptions,
    SystemOptions,
)
from ppocr.infer.page_files import PageJob
from ppocr.infer.pages import PDF_DPI

HELP: dict[str, tuple[str, str]] = {
    "model": ("NAME", "published model, or system of models, such as PP-OCRv4_mobile (ppocr models lists them)"),
    "rec_model_dir": ("DIR", "folder of the exported recognizer, or name of a published one"),
    "rec_batch_num": ("N", "most pictures in a batch (default: 6)"),
    "rec_image_shape": ("C,H,W", 'image shape of the recognizer, such as "3,48,320"'),
    "rec_char_dict_path": ("FILE", "dictionary, one character a line"),
    "use_space_char": ("BOOL", "whether the space follows it"),
    "max_text_length": ("N", "longest text, for models that ask for it"),
    "rec_postprocess": ("NAME", "decoder, for folders without inference.yml"),
    "dynamic_width": ("BOOL", "widen the image for long lines instead of squeezing it"),
    "rec_shared_width": ("BOOL", "batch lines by aspect ratio, filled up to the widest, as PaddleOCR 2 does"),
    "det_model_dir": ("DIR", "folder of the exported detector, or name of a published one"),
    "det_limit_side_len": ("N", "limit for a side of the picture, in pixels"),
    "det_limit_type": ("TYPE", "max: shrink pictures whose longer side is above the limit; min: enlarge those whose "
                       "shorter side is below it; resize_long: bring the longer side to it"),
    "det_image_shape": ("H,W", 'size that every picture is brought to, such as "736,1280"'),
    "det_db_thresh": ("P", "probability above which a pixel is text"),
    "det_db_box_thresh": ("P", "mean probability that a region must have"),
    "det_db_unclip_ratio": ("X", "how far regions are widened"),
    "det_box_type": ("TYPE", "quad or poly"),
    "use_dilation": ("BOOL", "thicken the text pixels, which joins what is close"),
    "det_db_score_mode": ("MODE", "fast or slow: mean probability in a region's box or within its outline"),
    "det_whole_pixels": ("BOOL", "cut fractions of pixels off, as PaddleOCR 2 does (default: false)"),
    "max_batch_size": ("N", "most pictures of one size in a batch (default: 4)"),
    "cls_model_dir": ("DIR", "folder of the exported classifier, or name of a published one"),
    "cls_batch_num": ("N", "most pictures in a batch (default: 6)"),
    "cls_image_shape": ("C,H,W", 'image shape of the classifier, such as "3,48,192"'),
    "cls_thresh": ("P", "turn text that is upside down with a higher probability (default: 0.9)"),
    "label_list": ("NAME", "names of the classes"),
    "use_angle_cls": ("BOOL", "turn text that is upside down (default: if --cls_model_dir is given)"),
    "drop_score": ("P", "leave out texts of a lower score (default: 0.5)"),
    "save_crop_res": ("BOOL", "keep the pictures of the regions that were read, with their texts"),
    "crop_res_save_dir": ("DIR", "folder for them (default: ./output)"),
    "backend": ("NAME", "what runs the network: paddle, onnxruntime (default: by the model's files)"),
    "use_gpu": ("BOOL", "default: if there is one"),
    "gpu_id": ("N", "which GPU"),
    "gpu_mem": ("MB", "GPU memory to reserve"),
    "cpu_threads": ("N", "threads of one call on CPU"),
    "enable_mkldnn": ("BOOL", "use oneDNN on CPU (default: true)"),
    "plugins": ("MODULE", "modules that register what the model needs"),
}
"""For each option its placeholder and what it does."""


TITLES: dict[type, str] = {
    ModelOptions: "published model", SystemOptions: "system", DetectorOptions: "detector",
    RecognizerOptions: "recognizer", ClassifierOptions: "direction classifier", RuntimeOptions: "how networks are run",
}
"""Headings of the help, in its order."""


def boolean(text: str) -> bool:
    """Return the truth value that an option states; ``--use_gpu=False`` is false, and nonsense is an error."""
    try:
        return bool(coerce(text, bool, "option"))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false") from error


def predictor_parser(description: str | None, shown: Sequence[type]) -> argparse.ArgumentParser:
    """Return a parser with the options of all predictors, and those of PaddleOCR's that have no effect here.

    Args:
        description: What the command does.
        shown: The classes of options that its help shows.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    for kind, title in TITLES.items():
        is_shown = kind in shown or kind in (ModelOptions, RuntimeOptions)
        group = parser.add_argument_group(title) if is_shown else parser
        types_of = typing.get_type_hints(kind)
        for name in kind.__annotations__:
            placeholder, meaning = HELP[name]
            group.add_argument(f"--{name}", metavar=placeholder,
                               help=meaning if is_shown else argparse.SUPPRESS, **_form(types_of[name]))
    for name, default in WITHOUT_EFFECT.items():
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS, **_form(type(default)))
    return parser


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add what commands over pictures of single text lines read and write."""
    parser.add_argument("--image_dir", required=True, nargs="+", metavar="PATH",
                        help="pictures, folders, patterns, or .txt files with a path on each line")
    parser.add_argument("--output", metavar="FILE", help="also write the results as JSON lines")
    parser.add_argument("--visualize", metavar="FILE", help="also draw a sheet with pictures and texts")
    parser.add_argument("--vis_font_path", metavar="FILE", help="font of the sheet (default: DejaVu Sans)")


def add_page_options(parser: argparse.ArgumentParser, *, required: bool = True, with_font: bool = False) -> None:
    """Add what commands over pages read and write.

    Args:
        parser: Is changed.
        required: Whether sources must be given here.
        with_font: Whether texts are drawn.
    """
    parser.add_argument("--image_dir", required=required, nargs="+", metavar="PATH",
                        help="pictures, multi-page TIFF and PDF files, folders, patterns, or .txt files with a path "
                        "on each line")
    parser.add_argument("--page_num", type=int, default=0, metavar="N",
                        help="only the first N pages of each file (default: all)")
    parser.add_argument("--pdf_dpi", type=int, default=PDF_DPI, metavar="N",
                        help="pixels per inch at which pages of PDF files are drawn (default: %(default)s)")
    parser.add_argument("--output", metavar="FILE", help="also write the results as JSON lines")
    parser.add_argument("--draw_img_save_dir", "--visualize", dest="draw_img_save_dir", metavar="DIR",
                        help="also draw the results into pictures in this folder")
    if with_font:
        parser.add_argument("--vis_font_path", metavar="FILE", help="font of the pictures (default: DejaVu Sans)")


def take_page_job(arguments: dict[str, Any]) -> PageJob:
    """Take what `add_page_options` added out of the arguments that were given."""
    return PageJob(
        arguments.pop("image_dir"), output=arguments.pop("output"), pictures=arguments.pop("draw_img_save_dir"),
        font_path=arguments.pop("vis_font_path", None), page_num=arguments.pop("page_num"),
        pdf_dpi=arguments.pop("pdf_dpi"),
    )


def _form(annotation: Any) -> dict[str, Any]:
    """Return how argparse takes a value of a type."""
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    chosen = next(option for option in options if option is not type(None))
    if str in options:
        return {"type": str}
    if get_origin(chosen) is Literal:
        return {"choices": get_args(chosen)}
    if get_origin(chosen) is list or chosen is list:
        return {"type": (get_args(chosen) or (int,))[0], "nargs": "+"}
    return {"type": boolean if chosen is bool else chosen}
