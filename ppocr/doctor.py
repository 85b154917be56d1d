"""``ppocr doctor``: what this machine and this environment offer, and the cure for what is missing.

Every package is imported in a process of its own, because a broken binary package may end the process that tries.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ppocr import __version__

State = Literal["ok", "note", "problem"]

SUPPORTED_PYTHON = ((3, 10), (3, 12))
SHARED_MEMORY = Path("/dev/shm")
ENOUGH_SHARED_MEMORY = 1 << 30
"""Bytes. Loader workers hand batches over in shared memory: 64 detection images of 3x640x640 float32 are 0.3 GB."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        name: What was looked at.
        value: What was found.
        state: ``"problem"`` stops training, ``"note"`` is worth knowing.
        cure: What to do about it; empty when nothing is to be done.
    """

    name: str
    value: str
    state: State = "ok"
    cure: str = ""


@dataclass(frozen=True)
class Package:
    """A package to look for.

    Args:
        distributions: The names under which it may be installed, the usual one first.
        module: The name under which it is imported.
        purpose: What cannot be done without it; empty for packages that nothing works without.
        probe: Code that imports it the way the toolkit does, if that is not ``import <module>``.
    """

    distributions: tuple[str, ...]
    module: str
    purpose: str = ""
    probe: str = ""


# imgaug 0.4.0 needs help beside a current NumPy.
IMGAUG_PROBE = f"""
import sys
sys.path.append({str(Path(__file__).resolve().parents[1])!r})
from ppocr.compat import import_imgaug
import_imgaug()
"""

PACKAGES = (
    Package(("numpy",), "numpy"),
    Package(("opencv-python", "opencv-python-headless", "opencv-contrib-python"), "cv2"),
    Package(("PyYAML",), "yaml"),
    Package(("shapely",), "shapely"),
    Package(("pyclipper",), "pyclipper"),
    Package(("rapidfuzz",), "rapidfuzz"),
    Package(("pillow",), "PIL"),
    Package(("imgaug",), "imgaug", "the transform IaaAugment", IMGAUG_PROBE),
    Package(("lmdb",), "lmdb", "LMDBDataSet"),
    Package(("matplotlib",), "matplotlib", "fonts for rendered words"),
    Package(("onnxruntime", "onnxruntime-gpu"), "onnxruntime", "ONNX models"),
    Package(("tqdm",), "tqdm", "the progress bar of trainings"),
    Package(("visualdl",), "visualdl", "Global.use_visualdl"),
)

SUMMARY = "Tell what this machine and this environment offer, and the cure for what is missing."

PADDLE_PROBE = """
import json, paddle
print("\\n" + json.dumps({"version": paddle.__version__, "cuda": paddle.is_compiled_with_cuda(),
                          "gpus": paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0}))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; return 1 if something stops training, else 0."""
    parser = argparse.ArgumentParser(prog="ppocr doctor", description=SUMMARY)
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of lines")
    options = parser.parse_args(arguments)
    findings = examine()
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print(report(findings))
    return int(any(finding.state == "problem" for finding in findings))


def examine() -> list[Finding]:
    """Look at interpreter, hardware and packages."""
    return [
        Finding("ppocr-toolkit", f"{__version__} ({Path(__file__).parent})"),
        check_python(sys.version_info[:2]),
        Finding("platform", platform.platform()),
        check_processors(os.environ),
        check_shared_memory(SHARED_MEMORY),
        check_paddle(),
        *(check_package(package) for package in PACKAGES),
    ]


def report(findings: Sequence[Finding]) -> str:
    """Return the findings as aligned lines, each cure on a line below its finding, and a closing sentence."""
    marks = {"ok": " ", "note": "-", "problem": "!"}
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.state]} {finding.name:<{width}}  {finding.value}")
        if finding.cure:
            lines.append(f"  {'':<{width}}  to do: {finding.cure}")
    problems = [finding.name for finding in findings if finding.state == "problem"]
    lines.append("")
    lines.append(f"Problems with: {', '.join(problems)}" if problems else "Everything that training needs is here.")
    return "\n".join(lines)


def check_python(version: tuple[int, int]) -> Finding:
    """Compare the interpreter with the supported ones."""
    low, high = SUPPORTED_PYTHON
    if low <= version <= high:
        return Finding("python", f"{platform.python_version()} ({sys.executable})")
    return Finding("python", f"{version[0]}.{version[1]} is not supported", "problem",
                   f"use Python {low[0]}.{low[1]} to {high[0]}.{high[1]}")


def check_processors(environ: Mapping[str, str]) -> Finding:
    """Count the processors that this process may use, and tell the thread setting on which exact repeats depend."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = environ.get("OMP_NUM_THREADS")
    setting = f"OMP_NUM_THREADS={threads}" if threads else "OMP_NUM_THREADS not set"
    return Finding("processors", f"{usable} usable of {os.cpu_count()}, {setting}")


