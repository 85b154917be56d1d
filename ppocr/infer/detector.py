"""The text detector: an exported folder, ready to find text in pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ppocr.errors import InferenceError
from ppocr.geometry import Polygon
from ppocr.infer.backend import Backend
from ppocr.infer.detector_settings import TASK, resolve_detector
from ppocr.infer.folder import InferenceFolder
from ppocr.infer.opening import open_backend, probe
from ppocr.infer.operators import build_operators
from ppocr.infer.options import DetectorOptions, option_names, read_options
from ppocr.infer.reader import Image, RegionReader
from ppocr.plugins import import_plugins
from ppocr.postprocess import build_postprocess

PROBE_SIDE = 64
"""Height and width of the picture on which a network that takes any size is tried when it is opened."""


class TextDetector(RegionReader):
    """Finds text in pictures with an exported model.

    Everything that is needed is taken from the folder's ``inference.yml``; arguments that are given win over it, and
    the difference is logged. Folders of PaddleOCR 2, which have none, are used with that predictor's defaults: the
    longer side limited to 960 pixels, ImageNet's mean and deviation, thresh 0.3, box_thresh 0.6, unclip_ratio 1.5.
    Safe to be called from several threads at once.

    Args:
        args: The folder or name, or the arguments below as a mapping or namespace (values that are None are not set).
        det_model_dir: Folder of the exported model, or name of a published one (`ppocr.hub`).
        model: Name of a published model, or of a system, of which the part is taken.
        det_limit_side_len: Limit for a side of the picture in pixels; see `det_limit_type`.
        det_limit_type: ``"max"`` shrinks pictures whose longer side is above the limit, ``"min"`` enlarges those whose
            shorter side is below it, ``"resize_long"`` brings the longer side to it.
        det_image_shape: Height and width that every picture is brought to, ``[736, 1280]`` or ``"736,1280"``; multiples
            of 32.
        det_db_thresh: Probability above which a pixel is text.
        det_db_box_thresh: Mean probability that a region must have.
        det_db_unclip_ratio: How far regions are widened.
        det_box_type: ``"quad"`` or ``"poly"``.
        use_dilation: Thicken the text pixels, which joins what is close.
        det_db_score_mode: ``"fast"`` or ``"slow"``: mean probability in the region's box or within its outline.
        det_whole_pixels: Cut fractions of pixels off as the predictors of published models do, for boxes equal to
            theirs; see `DBPostProcess`.
        max_batch_size: Most pictures of one size in a batch of `detect_many`, 4 by default.
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
        ConfigError: The folder names a transform or post-process that does not exist here.
    """

    def __init__(
        self,
        args: Any = None,
        *,
        det_model_dir: str | Path | None = None,
        model: str | None = None,
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
        backend: str | None = None,
        use_gpu: bool | None = None,
        gpu_id: int | None = None,
        gpu_mem: int | None = None,
        cpu_threads: int | None = None,
        enable_mkldnn: bool | None = None,
        plugins: Sequence[str] | None = None,
    ) -> None:
        given = locals()
        options = read_options(DetectorOptions, args, {name: given[name] for name in option_names(DetectorOptions)})
        import_plugins(options.plugins, Path.cwd())
        self.options = options
        self.folder = InferenceFolder.open(options.det_model_dir, task=TASK, backend=options.backend)
        settings = resolve_detector(self.folder, options)
        network = open_backend(self.folder, options)
        _probe(network, self.folder)
        super().__init__(network, build_operators(settings.operators),
                         build_postprocess(settings.postprocess, task=TASK), options.max_batch_size)
        self.gives_polygons = settings.postprocess.get("box_type") == "poly"

    def __call__(self, image: Image | bytes) -> tuple[npt.NDArray[np.float32] | list[Polygon], float]:
        """Return the text regions of a picture and the seconds that it took; see `detect`.

        Args:
            image: uint8 ``[H, W, 3]`` in BGR order (grey and BGRA are accepted).

        Returns:
            float32 ``[N, 4, 2]``, or with box type ``"poly"`` a list of float32 ``[K, 2]``.
        """
        started = time.perf_counter()
        found = self.detect(image)
        regions = list(found.polygons) if self.gives_polygons else found.boxes
        return regions, time.perf_counter() - started


def _probe(network: Backend, folder: InferenceFolder) -> None:
    """Try a network on a small picture, and refuse it if it gives no map of it."""
    stated = folder.description.input_shape if folder.description else None
    shape = stated if stated is not None and len(stated) == 4 else (-1, 3, -1, -1)
    channels, height, width = (side if side > 0 else PROBE_SIDE for side in shape[1:])
    picture = np.zeros((1, channels if shape[1] > 0 else 3, height, width), np.float32)
    output = probe(network, picture, folder, task=TASK, expected=("1", "1", "H", "W"))
    if tuple(output[2:]) != (height, width):
        raise InferenceError(f"{folder.path}: the network makes a map of {output[2]} x {output[3]} of a picture of "
                             f"{height} x {width}", expected="a map of the same size", cure="export the model again")
