"""Real signals to a real training process: it ends after the step, and a resumed run equals an uninterrupted one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ppocr.weights import read_weights
from tests.small_run import write_small_run
from tests.source_tree import ROOT

PLUGIN = '''
import os, signal
from ppocr.registry import TRANSFORMS

@TRANSFORMS.register()
class SignalAt:
    """Sends the training process a signal when so many samples were read: SIGNAL_AT="SIGTERM 34 count_file"."""

    def __init__(self) -> None:
        self.training = os.getpid()

    def __call__(self, sample):
        name, at, file = (os.environ.get("SIGNAL_AT") or "- 0 -").split()
        if name != "-":
            counter = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(counter, b".")
            count = os.lseek(counter, 0, os.SEEK_CUR)  # Of this write, whatever other workers have written since.
            os.close(counter)
            if count == int(at):
                os.kill(self.training, getattr(signal, name))
        return sample
'''
"""A worker that sends the signal stands for whatever does so from outside, at a moment that does not depend on the
machine's load."""

OPTIONS = ["Global.epoch_num=3", "Global.seed=5", "Train.loader.batch_size_per_card=4", "Global.plugins=[plugin.py]",
           "Train.dataset.transforms=[{DecodeImage: {img_mode: BGR}}, {RecAug: {}}, {CTCLabelEncode: {}}, "
           "{SignalAt: {}}, {RecResizeImg: {image_shape: [3, 32, 64]}}, "
           "{KeepKeys: {keep_keys: [image, label, length]}}]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    write_small_run(folder, count=24, test_count=4)
    (folder / "plugin.py").write_text(PLUGIN)
    return folder


def train(folder: Path, output: str, *options: str, signal: str = "") -> subprocess.CompletedProcess[str]:
    """Run tools/train.py and return how it ended; `signal` is the signal's name and the sample at which it is sent."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1",
                   "SIGNAL_AT": f"{signal} {folder / output}.count" if signal else ""}
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "train.py"), "-c", str(folder / "small.yml"), "-o",
         f"Global.save_model_dir={folder / output}", *OPTIONS, *options],
        env=environment, capture_output=True, text=True, timeout=600, check=False)


def summary(folder: Path, output: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / output / "summary.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, np.ndarray]:
    done = train(folder, "whole")
    assert done.returncode == 0, done.stderr
    assert summary(folder, "whole")["status"] == "completed"
    return read_weights(folder / "whole" / "latest.pdparams")


@pytest.mark.parametrize(("name", "code", "workers", "sample"), [("SIGTERM", 143, 2, 34), ("SIGINT", 130, 0, 14)])
def test_it_is_saved_and_goes_on(folder: Path, whole: dict[str, np.ndarray], name: str, code: int, workers: int,
                                 sample: int) -> None:
    option = f"Train.loader.num_workers={workers}"
    stopped = train(folder, name, option, signal=f"{name} {sample}")
    assert stopped.returncode == code, stopped.stderr
    assert f"{name} received: the run ends after this step, with a checkpoint" in stopped.stdout
    assert "Traceback" not in stopped.stderr
    told = summary(folder, name)
    assert (told["status"], told["reason"], told["exit_code"]) == ("interrupted", name, code)
    assert 0 < int(str(told["step"])) < 18
    assert int(str(told["batch"])) > 0
    assert told["checkpoint"] == str(folder / name / "latest")
    resumed = train(folder, name, option, "Global.checkpoints=latest")
    assert resumed.returncode == 0, resumed.stderr
    assert f"Resumed from {folder / name / 'latest'}: epoch {told['epoch']}, batch {told['batch']}" in resumed.stdout
    assert summary(folder, name)["status"] == "completed"
    found = read_weights(folder / name / "latest.pdparams")
    for key, value in whole.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_an_interrupted_filling_leaves_no_cache(folder: Path) -> None:
    stopped = train(folder, "cache", "Global.cache_features=true", "Global.freeze=backbone", signal="SIGTERM 9")
    assert stopped.returncode == 143, stopped.stderr
    assert "Feature cache: computing" in stopped.stdout
    assert "filled in" not in stopped.stdout
    assert not (folder / "cache" / "feature_cache").exists()
    told = summary(folder, "cache")
    assert (told["status"], told["step"]) == ("interrupted", 0)
