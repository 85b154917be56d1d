"""From images to texts: preprocessing, network and decoding, the same for exported and for training models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.data.transforms.decode import decode_image
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import ImageError, InferenceError, SampleError
from ppocr.infer.backend import Backend, FloatArray
from ppocr.results import TextLine

Image = npt.NDArray[Any]
PostProcess = Callable[[Mapping[str, npt.NDArray[Any]]], list[TextLine]]

OUTPUT = "probs"
"""Under this name the network's first output is decoded."""

WINDOW = 16
"""So many batches are preprocessed at a time, which bounds the memory for long lists."""


class LineReader:
    """Reads text lines. It holds no state between calls and may be called from several threads at once.

    Every image is brought to the network as evaluation does it, alone. A batch holds only images that come out
    equally wide, so that a text does not depend on what else is in the list.

    Args:
        backend: Runs the network; its first input takes images, its first output is decoded.
        operators: The transforms, from ``image`` (BGR uint8) to ``image`` (float32 ``[C, H, W]``).
        postprocess: From ``{"probs": array}`` to lines.
        batch_size: Most images in a batch, at least 1.
    """

    def __init__(self, backend: Backend, operators: Pipeline, postprocess: Any, batch_size: int = 6) -> None:
        if batch_size < 1:
            raise InferenceError(f"the batch size is {batch_size}", expected="1 or more", cure="correct rec_batch_num")
        self.backend = backend
        self.operators = operators
        self.postprocess: PostProcess = postprocess
        self.batch_size = batch_size
        self._input = backend.input_names[0]

    def recognize(self, images: Sequence[Image]) -> list[TextLine]:
        """Return the text of each image, in order.

        Args:
            images: uint8 (or uint16) ``[H, W]``, ``[H, W, 3]`` (BGR) or ``[H, W, 4]`` (BGRA, laid on white).

        Raises:
            ImageError: An image is empty or of another form, its position is named; or there is no list.
            InferenceError: The network fails.
        """
        _require_list(images)
        lines: list[TextLine] = []
        step = self.batch_size * WINDOW
        for start in range(0, len(images), step):
            tensors = [self._prepared(image, start + position)
                       for position, image in enumerate(images[start:start + step])]
            lines += self._read(tensors)
        return lines

    def preprocess(self, image: Image) -> FloatArray:
        """Return what the network sees of one image, float32 ``[C, H, W]``.

        Raises:
            ImageError: The image cannot be used.
        """
        try:
            sample = self.operators({"image": decode_image(image)})
        except SampleError as error:
            raise ImageError(f"the image cannot be used: {error}", expected="a picture of a text line",
                             cure="leave it out") from None
        return np.asarray(sample["image"], np.float32)

    def probabilities(self, tensors: Sequence[FloatArray]) -> npt.NDArray[Any]:
        """Return the network's output for preprocessed images of one shape, batch first.

        Raises:
            InferenceError: The network fails, or gives no output.
        """
        outputs = self.backend.run({self._input: np.stack(tensors)})
        if not outputs:
            raise InferenceError("the network has no output", expected="one output, probabilities",
                                 cure="export the model again")
        return outputs[0]

    def _prepared(self, image: Image, position: int) -> FloatArray:
        if not isinstance(image, (np.ndarray, bytes)):
            raise ImageError(f"image {position} of the list is {type(image).__name__}",
                             expected="a uint8 array [H, W, 3], BGR",
                             cure="read the picture first; cv2.imread returns None where it cannot")
        try:
            return self.preprocess(image)
        except ImageError as error:
            raise ImageError(f"image {position} of the list: {error.what}", expected=error.expected,
                             cure=error.cure) from None

    def _read(self, tensors: Sequence[FloatArray]) -> list[TextLine]:
        groups: dict[tuple[int, ...], list[int]] = {}
        for position, tensor in enumerate(tensors):
            groups.setdefault(tensor.shape, []).append(position)
        lines: dict[int, TextLine] = {}
        for positions in groups.values():
            for start in range(0, len(positions), self.batch_size):
                batch = positions[start:start + self.batch_size]
                outputs = {OUTPUT: self.probabilities([tensors[position] for position in batch])}
                lines.update(zip(batch, self.postprocess(outputs), strict=True))
        return [lines[position] for position in range(len(tensors))]


def _require_list(images: Any) -> None:
    """Refuse a single image, whose rows would be read as so many images."""
    if isinstance(images, np.ndarray) and images.ndim < 4:
        raise ImageError(f"one image of shape {list(images.shape)} in place of a list", expected="a list of images",
                         cure="put the image into a list: [image]")
