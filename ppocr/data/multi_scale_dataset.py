"""A dataset whose image size is chosen by the sampler, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.data.label_file import LabelFile, Line
from ppocr.data.sample import Index, Sample
from ppocr.data.simple_dataset import SimpleDataSet
from ppocr.data.transforms.arrays import KeepKeys
from ppocr.data.transforms.resize import resize_for_recognition
from ppocr.errors import ConfigError, SampleError
from ppocr.registry import DATASETS


@DATASETS.register("MultiScaleDataSet", "MSTextRecDataset")
class MultiScaleDataSet(SimpleDataSet):
    """`SimpleDataSet` that resizes and normalises to the size in the index, before the last ``KeepKeys``.

    The transforms therefore contain no resize. Needs a sampler that gives sizes, such as `MultiScaleSampler`.

    Args:
        label_file_list: See `SimpleDataSet`, as the others.
        data_dir: See there.
        transforms: See there.
        ratio_list: See there.
        delimiter: See there.
        ext_op_transform_idx: See there.
        ds_width: The label files tell width and height of each image in two further columns, and the sampler puts
            lines of similar aspect ratio into one batch.
        seed: See there.
        transform_context: See there.

    Raises:
        ConfigError: See there.
        DatasetError: See there.
    """

    needs_size = True

    def __init__(
        self,
        label_file_list: str | list[str],
        data_dir: str | list[str] | None = None,
        transforms: Any = None,
        ratio_list: float | list[float] = 1.0,
        delimiter: str = "\t",
        ext_op_transform_idx: int | None = None,
        ds_width: bool = False,
        seed: int = 0,
        transform_context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(label_file_list, data_dir, transforms, ratio_list, delimiter, ext_op_transform_idx, seed,
                         transform_context)
        self.ds_width = ds_width
        steps = self.pipeline.transforms
        self._resize_at = len(steps) - 1 if steps and isinstance(steps[-1], KeepKeys) else len(steps)
        self._ratios_of_lines = self._read_ratios() if ds_width else None

    def parse(self, file: LabelFile, position: int) -> Line:
        """Return the columns of a line.

        Raises:
            SampleError: ``"malformed line"``, also when width and height are wanted and missing.
        """
        line = file.parse(position)
        if self.ds_width and line.size is None:
            raise SampleError("malformed line", "ds_width needs four columns: path, text, width, height")
        return line

    def _read_ratios(self) -> npt.NDArray[np.float64]:
        """Return width / height of every line, 1 where it is unknown."""
        ratios = np.ones(int(self._firsts[-1]))
        known = 0
        for file, first in zip(self.files, self._firsts, strict=False):
            for position in range(len(file)):
                try:
                    width, height = self.parse(file, position).size or (1.0, 1.0)
                except SampleError:
                    continue  # It is counted when its turn comes.
                ratios[first + position] = width / height
                known += 1
        if not known:
            raise ConfigError("dataset.ds_width is set, but no line of the label files tells width and height",
                              expected="four columns: path, text, width, height",
                              cure="add the columns, or set ds_width: false")
        return ratios

    def aspect_ratios(self, epoch: int) -> npt.NDArray[np.float64] | None:
        """Return width / height of every sample of an epoch, ``[len(self)]``; None without `ds_width`."""
        if self._ratios_of_lines is None:
            return None
        self.prepare(epoch)
        return self._ratios_of_lines if self._lines_of_epoch is None else self._ratios_of_lines[self._lines_of_epoch[1]]

    def transform(self, sample: Sample, index: Index) -> Sample:
        """Run the transforms, and the resize before the last one.

        Raises:
            ConfigError: The image is already resized and normalised, or the index tells no size.
        """
        draw_extra = self._extra_drawer(index)
        sample = self.pipeline(sample, draw_extra, stop=self._resize_at)
        image = sample["image"]
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ConfigError("MultiScaleDataSet resizes and normalises the image itself, but its transforms give "
                              + (f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray)
                                 else "an image that is not decoded"),
                              expected="transforms that give uint8 [H, W, 3]",
                              cure="put DecodeImage first and remove RecResizeImg, or use SimpleDataSet")
        if index.size is None:
            raise ConfigError("MultiScaleDataSet was given no image size", expected="a sampler that chooses sizes",
                              cure="add sampler: {name: MultiScaleSampler, scales: [[320, 48]]}")
        width, height = index.size
        sample["image"], sample["valid_ratio"] = resize_for_recognition(image, (3, height, width))
        return self.pipeline(sample, draw_extra, start=self._resize_at)
