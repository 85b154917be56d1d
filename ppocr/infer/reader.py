"""From images to results: preprocessing, network and post-processing, the same for exported and for training models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ppocr.data.transforms.decode import decode_image
from ppocr.data.transforms.pipeline import Pipeline
from ppocr.errors import ImageError, InferenceError, SampleError
from ppocr.infer.backend import Backend, FloatArray
from ppocr.results import Detection, Direction, TextLine

Image = npt.NDArray[Any]
Result = TypeVar("Result")
PostProcess = Callable[[Mapping[str, npt.NDArray[Any]]], list[Result]]


@dataclass(frozen=True)
class Prepared:
    """An image as the network sees it.

    Attributes:
        tensor: float32 ``[C, H, W]``.
        extras: What the post-process needs to know of it besides the network's output.
    """

    tensor: FloatArray
    extras: Mapping[str, npt.NDArray[Any]]


class Reader(Generic[Result]):
    """Runs images through a network in batches; the base of what is done with text lines and with whole pictures.

    It holds no state between calls and may be called from several threads at once. Every image is brought to the
    network as evaluation does it, alone. A batch holds only images that come out equally large, so that a result does
    not depend on what else is in the list.

    Args:
        backend: Runs the network; its first input takes images, its first output is interpreted.
        operators: The transforms, from ``image`` (BGR uint8) to ``image`` (float32 ``[C, H, W]``), and to whatever
            else the post-process names in its attribute ``needs``.
        postprocess: From a mapping with the output under its name, and with what it needs, to a result for each image.
        batch_size: Most images in a batch, at least 1.
    """

    output: ClassVar[str] = "probs"
    """Under this name the network's first output is interpreted."""

    window: ClassVar[int] = 16
    """So many batches are preprocessed at a time, which bounds the memory for long lists."""

    subject: ClassVar[str] = "a picture of a text line"
    batch_argument: ClassVar[str] = "rec_batch_num"

    def __init__(self, backend: Backend, operators: Pipeline, postprocess: Any, batch_size: int) -> None:
        if batch_size < 1:
            raise InferenceError(f"the batch size is {batch_size}", expected="1 or more",
                                 cure=f"correct {self.batch_argument}")
        self.backend = backend
        self.operators = operators
        self.postprocess: PostProcess[Result] = postprocess
        self.batch_size = batch_size
        self._input = backend.input_names[0]
        self._needs: tuple[str, ...] = tuple(getattr(postprocess, "needs", ()))

    def prepare(self, image: Image | bytes, **hints: Any) -> Prepared:
        """Return what network and post-process see of one image.

        Args:
            image: See `read`.
            hints: Further keys for the transforms.

        Raises:
            ImageError: The image cannot be used.
        """
        try:
            sample = self.operators({"image": decode_image(image), **hints})
        except SampleError as error:
            raise ImageError(f"the image cannot be used: {error}", expected=self.subject, cure="leave it out") from None
        missing = [key for key in self._needs if key not in sample]
        if missing:
            raise InferenceError(f"the model's transforms give no {', '.join(missing)}, which its post-process needs",
                                 expected="transforms and post-process of one task",
                                 cure="export the model again with the transforms of its evaluation")
        return Prepared(np.asarray(sample["image"], np.float32), {key: np.asarray(sample[key]) for key in self._needs})

    def preprocess(self, image: Image | bytes) -> FloatArray:
        """Return what the network sees of one image, float32 ``[C, H, W]``.

        Raises:
            ImageError: The image cannot be used.
        """
        return self.prepare(image).tensor

    def run(self, tensors: Sequence[FloatArray]) -> npt.NDArray[Any]:
        """Return the network's output for preprocessed images of one shape, batch first.

        Raises:
            InferenceError: The network fails, or gives no output.
        """
        outputs = self.backend.run({self._input: np.stack(tensors)})
        if not outputs:
            raise InferenceError("the network has no output", expected=f"one output, {self.output}",
                                 cure="export the model again")
        return outputs[0]

    def read(self, images: Sequence[Image | bytes]) -> list[Result]:
        """Return the result of each image, in order.

        Args:
            images: uint8 (or uint16) ``[H, W]``, ``[H, W, 3]`` (BGR) or ``[H, W, 4]`` (BGRA, laid on white), or the
                content of a picture file.

        Raises:
            ImageError: An image is empty or of another form, its position is named; or there is no list.
            InferenceError: The network fails.
        """
        _require_list(images)
        results: list[Result] = []
        step = self.batch_size * self.window
        for start in range(0, len(images), step):
            results += self._read([self._prepared(image, f"image {start + position} of the list")
                                   for position, image in enumerate(images[start:start + step])])
        return results

    def _prepared(self, image: Any, which: str, **hints: Any) -> Prepared:
        with _naming(image, which):
            return self.prepare(image, **hints)

    def _read(self, prepared: Sequence[Prepared]) -> list[Result]:
        groups: dict[tuple[int, ...], list[int]] = {}
        for position, image in enumerate(prepared):
            groups.setdefault(image.tensor.shape, []).append(position)
        results: dict[int, Result] = {}
        for positions in groups.values():
            for start in range(0, len(positions), self.batch_size):
                batch = positions[start:start + self.batch_size]
                outputs = {self.output: self.run([prepared[position].tensor for position in batch])}
                for key in self._needs:
                    outputs[key] = np.stack([prepared[position].extras[key] for position in batch])
                results.update(zip(batch, self.postprocess(outputs), strict=True))
        return [results[position] for position in range(len(prepared))]


