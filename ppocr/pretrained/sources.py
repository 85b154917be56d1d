"""What ``Global.pretrained_model`` may name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ppocr import hub
from ppocr.charset import Charset
from ppocr.errors import CheckpointError, HubError
from ppocr.infer.folder import DESCRIPTION_FILE, ONNXRUNTIME, STEMS, InferenceFolder
from ppocr.model_files import ONNX_SUFFIX
from ppocr.pretrained.exported import structured_weights
from ppocr.weights import SUFFIX, Weights, read_weights

ONNX_FILES = tuple(stem + ONNX_SUFFIX for stem in STEMS)


@dataclass(frozen=True)
class Pretrained:
    """Weights to start from.

    Attributes:
        weights: The arrays by structured name.
        charset: The characters of the model, where its folder tells them; None for a weights file.
        folder: The exported model; None for a weights file.
    """

    weights: Weights
    charset: Charset | None = None
    folder: InferenceFolder | None = None


def read_pretrained(source: str | Path) -> Pretrained:
    """Read a weights file, the weights of an exported folder, or those of a published model.

    Args:
        source: A ``.pdparams`` file, with or without suffix; a folder with an exported model; or the name of a
            published model (see ``ppocr models``). What lies on the disk comes first.

    Raises:
        CheckpointError: There is nothing of the kind, or it cannot be read.
        InferenceError: The exported model is damaged.
        HubError: The published model cannot be had.
    """
    folder = exported_folder(source)
    if folder is None:
        return Pretrained(read_weights(source))
    if folder.backend == ONNXRUNTIME:
        raise CheckpointError(
            f"{folder.path} holds an ONNX model, whose weights have no names of a training model",
            expected="a model in Paddle's format, or a checkpoint",
            cure=f"make a checkpoint of it first: ppocr import -c CONFIG --model {source} --output PREFIX",
        )
    charset = folder.description.charset if folder.description else None
    return Pretrained(structured_weights(folder), charset, folder)


def exported_folder(source: str | Path) -> InferenceFolder | None:
    """Return the exported model that `source` names, as a folder or by its published name; None if it is neither.

    Raises:
        HubError: There is no such file or folder, and it is nearly the name of a published model, or that of a system
            of several; or the published model cannot be had.
        InferenceError: The folder of the exported model is damaged.
    """
    path, name = Path(source), str(source)
    if path.is_file() or (path.name and path.with_name(path.name + SUFFIX).is_file()):
        return None
    if path.is_dir():
        is_export = any(path.glob("*.pdiparams")) or any(
            (path / file).is_file() for file in (DESCRIPTION_FILE, *ONNX_FILES))
        return InferenceFolder.open(path) if is_export else None
    if name in (*hub.names(), *hub.systems()):
        return InferenceFolder.open(hub.load(name))
    hint = hub.close_names(name)
    if hint:
        raise HubError(f"there is no file or folder {name} and no published model of that name ({hint})",
                       expected="a file, a folder, or a name that ppocr models lists", cure="correct the name")
    return None
