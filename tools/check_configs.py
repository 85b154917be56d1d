"""Build every configuration of a folder and take one training step: ``python tools/check_configs.py configs``.

The data, the dictionaries that are not there and the weights are replaced by rendered stand-ins, so that the
configurations themselves are what is tried. With --export each model is then exported into a temporary folder, and the
export is compared with it. Prints one line for each and the counts; the exit code is 1 when one fails in another way
than by naming what is missing or wrong.
"""

from __future__ import annotations

import argparse
import gc
import logging
import string
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

import math
import shutil

import paddle

from ppocr.commands import run_command
from ppocr.config import Config, load_config
from ppocr.data.synth.dataset import SynthSettings, write_dataset
from ppocr.data.synth.page_dataset import PageSettings, write_pages
from ppocr.data.transforms.decode import decode_image
from ppocr.engine.builder import build_model_parts, build_training
from ppocr.engine.device import select_device
from ppocr.engine.seeding import seed_everything
from ppocr.errors import ConfigError, PPOCRError
from ppocr.export import export_from_config
from ppocr.export.from_config import evaluation_operators
from ppocr.export.tasks import TASKS
from ppocr.infer.operators import build_operators
from ppocr.sections import Section
from ppocr.weights import write_weights

from .program import train_step

BATCH = 2
BASE_FOLDER = "_base_"
TOLERANCE = 1e-3
"""Largest difference of a probability; a deep network that has hardly been trained magnifies rounding to over 1e-4."""

PIECE = 320
"""Side in pixels of the piece of a page on which batch norms settle."""