class LineReader(Reader[TextLine]):
    """Reads text lines. Safe to be called from several threads at once.

    A batch holds only images that come out equally wide, so that a text does not depend on what else is in the list.
    With `shared_width` it holds the images whose aspect ratios are next to each other, all filled up to the width of
    its widest, as the predictors of published models do: a text can then be another one beside another neighbour.

    Args:
        backend: Runs the network; its first input takes images, its first output is decoded.
        operators: The transforms, from ``image`` (BGR uint8) to ``image`` (float32 ``[C, H, W]``).
        postprocess: From ``{"probs": array}`` to lines.
        batch_size: Most images in a batch, at least 1.
        shared_width: Fill the images of a batch up to the width of its widest.
    """

    def __init__(
        self, backend: Backend, operators: Pipeline, postprocess: Any, batch_size: int = 6, shared_width: bool = False
    ) -> None:
        super().__init__(backend, operators, postprocess, batch_size)
        self.shared_width = shared_width

    def recognize(self, images: Sequence[Image | bytes]) -> list[TextLine]:
        """Return the text of each image, in order; see `read`."""
        return self._read_by_ratio(images) if self.shared_width else self.read(images)

    def _read_by_ratio(self, images: Sequence[Image | bytes]) -> list[TextLine]:
        _require_list(images)
        ratios = np.array([self._ratio(image, f"image {position} of the list")
                           for position, image in enumerate(images)])
        order = np.argsort(ratios)
        lines: dict[int, TextLine] = {}
        for start in range(0, len(order), self.batch_size):
            batch = order[start:start + self.batch_size].tolist()
            prepared = [self._prepared(images[position], f"image {position} of the list",
                                       widest_ratio=float(ratios[batch].max())) for position in batch]
            lines.update(zip(batch, self._read(prepared), strict=True))
        return [lines[position] for position in range(len(images))]

    def _ratio(self, image: Any, which: str) -> float:
        """Return width over height."""
        with _naming(image, which):
            height, width = decode_image(image).shape[:2]
        return width / height


class DirectionReader(Reader[Direction]):
    """Tells which way round text lines are. Safe to be called from several threads at once.

    Args:
        backend: Runs the network; its first input takes images, its first output is a probability for each class.
        operators: The transforms, from ``image`` (BGR uint8) to ``image`` (float32 ``[C, H, W]``).
        postprocess: From ``{"probs": array}`` to directions.
        batch_size: Most images in a batch, at least 1.
        threshold: An image is turned if it is upside down with a higher probability than this.
    """

    batch_argument = "cls_batch_num"

    def __init__(
        self, backend: Backend, operators: Pipeline, postprocess: Any, batch_size: int = 6, threshold: float = 0.9
    ) -> None:
        super().__init__(backend, operators, postprocess, batch_size)
        self.threshold = threshold

    def classify(self, images: Sequence[Image | bytes]) -> list[Direction]:
        """Return the direction of each image, in order; see `read`."""
        return self.read(images)

    def upright(self, images: Sequence[Image]) -> tuple[list[Image], list[Direction]]:
        """Return the images, those that are upside down turned by 180 degrees, and the direction that each had.

        Args:
            images: See `read`; arrays only. Images that are not turned are returned as they are.
        """
        directions = self.classify(images)
        return [self._turned(image, direction) for image, direction in zip(images, directions, strict=True)], directions

    def _turned(self, image: Image, direction: Direction) -> Image:
        # Published classifiers name the class "180" or "180_degree".
        is_turned = "180" in direction.label and direction.score > self.threshold
        return np.ascontiguousarray(image[::-1, ::-1]) if is_turned else image


class RegionReader(Reader[Detection]):
    """Finds text in pictures. Safe to be called from several threads at once.

    Args:
        backend: Runs the network; its first input takes images, its first output are probability maps.
        operators: The transforms, from ``image`` (BGR uint8) to ``image`` (float32 ``[C, H, W]``) and ``shape``.
        postprocess: From ``{"maps": float32 [N, 1, H, W], "shape": float32 [N, 4]}`` to regions.
        batch_size: Most images in a batch, at least 1.
    """

    output = "maps"
    window = 4
    subject = "a picture with text"
    batch_argument = "max_batch_size"

    def __init__(self, backend: Backend, operators: Pipeline, postprocess: Any, batch_size: int = 1) -> None:
        super().__init__(backend, operators, postprocess, batch_size)

    def detect(self, image: Image | bytes) -> Detection:
        """Return the text regions of one picture, in pixels of that picture.

        Args:
            image: uint8 (or uint16) ``[H, W]``, ``[H, W, 3]`` (BGR) or ``[H, W, 4]`` (BGRA, laid on white), or the
                content of a picture file.

        Raises:
            ImageError: The image is empty or of another form.
            InferenceError: The network fails.
        """
        return self._read([self._prepared(image, "the image")])[0]

    def detect_many(self, images: Sequence[Image | bytes]) -> list[Detection]:
        """Return the text regions of each picture; those that come out equally large share batches. See `read`."""
        return self.read(images)


@contextmanager
def _naming(image: Any, which: str) -> Iterator[None]:
    """Refuse what is no image, and name the image in errors about it."""
    if not isinstance(image, (np.ndarray, bytes)):
        raise ImageError(f"{which} is {type(image).__name__}", expected="a uint8 array [H, W, 3], BGR",
                         cure="read the picture first; cv2.imread returns None where it cannot")
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{which}: {error.what}", expected=error.expected, cure=error.cure) from None


def _require_list(images: Any) -> None:
    """Refuse a single image, whose rows would be read as so many images."""
    if isinstance(images, (bytes, str)) or (isinstance(images, np.ndarray) and images.ndim < 4):
        what = f"of shape {list(images.shape)}" if isinstance(images, np.ndarray) else f"({type(images).__name__})"
        raise ImageError(f"one image {what} in place of a list", expected="a list of images",
                         cure="put the image into a list: [image]")
