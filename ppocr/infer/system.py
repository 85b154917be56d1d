"""The whole system: a detector finds the text of a page, a recognizer reads it, a classifier turns it before."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ppocr import hub
from ppocr.crops import text_crop
from ppocr.data.transforms.decode import decode_image
from ppocr.errors import ImageError, InferenceError
from ppocr.infer.classifier import TextClassifier
from ppocr.infer.crop_folder import CropFolder
from ppocr.infer.detector import TextDetector
from ppocr.infer.folder import InferenceFolder, model_folder
from ppocr.infer.options import (
    ClassifierOptions,
    DetectorOptions,
    RecognizerOptions,
    SystemOptions,
    option_names,
    read_options,
    stated_arguments,
)
from ppocr.infer.page import PageLine, PageResult
from ppocr.infer.reader import DirectionReader, Image, LineReader, RegionReader
from ppocr.infer.recognizer import TextRecognizer
from ppocr.reading_order import reading_order
from ppocr.results import Direction

LOGGER = logging.getLogger("ppocr")

LONG_LINE = 20
"""Width of a line on which a recognizer is tried, in heights: about twice that of the usual shape."""

SystemItem = tuple[npt.NDArray[np.float32], tuple[str, float]]


class PageReader:
    """Reads pages with any detector and recognizer. Safe to be called from several threads at once.

    Args:
        detector: Finds the regions.
        recognizer: Reads them.
        classifier: Turns those that are upside down; None leaves them.
        drop_score: Texts of a lower score are left out.
        crop_folder: Where the pictures of the regions that were read are kept; None for nowhere.

    Raises:
        InferenceError: `drop_score` is no score.
    """

    def __init__(
        self,
        detector: RegionReader,
        recognizer: LineReader,
        classifier: DirectionReader | None = None,
        *,
        drop_score: float = 0.5,
        crop_folder: str | Path | None = None,
    ) -> None:
        if not 0 <= drop_score <= 1:
            raise InferenceError(f"drop_score is {drop_score:g}", expected="a score, 0 to 1", cure="correct the value")
        self.detector = detector
        self.recognizer = recognizer
        self.classifier = classifier
        self.drop_score = drop_score
        # Who cuts the fractions of corners off does so with the sizes of crops.
        self.whole_pixels = bool(getattr(detector.postprocess, "whole_pixels", False))
        self.crops = None if crop_folder is None else CropFolder(crop_folder)

    def __call__(self, image: Image | bytes) -> list[SystemItem]:
        """Return ``[(box, (text, score)), ...]`` in reading order, box float32 ``[4, 2]``; see `ocr`."""
        return [(line.box, (line.text, line.score)) for line in self.ocr(image).lines]

    def ocr(self, image: Image | bytes) -> PageResult:
        """Return all that is read on a page; a page without text gives no lines.

        Args:
            image: uint8 (or uint16) ``[H, W]``, ``[H, W, 3]`` (BGR) or ``[H, W, 4]`` (BGRA, laid on white), or the
                content of a picture file.

        Raises:
            ImageError: The image is empty or of another form.
            InferenceError: A network fails.
        """
        if not isinstance(image, (np.ndarray, bytes)):
            raise ImageError(f"the image is {type(image).__name__}", expected="a uint8 array [H, W, 3], BGR",
                             cure="read the picture first (cv2.imread returns None where it cannot), or read files "
                             "with ppocr.infer.load_pages")
        started = time.perf_counter()
        page = decode_image(image)
        found = self.detector.detect(page)
        seconds = {"detection": time.perf_counter() - started}
        order = reading_order(found.polygons)
        crops = [text_crop(page, found.polygons[index], whole_pixels=self.whole_pixels) for index in order]
        directions: Sequence[Direction | None] = [None] * len(crops)
        if self.classifier is not None:
            before = time.perf_counter()
            crops, directions = self.classifier.upright(crops)
            seconds["direction"] = time.perf_counter() - before
        before = time.perf_counter()
        texts = self.recognizer.recognize(crops)
        seconds["recognition"] = time.perf_counter() - before
        kept = [position for position, text in enumerate(texts) if text.score >= self.drop_score]
        lines = tuple(
            PageLine(found.polygons[order[position]], texts[position].text, texts[position].score,
                     float(found.scores[order[position]]), directions[position])
            for position in kept
        )
        if self.crops is not None:
            self.crops.add([crops[position] for position in kept], [line.text for line in lines])
        seconds["total"] = time.perf_counter() - started
        height, width = page.shape[:2]
        return PageResult(width, height, lines, len(texts) - len(lines), seconds)


class TextSystem(PageReader):
    """Reads pages with exported models: ``for box, (text, score) in TextSystem(args)(image): ...``.

    ``TextSystem(model="PP-OCRv4_mobile")`` reads with published models; a part that is given besides takes the place of
    the published one.

    Arguments of the parts are those of `TextDetector`, `TextRecognizer` and `TextClassifier`, where they are explained.
    Safe to be called from several threads at once.

    Args:
        args: The arguments as a mapping or namespace (values that are None are not set), or the name of a system.
        model: Name of a system of published models, such as ``"PP-OCRv4_mobile"`` (`ppocr.hub`).
        det_model_dir: Folder of the detector, or name of a published one.
        rec_model_dir: Folder of the recognizer, or name of a published one.
        cls_model_dir: Folder of the direction classifier, or name of a published one.
        use_angle_cls: Turn text that is upside down; by default if `cls_model_dir` is given.
        drop_score: Texts of a lower score are left out, 0.5 by default.
        save_crop_res: Keep the pictures of the regions that were read, with their texts.
        crop_res_save_dir: Folder for them, ``./output`` by default.
        det_limit_side_len, det_limit_type, det_image_shape, det_db_thresh, det_db_box_thresh, det_db_unclip_ratio,
            det_box_type, use_dilation, det_db_score_mode, det_whole_pixels, max_batch_size: Of the detector.
        rec_batch_num, rec_image_shape, rec_char_dict_path, use_space_char, max_text_length, rec_postprocess: Of the
            recognizer.
        dynamic_width: Widen the image for long lines instead of squeezing it. By default as evaluation did; folders of
            PaddleOCR, which do not say it, as that predictor does: widen, if the network takes it.
        rec_shared_width: Of the recognizer. With this and `det_whole_pixels` the system reads as PaddleOCR 2 does.
        cls_batch_num, cls_image_shape, cls_thresh, label_list: Of the classifier.
        backend, use_gpu, gpu_id, gpu_mem, cpu_threads, enable_mkldnn, plugins: How the networks are run.

    Raises:
        InferenceError: A wrong argument, or a folder that cannot be used.
        HubError: A published model cannot be had.
        CharsetError: The charset does not fit the recognizer.
        ConfigError: A folder names a transform or post-process that does not exist here.
    """

    def __init__(
        self,
        args: Any = None,
        *,
        model: str | None = None,
        det_model_dir: str | Path | None = None,
        rec_model_dir: str | Path | None = None,
        cls_model_dir: str | Path | None = None,
        use_angle_cls: bool | None = None,
        drop_score: float | None = None,
        save_crop_res: bool | None = None,
        crop_res_save_dir: str | Path | None = None,
        det_limit_side_len: int | None = None,
        det_limit_type: Literal["min", "max", "resize_long"] | None = None,
        det_image_shape: Sequence[int] | str | None = None,
        det_db_thresh: float | None = None,
        det_db_box_thresh: float | None = None,
        det_db_unclip_ratio: float | None = None,
        det_box_type: Literal["quad", "poly"] | None = None,
        use_dilation: bool | None = None,
        det_db_score_mode: Literal["fast", "slow"] | None = None,
        det_whole_pixels: bool | None = None,
        max_batch_size: int | None = None,
        rec_batch_num: int | None = None,
        rec_image_shape: Sequence[int] | str | None = None,
        rec_char_dict_path: str | Path | None = None,
        use_space_char: bool | None = None,
        max_text_length: int | None = None,
        rec_postprocess: str | None = None,
        dynamic_width: bool | None = None,
        rec_shared_width: bool | None = None,
        cls_batch_num: int | None = None,
        cls_image_shape: Sequence[int] | str | None = None,
        cls_thresh: float | None = None,
        label_list: Sequence[str] | None = None,
        backend: str | None = None,
        use_gpu: bool | None = None,
        gpu_id: int | None = None,
        gpu_mem: int | None = None,
        cpu_threads: int | None = None,
        enable_mkldnn: bool | None = None,
        plugins: Sequence[str] | None = None,
    ) -> None:
        keywords = {name: value for name, value in locals().items() if name in SYSTEM_ARGUMENTS}
        stated = stated_arguments({"model": args} if isinstance(args, str) else args, keywords)
        # Checks every name, once for all parts.
        options = read_options(SystemOptions, stated, {})
        self.options = options
        if options.model is not None:
            stated = _published_parts(options.model, options.use_angle_cls) | stated
        use_classifier = "cls_model_dir" in stated if options.use_angle_cls is None else options.use_angle_cls
        missing = [name for name in ("det_model_dir", "rec_model_dir") if name not in stated]
        missing += ["cls_model_dir"] if use_classifier and "cls_model_dir" not in stated else []
        if missing:
            raise InferenceError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not given",
                                 expected="the folders of the exported models, or model: the name of published ones" + (
                                     "; use_angle_cls asks for a classifier" if "cls_model_dir" in missing else ""),
                                 cure="add " + " and ".join(f'{name}="..."' for name in missing))
        super().__init__(
            TextDetector(_part(stated, DetectorOptions)),
            _recognizer(_part(stated, RecognizerOptions)),
            TextClassifier(_part(stated, ClassifierOptions)) if use_classifier else None,
            drop_score=options.drop_score,
            crop_folder=options.crop_res_save_dir if options.save_crop_res else None,
        )


SYSTEM_ARGUMENTS = frozenset(name for kind in (SystemOptions, DetectorOptions, RecognizerOptions, ClassifierOptions)
                             for name in option_names(kind))


def _recognizer(arguments: dict[str, Any]) -> TextRecognizer:
    """Return the recognizer, which widens pictures of long lines if it comes from PaddleOCR, whose predictor does so.

    Our own folders say how evaluation did it; theirs tell the shape of evaluation only, into which the lines of a
    document do not fit.
    """
    backend = arguments.get("backend")
    folder = model_folder(arguments["rec_model_dir"], task="rec", backend=backend)
    arguments = {**arguments, "rec_model_dir": str(folder)}
    description = InferenceFolder.open(folder, backend=backend).description
    if "dynamic_width" in arguments or (description is not None and description.schema > 0):
        return TextRecognizer(arguments)
    try:
        recognizer = TextRecognizer({**arguments, "dynamic_width": True})
        recognizer.recognize([np.zeros((1, LONG_LINE, 3), np.uint8)])
    except InferenceError as error:
        # Another error will come again.
        recognizer = TextRecognizer(arguments)
        LOGGER.info("The recognizer takes no wider pictures (%s): long lines are squeezed.", error.what)
    return recognizer


def _published_parts(name: str, with_classifier: bool | None) -> dict[str, Any]:
    """Return the arguments that name the models of a system; the classifier only where it is asked for."""
    parts = hub.system(name).parts
    tasks = ("det", "rec", "cls") if with_classifier else ("det", "rec")
    return {f"{task}_model_dir": parts[task] for task in tasks if task in parts}


def _part(stated: dict[str, Any], kind: type) -> dict[str, Any]:
    return {name: stated[name] for name in option_names(kind) if name in stated and name != "model"}
