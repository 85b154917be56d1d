"""Small data sets on disk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ppocr.charset import Charset
from ppocr.cv import cv2
from ppocr.data import DataLoader, build_dataloader

T = TypeVar("T")

CONTEXT: dict[str, Any] = {"charset": Charset(tuple("0123456789abc")), "max_text_length": 6}


def picture(number: int, size: tuple[int, int] = (20, 40)) -> npt.NDArray[np.uint8]:
    """Return an image [H, W, 3] whose mean value is about `number`."""
    image = np.full((*size, 3), number % 256, np.uint8)
    image[:, : size[1] // 2] += 1
    return image


def encode(image: npt.NDArray[Any], suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def write_set(folder: Path, labels: Sequence[str], name: str = "train.txt", prefix: str = "") -> Path:
    """Write an image per label, of brightness 0, 2, 4 …, and the label file; return the label file."""
    (folder / "img").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, label in enumerate(labels):
        path = f"img/{prefix}{number}.png"
        (folder / path).write_bytes(encode(picture(2 * number)))
        lines.append(f"{path}\t{label}\n")
    file = folder / name
    file.write_text("".join(lines), encoding="utf-8")
    return file


def transforms(*augmentation: Any, keep: Sequence[str] = ("image", "label", "length", "valid_ratio")) -> list[Any]:
    return [{"DecodeImage": None}, *augmentation, {"CTCLabelEncode": None},
            {"RecResizeImg": {"image_shape": [3, 8, 16]}}, {"KeepKeys": {"keep_keys": list(keep)}}]


def section(file: Path | Sequence[Path], loader: dict[str, Any] | None = None, **dataset: Any) -> dict[str, Any]:
    files = [file] if isinstance(file, Path) else list(file)
    return {
        "dataset": {"name": "SimpleDataSet", "data_dir": str(files[0].parent),
                    "label_file_list": [str(path) for path in files], "transforms": transforms(), **dataset},
        "loader": {"batch_size_per_card": 4, "num_workers": 0, **(loader or {})},
    }


def make_loader(split_section: dict[str, Any], split: Any = "Train", seed: int = 7, **arguments: Any) -> DataLoader:
    return build_dataloader(split_section, split=split, seed=seed, transform_context=CONTEXT, **arguments)


def flat(lists: Iterable[Iterable[T]]) -> list[T]:
    return list(itertools.chain.from_iterable(lists))


def lines_of(loader: DataLoader) -> list[list[int]]:
    """Return the line numbers of the good samples, batch by batch."""
    return [[info.line for info in batch["info"]] for batch in loader]
