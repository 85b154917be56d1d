"""The text recognizer: an exported folder, ready to read pictures of text lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppocr.data.transforms.decode import decode_image
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import InferenceError, SampleError
from ppocr.infer.backend import Backend, build_backend
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.operators import build_operators
from ppocr.infer.options import RecognizerOptions, recognizer_options
from ppocr.infer.reader import Image, LineReader
from ppocr.infer.settings import choose_charset, resolve
from ppocr.plugins import import_plugins

PROBE_SIZE = (32, 96)
"""Height and width of the blank picture on which a model is tried when it is opened."""


class TextRecognizer(LineReader):
    """Reads text lines with an exported model.

    Everything that is needed is taken from the folder's ``inference.yml``; arguments that are given win over it, and
    the difference is logged. Safe to be called from several threads at once.

    Args:
        args: The folder, or the arguments below as a mapping or namespace (values that are None are not set).
        rec_model_dir: Folder of the exported model.
        rec_batch_num: Most images in a batch, 6 by default.
        rec_image_shape: Channels, height and width, ``[3, 48, 320]`` or ``"3,48,320"``.
        rec_char_dict_path: Dictionary, one character a line.
        use_space_char: Whether the space follows the dictionary; the model's number of classes decides by default.
        max_text_length: Longest text, for models that ask for it.
        rec_postprocess: Registered name of the decoder, for folders of PaddleOCR 2; CTC by default.
        dynamic_width: Widen the image for long lines instead of squeezing it; as evaluation did by default.
        backend: What runs the network, ``"paddle"`` by default.
        use_gpu: True, False, or None to take a GPU if there is one.
        gpu_id: Which GPU.
        gpu_mem: Megabytes of GPU memory to reserve.
        cpu_threads: Threads of one call on CPU.
        enable_mkldnn: Use oneDNN on CPU; on by default.
        plugins: Modules or files that register components which the model needs.

    Raises:
        InferenceError: A wrong argument, or a folder that cannot be used.
        CharsetError: The charset does not fit the network.
        ConfigError: The folder names a transform or decoder that does not exist here.
    """

    def __init__(
        self,
        args: Any = None,
        *,
        rec_model_dir: str | Path | None = None,
        rec_batch_num: int | None = None,
        rec_image_shape: Sequence[int] | str | None = None,
        rec_char_dict_path: str | Path | None = None,
        use_space_char: bool | None = None,
        max_text_length: int | None = None,
        rec_postprocess: str | None = None,
        dynamic_width: bool | None = None,
        backend: str | None = None,
        use_gpu: bool | None = None,
        gpu_id: int | None = None,
        gpu_mem: int | None = None,
        cpu_threads: int | None = None,
        enable_mkldnn: bool | None = None,
        plugins: Sequence[str] | None = None,
    ) -> None:
        options = recognizer_options(args, {
            "rec_model_dir": None if rec_model_dir is None else str(rec_model_dir), "rec_batch_num": rec_batch_num,
            "rec_image_shape": rec_image_shape,
            "rec_char_dict_path": None if rec_char_dict_path is None else str(rec_char_dict_path),
            "use_space_char": use_space_char, "max_text_length": max_text_length, "rec_postprocess": rec_postprocess,
            "dynamic_width": dynamic_width, "backend": backend, "use_gpu": use_gpu, "gpu_id": gpu_id,
            "gpu_mem": gpu_mem, "cpu_threads": cpu_threads, "enable_mkldnn": enable_mkldnn, "plugins": plugins,
        })
        import_plugins(options.plugins, Path.cwd())
        self.options = options
        self.folder = InferenceFolder.open(options.rec_model_dir)
        settings = resolve(self.folder, options)
        network = _backend(self.folder, options)
        operators = build_operators(settings.operators, charset=settings.charsets[0], **settings.context)
        expected = self.folder.description.input_shape if self.folder.description else None
        classes = _count_classes(network, operators, expected)
        self.charset, postprocess = choose_charset(settings, classes, str(self.folder.path))
        super().__init__(network, operators, postprocess, options.rec_batch_num)

    def __call__(self, images: Sequence[Image]) -> tuple[list[tuple[str, float]], float]:
        """Return ``[(text, score), ...]`` and the seconds that it took; see `recognize`.

        Args:
            images: uint8 ``[H, W, 3]`` in BGR order (grey and BGRA are accepted), one text line each.
        """
        started = time.perf_counter()
        lines = self.recognize(images)
        return [(line.text, line.score) for line in lines], time.perf_counter() - started


def _backend(folder: InferenceFolder, options: RecognizerOptions) -> Backend:
    return build_backend(
        options.backend, model_file=folder.model_file, params_file=folder.params_file, use_gpu=options.use_gpu,
        gpu_id=options.gpu_id, gpu_mem=options.gpu_mem, cpu_threads=options.cpu_threads,
        enable_mkldnn=options.enable_mkldnn,
    )


def _count_classes(network: Backend, operators: Pipeline, expected: Sequence[int] | None) -> int:
    """Try the network on a blank picture and return the size of its output's last axis.

    Args:
        network: What is tried.
        operators: The transforms.
        expected: Shape of a batch that the network takes, -1 where it varies; None if unknown.
    """
    try:
        sample = operators({"image": decode_image(np.full((*PROBE_SIZE, 3), 127, np.uint8))})
    except (SampleError, KeyError) as error:
        raise InferenceError(f"the transforms in inference.yml fail on a blank picture: {error}",
                             expected="transforms that need nothing but the picture",
                             cure="export the model again, with Eval transforms that read no label") from error
    tensor = np.asarray(sample["image"], np.float32)
    if expected is not None and not _fits(tensor.shape, expected[1:]):
        # Paddle does not check this: a network of fully convolutional parts reads nonsense from another height.
        raise InferenceError(f"the transforms make images of shape {list(tensor.shape)}",
                             expected=f"{list(expected[1:])} (-1 varies), for which the model was exported",
                             cure="leave rec_image_shape out, or give this shape")
    outputs = network.run({network.input_names[0]: tensor[np.newaxis]})
    if not outputs or outputs[0].ndim != 3:
        shapes = [list(output.shape) for output in outputs]
        raise InferenceError(f"the network gives {shapes} for one picture", expected="[1, steps, classes]",
                             cure="export a text recognizer")
    return int(outputs[0].shape[2])


def _fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    return len(shape) == len(expected) and all(wanted in (-1, side)
                                               for side, wanted in zip(shape, expected, strict=True))
