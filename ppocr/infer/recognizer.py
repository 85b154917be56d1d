"""The text recognizer: an exported folder, ready to read pictures of text lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppocr.infer.folder import InferenceFolder
from ppocr.infer.opening import blank_tensor, open_backend, probe
from ppocr.infer.operators import build_operators
from ppocr.infer.options import RecognizerOptions, option_names, read_options
from ppocr.infer.reader import Image, LineReader
from ppocr.infer.settings import TASK, choose_charset, resolve
from ppocr.plugins import import_plugins


class TextRecognizer(LineReader):
    """Reads text lines with an exported model.

    Everything that is needed is taken from the folder's ``inference.yml``; arguments that are given win over it, and
    the difference is logged. Safe to be called from several threads at once.

    Args:
        args: The folder or name, or the arguments below as a mapping or namespace (values that are None are not set).
        rec_model_dir: Folder of the exported model, or name of a published one (`ppocr.hub`).
        model: Name of a published model, or of a system, of which the part is taken.
        rec_batch_num: Most images in a batch, 6 by default.
        rec_image_shape: Channels, height and width, ``[3, 48, 320]`` or ``"3,48,320"``.
        rec_char_dict_path: Dictionary, one character a line.
        use_space_char: Whether the space follows the dictionary; the model's number of classes decides by default.
        max_text_length: Longest text, for models that ask for it.
        rec_postprocess: Registered name of the decoder, for folders of PaddleOCR 2; CTC by default.
        dynamic_width: Widen the image for long lines instead of squeezing it; as evaluation did by default.
        rec_shared_width: Batch images by their aspect ratios and fill them up to the width of the widest, as the
            predictors of published models do; texts then depend a little on what else is in the list.
        backend: What runs the network, ``"paddle"`` or ``"onnxruntime"``; by default the model's files decide.
        use_gpu: True, False, or None to take a GPU if there is one.
        gpu_id: Which GPU.
        gpu_mem: Megabytes of GPU memory to reserve.
        cpu_threads: Threads of one call on CPU.
        enable_mkldnn: Use oneDNN on CPU; on by default.
        plugins: Modules or files that register components which the model needs.

    Raises:
        InferenceError: A wrong argument, or a folder that cannot be used.
        HubError: The published model cannot be had.
        CharsetError: The charset does not fit the network.
        ConfigError: The folder names a transform or decoder that does not exist here.
    """

    def __init__(
        self,
        args: Any = None,
        *,
        rec_model_dir: str | Path | None = None,
        model: str | None = None,
        rec_batch_num: int | None = None,
        rec_image_shape: Sequence[int] | str | None = None,
        rec_char_dict_path: str | Path | None = None,
        use_space_char: bool | None = None,
        max_text_length: int | None = None,
        rec_postprocess: str | None = None,
        dynamic_width: bool | None = None,
        rec_shared_width: bool | None = None,
        backend: str | None = None,
        use_gpu: bool | None = None,
        gpu_id: int | None = None,
        gpu_mem: int | None = None,
        cpu_threads: int | None = None,
        enable_mkldnn: bool | None = None,
        plugins: Sequence[str] | None = None,
    ) -> None:
        given = locals()
        options = read_options(RecognizerOptions, args, {name: given[name] for name in option_names(RecognizerOptions)})
        import_plugins(options.plugins, Path.cwd())
        self.options = options
        self.folder = InferenceFolder.open(options.rec_model_dir, task=TASK, backend=options.backend)
        settings = resolve(self.folder, options)
        network = open_backend(self.folder, options)
        operators = build_operators(settings.operators, charset=settings.charsets[0], **settings.context)
        expected = self.folder.description.input_shape if self.folder.description else None
        blank = blank_tensor(operators, expected, "rec_image_shape")
        shape = probe(network, blank, self.folder, task=TASK, expected=("1", "steps", "classes"))
        self.charset, postprocess = choose_charset(settings, shape[2], str(self.folder.path))
        super().__init__(network, operators, postprocess, options.rec_batch_num, options.rec_shared_width)

    def __call__(self, images: Sequence[Image]) -> tuple[list[tuple[str, float]], float]:
        """Return ``[(text, score), ...]`` and the seconds that it took; see `recognize`.

        Args:
            images: uint8 ``[H, W, 3]`` in BGR order (grey and BGRA are accepted), one text line each.
        """
        started = time.perf_counter()
        lines = self.recognize(images)
        return [(line.text, line.score) for line in lines], time.perf_counter() - started