def check_shared_memory(path: Path) -> Finding:
    """Measure the shared memory through which loader workers hand over their batches."""
    if not path.is_dir():
        return Finding("shared memory", f"{path} does not exist on this system")
    free = shutil.disk_usage(path).free
    value = f"{free / 2**30:.1f} GB free in {path}"
    if free >= ENOUGH_SHARED_MEMORY:
        return Finding("shared memory", value)
    return Finding("shared memory", value, "note",
                   "large batches with several workers may die of a bus error: start the container with --shm-size=8g, "
                   "or set Train.loader.use_shared_memory: false")


def check_paddle() -> Finding:
    """Import PaddlePaddle and ask for its GPUs."""
    output, error = run_python(PADDLE_PROBE)
    if error:
        return Finding("paddle", f"cannot be imported: {error}", "problem", _paddle_cure(error))
    facts = json.loads(output.splitlines()[-1])
    build = f"{facts['version']}, {'GPU' if facts['cuda'] else 'CPU'} build"
    if facts["cuda"] and not facts["gpus"]:
        return Finding("paddle", f"{build}, no GPU visible", "note", "check nvidia-smi and CUDA_VISIBLE_DEVICES")
    if not facts["cuda"] and shutil.which("nvidia-smi"):
        return Finding("paddle", f"{build}, although this machine has an NVIDIA driver", "note",
                       "install paddlepaddle-gpu instead of paddlepaddle to train on the GPU")
    return Finding("paddle", f"{build}, {facts['gpus']} GPU" if facts["cuda"] else build)


def check_package(package: Package) -> Finding:
    """Import one package and tell its version."""
    name = package.distributions[0]
    installed = [entry for entry in map(_installed, package.distributions) if entry]
    if not installed:
        state: State = "note" if package.purpose else "problem"
        needed = f", needed for {package.purpose}" if package.purpose else ""
        return Finding(name, f"not installed{needed}", state, f"pip install {name}" if state == "problem" else "")
    _, error = run_python(package.probe or f"import {package.module}")
    if error:
        return Finding(name, f"{', '.join(installed)}, but the import fails: {error}",
                       "note" if package.purpose else "problem", _package_cure(name, error))
    if len(installed) > 1:
        return Finding(name, ", ".join(installed), "note", "these overwrite each other's files: keep one of them")
    return Finding(name, installed[0] if installed[0].split()[0] != name else installed[0].split()[1])


def run_python(code: str, timeout: float = 120.0) -> tuple[str, str]:
    """Run `code` in a new interpreter.

    Args:
        code: Python source.
        timeout: Seconds after which it is given up.

    Returns:
        Its output, and the last line of its error or an empty string when it ended well.
    """
    try:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return "", f"no answer within {timeout:.0f} s"
    if done.returncode == 0:
        return done.stdout, ""
    lines = done.stderr.strip().splitlines()
    if done.returncode < 0:
        return "", f"the process was ended by signal {-done.returncode}"
    return "", lines[-1] if lines else f"exit status {done.returncode}"


def _installed(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return ""


def _paddle_cure(error: str) -> str:
    if "signal" in error:
        return "the processor may lack AVX, which PaddlePaddle's wheels need; see the paddlepaddle installation page"
    return "pip install 'ppocr-toolkit[cpu]', or paddlepaddle-gpu from PaddlePaddle's own index"


def _package_cure(name: str, error: str) -> str:
    if any(library in error for library in ("libGL", "libgthread", "libglib", "libxcb")):
        return "apt-get install -y libgl1 libglib2.0-0, or use opencv-python-headless in place of opencv-python"
    return f"pip install --force-reinstall {name}"
