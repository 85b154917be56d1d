"""The text direction classifier: an exported folder, ready to turn text lines that are upside down."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppocr.infer.folder import InferenceFolder
from ppocr.infer.opening import (
    blank_tensor,
    open_backend,
    probe,
    replace_in_operators,
    replace_in_postprocess,
    require_task,
)
from ppocr.infer.operators import Operator, build_operators
from ppocr.infer.options import ClassifierOptions, option_names, parse_sizes, read_options
from ppocr.infer.reader import DirectionReader, Image
from ppocr.plugins import import_plugins
from ppocr.postprocess import build_postprocess

LOGGER = logging.getLogger("ppocr")

TASK = "cls"

LABELS = ["0", "180"]
"""Classes of a network with two of them whose folder does not name any."""

WITHOUT_DESCRIPTION_SHAPE = [3, 48, 192]
"""Image shape of the classifiers that PaddleOCR 2 publishes, whose folders do not say it."""


class TextClassifier(DirectionReader):
    """Tells which way round text lines are, with an exported model.

    Everything that is needed is taken from the folder's ``inference.yml``; arguments that are given win over it, and
    the difference is logged. Folders of PaddleOCR 2, which have none, are used with the image shape 3 x 48 x 192 and
    the classes "0" and "180". Safe to be called from several threads at once.

    Args:
        args: The folder or name, or the arguments below as a mapping or namespace (values that are None are not set).
        cls_model_dir: Folder of the exported model, or name of a published one (`ppocr.hub`).
        model: Name of a published model, or of a system, of which the part is taken.
        cls_batch_num: Most images in a batch, 6 by default.
        cls_image_shape: Channels, height and width, ``[3, 48, 192]`` or ``"3,48,192"``.
        cls_thresh: An image is turned if it is upside down with a higher probability than this, 0.9 by default.
        label_list: Names of the classes; images of a class with "180" in its name are upside down.
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
        ConfigError: The folder names a transform or post-process that does not exist here, or the number of classes is
            not that of `label_list`.
    """

    def __init__(
        self,
        args: Any = None,
        *,
        cls_model_dir: str | Path | None = None,
        model: str | None = None,
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
        given = locals()
        options = read_options(ClassifierOptions, args, {name: given[name] for name in option_names(ClassifierOptions)})
        import_plugins(options.plugins, Path.cwd())
        self.options = options
        self.folder = InferenceFolder.open(options.cls_model_dir, task=TASK, backend=options.backend)
        operators, section = _resolve(self.folder, options)
        network = open_backend(self.folder, options)
        pipeline = build_operators(operators)
        expected = self.folder.description.input_shape if self.folder.description else None
        blank = blank_tensor(pipeline, expected, "cls_image_shape")
        shape = probe(network, blank, self.folder, task=TASK, expected=("1", "classes"))
        postprocess = build_postprocess(_named(section, shape[1]), task=TASK)
        # Names and classes that do not go together are found here, and not with the first picture.
        postprocess({self.output: network.run({network.input_names[0]: blank})[0]})
        super().__init__(network, pipeline, postprocess, options.cls_batch_num, options.cls_thresh)

    def __call__(self, images: Sequence[Image]) -> tuple[list[Image], list[tuple[str, float]], float]:
        """Return the images, turned where they were upside down, ``[(label, score), ...]``, and the seconds it took.

        Args:
            images: uint8 ``[H, W, 3]`` in BGR order (grey and BGRA are accepted), one text line each.
        """
        started = time.perf_counter()
        turned, directions = self.upright(images)
        return turned, [(found.label, found.score) for found in directions], time.perf_counter() - started


def _resolve(folder: InferenceFolder, options: ClassifierOptions) -> tuple[Sequence[Operator], dict[str, Any]]:
    """Combine a folder with explicit arguments, which win; differences are logged."""
    require_task(folder, TASK)
    operators: Sequence[Operator] = ({"ClsResizeImg": {"image_shape": WITHOUT_DESCRIPTION_SHAPE}},)
    section: Mapping[str, Any] = {"name": "ClsPostProcess"}
    if folder.description is not None:
        operators, section = folder.description.operators, folder.description.postprocess
    elif options.cls_image_shape is None:
        LOGGER.info("%s has no inference.yml (it was exported by PaddleOCR 2): pictures are brought to %s. Set "
                    "cls_image_shape if the model was trained with another.", folder.path, WITHOUT_DESCRIPTION_SHAPE)
    if options.cls_image_shape is not None:
        shape = parse_sizes(options.cls_image_shape, 3, name="cls_image_shape",
                            expected='channels, height and width: "3,48,192"')
        operators = replace_in_operators(operators, "image_shape", shape, "cls_image_shape", task=TASK)
    return operators, replace_in_postprocess(section, {"label_list": ("label_list", options.label_list)}, task=TASK)


def _named(section: dict[str, Any], classes: int) -> dict[str, Any]:
    """Return a ``PostProcess`` section with names for the classes, if there are two and none are known."""
    if section["name"] != "ClsPostProcess" or section.get("label_list") or classes != len(LABELS):
        return section
    LOGGER.info("The folder does not name the classes: they are taken for %s; label_list sets others.",
                " and ".join(LABELS))
    return {**section, "label_list": LABELS}
