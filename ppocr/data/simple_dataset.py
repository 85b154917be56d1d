"""Datasets of image files and label files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ppocr.data.dataset import SampleDataset
from ppocr.data.label_file import LabelFile, Line
from ppocr.data.randomness import SUBSET, generator
from ppocr.data.sample import Failure, Index, SampleInfo
from ppocr.errors import ConfigError, DatasetError, SampleError
from ppocr.registry import DATASETS


@DATASETS.register("SimpleDataSet", "TextRecDataset", "TextDetDataset", "TextClsDataset")
class SimpleDataSet(SampleDataset):
    """Images named by the lines ``path<tab>label`` of label files.

    A path may be a JSON list of paths, of which one is drawn in every epoch. Lines that cannot be read count as bad
    samples. Two further columns, if present, are the width and height of the image.

    For detection the label is ``[{"transcription": "text", "points": [[x, y], …]}, …]`` (JSON), or there is a column
    ``x1,y1,x2,y2,x3,y3,x4,y4,text`` per text region. Which of the two is found out per file.

    Args:
        label_file_list: A label file, or several; relative to the working folder.
        data_dir: Folder that the paths in the label files are relative to, or a list of one folder per label file;
            absolute paths are used as they are.
        transforms: List of ``{Name: arguments}``.
        ratio_list: Per label file (or one number for all) the share of its lines that an epoch uses. Below 1 a fresh
            subset is drawn for every epoch, above 1 lines are repeated.
        delimiter: What stands between the columns.
        ext_op_transform_idx: See `SampleDataset`.
        seed: See there.
        transform_context: See there.
        task: ``Architecture.model_type``; ``"det"`` reads the labels as text regions.

    Raises:
        ConfigError: Wrong ratios, delimiter or transforms.
        DatasetError: A label file is missing, has no usable line or mixes formats, or `data_dir` does not exist.
    """

    def __init__(
        self,
        label_file_list: str | list[str],
        data_dir: str | list[str] | None = None,
        transforms: Any = None,
        ratio_list: float | list[float] = 1.0,
        delimiter: str = "\t",
        ext_op_transform_idx: int | None = None,
        seed: int = 0,
        transform_context: Mapping[str, Any] | None = None,
        task: str | None = None,
    ) -> None:
        super().__init__(transforms, seed, transform_context, ext_op_transform_idx)
        names = [label_file_list] if isinstance(label_file_list, str) else list(label_file_list)
        if not names:
            raise ConfigError("dataset.label_file_list is empty", expected="at least one label file",
                              cure="name the label files")
        folders = _check_folders(data_dir, len(names))
        self.ratios = _check_ratios(ratio_list, len(names))
        delimiter = self._check_delimiter(delimiter)
        self.files = [LabelFile(name, delimiter, detection=task == "det", folder=folder)
                      for name, folder in zip(names, folders, strict=True)]
        self.notes += [note for file in self.files for note in file.notes]
        self._firsts = np.cumsum([0] + [len(file) for file in self.files])
        self._shares = [_share(len(file), ratio) for file, ratio in zip(self.files, self.ratios, strict=True)]
        self._lines_of_epoch: tuple[int, npt.NDArray[np.int64]] | None = None

    def _check_delimiter(self, delimiter: str) -> str:
        if not delimiter:
            raise ConfigError("dataset.delimiter is empty", expected="a tab, or another text between the columns",
                              cure="remove the key for a tab")
        if delimiter == "\\t":
            note = "dataset.delimiter is written as backslash and t, which is read as a tab"
            self.notes += [note] if note not in self.notes else []
            return "\t"
        return delimiter

    def __len__(self) -> int:
        return sum(self._shares)

    @property
    def num_distinct(self) -> int:
        """Number of lines of the files that take part."""
        return sum(len(file) for file, share in zip(self.files, self._shares, strict=True) if share)

    def composition(self) -> list[str]:
        """Return how many lines of each label file an epoch uses, in words."""
        return [f"{file.path}: {share} lines in an epoch, of {len(file)}{_manner(ratio)}"
                for file, ratio, share in zip(self.files, self.ratios, self._shares, strict=True)]

    def prepare(self, epoch: int) -> None:
        """Draw the lines of an epoch."""
        if any(ratio != 1 for ratio in self.ratios) and (
            self._lines_of_epoch is None or self._lines_of_epoch[0] != epoch
        ):
            parts = [self._draw(file, epoch) for file in range(len(self.files))]
            self._lines_of_epoch = epoch, np.concatenate(parts)

    def _draw(self, file: int, epoch: int) -> npt.NDArray[np.int64]:
        """Return which lines (counted over all files) of a file take part in an epoch."""
        lines, share = len(self.files[file]), self._shares[file]
        whole, rest = divmod(share, lines)
        subset = np.sort(generator(self.seed, epoch, file, SUBSET).permutation(lines)[:rest])
        return np.concatenate([np.tile(np.arange(lines), whole), subset]) + self._firsts[file]

    def locate(self, index: Index) -> tuple[LabelFile, int]:
        """Return the label file and the position in it that an index stands for."""
        self.prepare(index.epoch)
        line = index.position if self._lines_of_epoch is None else int(self._lines_of_epoch[1][index.position])
        file = int(np.searchsorted(self._firsts, line, side="right")) - 1
        return self.files[file], line - int(self._firsts[file])

    def parse(self, file: LabelFile, position: int) -> Line:
        """Return the columns of a line; a subclass may demand more of them.

        Raises:
            SampleError: ``"malformed line"``.
        """
        return file.parse(position)

    def describe(self, index: Index, rng: np.random.Generator) -> SampleInfo | Failure:
        """Return the path and label of a line, or why it has none."""
        file, position = self.locate(index)
        number = file.number(position)
        try:
            line = self.parse(file, position)
        except SampleError as error:
            return Failure(SampleInfo(file.path, number, "", ""), error.kind, error.reason)
        path = line.paths[0] if len(line.paths) == 1 else line.paths[int(rng.integers(len(line.paths)))]
        return SampleInfo(file.path, number, os.path.join(file.folder, path), line.label)

    def read_image(self, info: SampleInfo) -> bytes:
        """Return the content of the image file.

        Raises:
            SampleError: ``"missing image"`` or ``"unreadable image"``.
        """
        try:
            with open(info.path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            hint = ": addresses are not downloaded" if "://" in info.path else ""
            raise SampleError("missing image", f"there is no file {info.path}{hint}") from None
        except (OSError, ValueError) as error:
            raise SampleError("unreadable image", f"{info.path}: {getattr(error, 'strerror', None) or error}") from None


def _check_ratios(ratio_list: float | list[float], files: int) -> list[float]:
    ratios = list(ratio_list) if isinstance(ratio_list, (list, tuple)) else [ratio_list] * files
    if len(ratios) != files:
        raise ConfigError(f"dataset.ratio_list has {len(ratios)} numbers for {files} label files",
                          expected="one number per label file, or one for all", cure="correct ratio_list")
    if min(ratios) < 0 or max(ratios) == 0:
        raise ConfigError(f"dataset.ratio_list is {ratio_list}", expected="0 or more, and not only zeros",
                          cure="correct ratio_list")
    return ratios


def _check_folders(data_dir: str | list[str] | None, files: int) -> list[str]:
    """Return the folder of each label file, empty for none."""
    folders = list(data_dir) if isinstance(data_dir, (list, tuple)) else [data_dir or ""] * files
    if len(folders) != files:
        raise ConfigError(f"dataset.data_dir names {len(folders)} folders for {files} label files",
                          expected="one folder per label file, or one for all", cure="correct data_dir")
    for folder in folders:
        if folder and not os.path.isdir(folder):
            raise DatasetError(f"dataset.data_dir {folder} is not a folder", expected="an existing folder",
                               cure="correct the path (relative paths start at the working folder)")
    return folders


def _manner(ratio: float) -> str:
    """Tell in words what a ratio does."""
    if ratio in (0, 1):
        return ""
    drawn = ", drawn anew for each" if ratio % 1 else ""
    return f" (ratio {ratio:g}{', repeated' if ratio > 1 else ''}{drawn})"


def _share(lines: int, ratio: float) -> int:
    """Return how many lines of a file an epoch uses: at least one, unless the ratio is 0."""
    return max(round(lines * ratio), 1) if ratio else 0
