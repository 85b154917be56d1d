"""Export: model, preprocessing, decoding, charset and provenance, frozen in one folder."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import paddle

from ppocr import __version__
from ppocr.charset import Charset
from ppocr.errors import ExportError
from ppocr.export.description import ModelIdentity, Provenance, describe
from ppocr.export.program import INPUT, input_shape, output_shape, save_program
from ppocr.infer.folder import DESCRIPTION_FILE, STEMS
from ppocr.infer.operators import Operator
from ppocr.modeling.common.reparam import reparameterize

LOGGER = logging.getLogger("ppocr")


def export_model(
    model: Any,
    out_dir: str | Path,
    *,
    input_spec: Sequence[int],
    identity: ModelIdentity,
    transforms: Sequence[Operator],
    postprocess: Mapping[str, Any],
    charset: Charset | None,
    provenance: Provenance | None,
    with_pir: bool = True,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Write a model as a folder that predictors read; return the folder.

    The folder is written under another name and takes its place only when it is complete and `check` has passed; an
    earlier export in that place stays until then.

    Args:
        model: The trained model; ends in evaluation mode, otherwise unchanged.
        out_dir: The folder. What it may already hold is an earlier export.
        input_spec: Channels, height and width of the images that evaluation makes. The sides that the model takes in
            other sizes as well become variable.
        identity: What the model is called.
        transforms: From a picture to the network, every argument written out (see ppocr.export.description).
        postprocess: ``name`` and all arguments of the decoder.
        charset: The characters, for recognizers.
        provenance: Where the weights come from.
        with_pir: Write ``inference.json``; otherwise ``inference.pdmodel``, which cannot hold recurrent layers.
        check: Called with the complete folder before it takes its place; raises if it is not good.

    Raises:
        ExportError: No weights were loaded, Paddle cannot translate the model, or the place is taken.
    """
    if provenance is None or not provenance.sha256:
        raise ExportError("no weights were loaded: the exported model would be random", expected="trained weights",
                          cure="set Global.pretrained_model or Global.checkpoints, such as "
                               "-o Global.pretrained_model=output/best_accuracy")
    target = Path(out_dir)
    _check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        model = reparameterize(model)
        shape = input_shape(model, input_spec)
        parameters = save_program(model, draft, shape, with_pir=with_pir)
        text = describe(
            identity, input_shape=shape, output_shape=output_shape(model, shape, input_spec[-1]),
            operators=transforms, postprocess=postprocess, charset=charset, parameters=parameters,
            provenance=_provenance(provenance), names=(INPUT, model.output_name),
        )
        (draft / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
        if check is not None:
            check(draft)
        _take_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    LOGGER.info("Exported to %s: %s", target, ", ".join(sorted(entry.name for entry in target.iterdir())))
    return target


def _provenance(provenance: Provenance) -> dict[str, Any]:
    return {
        "checkpoint": provenance.checkpoint,
        "sha256": provenance.sha256,
        "metrics": dict(provenance.metrics),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"ppocr-toolkit": __version__, "paddle": paddle.__version__, "python": platform.python_version()},
    }


def _check_target(target: Path) -> None:
    """Refuse a place whose content is more than an earlier export, because all of it would be replaced."""
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target} is a file", expected="a folder, or nothing yet",
                          cure="set Global.save_inference_dir to another place")
    strangers = [entry.name for entry in target.iterdir() if entry.name.split(".")[0] not in STEMS] \
        if target.is_dir() else []
    if strangers:
        raise ExportError(f"{target} holds other files than an export: {', '.join(sorted(strangers)[:5])}",
                          expected="an empty folder, an earlier export, or nothing yet",
                          cure="set Global.save_inference_dir to a folder of its own")


def _take_place(draft: Path, target: Path) -> None:
    """Rename the finished folder; an earlier one is moved aside first and comes back if that fails."""
    os.chmod(draft, 0o755)
    if not target.exists():
        os.rename(draft, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    os.rename(target, aside / target.name)
    try:
        os.rename(draft, target)
    except OSError:
        os.rename(aside / target.name, target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