CROPS = {"EastRandomCropData", "RandomCrop"}
"""Transforms that bring the pictures of detectors to one size."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, help="configuration files, or folders that are searched")
    parser.add_argument("--export", action="store_true", help="also export each model and compare the export with it")
    parser.add_argument("--crop", type=int, metavar="PIXELS",
                        help="side of the crops on which detectors train; that of the configuration by default")
    arguments = parser.parse_args(argv)
    files = sorted(file for path in arguments.paths for file in find_configurations(path))
    if not files:
        raise ConfigError(f"no configuration in {', '.join(map(str, arguments.paths))}", expected="*.yml or *.yaml",
                          cure="name a folder that holds configurations")
    logging.getLogger("ppocr").setLevel(logging.ERROR)
    good = "exports" if arguments.export else "trains"
    counts = {good: 0, "refused": 0, "FAILED": 0}
    with tempfile.TemporaryDirectory() as folder:
        stand_ins = StandIns(Path(folder), crop=arguments.crop)
        for file in files:
            outcome, detail = check(file, stand_ins, export=arguments.export)
            counts[outcome] += 1
            print(f"{outcome:8} {file}: {detail}", flush=True)
            gc.collect()
    done = "take a training step and export with equal results" if arguments.export else "take a training step"
    print(f"{len(files)} configurations: {counts[good]} build{',' if arguments.export else ' and'} {done}, "
          f"{counts['refused']} are refused by an error that names the cause, {counts['FAILED']} fail")
    return 1 if counts["FAILED"] else 0


def check(file: Path, stand_ins: StandIns, *, export: bool = False) -> tuple[str, str]:
    """Return the outcome, ``"trains"``, ``"exports"``, ``"refused"`` or ``"FAILED"``, and one line about it.

    Args:
        file: The configuration.
        stand_ins: What replaces its data.
        export: Also export the model after the training step.
    """
    try:
        config = load_config(file, environ={})
        stand_ins.put_into(config)
        seed_everything(config["Global"]["seed"])
        value = _train(config, stand_ins.weights, settle=export)
    except PPOCRError as error:
        return "refused", error.what
    except Exception as error:  # noqa: BLE001 - what a user would see as a traceback is what is looked for
        return "FAILED", _told(error)
    detail = f"loss {value:.3f}"
    if not math.isfinite(value):
        return "FAILED", detail
    if not export:
        return "trains", detail
    config["Global"]["pretrained_model"] = str(stand_ins.weights)
    gc.collect()
    try:
        folder = export_from_config(config, out_dir=stand_ins.folder / "inference" / file.stem, tolerance=TOLERANCE)
        shutil.rmtree(folder)
    except Exception as error:  # noqa: BLE001 - a model that trains must export
        return "FAILED", f"{detail}, but no export: {_told(error)}"
    return "exports", detail


def _train(config: Config, weights: Path, *, settle: bool) -> float:
    """Build the run, take one training step and return the loss; with `settle` also write the weights, settled."""
    run = build_training(config, select_device(False))
    run.model.train()
    run.train_loader.set_epoch(0)
    losses, _ = train_step(run, next(iter(run.train_loader)), group=1, update=True)
    if settle:
        settle_norms(run.network, _compared_images(config))
        write_weights(weights, run.network.state_dict())
    return float(losses["loss"])


def settle_norms(network: Any, images: Any) -> None:
    """Let batch norms take the statistics of some images as they are.

    A network that has hardly been trained otherwise makes values of several hundreds in evaluation, whose rounding
    alone is more than what an export may differ by.

    Args:
        network: The network; ends in evaluation mode.
        images: float32 ``[N, C, H, W]``.
    """
    network.eval()
    for layer in network.sublayers():
        if isinstance(layer, (paddle.nn.BatchNorm1D, paddle.nn.BatchNorm2D)):
            layer.train()
            layer._momentum = 0.0
    with paddle.no_grad():
        network(images)
    network.eval()


def _compared_images(config: Config) -> Any:
    """Return images such as those on which an export is compared: lines, or a piece of a page."""
    task = str(config["Architecture"]["model_type"])
    parts = build_model_parts(config)
    operators = build_operators(evaluation_operators(config, parts, task), **parts.transform_context)
    pictures = TASKS[task].pictures()
    images = [operators({"image": decode_image(picture)})["image"][:, :PIECE, :PIECE]
              for picture in (pictures[:1] if task == "det" else pictures)]
    return paddle.to_tensor([image for image in images if image.shape == images[0].shape])


def _told(error: Exception) -> str:
    if isinstance(error, PPOCRError):
        return error.what
    frame = traceback.extract_tb(error.__traceback__)[-1]
    last = (str(error).strip().splitlines() or [""])[-1].strip()
    return f"{type(error).__name__}: {last} ({Path(frame.filename).name}:{frame.lineno})"


class StandIns:
    """Rendered words as label files and as LMDB, pages, and dictionaries for those that are not there.

    Args:
        folder: Where they are written.
        crop: Side of the crops on which detectors train; None leaves what the configuration says.
    """

    def __init__(self, folder: Path, *, crop: int | None = None) -> None:
        self.folder, self.crop = folder, crop
        self.weights = folder / "trained.pdparams"
        charset = folder / "digits.txt"
        charset.write_text("\n".join(string.digits) + "\n", encoding="utf-8")
        write_dataset(folder / "words", 4 * BATCH, SynthSettings(seed=1, charset_file=str(charset), corpus="random"),
                      test_count=BATCH)
        write_pages(folder / "pages", 2 * BATCH, PageSettings(seed=1, width=320, height=240), test_count=BATCH)
        words = folder / "words" / "train.txt"
        self.labels = {"rec": words, "cls": self._with_directions(words), "det": folder / "pages" / "train.txt"}
        self.sized_labels = self._with_sizes(words)
        self.lmdb = self._write_lmdb()
        self.dictionary = folder / "dictionary.txt"
        # Digits for the labels, and enough further characters to be of a common size.
        self.dictionary.write_text("\n".join([*string.digits, *(chr(0x4E00 + i) for i in range(200))]) + "\n",
                                   encoding="utf-8")

    def put_into(self, config: Config) -> None:
        """Let a configuration train on the stand-ins, in batches of two, on this machine."""
        options = config["Global"]
        options.update(save_model_dir=str(self.folder / "output"), pretrained_model=None, checkpoints=None,
                       use_gpu=False, use_amp=False, use_visualdl=False)
        task = str(config["Architecture"].get("model_type"))
        dictionary = options["character_dict_path"]
        if dictionary and not Path(dictionary).is_file():
            options["character_dict_path"] = str(self.dictionary)
        for name in ("Train", "Eval"):
            split = config.get(name) or Section()
            dataset, loader = split.get("dataset"), split.get("loader")
            if not isinstance(dataset, Section) or not isinstance(loader, Section):
                continue
            self._replace_data(dataset, task)
            loader.update(batch_size_per_card=BATCH, num_workers=0)
            if isinstance(split.get("sampler"), Section):
                split["sampler"]["first_bs"] = BATCH

    def _replace_data(self, dataset: Section, task: str) -> None:
        files = dataset.get("label_file_list")
        labels = self.labels.get(task, self.labels["rec"])
        dataset["data_dir"] = str(labels.parent)
        if dataset.get("name") == "LMDBDataSet":
            dataset["data_dir"] = str(self.lmdb)
        elif files is not None:
            count = len(files) if isinstance(files, list) else 1
            dataset["label_file_list"] = [str(self.sized_labels if dataset.get("ds_width") else labels)] * count
        for step in dataset.get("transforms") or ():
            for name in CROPS & set(step):
                if self.crop is not None:
                    step[name] = Section({**(step[name] or {}), "size": [self.crop, self.crop]})

    def _with_sizes(self, words: Path) -> Path:
        lines = words.read_text(encoding="utf-8").splitlines()
        path = words.with_name("train_sized.txt")
        path.write_text("".join(f"{line}\t120\t32\n" for line in lines), encoding="utf-8")
        return path

    def _with_directions(self, words: Path) -> Path:
        lines = words.read_text(encoding="utf-8").splitlines()
        path = words.with_name("train_directions.txt")
        path.write_text("".join(f"{line.split(chr(9))[0]}\t{180 * (number % 2)}\n"
                                for number, line in enumerate(lines)), encoding="utf-8")
        return path

    def _write_lmdb(self) -> Path:
        import lmdb

        path = self.folder / "lmdb"
        words = self.labels["rec"]
        lines = words.read_text(encoding="utf-8").splitlines()
        with lmdb.open(str(path), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
            for number, line in enumerate(lines, start=1):
                image, text = line.split("\t")
                transaction.put(f"image-{number:09d}".encode(), (words.parent / image).read_bytes())
                transaction.put(f"label-{number:09d}".encode(), text.encode())
            transaction.put(b"num-samples", str(len(lines)).encode())
        return path


def find_configurations(path: Path) -> list[Path]:
    """Return the file, or the configurations of a folder without those that are only inherited from."""
    if path.is_file():
        return [path]
    return [file for suffix in ("*.yml", "*.yaml") for file in path.rglob(suffix) if BASE_FOLDER not in file.parts]


if __name__ == "__main__":
    sys.exit(run_command(main))
