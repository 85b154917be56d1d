"""Build every configuration of a folder and take one training step: ``python tools/check_configs.py configs``.

The data, the dictionaries that are not there and the weights are replaced by rendered stand-ins, so that the
configurations themselves are what is tried. Prints one line for each and the counts; the exit code is 1 when one
fails in another way than by naming what is missing or wrong.
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

if not __package__:  # Run as a script: make the checkout importable, as PEP 366 describes.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "tools"

import math

from ppocr.commands import run_command
from ppocr.config import Config, load_config
from ppocr.data.synth.dataset import SynthSettings, write_dataset
from ppocr.data.synth.page_dataset import PageSettings, write_pages
from ppocr.engine.builder import build_training
from ppocr.engine.device import select_device
from ppocr.engine.seeding import seed_everything
from ppocr.errors import ConfigError, PPOCRError
from ppocr.sections import Section

from .program import train_step

BATCH = 2
BASE_FOLDER = "_base_"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, help="configuration files, or folders that are searched")
    arguments = parser.parse_args(argv)
    files = sorted(file for path in arguments.paths for file in find_configurations(path))
    if not files:
        raise ConfigError(f"no configuration in {', '.join(map(str, arguments.paths))}", expected="*.yml or *.yaml",
                          cure="name a folder that holds configurations")
    logging.getLogger("ppocr").setLevel(logging.ERROR)
    counts = {"trains": 0, "refused": 0, "FAILED": 0}
    with tempfile.TemporaryDirectory() as folder:
        stand_ins = StandIns(Path(folder))
        for file in files:
            outcome, detail = check(file, stand_ins)
            counts[outcome] += 1
            print(f"{outcome:8} {file}: {detail}", flush=True)
            gc.collect()
    print(f"{len(files)} configurations: {counts['trains']} build and take a training step, {counts['refused']} are "
          f"refused by an error that names the cause, {counts['FAILED']} fail")
    return 1 if counts["FAILED"] else 0


def check(file: Path, stand_ins: StandIns) -> tuple[str, str]:
    """Return the outcome, ``"trains"``, ``"refused"`` or ``"FAILED"``, and one line about it."""
    try:
        config = load_config(file, environ={})
        stand_ins.put_into(config)
        seed_everything(config["Global"]["seed"])
        run = build_training(config, select_device(False))
        run.model.train()
        run.train_loader.set_epoch(0)
        batch = next(iter(run.train_loader))
        losses, _ = train_step(run, batch, group=1, update=True)
        value = float(losses["loss"])
        return ("trains" if math.isfinite(value) else "FAILED"), f"loss {value:.3f}"
    except PPOCRError as error:
        return "refused", error.what
    except Exception as error:  # noqa: BLE001 - what a user would see as a traceback is what is looked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return "FAILED", f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


class StandIns:
    """Rendered words as label files and as LMDB, pages, and dictionaries for those that are not there.

    Args:
        folder: Where they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
